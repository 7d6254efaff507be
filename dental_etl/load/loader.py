"""Replication to raw: one table, one transaction, as often as you like with the same result."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, text

from dental_etl.config import Settings
from dental_etl.config.tables import TableConfig
from dental_etl.connections import connect
from dental_etl.exceptions import DataLoadingError, TableBusyError
from dental_etl.load.action import Action, Facts, choose_action, is_refresh_cheaper
from dental_etl.load.changes import apply_changes
from dental_etl.load.errors import load_errors
from dental_etl.load.full import LockPatience, first_load, refresh, widen_in_place
from dental_etl.load.moved import Moved
from dental_etl.load.postgres_schema import SchemaChange, compare, find_table
from dental_etl.load.postgres_types import is_exact_key
from dental_etl.load.raw_table import RUN_ID_SETTING, RawTable, raw_table
from dental_etl.load.replica import Replica, forget_changes, open_replica
from dental_etl.load.statements import count_rows
from dental_etl.run import LoadResult, LoadStatus, RefreshMode
from dental_etl.tracking.locks import advisory_key
from dental_etl.tracking.status import ensure_load_status, read_load_status, record_loaded
from dental_etl.wire.names import postgres

logger = logging.getLogger(__name__)

BeforeCommit = Callable[[Connection, LoadResult], None]
Clock = Callable[[], datetime]

_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")
_SET_RUN_ID = text("SELECT set_config(:name, :run_id, true)")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What a caller may ask of a load beyond the table."""

    #: FULL replaces every row of raw, whatever the generations say.
    refresh: RefreshMode = RefreshMode.INCREMENTAL
    patience: LockPatience = field(default_factory=LockPatience)


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
        What was done: ``full``, ``changes`` or ``nothing``.

    Raises:
        DataLoadingError: A row or column cannot be stored, or raw differs from the replica at the end.
        TableBusyError: Another process loads this table.
        DatabaseError: A server could not be reached, or refused a statement.
    """
    asked = options or LoadOptions()
    table, schema = config.table_name, settings.analytics.schema
    started = time.monotonic()
    columns: set[str] = set()
    with load_errors(table, run_id, columns), connect(settings.analytics) as analytics:
        ensure_status_table(analytics, schema)
        with analytics.begin(), open_for_load(settings, analytics, table, run_id) as replica:
            raw = raw_table(schema, replica.schema)
            columns.update(column.name for column in raw.columns)
            result = _load(analytics, replica, raw, asked, started)
            finish(analytics, replica, raw, result, run_id=run_id, now=clock())
            before_commit(analytics, result)
        forget_changes(settings.replication, table, result.generation)
    log_result(result, run_id)
    return result


def ensure_status_table(analytics: Connection, schema: str) -> None:
    """Make ``etl_load_status`` once; in a transaction of its own, which other loads wait for."""
    with analytics.begin():
        is_there: bool = analytics.execute(
            text("SELECT to_regclass(:name) IS NOT NULL"), {"name": f"{postgres(schema)}.etl_load_status"}
        ).scalar_one()
        if not is_there:
            ensure_load_status(analytics, schema)


@contextmanager
def open_for_load(settings: Settings, analytics: Connection, table: str, run_id: str) -> Iterator[Replica]:
    """Take the table's place in the current transaction, then open the replica.

    In that order: a snapshot that waited for another load would be older than what raw holds.

    Raises:
        TableBusyError: Another process loads this table.
        DataLoadingError: The replica holds no complete copy of the table.
    """
    key = advisory_key(f"load-transaction:{settings.analytics.schema}.{table}")
    is_free: bool = analytics.execute(_LOCK, {"key": key}).scalar_one()
    if not is_free:
        raise TableBusyError(
            f"Another process is loading table {table}; this is tried again.", table=table, stage="load"
        )
    analytics.execute(_SET_RUN_ID, {"name": RUN_ID_SETTING, "run_id": run_id})
    with open_replica(settings.replication, table) as replica:
        yield replica


def finish(
    analytics: Connection, replica: Replica, raw: RawTable, result: LoadResult, *, run_id: str, now: datetime
) -> None:
    """Write ``etl_load_status`` in the transaction of the rows."""
    status = LoadStatus(
        table=result.table,
        last_loaded=now,
        rows_loaded=result.rows_total,
        load_status="success",
        loaded_generation=result.generation,
        run_id=run_id,
    )
    record_loaded(analytics, raw.schema, status, cursor=replica.status.cursor)


def log_result(result: LoadResult, run_id: str) -> None:
    """Say what was loaded."""
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


def as_result(
    replica: Replica, action: Action, moved: Moved, *, rows_total: int, started: float
) -> LoadResult:
    """Put the counters of a load into the value that travels on."""
    return LoadResult(
        table=replica.schema.name,
        action=action,
        generation=replica.status.generation,
        rows_written=moved.written,
        rows_deleted=moved.deleted,
        rows_total=rows_total,
        bytes_written=moved.bytes,
        seconds=time.monotonic() - started,
        coercions=moved.coercions,
        drift=moved.drift,
    )


def require_equal_counts(table: str, rows_in_replica: int, rows_in_raw: int) -> None:
    """Refuse to commit a raw table that has not as many rows as the replica.

    Raises:
        DataLoadingError: The counts differ.
    """
    if rows_in_replica != rows_in_raw:
        raise DataLoadingError(
            f"Table {table} has {rows_in_replica} rows in the replication database but {rows_in_raw} in raw "
            "after a full load; nothing was committed. A trigger or rule on the raw table can cause this.",
            table=table,
            stage="load",
        )


def _load(
    analytics: Connection, replica: Replica, raw: RawTable, asked: LoadOptions, started: float
) -> LoadResult:
    table = replica.schema.name
    loaded = read_load_status(analytics, raw.schema, table)
    found = find_table(analytics, raw.qualified)
    action = _action(replica, compare(found, raw) if found else None, loaded, asked)
    if action is Action.NOTHING and loaded is not None:
        return as_result(replica, action, Moved(), rows_total=loaded.rows_loaded, started=started)
    rows = replica.count()
    held = loaded.loaded_generation if loaded else 0
    if action is Action.CHANGES and not is_refresh_cheaper(replica.count_changed(held), rows):
        moved = _changes(analytics, replica, raw, held, asked)
        if count_rows(analytics, raw.qualified) == rows:
            return as_result(replica, action, moved, rows_total=rows, started=started)
        logger.warning(
            "Raw table %s had other rows than the outbox explains; it is loaded in full",
            table,
            extra={"action": "load_mismatch", "table": table, "stage": "load"},
        )
    moved = refresh(analytics, replica, raw, asked.patience) if found else first_load(analytics, replica, raw)
    require_equal_counts(table, rows, count_rows(analytics, raw.qualified))
    return as_result(replica, Action.FULL, moved, rows_total=rows, started=started)


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


def _changes(
    analytics: Connection, replica: Replica, raw: RawTable, loaded_generation: int, asked: LoadOptions
) -> Moved:
    drift = widen_in_place(analytics, raw, asked.patience)
    moved = apply_changes(analytics, replica, raw, raw.qualified, loaded_generation)
    return moved.with_drift(*drift)
