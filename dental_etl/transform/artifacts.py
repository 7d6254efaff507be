"""The folder that a dbt command leaves behind: where it is, what it says, what must not stay in it."""

from __future__ import annotations

import json
import logging
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dental_etl.config import Settings
from dental_etl.exceptions import ArtifactsError, TransformError
from dental_etl.run import NodeResult, NodeStatus
from dental_etl.store import open_store
from dental_etl.transform import events

logger = logging.getLogger(__name__)

#: Of everything that dbt leaves behind, in the store.
FOLDER = "dbt"
#: Beside the runs: what the last green build of the whole project left.
LAST_SUCCESS = "last_success"
_KEPT = frozenset({".json", ".html"})
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
    return settings.artifacts_folder / FOLDER


def publish(settings: Settings, run_id: str, *, is_last_success: bool = False) -> str:
    """Hand a run's artifacts to the store and return where a person finds them.

    What dbt compiled stays on this host: it is in ``run_results.json`` too. A store that is away costs no
    build: the files are then found on this host.

    Args:
        settings: Which store.
        run_id: Whose artifacts.
        is_last_success: Whether later builds are to compare with them; that is told last.
    """
    store, folder = open_store(settings), run_folder(settings, run_id)
    made = [path for path in sorted(folder.glob("*/*")) if path.suffix in _KEPT]
    made += sorted(run_folder(settings, LAST_SUCCESS).glob("*.json")) if is_last_success else []
    try:
        for path in made:
            store.publish(f"{FOLDER}/{path.relative_to(_root(settings)).as_posix()}")
    except ArtifactsError as error:
        logger.error("%s", error, extra={"action": "artifacts_unpublished", "run_id": run_id})  # noqa: TRY400
        return str(folder)
    return store.location(f"{FOLDER}/{run_id}")


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
