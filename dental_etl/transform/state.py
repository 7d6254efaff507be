"""What a build leaves for later ones: how it was asked for, and the state of the last green one."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from dental_etl.config import Settings
from dental_etl.exceptions import TransformError
from dental_etl.store import open_store
from dental_etl.transform import artifacts
from dental_etl.transform.selection import Step

_CONTEXT = "context.json"
#: What later builds compare with.
_STATE = ("manifest.json", "sources.json", _CONTEXT)
_UNFINISHED = frozenset({"error", "fail", "skipped", "runtime error"})
_PROJECT_FILES = frozenset({".sql", ".yml", ".csv"})
_NOT_PROJECT = frozenset({"target", "logs", "dbt_packages"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContext:
    """How one build was asked for; stands beside its results."""

    run_id: str
    as_of_date: date
    #: Fingerprint of the project's files.
    project: str
    step: Step
    #: Steps that were to follow.
    rest: tuple[Step, ...] = ()
    is_whole: bool = False
    #: Whether its time was up: its results then lack the nodes that had no turn.
    was_stopped: bool = False


def write_context(target: Path, context: BuildContext) -> None:
    target.mkdir(parents=True, exist_ok=True)
    document = {
        "run_id": context.run_id,
        "as_of_date": context.as_of_date.isoformat(),
        "project": context.project,
        "steps": [[step.name, *step.arguments] for step in (context.step, *context.rest)],
        "is_whole": context.is_whole,
        "was_stopped": context.was_stopped,
    }
    _replace(target / _CONTEXT, json.dumps(document, indent=2))


def unfinished_build(settings: Settings, run_id: str | None) -> BuildContext:
    """Return the newest build with nodes that did not end well, of one run or of any.

    Raises:
        TransformError: There is none, it was stopped before its end, or the project has changed since.
    """
    target = next(_unfinished(settings, run_id), None)
    if target is None:
        of_run = f" of run {run_id}" if run_id else ""
        raise TransformError(f"No build{of_run} has failed nodes to retry.", stage="transform", run_id=run_id)
    context = _read_context(target)
    if context.was_stopped:
        raise TransformError(
            "That build was stopped before its end, and dbt does not know what it left undone. "
            "Build anew: dental-etl dbt build",
            stage="transform",
            run_id=context.run_id,
        )
    if context.project != project_fingerprint(settings.dbt_project_dir):
        raise TransformError(
            "The dbt project has changed since that build. Build anew: dental-etl dbt build",
            stage="transform",
            run_id=context.run_id,
        )
    return context


def last_success(settings: Settings) -> Path:
    """Return the folder with the state of the last green build of the whole project.

    Raises:
        TransformError: There was none yet.
        ArtifactsError: The store cannot be asked.
    """
    store, folder = open_store(settings), _last_success(settings)
    for name in _STATE:
        store.fetch(f"{artifacts.FOLDER}/{folder.name}/{name}")
    if not (folder / "manifest.json").exists():
        raise TransformError(
            "There is no green build of the whole project to compare with. Make one: dental-etl dbt build",
            stage="transform",
        )
    return folder


def mark_success(settings: Settings, context: BuildContext) -> None:
    """Make this build the one that later ones compare with; only after all of its nodes were good."""
    run = artifacts.run_folder(settings, context.run_id)
    pointer = _last_success(settings)
    pointer.mkdir(parents=True, exist_ok=True)
    for source in (
        run / context.step.name / "manifest.json",
        run / "freshness" / "sources.json",
        run / context.step.name / _CONTEXT,
    ):
        if source.exists():
            partial = pointer / f".{source.name}.partial"
            shutil.copyfile(source, partial)
            partial.replace(pointer / source.name)


def project_fingerprint(project: Path) -> str:
    """Return a hash over the names and contents of the project's files."""
    digest = hashlib.sha256()
    for path in sorted(project.rglob("*")):
        inside = path.relative_to(project)
        if path.suffix in _PROJECT_FILES and not _NOT_PROJECT & set(inside.parts):
            digest.update(f"{inside}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _last_success(settings: Settings) -> Path:
    return artifacts.run_folder(settings, artifacts.LAST_SUCCESS)


def _read_context(target: Path) -> BuildContext:
    document: dict[str, Any] = json.loads((target / _CONTEXT).read_text(encoding="utf-8"))
    step, *rest = (Step(name=name, arguments=tuple(more)) for name, *more in document["steps"])
    return BuildContext(
        run_id=document["run_id"],
        as_of_date=date.fromisoformat(document["as_of_date"]),
        project=document["project"],
        step=step,
        rest=tuple(rest),
        is_whole=document["is_whole"],
        was_stopped=document["was_stopped"],
    )


def _unfinished(settings: Settings, run_id: str | None) -> Iterator[Path]:
    """Yield the folders of builds with nodes that did not end well, newest first, brought to this host."""
    store = open_store(settings)
    for results in store.find(f"{artifacts.FOLDER}/{run_id or '*'}/*/run_results.json"):
        context = store.fetch(results.key.replace("run_results.json", _CONTEXT))
        path = store.fetch(results.key)
        if context and path and _is_unfinished(path):
            yield path.parent


def _is_unfinished(results: Path) -> bool:
    document = json.loads(results.read_text(encoding="utf-8"))
    return any(entry["status"] in _UNFINISHED for entry in document["results"])


def _replace(path: Path, text: str) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
