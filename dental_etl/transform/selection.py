"""What dbt builds: everything, one selector, what the code changed, what got rows, what lacks none (pure)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from dental_etl.config.settings import DbtOrchestration

_LAYERS = ("staging_only", "intermediate_only", "marts_only")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One ``dbt build``."""

    #: Folder of its artifacts under the run's.
    name: str
    #: dbt's selection arguments.
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The builds of one transform, in their order."""

    steps: tuple[Step, ...]
    #: Whether they cover the project, so that their success is what later builds compare with.
    is_whole: bool = False
    #: Source tables whose rows are not to be relied on; models above them are held back.
    missing_tables: tuple[str, ...] = ()
    #: Whether the answer of source freshness decides what is built.
    needs_freshness: bool = False
    #: What a person typed, to be asked about before anything is built: dbt takes a misspelt name for nothing to do.
    criteria: tuple[str, ...] = ()


def everything(orchestration: DbtOrchestration = DbtOrchestration.SINGLE) -> Selection:
    """Select the whole project, at once or layer by layer."""
    if orchestration is DbtOrchestration.LAYERED:
        return Selection(steps=tuple(_selected(name) for name in _LAYERS), is_whole=True)
    return Selection(steps=(Step(name="build"),), is_whole=True)


def selector(name: str) -> Selection:
    """Select what one selector of ``selectors.yml`` names."""
    return Selection(steps=(_selected(name),))


def models(criteria: Collection[str]) -> Selection:
    """Select by dbt's own words: a model's name, ``+name``, ``tag:critical``, ``path:models/marts``."""
    chosen = tuple(criteria)
    arguments = ("--select", *chosen, "--indirect-selection", "buildable")
    return Selection(steps=(Step(name="build_selected", arguments=arguments),), criteria=chosen)


def changed_code(state: Path) -> Selection:
    """Select what differs from the project of the last green build, and what stands on it: for deploys."""
    arguments = ("--select", "state:modified+", "--state", str(state))
    return Selection(steps=(Step(name="build_modified", arguments=arguments),))


def new_rows(state: Path) -> Selection:
    """Select what stands on tables that were loaded since the last green build, and what depends on the day."""
    arguments = ("--select", "source_status:fresher+", "tag:date_relative", "--state", str(state))
    return Selection(steps=(Step(name="build_fresher", arguments=arguments),), needs_freshness=True)


def without(tables: Collection[str]) -> Selection:
    """Select every model none of whose source tables is among these."""
    names = tuple(sorted(tables))
    arguments = ("--exclude", *(f"source:opendental.{name}+" for name in names))
    return Selection(steps=(Step(name="build_without", arguments=arguments),), missing_tables=names)


def _selected(name: str) -> Step:
    # Eager selection, the default, would run tests whose other parent is not built.
    return Step(name=f"build_{name}", arguments=("--selector", name, "--indirect-selection", "buildable"))
