"""Rules of the dbt project that dbt itself does not hold, read from its files."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parents[2] / "dbt_dental_models"
MODELS = PROJECT / "models"

#: The day that a server means by today.
_TODAY = re.compile(r"\bcurrent_(?:date|timestamp|time)\b|\bnow\s*\(|\blocaltimestamp\b", re.IGNORECASE)
_SOURCE = re.compile(r"source\('opendental', '(\w+)'\)")
_LABELS = re.compile(r"\{\{ labels\((.*?)\) \}\}", re.DOTALL)
_LONGEST = 120


@cache
def _sql() -> dict[str, str]:
    """Text of every model, by its path under models/."""
    return {
        str(path.relative_to(MODELS)): path.read_text(encoding="utf-8")
        for path in sorted(MODELS.rglob("*.sql"))
    }


@cache
def _yaml() -> tuple[dict[str, Any], ...]:
    return tuple(
        yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader) or {}
        for path in sorted(MODELS.rglob("*.yml"))
    )


def _described(layer: str) -> dict[str, dict[str, Any]]:
    """What the YAML files say about the models of a layer, by name."""
    said = {model["name"]: model for document in _yaml() for model in document.get("models", [])}
    names = [Path(path).stem for path in _sql() if path.startswith(layer)]
    return {name: said.get(name, {}) for name in names}


def _asked_labels() -> Iterator[tuple[str, str]]:
    for text in _sql().values():
        for arguments in _LABELS.findall(text):
            (table,) = re.findall(r"^\s*'(\w+)'", arguments)
            yield from ((table, column) for column in re.findall(r"(\w+)=", arguments))


def test_no_model_is_long() -> None:
    assert [path for path, text in _sql().items() if text.count("\n") > _LONGEST] == []


def test_raw_tables_are_read_in_staging_only() -> None:
    assert [p for p, text in _sql().items() if "source(" in text and not p.startswith("staging/")] == []


def test_every_source_table_has_one_view() -> None:
    staged = [name for text in _sql().values() for name in _SOURCE.findall(text)]
    declared = [
        table["name"]
        for document in _yaml()
        for source in document.get("sources", [])
        for table in source["tables"]
    ]
    assert sorted(staged) == sorted(declared)


def test_no_model_asks_the_server_what_day_it_is() -> None:
    code = {path: re.sub(r"--.*|\{#.*?#\}", "", text) for path, text in _sql().items()}
    assert [path for path, text in code.items() if _TODAY.search(text)] == []


def test_every_model_says_what_one_row_is() -> None:
    layers = ("staging", "intermediate", "marts")
    said = {name: model for layer in layers for name, model in _described(layer).items()}
    assert [name for name, model in said.items() if not model.get("description")] == []


def test_every_mart_has_a_contract() -> None:
    marts = _described("marts")
    assert [n for n, m in marts.items() if not m["config"].get("contract", {}).get("enforced")] == []


def test_every_column_of_a_mart_is_described() -> None:
    unsaid = [
        f"{name}.{column['name']}"
        for name, model in _described("marts").items()
        for column in model["columns"]
        if not column.get("description")
    ]
    assert unsaid == []


def test_every_mart_has_a_reader() -> None:
    read = {
        reference
        for document in _yaml()
        for exposure in document.get("exposures", [])
        for reference in re.findall(r"ref\('(\w+)'\)", " ".join(exposure["depends_on"]))
    }
    assert set(_described("marts")) - read == set()


def test_every_code_that_staging_labels_has_a_list() -> None:
    with (PROJECT / "seeds" / "code_labels.csv").open(encoding="utf-8", newline="") as file:
        listed = {(row["table_name"], row["column_name"]) for row in csv.DictReader(file)}
    assert set(_asked_labels()) == listed


def test_no_label_is_kept_for_an_empty_code() -> None:
    """Dbt loads an empty cell as NULL, which no code ever equals."""
    with (PROJECT / "seeds" / "code_labels.csv").open(encoding="utf-8", newline="") as file:
        assert [row for row in csv.DictReader(file) if not row["code"]] == []
