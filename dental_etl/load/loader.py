"""Replication to raw: one table, as often as you like with the same result."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection

from dental_etl.config import Settings
from dental_etl.config.tables import TableConfig
from dental_etl.connections import connect
from dental_etl.exceptions import DatabaseError
from dental_etl.load.action import Action, Facts, choose_action, is_refresh_cheaper
from dental_etl.load.changes import apply_changes
from dental_etl.load.chunks import copy_chunk, is_left_to_copy, publish
from dental_etl.load.errors import load_errors, require_equal, too_many_deletes
from dental_etl.load.evolution import follow, require_compatible
from dental_etl.load.full import LockPatience, first_load, refresh
from dental_etl.load.moved import Moved, added
from dental_etl.load.postgres_schema import SchemaChange, compare, find_table
from dental_etl.load.postgres_types import is_exact_key
from dental_etl.load.progress import Watch, Watcher
from dental_etl.load.proof import KeyWindow, Loaded, Prove, RawProof, Reload, remarks
from dental_etl.load.range_table import is_there, take_range, total
from dental_etl.load.raw_table import RawTable, raw_table
from dental_etl.load.replica import Replica, forget_changes, open_replica
from dental_etl.load.sharing import begin_sharing, complete, copy_range
from dental_etl.load.statements import count_rows
from dental_etl.load.transaction import (
    as_result,
    ensure_status_table,
    finish,
    open_for_load,
    record_progress,
    set_run_id,
)
from dental_etl.load.windows import reload_windows
from dental_etl.plan.brake import may_delete
from dental_etl.run import LoadResult, LoadStatus, RefreshMode
from dental_etl.tracking.status import read_load_status

logger = logging.getLogger(__name__)

_LOOK_AGAIN_SECONDS = 0.2

BeforeCommit = Callable[[Connection, LoadResult], None]
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What a caller may ask of a load beyond the table."""

    #: FULL replaces every row of raw, whatever the generations say.
    refresh: RefreshMode = RefreshMode.INCREMENTAL
    patience: LockPatience = field(default_factory=LockPatience)
    #: Rows that one transaction of a chunked load copies.
    chunk_rows: int = 500_000
    #: Told the key ranges of a large table's first load that anybody may copy with `load_chunk`.
    helpers: Callable[[Sequence[int]], None] | None = None
    #: Rows of such a range, about.
    range_rows: int = 100_000
    #: Compares raw with the replica before anything is committed.
    prove: Prove | None = None
    #: Told how far the load is, after every block.
    watcher: Watcher | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One load while it runs."""

    settings: Settings
    table: str
    run_id: str
    asked: LoadOptions
    #: Names in raw, for errors; known once the replica was opened.
    columns: set[str] = field(default_factory=set)
    #: Monotonic, seconds.
    started: float = field(default_factory=time.monotonic)
    watch: Watch = field(default_factory=lambda: Watch(None))

    @contextmanager
    def analytics(self) -> Iterator[Connection]:
        """Open the connection that loads, with errors that hold no row."""
        with (
            load_errors(self.table, self.run_id, self.columns),
            connect(self.settings.analytics) as connection,
        ):
            ensure_status_table(connection, self.settings.analytics.schema)
            yield connection

    def require_deletes_allowed(self, *, rows: int, gone: int) -> None:
        """Pass if raw may lose so many of its rows."""
        percent, refresh = self.settings.delete_brake_percent, self.asked.refresh
        if not may_delete(rows=rows, gone=gone, brake_percent=percent, refresh=refresh):
            raise too_many_deletes(self.table, self.run_id, rows=rows, gone=gone, percent=percent)

    @contextmanager
    def transaction(self, analytics: Connection) -> Iterator[tuple[Replica, RawTable]]:
        """Begin a transaction that holds the table's place; commit at the end."""
        place = open_for_load(self.settings, analytics, self.table, self.run_id, self.watch)
        with analytics.begin(), place as replica:
            raw = raw_table(self.settings.analytics.schema, replica.schema)
            self.columns.update(column.name for column in raw.columns)
            yield replica, raw


def load_table(
    settings: Settings,
    config: TableConfig,
    *,
    run_id: str,
    before_commit: BeforeCommit,
    clock: Clock,
    options: LoadOptions | None = None,
) -> LoadResult:
    """Make the raw table equal to the replica, in one transaction.

    Nothing is done when raw already holds the replica's generation. Memory stays bounded whatever the
    table's size. Killed anywhere, the next call gives the same result: rows, ``etl_load_status`` and the
    ledger commit together, and the outbox is emptied only after that.

    Args:
        settings: Where the databases are.
        config: The table.
        run_id: Written to ``_run_id`` of the rows that change.
        before_commit: Called inside the transaction with the result; when it raises, nothing happened.
        clock: Returns the present, aware.
        options: Full refresh, and patience with readers.

    Returns:
        What was done: ``full``, ``changes`` or ``nothing``. A full load counts every row as written and
        none as deleted.

    Raises:
        DataLoadingError: A row or column cannot be stored, or raw differs from the replica at the end.
        TableBusyError: Another process loads this table.
        DatabaseError: A server could not be reached, or refused a statement.
    """
    job = _job(settings, config, run_id, options or LoadOptions())
    with job.analytics() as analytics, job.transaction(analytics) as (replica, raw):
        loaded, proof = _proven(_load(analytics, replica, raw, job, clock()), job)
        result = replace(
            loaded.result,
            proven_at=proof.proven_at,
            proven_by=proof.proven_by,
            findings=(*remarks(loaded), *proof.findings),
        )
        finish(loaded, proof, run_id=run_id)
        before_commit(analytics, result)
    if replica.has_entries:
        _empty_outbox(settings, result, replica.schema.primary_key)
    _log(result, run_id)
    return result


def load_table_chunked(
    settings: Settings,
    config: TableConfig,
    *,
    run_id: str,
    before_commit: BeforeCommit,
    clock: Clock,
    options: LoadOptions | None = None,
) -> LoadResult:
    """Make the raw table of a large table equal to the replica; resume a first load that was broken off.

    The first load from `Settings.load_parts_from_mb` on goes in chunks of `LoadOptions.chunk_rows`, each
    committed with its checkpoint in a staging table; the last transaction makes it the raw table, so that
    readers never see half of it. A smaller one is one transaction, a third quicker: its rows are written
    frozen, and with ``wal_level=minimal`` without a log. Killed, it begins again: under a minute's work at
    2 GB, a few minutes on a slow host. Any other load is `load_table`'s, with the same arguments, result
    and errors.
    """
    job = _job(settings, config, run_id, options or LoadOptions())
    if config.estimated_size_mb >= settings.load_parts_from_mb:
        with job.analytics() as analytics:
            _share(analytics, job, config.estimated_rows)
            while _copies_a_chunk(analytics, job):
                pass
    return load_table(
        settings, config, run_id=run_id, before_commit=before_commit, clock=clock, options=options
    )


def _job(settings: Settings, config: TableConfig, run_id: str, asked: LoadOptions) -> _Job:
    watch = Watch(asked.watcher)
    watch.expect(config.estimated_rows)
    return _Job(settings=settings, table=config.table_name, run_id=run_id, asked=asked, watch=watch)


def load_chunk(settings: Settings, table: str, number: int, *, run_id: str) -> int:
    """Copy one key range of a large table's first load; return its rows.

    0 when it is done or somebody is at it, or when the load has ended or was begun again. Whatever is
    left undone here, the owner of the load does.

    Raises:
        DataLoadingError: A row cannot be stored.
        DatabaseError: A server could not be reached, or refused a statement.
    """
    job = _Job(settings=settings, table=table, run_id=run_id, asked=LoadOptions())
    with job.analytics() as analytics:
        if not is_there(analytics, settings.analytics.schema):
            return 0
        analytics.rollback()
        return _copy_range(analytics, job, number)


def _share(analytics: Connection, job: _Job, estimated_rows: int) -> None:
    """Copy a first load together with whoever comes, until every range of it is done.

    Without helpers no load is cut into ranges, but one that was is finished by them.
    """
    helpers = job.asked.helpers
    rows = estimated_rows if helpers is not None else 0
    with job.transaction(analytics) as (replica, raw):
        left = begin_sharing(analytics, replica, raw, rows=rows, range_rows=job.asked.range_rows)
    if helpers is not None:
        helpers(left[:-1])
    while True:
        copied = [_copy_range(analytics, job, number) for number in reversed(left)]
        with job.transaction(analytics) as (replica, raw):
            if complete(analytics, replica, raw):
                return
            done = total(analytics, raw.schema, job.table)
            job.watch.settle(rows=done.rows, size=done.bytes)
        if not any(copied):
            time.sleep(_LOOK_AGAIN_SECONDS)  # others are at all of them; one that dies frees its own


def _copy_range(analytics: Connection, job: _Job, number: int) -> int:
    schema = job.settings.analytics.schema
    with analytics.begin():
        wanted = take_range(analytics, schema, job.table, number)
        if wanted is None:
            return 0
        set_run_id(analytics, job.run_id)
        with open_replica(job.settings.replication, job.table, job.watch) as replica:
            raw = raw_table(schema, replica.schema)
            job.columns.update(column.name for column in raw.columns)
            return copy_range(analytics, replica, raw, wanted)


def _empty_outbox(settings: Settings, result: LoadResult, primary_key: Sequence[str]) -> None:
    """Delete what was loaded; the load is committed by now, so failing here must not make it fail."""
    try:
        forget_changes(settings.replication, result.table, primary_key, result.generation)
    except DatabaseError as error:
        logger.warning(
            "The outbox of %s keeps entries that are loaded; the next load deletes them (%s)",
            result.table,
            error.code,
            extra={"action": "outbox_kept", "table": result.table, "stage": "load"},
        )


def _log(result: LoadResult, run_id: str) -> None:
    logger.info(
        "Loaded %s: %s, %d rows written, %d deleted, %d in raw",
        result.table,
        result.action,
        result.rows_written,
        result.rows_deleted,
        result.rows_total,
        extra={
            "action": "loaded",
            "run_id": run_id,
            "table": result.table,
            "stage": "load",
            "rows": result.rows_written,
            "seconds": result.seconds,
        },
    )


def _copies_a_chunk(analytics: Connection, job: _Job) -> bool:
    """Copy and commit the next chunk of a first load, if there is one."""
    with job.transaction(analytics) as (replica, raw):
        if not is_left_to_copy(analytics, replica, raw):
            return False
        checkpoint = copy_chunk(analytics, replica, raw, job.asked.chunk_rows)
        record_progress(analytics, raw, job.table, rows=checkpoint.rows, run_id=job.run_id)
    job.watch.settle(rows=checkpoint.rows, size=checkpoint.bytes)
    logger.debug("Staged %d rows of %s", checkpoint.rows, job.table)
    return not checkpoint.is_complete


def _load(analytics: Connection, replica: Replica, raw: RawTable, job: _Job, now: datetime) -> Loaded:
    before = read_load_status(analytics, raw.schema, job.table)
    found = find_table(analytics, raw.qualified)
    change = compare(found, raw) if found else None
    if found is not None and change is not None and not job.asked.refresh.is_full:
        require_compatible(analytics, raw, found, change)

    def loaded(action: Action, moved: Moved, rows: int, columns: frozenset[str] = frozenset()) -> Loaded:
        return Loaded(
            analytics=analytics,
            replica=replica,
            raw=raw,
            result=as_result(replica, action, moved, rows_total=rows, started=job.started),
            before=before,
            now=now,
            altered=columns,
        )

    action = _action(replica, change, before, job.asked)
    if action is Action.NOTHING and before is not None:
        return loaded(action, Moved(), before.rows_loaded)
    if found is None:
        moved, rows = _first(analytics, replica, raw, job)
        return loaded(Action.FULL, moved, rows)
    rows = replica.count()
    held = before.loaded_generation if before else 0
    changed = replica.count_changed(held) if action is Action.CHANGES else rows
    if change is not None and action is Action.CHANGES and not is_refresh_cheaper(changed, rows):
        job.watch.expect(changed)
        evolved = follow(analytics, replica, raw, change, job.asked.patience)
        if evolved is not None:
            moved = apply_changes(analytics, replica, raw, held).with_drift(*evolved.drift)
            job.require_deletes_allowed(rows=rows + moved.deleted, gone=moved.deleted)
            if count_rows(analytics, raw.qualified) == rows:
                return loaded(action, moved, rows, _altered(replica, held) | evolved.columns)
            _warn(job.table, "the outbox does not explain its rows")
    held_rows = before.rows_loaded if before else count_rows(analytics, raw.qualified)
    job.require_deletes_allowed(rows=held_rows, gone=held_rows - rows)
    job.watch.expect(rows)
    moved = _whole(analytics, replica, raw, job, rows)
    return loaded(Action.FULL, moved, rows)


def _altered(replica: Replica, held: int) -> frozenset[str]:
    """Return the columns that the replica's own alterations have touched since raw was loaded."""
    if replica.status.altered_generation <= held:
        return frozenset()
    there = {column.name for column in replica.schema.columns}
    return frozenset(replica.status.altered_columns) & there


def _proven(loaded: Loaded, job: _Job) -> tuple[Loaded, RawProof]:
    """Ask for the proof; rows that did not arrive as they are are all loaded again, once."""
    if job.asked.prove is None:
        before = loaded.before or LoadStatus(table=job.table)
        is_kept = loaded.result.action == Action.NOTHING
        return loaded, RawProof(
            is_equal=True,
            proven_at=before.proven_at if is_kept else None,
            proven_by="not compared",
            position=before.proof_position if is_kept else None,
            round_started_at=before.proof_started_at if is_kept else None,
        )
    proof = job.asked.prove(loaded)
    if not proof.is_equal and proof.differing:
        loaded = _windows_reloaded(loaded, proof.differing, job)
        proof = job.asked.prove(loaded)
    if proof.is_equal:
        return loaded, proof
    _warn(job.table, "raw differs from the replica")
    rows = loaded.replica.count()
    moved = _whole(loaded.analytics, loaded.replica, loaded.raw, job, rows)
    moved = moved.with_drift(*loaded.result.drift)
    result = as_result(loaded.replica, Action.FULL, moved, rows_total=rows, started=job.started)
    loaded = replace(loaded, result=result, reload=Reload.WHOLE, windows=())
    return loaded, job.asked.prove(loaded)


def _windows_reloaded(loaded: Loaded, differing: tuple[KeyWindow, ...], job: _Job) -> Loaded:
    logger.info(
        "%d key ranges of the raw table %s differ from the replica and are loaded again",
        len(differing),
        job.table,
        extra={"action": "ranges_reloaded", "table": job.table, "run_id": job.run_id, "stage": "load"},
    )
    moved = reload_windows(loaded.analytics, loaded.replica, loaded.raw, differing)
    result = replace(
        loaded.result,
        action=Action.CHANGES,
        rows_written=loaded.result.rows_written + moved.written,
        rows_deleted=loaded.result.rows_deleted + moved.deleted,
        rows_total=count_rows(loaded.analytics, loaded.raw.qualified),
        bytes_written=loaded.result.bytes_written + moved.bytes,
        seconds=time.monotonic() - job.started,
        coercions=added(loaded.result.coercions, moved.coercions),
    )
    return replace(loaded, result=result, reload=Reload.WINDOWS, windows=differing)


def _first(analytics: Connection, replica: Replica, raw: RawTable, job: _Job) -> tuple[Moved, int]:
    """Make the table, from the staging table if a chunked load left one; return its rows too.

    Raises:
        DataLoadingError: Raw has not as many rows as the replica afterwards.
    """
    staged = publish(analytics, replica, raw)
    if staged is None:
        moved, rows = first_load(analytics, replica, raw)
        job.watch.expect(rows)
        job.watch.settle(rows=moved.written, size=moved.bytes)
        # PostgreSQL has counted what it took into a table that nobody else has ever seen.
        require_equal(job.table, job.run_id, rows=rows, in_raw=moved.written)
        return moved, rows
    rows = replica.count()
    if count_rows(analytics, raw.qualified) == rows:
        return staged, rows
    _warn(job.table, "its chunks do not add up")
    return _whole(analytics, replica, raw, job, rows), rows


def _whole(analytics: Connection, replica: Replica, raw: RawTable, job: _Job, rows: int) -> Moved:
    """Load every row again.

    Raises:
        DataLoadingError: Raw has not as many rows as the replica afterwards.
    """
    moved = refresh(analytics, replica, raw, job.asked.patience)
    require_equal(job.table, job.run_id, rows=rows, in_raw=count_rows(analytics, raw.qualified))
    return moved


def _warn(table: str, reason: str) -> None:
    logger.warning(
        "Table %s is loaded in full: %s",
        table,
        reason,
        extra={"action": "load_mismatch", "table": table, "stage": "load"},
    )


def _action(
    replica: Replica, change: SchemaChange | None, loaded: LoadStatus | None, asked: LoadOptions
) -> Action:
    """Decide; `change` is None when there is no raw table."""
    return choose_action(
        Facts(
            copied=replica.status,
            loaded=loaded if change is not None else None,
            refresh=asked.refresh,
            needs_full=change is not None and change.needs_full,
            needs_change=change is not None and change.is_needed,
            has_changes=replica.has_outbox and is_exact_key(replica.schema.key_columns),
        )
    )
