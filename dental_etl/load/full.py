"""Whole tables: the first load, and the refresh that keeps the table because views hang on it."""

from __future__ import annotations

import logging
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import sqlalchemy.exc
from sqlalchemy import Connection, text

from dental_etl.connections import error_number
from dental_etl.exceptions import DatabaseTransactionError
from dental_etl.load.moved import Moved, coercions
from dental_etl.load.postgres_schema import (
    add_own_columns,
    add_primary_key,
    create_for_copy,
    required_change,
    reshape_empty,
)
from dental_etl.load.raw_table import RawTable
from dental_etl.load.replica import Replica
from dental_etl.load.statements import execute
from dental_etl.load.views import put_up, take_down
from dental_etl.wire.copy_feed import copy_rows

logger = logging.getLogger(__name__)

_LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockPatience:
    """How long a refresh waits for readers of a raw table.

    While it waits, new readers queue behind it; so each try is short, and they pass between tries.
    """

    tries: int = 5
    try_seconds: float = 2.0
    pause_seconds: float = 1.0


def first_load(analytics: Connection, replica: Replica, raw: RawTable) -> tuple[Moved, int]:
    """Create the table and fill it, in the caller's transaction; all but the rows' columns comes after them.

    Returns:
        What was copied, and how many rows the replica says that it has: it counts them while PostgreSQL
        makes the key.
    """
    create_for_copy(analytics, raw.qualified, raw)
    moved = _copy(analytics, replica, raw, is_new=True)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="count") as beside:
        counted = beside.submit(replica.count)
        add_own_columns(analytics, raw.qualified)
        add_primary_key(analytics, raw.qualified, raw)
        execute(analytics, f"ANALYZE {raw.qualified}")
    return moved, counted.result()


def refresh(analytics: Connection, replica: Replica, raw: RawTable, patience: LockPatience) -> Moved:
    """Replace all rows of an existing table, in the caller's transaction.

    The table is emptied by TRUNCATE, which needs it for itself. When a long reader does not let go, the
    rows are deleted one by one instead, which disturbs nobody and costs a vacuum later; a change of
    columns has no such way out.

    Raises:
        DatabaseTransactionError: A reader holds the table, and its columns must change.
    """
    is_ours = lock_for_ourselves(analytics, raw, patience)
    found, change = required_change(analytics, raw)
    if change.is_needed and not is_ours:
        raise held_by_reader(raw)
    saved = take_down(analytics, raw.qualified) if change.touches_views else ()
    execute(analytics, f"TRUNCATE {raw.qualified}" if is_ours else f"DELETE FROM {raw.qualified}")
    reshape_empty(analytics, raw, found, change)
    moved = _copy(analytics, replica, raw, is_new=is_ours)
    if change.is_key_changed:
        add_primary_key(analytics, raw.qualified, raw)
    execute(analytics, f"ANALYZE {raw.qualified}")
    return moved.with_drift(*change.drift, *put_up(analytics, saved))


def held_by_reader(raw: RawTable) -> DatabaseTransactionError:
    """Return the error for a table that must be altered but is not let go; it is retried."""
    return DatabaseTransactionError(
        f"A long query holds the raw table {raw.name}, whose columns must change; this is tried again. "
        "pg_stat_activity shows who reads it.",
        table=raw.name,
        stage="load",
    )


def lock_for_ourselves(analytics: Connection, raw: RawTable, patience: LockPatience) -> bool:
    """Take the table's exclusive lock, waiting for readers only a little; tell whether it worked."""
    for number in range(patience.tries):
        if number:
            time.sleep(patience.pause_seconds * random.uniform(0.5, 1.5))  # noqa: S311  # spreads loads, hides nothing
        if _try_lock(analytics, raw, patience):
            return True
    logger.info(
        "A long reader keeps the raw table %s; its rows are deleted instead of truncated",
        raw.name,
        extra={"action": "lock_not_available", "table": raw.name, "stage": "load"},
    )
    return False


def _try_lock(analytics: Connection, raw: RawTable, patience: LockPatience) -> bool:
    milliseconds = int(patience.try_seconds * 1000)
    try:
        with analytics.begin_nested():
            analytics.execute(
                text("SELECT set_config('lock_timeout', :limit, true)"), {"limit": str(milliseconds)}
            )
            execute(analytics, f"LOCK TABLE {raw.qualified} IN ACCESS EXCLUSIVE MODE")
    except sqlalchemy.exc.DBAPIError as error:
        if error_number(error) != _LOCK_NOT_AVAILABLE:
            raise
        return False
    analytics.execute(text("SELECT set_config('lock_timeout', '0', true)"))
    return True


def _copy(analytics: Connection, replica: Replica, raw: RawTable, *, is_new: bool) -> Moved:
    """COPY all rows. FREEZE makes them visible to readers whose snapshot is older than the TRUNCATE too."""
    wanted, blocks = replica.rows()
    rows = copy_rows(analytics, raw.qualified, wanted, blocks, freeze=is_new)
    return Moved(written=rows, bytes=blocks.bytes, coercions=coercions(replica.schema.name, blocks))
