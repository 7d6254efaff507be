"""What a load does to a table; pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dental_etl.run import CopyStatus, LoadStatus, RefreshMode

#: Above this share of changed rows a refresh costs less than an upsert and leaves no dead rows.
_REFRESH_SHARE = 0.25
#: Up to this number of changed rows an upsert is quick whatever their share.
_REFRESH_ROWS = 10_000


class Action(StrEnum):
    #: Every row is written again.
    FULL = "full"
    #: Only the rows whose keys are in the outbox.
    CHANGES = "changes"
    #: Raw already holds this generation.
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the decision depends on."""

    copied: CopyStatus
    #: None when the table was never loaded, or raw does not exist.
    loaded: LoadStatus | None
    refresh: RefreshMode
    #: Whether every row of raw must be written again because columns or the key changed.
    needs_full: bool
    #: Whether columns of raw must be altered at all.
    needs_change: bool
    #: Whether single rows can be found by key, and an outbox names them.
    has_changes: bool


def choose_action(facts: Facts) -> Action:
    """Return what makes raw equal to the replica at the least cost."""
    copied, loaded = facts.copied, facts.loaded
    if facts.refresh.is_full or facts.needs_full or loaded is None:
        return Action.FULL
    held = loaded.loaded_generation
    # A replica behind raw was made anew: its generations say nothing about what raw holds.
    if held == 0 or copied.full_generation > held or copied.generation < held:
        return Action.FULL
    if is_restored(copied, loaded):
        return Action.FULL
    if copied.generation == held and not facts.needs_change:
        return Action.NOTHING
    return Action.CHANGES if facts.has_changes else Action.FULL


def is_restored(copied: CopyStatus, loaded: LoadStatus | None) -> bool:
    """Tell whether raw is older than what the outbox still tells, as after a restore from a backup."""
    return loaded is not None and 0 < loaded.loaded_generation < copied.forgotten_generation


def is_refresh_cheaper(changed_rows: int, total_rows: int) -> bool:
    """Tell whether so many rows changed that writing all of them costs less."""
    return changed_rows > max(_REFRESH_ROWS, total_rows * _REFRESH_SHARE)
