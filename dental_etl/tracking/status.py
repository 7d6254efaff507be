"""``etl_copy_status`` and ``etl_load_status``: how far each table has come, written with the rows it describes.

Every write here belongs to the caller's transaction, so that a status never says more or less than the rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    MetaData,
    Numeric,
    RowMapping,
    Table,
    Text,
    bindparam,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateSchema, CreateTable
from sqlalchemy.sql.dml import Update

from dental_etl.exceptions import FencedError
from dental_etl.run import CopyStatus, Cursor, LoadStatus, Strategy
from dental_etl.tracking.copy_statements import ADD, FORGET, ONE, SCHEMA, TAKE, writing
from dental_etl.tracking.copy_table import COPY, ensure_copy_status
from dental_etl.tracking.locks import advisory_key
from dental_etl.wire.names import postgres

__all__ = [
    "CopiedBatch",
    "CopiedTable",
    "ensure_copy_status",
    "ensure_load_status",
    "hold_generation",
    "next_generation",
    "read_copy_status",
    "read_copy_statuses",
    "read_load_status",
    "read_load_statuses",
    "read_source_schema",
    "record_altered",
    "record_batch",
    "record_copied",
    "record_copy_failed",
    "record_forgotten",
    "record_loaded",
    "record_started",
    "take_fence",
    "write_generation",
]


@lru_cache(maxsize=8)  # SQLAlchemy keeps what it compiled per table object, hundreds of times over
def load_table(schema: str) -> Table:
    return Table(
        "etl_load_status",
        MetaData(schema=schema),
        Column("table_name", Text, primary_key=True),
        Column("last_loaded", DateTime(timezone=True)),
        Column("rows_loaded", BigInteger, nullable=False, server_default=text("0")),
        Column("load_status", Text, nullable=False, server_default=text("'running'")),
        Column("loaded_generation", BigInteger, nullable=False, server_default=text("0")),
        Column("run_id", Text),
        Column("proven_at", DateTime(timezone=True)),
        Column("proof_position", Numeric(20, 0)),
        Column("proof_started_at", DateTime(timezone=True)),
        # The extract's cursor of that generation, for people who look only here.
        Column("last_primary_value", Text),
        Column("primary_column_name", Text),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedBatch:
    """What one transaction of an extract adds to ``etl_copy_status``."""

    #: Where the next attempt goes on, JSON; None when there is nothing to go on with.
    checkpoint: str | None
    rows: int = 0
    bytes: int = 0
    seconds: float = 0.0
    #: Whether rows of the replica changed: the generation then goes up by one.
    has_changes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedTable:
    """What the end of an extract writes to ``etl_copy_status``."""

    now: datetime
    cursor: Cursor | None
    strategy: Strategy
    #: Whether the replica was rewritten as a whole; generation and full_generation then go up together.
    is_rewritten: bool
    #: Whether single rows changed in this transaction; the generation then goes up by one.
    has_changes: bool
    #: Structure of the source's table, JSON.
    source_schema: str
    overlap_minutes: int


def read_copy_status(connection: Connection, table: str) -> CopyStatus | None:
    """Return where the extract of a table stands; None before its first attempt."""
    row = connection.execute(ONE, {"of_table": table}).mappings().one_or_none()
    return None if row is None else as_copy_status(row)


def read_copy_statuses(connection: Connection) -> dict[str, CopyStatus]:
    """Return where every extract stands, by table; nothing where no extract was ever begun."""
    if not inspect(connection).has_table(COPY.name):
        return {}
    # A table that an older version has made lacks columns until the first extract.
    rows = connection.execute(text(f"SELECT * FROM {COPY.name} ORDER BY table_name")).mappings()
    return {row["table_name"]: as_copy_status(row) for row in rows}


def read_source_schema(connection: Connection, table: str) -> str | None:
    """Return the source's structure at the last complete copy, JSON; None before the first."""
    found: str | None = connection.execute(SCHEMA, {"of_table": table}).scalar_one_or_none()
    return found


def find_source_schema(connection: Connection, table: str) -> str | None:
    """Return the same as `read_source_schema`, also where no extract was ever begun."""
    return read_source_schema(connection, table) if inspect(connection).has_table(COPY.name) else None


def take_fence(connection: Connection, table: str, fence: int, *, run_id: str | None = None) -> CopyStatus:
    """Make `fence` the only attempt that may write, and return where the extract stands.

    Raises:
        FencedError: A newer attempt has taken the table over.
    """
    connection.execute(ADD, {"table_name": table})
    taken = connection.execute(TAKE, {"of_table": table, "of_fence": fence, "of_run": run_id})
    _require_fence(taken.rowcount, table)
    return _require(read_copy_status(connection, table))


def record_started(
    connection: Connection, table: str, fence: int, *, strategy: Strategy, checkpoint: str | None
) -> None:
    """Record that an extract starts from nothing: its counters return to zero.

    Raises:
        FencedError: A newer attempt has taken the table over.
    """
    values = {"strategy": str(strategy), "checkpoint": checkpoint}
    _write(connection, table, fence, {**values, "rows_copied": 0, "bytes_copied": 0, "seconds": 0.0})


def hold_generation(connection: Connection, table: str) -> tuple[int, str | None]:
    """Keep everybody else from changing the replica until the transaction ends.

    Returns:
        The generation of what this transaction changes, for `write_generation`; and the checkpoint,
        which says whose pass it is.
    """
    row = connection.execute(
        select(COPY.c.generation, COPY.c.fence, COPY.c.checkpoint)
        .where(COPY.c.table_name == table)
        .with_for_update()
    ).one()
    return next_generation(row.generation, row.fence), row.checkpoint


def write_generation(connection: Connection, table: str, generation: int) -> None:
    """Record that rows of the replica changed, in the transaction that holds the generation."""
    connection.execute(update(COPY).where(COPY.c.table_name == table).values(generation=generation))


def record_batch(connection: Connection, table: str, fence: int, batch: CopiedBatch) -> None:
    """Record a batch in the transaction of its rows.

    Raises:
        FencedError: A newer attempt has taken the table over; the batch must be rolled back.
    """
    _write(
        connection,
        table,
        fence,
        {"checkpoint": batch.checkpoint},
        added={"rows_copied": batch.rows, "bytes_copied": batch.bytes, "seconds": batch.seconds},
        raised=("generation",) if batch.has_changes else (),
    )


def record_altered(connection: Connection, table: str, fence: int, columns: Iterable[str]) -> CopyStatus:
    """Record that columns of the replica are about to be altered, and return the status as it then is.

    Before the fact, since DDL shares no transaction with its record: load then compares once too often.

    Raises:
        FencedError: A newer attempt has taken the table over.
    """
    before = _require(read_copy_status(connection, table))
    altered = json.dumps(sorted({*before.altered_columns, *columns}))
    raised = ("altered_generation", "generation")
    _write(connection, table, fence, {"altered_columns": altered}, raised=raised)
    return _require(read_copy_status(connection, table))


def record_forgotten(connection: Connection, table: str, generation: int) -> None:
    """Record, with the deletion of outbox entries, up to which generation they are gone; no fence is needed."""
    connection.execute(FORGET, {"of_table": table, "of_generation": generation})


def record_copied(connection: Connection, table: str, fence: int, copied: CopiedTable) -> CopyStatus:
    """Record that the replica is complete, and return the status as it then is.

    Raises:
        FencedError: A newer attempt has taken the table over.
    """
    values = {
        "last_copied": _naive(copied.now),
        "last_primary_value": copied.cursor.value if copied.cursor else None,
        "primary_column_name": copied.cursor.column if copied.cursor else None,
        "copy_status": "success",
        "checkpoint": None,
        "strategy": str(copied.strategy),
        "source_schema": copied.source_schema,
        "overlap_minutes": copied.overlap_minutes,
        **({"altered_columns": None} if copied.is_rewritten else {}),
    }
    _write(connection, table, fence, values, raised=_raised(copied))
    return _require(read_copy_status(connection, table))


def record_copy_failed(connection: Connection, table: str, fence: int) -> None:
    """Record that the attempt gave up; checkpoint and counters stay.

    Raises:
        FencedError: A newer attempt has taken the table over.
    """
    _write(connection, table, fence, {"copy_status": "failed"})


def ensure_load_status(connection: Connection, schema: str) -> None:
    """Create the landing schema and its ``etl_load_status`` if they are missing; in the caller's transaction."""
    # Two loads that both find them missing would otherwise collide in PostgreSQL's catalog.
    connection.execute(
        text("SELECT pg_advisory_xact_lock(:key)"), {"key": advisory_key(f"ensure_load_status:{schema}")}
    )
    connection.execute(CreateSchema(schema, if_not_exists=True))
    target = load_table(schema)
    connection.execute(CreateTable(target, if_not_exists=True))
    # Tables of older versions lack what came later.
    connection.exec_driver_sql(
        f"ALTER TABLE {postgres(schema)}.etl_load_status ADD COLUMN IF NOT EXISTS proven_at timestamptz, "
        f"ADD COLUMN IF NOT EXISTS proof_position numeric(20), "
        f"ADD COLUMN IF NOT EXISTS proof_started_at timestamptz",
        execution_options={"no_parameters": True},
    )


def read_load_status(connection: Connection, schema: str, table: str) -> LoadStatus | None:
    """Return which generation raw holds; None before the first load."""
    target = load_table(schema)
    row = connection.execute(select(target).where(target.c.table_name == table)).mappings().one_or_none()
    return None if row is None else as_load_status(row)


def read_load_statuses(connection: Connection, schema: str) -> dict[str, LoadStatus]:
    """Return which generation raw holds, by table; nothing where no load was ever begun."""
    target = load_table(schema)
    if not inspect(connection).has_table(target.name, schema=schema):
        return {}
    rows = connection.execute(select(target).order_by(target.c.table_name)).mappings()
    return {row["table_name"]: as_load_status(row) for row in rows}


def record_loaded(
    connection: Connection, schema: str, status: LoadStatus, *, cursor: Cursor | None = None
) -> None:
    """Write the load status of a table in the transaction of its rows.

    Args:
        connection: Analytics.
        schema: Landing schema.
        status: What raw holds when this transaction commits.
        cursor: The extract's cursor of that generation.
    """
    values: dict[str, Any] = {
        "table_name": status.table,
        "last_loaded": status.last_loaded,
        "rows_loaded": status.rows_loaded,
        "load_status": status.load_status,
        "loaded_generation": status.loaded_generation,
        "run_id": status.run_id,
        "proven_at": status.proven_at,
        "proof_position": status.proof_position,
        "proof_started_at": status.proof_started_at,
        "last_primary_value": cursor.value if cursor else None,
        "primary_column_name": cursor.column if cursor else None,
    }
    known = {f"new_{name}": value for name, value in values.items()}
    if not connection.execute(_loading(schema), known).rowcount:
        target = load_table(schema)
        changed = {name: value for name, value in values.items() if name != "table_name"}
        connection.execute(
            postgresql.insert(target)
            .values(values)
            .on_conflict_do_update(index_elements=[target.c.table_name], set_=changed)
        )


@lru_cache(maxsize=8)
def _loading(schema: str) -> Update:
    target = load_table(schema)
    names = [column.name for column in target.columns if column.name != "table_name"]
    return (
        update(target)
        .where(target.c.table_name == bindparam("new_table_name"))
        .values({name: bindparam(f"new_{name}") for name in names})
    )


def next_generation(generation: int, fence: int) -> int:
    """Return the generation after this one, in an attempt that holds this fence.

    Fences only ever rise, and they are counted in the analytics database. So a replica that was
    restored from a backup, or made anew, never counts the same generation twice: load would take
    the second for the first, which raw holds already.
    """
    return max(generation + 1, fence << _GENERATIONS_BITS)


#: Room for a million batches of one attempt.
_GENERATIONS_BITS = 20


def _raised(copied: CopiedTable) -> tuple[str, ...]:
    if copied.is_rewritten:
        return ("full_generation", "generation")
    return ("generation",) if copied.has_changes else ()


def _write(
    connection: Connection,
    table: str,
    fence: int,
    values: Mapping[str, Any],
    *,
    added: Mapping[str, float] | None = None,
    raised: tuple[str, ...] = (),
) -> None:
    """Write columns of a table's status: values as they are, added to what is there, or the next generation."""
    added = added or {}
    parameters = {f"new_{name}": value for name, value in (*values.items(), *added.items())}
    least = {"least_generation": fence << _GENERATIONS_BITS} if raised else {}
    taken = connection.execute(
        writing(tuple(values), tuple(added), raised),
        {**parameters, **least, "of_table": table, "of_fence": fence},
    )
    _require_fence(taken.rowcount, table)


def _require_fence(rowcount: int, table: str) -> None:
    if rowcount != 1:
        raise FencedError(
            f"A newer attempt has taken over the extract of table {table}; this one stops and changes nothing.",
            table=table,
            stage="extract",
        )


def _require(status: CopyStatus | None) -> CopyStatus:
    if status is None:
        raise AssertionError("the row was written in this transaction")
    return status


def as_copy_status(row: RowMapping | Mapping[str, Any]) -> CopyStatus:
    column = row["primary_column_name"]
    return CopyStatus(
        table=row["table_name"],
        last_copied=_aware(row["last_copied"]),
        cursor=Cursor(column=column, value=row["last_primary_value"]) if column else None,
        rows_copied=row["rows_copied"],
        copy_status=row["copy_status"],
        generation=row["generation"],
        full_generation=row["full_generation"],
        fence=row["fence"],
        checkpoint=row["checkpoint"],
        strategy=row["strategy"],
        bytes_copied=row["bytes_copied"],
        seconds=row["seconds"],
        altered_generation=row.get("altered_generation", 0),
        altered_columns=tuple(json.loads(row.get("altered_columns") or "[]")),
        forgotten_generation=row.get("forgotten_generation", 0),
    )


def as_load_status(row: RowMapping | Mapping[str, Any]) -> LoadStatus:
    return LoadStatus(
        table=row["table_name"],
        last_loaded=row["last_loaded"],
        rows_loaded=row["rows_loaded"],
        load_status=row["load_status"],
        loaded_generation=row["loaded_generation"],
        run_id=row["run_id"],
        proven_at=row["proven_at"],
        proof_position=None if row["proof_position"] is None else int(row["proof_position"]),
        proof_started_at=row["proof_started_at"],
    )


def _naive(moment: datetime) -> datetime:
    """MySQL's DATETIME has no zone; ours are all UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
