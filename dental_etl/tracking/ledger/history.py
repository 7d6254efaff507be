"""What earlier runs did with tables: what the next ones are planned by, and what explains the last ones.

Whoever looks makes nothing: a ledger that is missing, or older than this code, holds no history.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, text

from dental_etl.config import Role
from dental_etl.connections import database_errors
from dental_etl.run import Category, TableResult, TableStatus
from dental_etl.tracking.ledger import tables
from dental_etl.tracking.ledger.table_state import RESULT, as_result

_run, _table = tables.run.c, tables.run_table.c
#: What planning needs of a result; thousands of them are read at once.
_MEASURED = (
    "run_id",
    "extract_action",
    "rows_read",
    "rows_written",
    "rows_deleted",
    "rows_total",
    "bytes_read",
    "extract_seconds",
    "load_seconds",
    "source_seconds",
)
_KEEPS_HISTORY = text(
    "SELECT count(*) FROM information_schema.columns "
    "WHERE table_schema = :schema AND table_name = 'run_table' AND column_name = 'extract_action'"
)


@database_errors(Role.ANALYTICS)
def history(connection: Connection, since: datetime, *, most: int) -> tuple[TableResult, ...]:
    """Return the newest loads of every table, the newest first, with what planning needs of them.

    Args:
        connection: Analytics.
        since: Begin of the oldest run that counts, aware.
        most: Results per table and kind of extract.
    """
    if not _is_there(connection):
        return ()
    age = func.row_number().over(
        partition_by=(_table.table_name, _table.extract_action), order_by=_run.created_at.desc()
    )
    found = (
        select(
            _table.table_name,
            _table.category,
            *(_table[name] for name in _MEASURED),
            _run.created_at,
            age.label("age"),
        )
        .join(tables.run, _run.run_id == _table.run_id)
        .where(
            _run.created_at >= since,
            _table.status == TableStatus.LOADED,
            _table.extract_action.is_not(None),
        )
        .subquery()
    )
    rows = connection.execute(
        select(found.c.table_name, found.c.category, *(found.c[name] for name in _MEASURED))
        .where(found.c.age <= most)
        .order_by(found.c.created_at.desc())
    )
    return tuple(_measured(dict(row)) for row in rows.mappings())


@database_errors(Role.ANALYTICS)
def results_of(connection: Connection, table: str, *, most: int) -> tuple[TableResult, ...]:
    """Return what the newest runs did with one table, the newest first, however it ended."""
    if not _is_there(connection):
        return ()
    rows = connection.execute(
        select(*RESULT)
        .join(tables.run, _run.run_id == _table.run_id)
        .where(_table.table_name == table)
        .order_by(_run.created_at.desc(), _run.run_id.desc())
        .limit(most)
    )
    return tuple(as_result(dict(row)) for row in rows.mappings())


def _measured(row: dict[str, Any]) -> TableResult:
    category = Category(row.pop("category"))
    return TableResult(table=row.pop("table_name"), category=category, status=TableStatus.LOADED, **row)


def _is_there(connection: Connection) -> bool:
    return bool(connection.execute(_KEEPS_HISTORY, {"schema": tables.SCHEMA}).scalar_one())
