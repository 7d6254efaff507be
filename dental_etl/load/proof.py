"""What a load asks of whoever proves raw equal; the answer comes from above (`reconciliation`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from dental_etl.load.action import is_restored
from dental_etl.load.raw_table import RawTable
from dental_etl.load.replica import Replica
from dental_etl.run import Finding, LoadResult, LoadStatus, Severity


class Reload(StrEnum):
    """What was loaded again because it differed."""

    NOTHING = "nothing"
    #: Ranges of the key.
    WINDOWS = "windows"
    #: Every row.
    WHOLE = "whole"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyWindow:
    """Rows of a whole-number key beyond one value and up to another; None is an open end."""

    after: int | None
    up_to: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A table that has been loaded and not yet committed."""

    #: In the transaction of the load.
    analytics: Connection
    #: The snapshot that was loaded.
    replica: Replica
    raw: RawTable
    result: LoadResult
    #: Before this load; None when there was none.
    before: LoadStatus | None
    now: datetime
    #: Columns, as the source spells them, that were altered in place: old rows of them must be compared.
    altered: frozenset[str] = frozenset()
    #: What has been loaded again since the last look.
    reload: Reload = Reload.NOTHING
    #: The ranges, if those were loaded again.
    windows: tuple[KeyWindow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RawProof:
    """How equal a raw table is to its replica, as far as is known."""

    #: False asks the loader to load rows again: those of `differing`, or all.
    is_equal: bool
    #: When every row was last found equal; None if never.
    proven_at: datetime | None
    #: What was done for it, in words for the report.
    proven_by: str
    #: Last key that a comparison over several nights has done; None at the beginning of a round.
    position: int | None = None
    round_started_at: datetime | None = None
    findings: tuple[Finding, ...] = ()
    #: Ranges that differ; empty where telling them apart is no use.
    differing: tuple[KeyWindow, ...] = ()


Prove = Callable[[Loaded], RawProof]


def remarks(loaded: Loaded) -> tuple[Finding, ...]:
    """Say what a person should know about a load that went well."""
    if not is_restored(loaded.replica.status, loaded.before):
        return ()
    finding = Finding(
        check="restored",
        severity=Severity.INFORMATION,
        table=loaded.result.table,
        message="raw was older than the changes that the replica still remembers, as after a restore of the "
        "analytics database from a backup: every row was loaded again. Nothing is to be done.",
    )
    return (finding,)
