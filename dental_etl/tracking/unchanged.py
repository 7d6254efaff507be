"""``etl_copy_status`` and ``etl_load_status`` of many tables at once, where a night has found nothing to do.

Whoever works on a table writes its status first, or in the transaction of its rows. So a status that is
held here, and is as it was seen, vouches for rows that are as they were; the tables of anybody who came
meanwhile are left alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, select, text, update

from dental_etl.run import CopyStatus, Cursor, LoadStatus, Strategy
from dental_etl.tracking.copy_table import BY_KEY, COPY
from dental_etl.tracking.status import as_copy_status, as_load_status, load_table
from dental_etl.wire.names import postgres

#: The structure is as long as all the others together, and nobody compares it here.
_STATUS = tuple(column for column in COPY.c if column.name != "source_schema")
_SOURCE_SCHEMAS = select(COPY.c.table_name, COPY.c.source_schema)
# One statement for all tables: each has a cursor of its own.
_TELL_LOADS = """
    UPDATE {table} AS held
       SET last_loaded = :now, run_id = :run_id,
           last_primary_value = seen.value, primary_column_name = seen.column_name
      FROM unnest(CAST(:tables AS text[]), CAST(:values AS text[]), CAST(:columns AS text[]))
           AS seen (table_name, value, column_name)
     WHERE held.table_name = seen.table_name
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTable:
    """A complete replica that no copy has touched, and how the run would have treated it."""

    table: str
    strategy: Strategy
    overlap_minutes: int


def read_source_schemas(connection: Connection) -> dict[str, str]:
    """Return the structures at the last complete copies, JSON by table."""
    return {row.table_name: row.source_schema for row in connection.execute(_SOURCE_SCHEMAS)}


def hold_copies(connection: Connection, tables: Collection[str]) -> dict[str, CopyStatus]:
    """Return where some extracts stand, and keep it so until the transaction ends."""
    name = COPY.c.table_name
    held = (
        select(*_STATUS)
        .where(name.in_(sorted(tables)))
        .order_by(name)
        .with_for_update()
        .with_hint(COPY, BY_KEY)
    )
    return {row["table_name"]: as_copy_status(row) for row in connection.execute(held).mappings()}


def record_kept(connection: Connection, kept: Iterable[KeptTable], run_id: str, now: datetime) -> None:
    """Record complete replicas that no copy has touched, as `record_copied` does for one; no fence is needed.

    Args:
        connection: Replication; the caller holds their statuses.
        kept: The tables.
        run_id: The run that looked at them.
        now: When it did, aware.
    """
    alike: dict[tuple[Strategy, int], list[str]] = defaultdict(list)
    for one in kept:
        alike[one.strategy, one.overlap_minutes].append(one.table)
    for (strategy, overlap_minutes), tables in alike.items():
        connection.execute(
            update(COPY)
            .where(COPY.c.table_name.in_(tables))
            .with_hint(BY_KEY)
            .values(
                last_copied=now.astimezone(UTC).replace(tzinfo=None),
                run_id=run_id,
                strategy=str(strategy),
                overlap_minutes=overlap_minutes,
            )
        )


def hold_loads(connection: Connection, schema: str, tables: Collection[str]) -> dict[str, LoadStatus]:
    """Return which generation raw holds of some tables, and keep it so until the transaction ends.

    Without those that a load is just writing: nobody waits for it.
    """
    target = load_table(schema)
    name = target.c.table_name
    held = select(target).where(name.in_(sorted(tables))).order_by(name).with_for_update(skip_locked=True)
    return {row["table_name"]: as_load_status(row) for row in connection.execute(held).mappings()}


def record_nothing_loaded(
    connection: Connection, schema: str, cursors: Mapping[str, Cursor | None], run_id: str, now: datetime
) -> None:
    """Record that raw holds what the replicas hold, as `record_loaded` does for one table.

    Args:
        connection: Analytics; the caller holds their statuses.
        schema: Landing schema.
        cursors: Of the replicas, by table.
        run_id: The run that looked at them.
        now: When it did, aware.
    """
    statement = _TELL_LOADS.format(table=f"{postgres(schema)}.etl_load_status")
    connection.execute(
        text(statement),
        {
            "tables": list(cursors),
            "values": [one.value if one else None for one in cursors.values()],
            "columns": [one.column if one else None for one in cursors.values()],
            "run_id": run_id,
            "now": now,
        },
    )
