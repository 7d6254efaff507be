"""The data dictionary: what dbt's manifest says about every model, as Markdown (pure)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

_Node = Mapping[str, Any]

_HEAD = """\
# Data dictionary

Written by `dental-etl dbt dictionary` from the dbt project; change the project, not this page.
What the labels of codes mean stands in `dbt_dental_models/seeds/code_labels.csv`, what was decided where
definitions are contested in `dbt_dental_models/DECISIONLOG.md`.
"""
_LAYERS = (
    ("marts", "Marts", "For everybody. Each has a contract: names and types change only on purpose."),
    ("intermediate", "Intermediate", "Steps between; they may change without notice."),
    ("staging", "Staging", "One view per raw table: renamed and cast, nothing left out but free text."),
)


def to_markdown(manifest: Mapping[str, Any]) -> str:
    """Return the dictionary of the project that this manifest describes."""
    return "\n".join([_HEAD, *_models(manifest), *_exposures(manifest), *_metrics(manifest)]).rstrip() + "\n"


def _models(manifest: Mapping[str, Any]) -> Iterator[str]:
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    tests = _tests_by_column(manifest)
    readers = _readers_by_model(manifest)
    for layer, title, sentence in _LAYERS:
        yield f"## {title}\n\n{sentence}\n"
        for model in sorted((m for m in models if m["fqn"][1] == layer), key=_position):
            yield from _model(model, tests, readers[model["unique_id"]])


def _position(model: _Node) -> tuple[str, str]:
    return ("/".join(model["fqn"][1:-1]), model["name"])


def _model(model: _Node, tests: Mapping[tuple[str, str], list[str]], readers: list[str]) -> Iterator[str]:
    facts = [f"`{model['schema']}`, {model['config']['materialized']}"]
    facts += [f"group {model['config']['group']}"] if model["config"].get("group") else []
    facts += [f"read by {', '.join(sorted(readers))}"] if readers else []
    yield f"### {model['name']}\n\n{_sentence(model)}\n\n{'; '.join(facts)}.\n"
    if model["columns"]:
        yield "| column | type | meaning | checked |\n|---|---|---|---|"
        for column in model["columns"].values():
            checks = sorted(tests.get((model["unique_id"], column["name"]), []))
            cells = (column["name"], column.get("data_type") or "", _sentence(column), ", ".join(checks))
            yield f"| {' | '.join(cells)} |"
        yield ""


def _tests_by_column(manifest: Mapping[str, Any]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test" and node.get("column_name") and node.get("test_metadata"):
            found[node["attached_node"], node["column_name"]].append(node["test_metadata"]["name"])
    return found


def _readers_by_model(manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for exposure in manifest["exposures"].values():
        for unique_id in exposure["depends_on"]["nodes"]:
            found[unique_id].append(exposure.get("label") or exposure["name"])
    return found


def _exposures(manifest: Mapping[str, Any]) -> Iterator[str]:
    yield "## Who reads them\n\n| reader | what for |\n|---|---|"
    for exposure in sorted(manifest["exposures"].values(), key=lambda one: str(one["name"])):
        yield f"| {exposure.get('label') or exposure['name']} | {_sentence(exposure)} |"
    yield ""


def _metrics(manifest: Mapping[str, Any]) -> Iterator[str]:
    yield "## Metrics\n\n| metric | meaning |\n|---|---|"
    for metric in sorted(manifest["metrics"].values(), key=lambda one: str(one["name"])):
        yield f"| {metric['name']} | {_sentence(metric)} |"
    yield ""


def _sentence(node: _Node) -> str:
    """Return a description on one line that cannot break a table."""
    return " ".join(str(node.get("description") or "").split()).replace("|", "\\|")
