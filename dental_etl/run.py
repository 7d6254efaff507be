"""The vocabulary of a run: what travels between stages, the ledger, Celery and the report.

Everything here is a frozen value. ``to_json`` gives a dictionary of plain JSON types,
``from_json`` reads it back; nothing in them is ever a value of a patient's row.
"""

from __future__ import annotations

import dataclasses
import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, ClassVar, NewType, Self, get_type_hints

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


class Value:
    """Mixin: JSON in and out for the frozen dataclasses below."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}  # type: ignore[arg-type]  # the mixin is only used by dataclasses

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Self:
        hints = _hints(cls)  # type: ignore[arg-type]  # a class is hashable, its Self is not to mypy
        return cls(**{name: _typed(value, hints[name]) for name, value in raw.items() if name in hints})


@lru_cache(maxsize=64)  # a night makes ten thousands of columns out of JSON
def _hints(kind: type[Value]) -> dict[str, Any]:
    """Return what each field of a value holds."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # the mixin is only used by dataclasses


def _plain(value: Any) -> Any:
    if isinstance(value, Value):
        return value.to_json()
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _typed(value: Any, hint: Any) -> Any:
    candidates = getattr(hint, "__args__", None)
    if value is None:
        return None
    if getattr(hint, "__origin__", None) is tuple:
        return tuple(_typed(item, hint.__args__[0]) for item in value)
    if candidates is not None and getattr(hint, "__origin__", None) is None:  # X | None
        return _typed(value, next(kind for kind in candidates if kind is not type(None)))
    if isinstance(hint, type):
        return _scalar(value, hint)
    return value


def _scalar(value: Any, hint: type) -> Any:
    if issubclass(hint, Value):
        return hint.from_json(value)
    if issubclass(hint, StrEnum):
        return hint(value)
    if issubclass(hint, datetime):
        return datetime.fromisoformat(value)
    if issubclass(hint, date):
        return date.fromisoformat(value)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor(Value):
    """How far the extract of a table has come."""

    #: The column that orders the changes, as the source spells it.
    column: str
    #: Highest committed value as MySQL prints it (UTC session); None before the first read.
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coercion(Value):
    """Values of one column that PostgreSQL cannot hold as they are; counted, never silent."""

    table: str
    column: str
    #: ``zero_date``, ``nul_byte``, ``invalid_utf8``, ...
    kind: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyStatus(Value):
    """One row of ``etl_copy_status``: where the extract of a table stands (replication)."""

    table: str
    #: End of the last successful extract (UTC), None before the first.
    last_copied: datetime | None = None
    cursor: Cursor | None = None
    rows_copied: int = 0
    #: ``success``, ``running`` or ``failed``.
    copy_status: str = "running"
    #: Increases with every extract that changed the replica.
    generation: int = 0
    #: Generation at which the replica was last rewritten as a whole; load then refreshes in full.
    full_generation: int = 0
    #: Attempt that may write; an older attempt is fenced off.
    fence: int = 0
    #: Resume point of an unfinished extract, JSON of plain keys; None when finished.
    checkpoint: str | None = None
    strategy: str | None = None
    bytes_copied: int = 0
    seconds: float = 0.0
    #: Generation at which the replica was last altered in place; older rows of raw are then compared.
    altered_generation: int = 0
    #: Columns that were added or changed in place since the replica was last rewritten.
    altered_columns: tuple[str, ...] = ()
    #: Changes up to this generation are in raw, and no longer in the outbox.
    forgotten_generation: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceVisit(Value):
    """One connection to the source, from its first statement to its end, and what that has cost."""

    table: str
    began_at: datetime
    ended_at: datetime
    #: Number of reads.
    reads: int
    #: Of rows; checksums bring none.
    bytes_read: int
    #: In which the source was at work for us.
    seconds: float
    longest_read_seconds: float
    #: Seconds in which the source was left alone, by cause: ``pace``, ``busy``, ``waiting``, ``locked``.
    pauses: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadStatus(Value):
    """One row of ``raw.etl_load_status``: which generation of the replica raw holds."""

    table: str
    last_loaded: datetime | None = None
    rows_loaded: int = 0
    #: ``success``, ``running`` or ``failed``.
    load_status: str = "running"
    loaded_generation: int = 0
    run_id: str | None = None
    #: When every row was last found equal to the replica; None if it never was.
    proven_at: datetime | None = None
    #: Last key that a comparison over several nights has done; None between two of them.
    proof_position: int | None = None
    proof_started_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractResult(Value):
    """What one extract did."""

    table: str
    strategy: Strategy
    #: Why this strategy, in words for the report.
    reason: str
    generation: int
    rows_read: int
    #: Rows inserted or replaced in the replica.
    rows_written: int
    rows_deleted: int
    bytes_read: int
    seconds: float
    #: Seconds of that spent waiting for the source.
    source_seconds: float
    #: Longest single read of the source, seconds.
    longest_read_seconds: float
    #: Number of reads of the source.
    reads: int
    #: What was done: ``whole``, ``changes``, ``compared``, ``unchanged``; None if nobody said.
    action: str | None = None
    coercions: tuple[Coercion, ...] = ()
    #: Schema changes that were applied, in words.
    drift: tuple[str, ...] = ()
    #: When the whole replica was last proven equal to the source; None if it never was.
    proven_at: datetime | None = None
    #: What this extract did to prove it, or why it did not.
    proven_by: str | None = None
    #: Differences that a repair did not mend.
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult(Value):
    """What one load did."""

    table: str
    #: ``full``, ``changes`` or ``nothing`` (raw already held this generation).
    action: str
    generation: int
    rows_written: int
    rows_deleted: int
    #: Rows in raw after the load; equal to the replica's or the load failed.
    rows_total: int
    bytes_written: int
    seconds: float
    coercions: tuple[Coercion, ...] = ()
    drift: tuple[str, ...] = ()
    #: When all of raw was last proven equal to the replica; None if it never was.
    proven_at: datetime | None = None
    #: What this load did to prove it, or why it did not.
    proven_by: str | None = None
    #: Differences that loading again did not mend.
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableResult(Value):
    """One table of a run, as the ledger knows it."""

    run_id: str
    table: str
    category: Category
    status: TableStatus
    #: Planned strategy and why.
    strategy: Strategy | None = None
    reason: str | None = None
    refresh: RefreshMode = RefreshMode.INCREMENTAL
    #: Attempts over both phases; 2 for a table without retries.
    attempts: int = 0
    #: ``E_...`` of the last failure, None when there was none.
    error_code: str | None = None
    #: Stage of that failure.
    error_stage: str | None = None
    #: Names and numbers about that failure, and the remedy; never a value of a row.
    error_detail: str | None = None
    #: When the run was planned; estimates.
    rows_expected: int = 0
    expected_seconds: float | None = None
    #: What the plan did differently from tables.yml, and why.
    notes: tuple[str, ...] = ()
    #: Of the load, so far: rows and bytes copied by whoever works at it, and rows that it will have copied.
    rows_loaded: int = 0
    bytes_loaded: int = 0
    rows_to_load: int = 0
    #: So far, while the extract works; every later number when its phase has ended.
    rows_read: int = 0
    rows_written: int = 0
    rows_deleted: int = 0
    #: Rows in raw afterwards.
    rows_total: int | None = None
    bytes_read: int = 0
    extract_seconds: float = 0.0
    load_seconds: float = 0.0
    source_seconds: float = 0.0
    longest_read_seconds: float = 0.0
    #: Number of reads of the source.
    reads: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    #: What extract did: ``whole``, ``changes``, ``compared``, ``unchanged``.
    extract_action: str | None = None
    #: What load did: ``full``, ``changes``, ``nothing``.
    load_action: str | None = None
    drift: tuple[str, ...] = ()
    #: When the whole replica was last proven equal to the source, and how this run went about it.
    proven_at: datetime | None = None
    proven_by: str | None = None
    #: When all of raw was last proven equal to the replica, and how this run went about it.
    raw_proven_at: datetime | None = None
    raw_proven_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Value):
    """One failed quality check; never raised, always reported."""

    #: ``row_count``, ``primary_key``, ``freshness``, ``orphans``, ``drift``, ``tables_yml_age``, ...
    check: str
    severity: Severity
    #: None for a finding about the whole run.
    table: str | None
    #: Counts and names in words, and what to do.
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHeader(Value):
    """A run without its tables: what it was, when, and how it ended."""

    run_id: str
    kind: RunKind
    #: Local date of the evening on which the night began.
    run_date: date
    status: RunStatus
    started_at: datetime
    #: None while the run is being worked.
    finished_at: datetime | None = None
    #: When the source must be left alone; None without blocked hours.
    deadline_at: datetime | None = None
    #: ``production`` or ``test``.
    environment: str = ""
    #: ``E_...`` of the refusal, None unless the run was refused.
    refusal_code: str | None = None
    #: What guard or validation found, and the remedy.
    refusal_detail: str | None = None


class NodeStatus(StrEnum):
    """How a dbt node ended."""

    SUCCESS = "success"
    WARN = "warn"
    #: A data test found rows.
    FAIL = "fail"
    ERROR = "error"
    SKIPPED = "skipped"
    #: Skipped because something above it failed; never counted as good.
    UPSTREAM_FAILED = "upstream_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeResult(Value):
    """One dbt node as it ended."""

    unique_id: str
    #: ``model``, ``test``, ``seed``, ``snapshot``, ``source``, ``unit_test``.
    resource_type: str
    status: NodeStatus
    seconds: float
    started_at: datetime | None = None
    finished_at: datetime | None = None
    #: Rows the node wrote, or failing rows of a test; None when dbt does not say.
    rows: int | None = None
    #: Class of the error (``Database Error``), never its text: it may quote rows.
    error_class: str | None = None


class DbtStatus(StrEnum):
    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class DbtResult(Value):
    """What dbt did in a run."""

    #: How the reason begins when time was up: then not even dbt knows which nodes are left.
    STOPPED: ClassVar[str] = "stopped at its deadline"

    status: DbtStatus
    #: Why it was skipped or failed; empty when it succeeded.
    reason: str
    seconds: float
    nodes: tuple[NodeResult, ...] = ()
    #: Folder of manifest.json, run_results.json and logs.
    artifacts: str | None = None

    @property
    def was_stopped(self) -> bool:
        return self.reason.startswith(self.STOPPED)
