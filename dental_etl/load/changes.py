"""Single rows: keys from the outbox in, exact rows out."""

from __future__ import annotations

from sqlalchemy import Connection

from dental_etl.load.moved import Moved, coercions
from dental_etl.load.raw_table import CURRENT_RUN_ID, LOADED_AT, RUN_ID, RawTable, quoted
from dental_etl.load.replica import Replica
from dental_etl.load.statements import execute
from dental_etl.wire.copy_feed import copy_rows
from dental_etl.wire.names import postgres

#: Keys that the last load of changes was told of, until its transaction ends.
CHANGED_KEYS = "pg_temp.etl_keys"
_ROWS = "pg_temp.etl_rows"
#: So few staged rows are looked up one by one, as PostgreSQL takes an unknown table to hold few.
_FEW_ROWS = 1000


def apply_changes(analytics: Connection, replica: Replica, raw: RawTable, loaded_generation: int) -> Moved:
    """Delete, insert and update the rows whose keys are in the outbox, in the caller's transaction.

    A row that already is what it should be is not written, so a repeated delivery costs no write. Rows
    are compared by their binary image (``*<>``): unlike ``IS DISTINCT FROM`` it tells -0.0 from 0.0.

    Args:
        analytics: Analytics, in a transaction.
        replica: The snapshot that is read.
        raw: The table to change; it has an exact key.
        loaded_generation: What raw holds now.

    Returns:
        Counters: rows inserted or updated, rows deleted.
    """
    key_format, key_blocks = replica.changed_keys(loaded_generation)
    _stage(analytics, CHANGED_KEYS, raw, raw.quoted_key)
    copy_rows(analytics, CHANGED_KEYS, key_format, key_blocks)
    row_format, row_blocks = replica.changed_rows(loaded_generation)
    _stage(analytics, _ROWS, raw, raw.quoted_columns)
    copy_rows(analytics, _ROWS, row_format, row_blocks)
    if key_blocks.rows > _FEW_ROWS:
        for staged in (CHANGED_KEYS, _ROWS):
            execute(analytics, f"ANALYZE {staged}")
    return Moved(
        deleted=execute(analytics, _delete(raw)),
        written=execute(analytics, _upsert(raw)),
        bytes=row_blocks.bytes,
        coercions=coercions(replica.schema.name, row_blocks),
    )


def _stage(analytics: Connection, staged: str, raw: RawTable, columns: str) -> None:
    """Make a temporary table with some columns of raw; DROP first: a load may come here twice."""
    name = staged.removeprefix("pg_temp.")
    execute(analytics, f"DROP TABLE IF EXISTS {staged}")
    execute(
        analytics,
        f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS SELECT {columns} FROM {raw.qualified} WITH NO DATA",
    )


def _delete(raw: RawTable) -> str:
    def same_key(left: str, right: str) -> str:
        return " AND ".join(f"{left}.{postgres(name)} = {right}.{postgres(name)}" for name in raw.primary_key)

    return (
        f"DELETE FROM {raw.qualified} AS etl_old USING {CHANGED_KEYS} AS etl_key "
        f"WHERE {same_key('etl_old', 'etl_key')} "
        f"AND NOT EXISTS (SELECT 1 FROM {_ROWS} AS etl_row WHERE {same_key('etl_row', 'etl_key')})"
    )


def _upsert(raw: RawTable) -> str:
    inserted = f"INSERT INTO {raw.qualified} AS etl_old ({raw.quoted_columns}) SELECT {raw.quoted_columns} FROM {_ROWS}"
    names = [column.name for column in raw.columns]
    changed = ", ".join(
        f"{postgres(name)} = excluded.{postgres(name)}" for name in names if name not in raw.primary_key
    )
    if not changed:
        return f"{inserted} ON CONFLICT DO NOTHING"
    own = f"{quoted([LOADED_AT])} = now(), {quoted([RUN_ID])} = {CURRENT_RUN_ID}"
    old = ", ".join(f"etl_old.{postgres(name)}" for name in names)
    new = ", ".join(f"excluded.{postgres(name)}" for name in names)
    return (
        f"{inserted} ON CONFLICT ({raw.quoted_key}) DO UPDATE SET {changed}, {own} "
        f"WHERE ROW({old})::record *<> ROW({new})::record"
    )
