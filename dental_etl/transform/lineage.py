"""What dbt's manifest says about who stands on whom (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


def held_back(manifest: Mapping[str, Any], tables: Collection[str]) -> tuple[str, ...]:
    """Return the unique ids of the models that stand on any of these source tables, sorted."""
    missing = [
        unique_id for unique_id, source in manifest["sources"].items() if source["identifier"] in tables
    ]
    return tuple(sorted(i for i in _below(manifest["child_map"], missing) if i.startswith("model.")))


def _below(children: Mapping[str, list[str]], ids: list[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(ids)
    while waiting:
        new = [child for child in children.get(waiting.pop(), ()) if child not in found]
        found.update(new)
        waiting.extend(new)
    return found
