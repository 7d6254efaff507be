"""The project's metrics as SQL: simple ones are their measure over its model, ratios two of those."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

_FILE = Path(__file__).parents[2] / "dbt_dental_models/models/marts/core/_semantic.yml"


def names() -> tuple[str, ...]:
    return tuple(metric["name"] for metric in _document()["metrics"])


def to_sql(name: str) -> str:
    """Return the query that answers a metric over all days."""
    metric = next(one for one in _document()["metrics"] if one["name"] == name)
    facts = metric["type_params"]
    if metric["type"] == "simple":
        return f"SELECT ({_measure(facts['measure'])})"
    parts = (to_sql(facts[part]) for part in ("numerator", "denominator"))
    return "SELECT ({})::numeric / nullif(({}), 0)".format(*parts)


def _measure(name: str) -> str:
    for model in _document()["semantic_models"]:
        for measure in model["measures"]:
            if measure["name"] == name:
                table = model["model"].removeprefix("ref('").removesuffix("')")
                return f"SELECT {measure['agg']}({measure.get('expr', name)}) FROM marts.{table}"
    raise KeyError(name)


def _document() -> Any:
    return yaml.safe_load(_FILE.read_text(encoding="utf-8"))
