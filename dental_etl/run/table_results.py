"""What is known of one table: where its copies stand, and what a run did to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dental_etl.run.findings import Finding
from dental_etl.run.states import Category, RefreshMode, Strategy, TableStatus
from dental_etl.run.values import Value


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


#: In a visit's place of a table: the look that tells which tables are unchanged.
ALL_TABLES = "all tables"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceVisit(Value):
    """One connection to the source, from its first statement to its end, and what that has cost."""

    #: Or `ALL_TABLES`.
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
    #: Attempts over both phases; 2 for a table without retries, 0 for one that ended without a turn.
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
