"""``etl_load_chunk``: the key ranges of a large table's first load, in the landing schema.

A range belongs to whoever holds its row's lock, and range and rows are written in one transaction: when
a process dies, the server gives the range back. Forgetting the ranges waits for everybody who has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    delete,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import CreateTable

from dental_etl.run import Coercion
from dental_etl.tracking.locks import advisory_key
from dental_etl.wire.names import postgres

NAME = "etl_load_chunk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """One key range of a first load."""

    #: From 1, in the order of the key.
    number: int
    #: The load that it is a part of.
    load_id: str
    #: Keys beyond this one; None from the start.
    above: int | None
    #: Keys up to this one; None to the end.
    up_to: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What the ranges that are done hold together."""

    rows: int
    bytes: int
    coercions: tuple[Coercion, ...]


@lru_cache(maxsize=8)  # SQLAlchemy keeps what it compiled per table object
def _table(schema: str) -> Table:
    return Table(
        NAME,
        MetaData(schema=schema),
        Column("table_name", Text, primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("load_id", Text, nullable=False),
        # MySQL's BIGINT UNSIGNED does not fit into a bigint.
        Column("above", Numeric(20, 0)),
        Column("up_to", Numeric(20, 0)),
        Column("is_done", Boolean, nullable=False, server_default=text("false")),
        Column("rows", BigInteger, nullable=False, server_default=text("0")),
        Column("bytes", BigInteger, nullable=False, server_default=text("0")),
        Column("coercions", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    )


def is_there(connection: Connection, schema: str) -> bool:
    """Tell whether any load of this schema was ever shared."""
    name = f"{postgres(schema)}.{NAME}"
    found: bool = connection.execute(
        text("SELECT to_regclass(:name) IS NOT NULL"), {"name": name}
    ).scalar_one()
    return found


def write_ranges(connection: Connection, schema: str, table: str, ranges: Sequence[Range]) -> None:
    """Replace the ranges of a table, in the caller's transaction."""
    # Two loads that both find the table missing would otherwise collide in PostgreSQL's catalog.
    connection.execute(
        text("SELECT pg_advisory_xact_lock(:key)"), {"key": advisory_key(f"ensure {NAME}:{schema}")}
    )
    connection.execute(CreateTable(_table(schema), if_not_exists=True))
    forget_ranges(connection, schema, table)
    rows = [
        {
            "table_name": table,
            "number": one.number,
            "load_id": one.load_id,
            "above": one.above,
            "up_to": one.up_to,
        }
        for one in ranges
    ]
    connection.execute(insert(_table(schema)), rows)


def forget_ranges(connection: Connection, schema: str, table: str) -> None:
    """Delete the ranges of a table; waits for those who copy one of them, and lets nobody begin."""
    if is_there(connection, schema):
        target = _table(schema)
        connection.execute(delete(target).where(target.c.table_name == table))


def open_numbers(connection: Connection, schema: str, table: str, load_id: str) -> list[int]:
    """Return the ranges that are not done, whether or not somebody works them."""
    target = _table(schema)
    wanted = (target.c.table_name == table) & (target.c.load_id == load_id) & ~target.c.is_done
    return list(connection.execute(select(target.c.number).where(wanted).order_by(target.c.number)).scalars())


def take_range(connection: Connection, schema: str, table: str, number: int) -> Range | None:
    """Hold a range until the transaction ends; None if it is done, somebody else's, or there is none."""
    target = _table(schema)
    row = connection.execute(
        select(target)
        .where(target.c.table_name == table, target.c.number == number, ~target.c.is_done)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if row is None:
        return None
    return Range(
        number=row.number,
        load_id=row.load_id,
        above=None if row.above is None else int(row.above),
        up_to=None if row.up_to is None else int(row.up_to),
    )


def finish_range(
    connection: Connection,
    schema: str,
    table: str,
    number: int,
    *,
    rows: int,
    bytes_: int,
    found: Sequence[Coercion],
) -> None:
    """Record a range in the transaction of its rows; the caller holds it."""
    target = _table(schema)
    values: dict[str, Any] = {
        "is_done": True,
        "rows": rows,
        "bytes": bytes_,
        "coercions": [one.to_json() for one in found],
    }
    connection.execute(
        update(target).where(target.c.table_name == table, target.c.number == number).values(values)
    )


def total(connection: Connection, schema: str, table: str) -> Total:
    """Add up the ranges of a table."""
    target = _table(schema)
    rows = connection.execute(select(target).where(target.c.table_name == table)).all()
    return Total(
        rows=sum(row.rows for row in rows),
        bytes=sum(row.bytes for row in rows),
        coercions=tuple(Coercion.from_json(one) for row in rows for one in row.coercions),
    )
