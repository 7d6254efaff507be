"""Names, once: kinds and states of runs and tables, stages, categories, strategies, severities."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from enum import StrEnum
from typing import NewType

RunId = NewType("RunId", str)


def new_run_id(now: datetime) -> RunId:
    """Return an id that sorts by start: ``20260131T030000-1f9c2a``.

    Args:
        now: Aware; rendered in UTC.
    """
    return RunId(f"{now.astimezone(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}")


class RunKind(StrEnum):
    #: Started by beat, or by a person in beat's place; one active, one per night.
    NIGHTLY = "nightly"
    #: Some tables, asked for by a person, through Celery.
    RERUN = "rerun"
    #: Started from the command line and worked in that process.
    MANUAL = "manual"


class RunStatus(StrEnum):
    #: The row exists; guard and validation have not passed yet.
    STARTING = "starting"
    #: Tables are planned and being worked.
    ACTIVE = "active"
    #: Every table is in a terminal state; verify, report, notify and dbt follow.
    REPORTING = "reporting"
    #: The report says that every table succeeded.
    SUCCEEDED = "succeeded"
    #: The report names tables that failed or were left out.
    FAILED = "failed"
    #: Guard or validation said no; nothing was read from the source.
    REFUSED = "refused"

    @property
    def is_terminal(self) -> bool:
        return self in {RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.REFUSED}


class TableStatus(StrEnum):
    #: Waits for its extract.
    PLANNED = "planned"
    EXTRACTING = "extracting"
    #: The replica is complete; waits for its load.
    EXTRACTED = "extracted"
    LOADING = "loading"
    #: Terminal: raw holds what the replica holds.
    LOADED = "loaded"
    #: Terminal: attempts are spent, or the error cannot be retried; ``error_code`` says why.
    FAILED = "failed"
    #: Terminal: the window closed before its turn, or while it was being read.
    NOT_RUN = "not_run"

    @property
    def is_terminal(self) -> bool:
        return self in {TableStatus.LOADED, TableStatus.FAILED, TableStatus.NOT_RUN}


class Stage(StrEnum):
    EXTRACT = "extract"
    LOAD = "load"
    VERIFY = "verify"
    REPORT = "report"
    TRANSFORM = "transform"


class Category(StrEnum):
    """Size of a table; published in this order, largest first (requirement 001)."""

    LARGE = "large"
    MEDIUM = "medium"
    SMALL = "small"
    TINY = "tiny"


class Strategy(StrEnum):
    FULL_TABLE = "full_table"
    INCREMENTAL = "incremental"
    INCREMENTAL_CHUNKED = "incremental_chunked"


class RefreshMode(StrEnum):
    INCREMENTAL = "incremental"
    #: Read everything again, whatever the strategy says.
    FULL = "full"
    #: Incremental, and a person has confirmed that a table may lose most of its rows.
    CONFIRMED = "confirmed"
    #: Both.
    FULL_CONFIRMED = "full_confirmed"

    @classmethod
    def of(cls, *, full: bool, confirms_deletes: bool) -> RefreshMode:
        """Return the mode that a person asked for."""
        if confirms_deletes:
            return cls.FULL_CONFIRMED if full else cls.CONFIRMED
        return cls.FULL if full else cls.INCREMENTAL

    @property
    def is_full(self) -> bool:
        return self in {RefreshMode.FULL, RefreshMode.FULL_CONFIRMED}

    @property
    def confirms_deletes(self) -> bool:
        return self in {RefreshMode.CONFIRMED, RefreshMode.FULL_CONFIRMED}


class Severity(StrEnum):
    CRITICAL = "critical"
    WARNING = "warning"
    INFORMATION = "information"
