"""The folder that a dbt command leaves behind: where it is, what it says, what must not stay in it."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dental_etl.config import Settings
from dental_etl.exceptions import TransformError
from dental_etl.run import NodeResult, NodeStatus
from dental_etl.transform import events

#: The one kind of message that holds counts only.
_COUNTS = re.compile(r"Got \d+ results?, configured to (?:fail|warn) if .{1,20}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOutcome:
    """One entry of ``run_results.json``."""

    result: NodeResult
    #: Whether another attempt may succeed.
    is_transient: bool


def run_folder(settings: Settings, run_id: str) -> Path:
    """Return the folder of a run's dbt artifacts; on this host even when the store is elsewhere."""
    return _root(settings) / run_id


def shared_parse(settings: Settings) -> Path:
    """Return the parsed project that all runs of this host share, so that a night does not parse it again."""
    return _root(settings) / "partial_parse.msgpack"


def _root(settings: Settings) -> Path:
    is_remote = "://" in settings.artifacts_url
    local = "artifacts" if is_remote else settings.artifacts_url
    return (settings.project_root / local).resolve() / "dbt"


def read_manifest(target: Path) -> dict[str, Any]:
    """Return what dbt parsed: every node with its parents, columns and tests.

    Raises:
        TransformError: dbt wrote none.
    """
    path = target / "manifest.json"
    if not path.exists():
        raise TransformError(f"dbt left no manifest in {target}. Run `dbt parse`.", stage="transform")
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest


def keep_parse(target: Path, shared: Path) -> None:
    """Share what dbt parsed anew; dbt reads the shared file but writes beside its other artifacts."""
    parsed = target / "partial_parse.msgpack"
    if not parsed.exists():
        return
    partial = shared.with_name(f".{target.parent.name}.{target.name}.partial")
    shutil.move(parsed, partial)
    partial.replace(shared)


def forget_results(target: Path) -> None:
    """Remove an earlier attempt's results, so that they are not taken for this one's."""
    (target / "run_results.json").unlink(missing_ok=True)


def outcomes(target: Path) -> tuple[NodeOutcome, ...]:
    """Read how every node ended and strip the messages, which quote rows, from the file itself."""
    path = target / "run_results.json"
    if not path.exists():
        return ()
    document = json.loads(path.read_text(encoding="utf-8"))
    found = tuple(_outcome(entry) for entry in document["results"])
    for entry in document["results"]:
        entry["message"] = _harmless(entry)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(document), encoding="utf-8")
    partial.replace(path)
    return found


def _outcome(entry: dict[str, object]) -> NodeOutcome:
    unique_id, message = str(entry["unique_id"]), str(entry.get("message") or "")
    status = events.node_status(str(entry["status"]))
    is_error = status is NodeStatus.ERROR
    return NodeOutcome(
        result=NodeResult(
            unique_id=unique_id,
            resource_type=unique_id.partition(".")[0],
            status=status,
            seconds=float(str(entry.get("execution_time") or 0.0)),
            error_class=events.error_class(message) if is_error else None,
        ),
        is_transient=is_error and events.is_transient(message),
    )


def _harmless(entry: dict[str, object]) -> str | None:
    message = str(entry.get("message") or "")
    if entry["status"] in {"success", "pass"} or _COUNTS.fullmatch(message):
        return message or None
    return events.error_class(message) if message else None
