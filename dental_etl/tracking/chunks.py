"""``etl_chunk``: the key ranges of a large table that is being extracted, each with its own checkpoint.

In the replication database, beside the rows, because a key can be a person's name; and because range
and rows are written in one transaction. Every write names the copy that it belongs to and the position
that it goes on from, so whoever works for a copy that was given up, or beside somebody else, writes nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    select,
    text,
    update,
)
from sqlalchemy import delete as sql_delete
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateTable

from dental_etl.exceptions import FencedError

_TEXT = mysql.LONGTEXT(charset="utf8mb4")


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def _seconds(name: str) -> Column[float]:
    return Column(name, Float(53), nullable=False, server_default=text("0"))


_CHUNK = Table(
    "etl_chunk",
    MetaData(),
    Column("table_name", mysql.VARCHAR(64, charset="utf8mb4", collation="utf8mb4_bin"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("copy_id", String(96), nullable=False),
    Column("shape", String(32), nullable=False),
    Column("up_to", _TEXT),
    Column("position", _TEXT),
    Column("is_done", Boolean, nullable=False, server_default=text("0")),
    _count("version"),
    _count("rows_copied"),
    _count("bytes_copied"),
    _count("reads"),
    _seconds("seconds"),
    _seconds("longest_seconds"),
    Column("coercions", Text, nullable=False),
    _count("rows_changed"),
    mysql_engine="InnoDB",
    mysql_default_charset="utf8mb4",
)
_c = _CHUNK.c
_HAS_CHANGED = text(
    "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() "
    "AND table_name = 'etl_chunk' AND column_name = 'rows_changed'"
)
_ADD_CHANGED = text("ALTER TABLE etl_chunk ADD COLUMN rows_changed bigint NOT NULL DEFAULT 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What has been copied of a range, and what that has cost the source."""

    rows: int = 0
    #: Of them, those that the replica lacked or held differently; known in a pass for changes only.
    changed: int = 0
    bytes: int = 0
    reads: int = 0
    #: Of the source's time.
    seconds: float = 0.0
    longest_seconds: float = 0.0
    #: Rows by column and kind of coercion.
    coercions: tuple[tuple[str, str, int], ...] = ()

    def plus(self, other: Moved) -> Moved:
        total: Counter[tuple[str, str]] = Counter()
        for column, kind, rows in (*self.coercions, *other.coercions):
            total[column, kind] += rows
        return Moved(
            rows=self.rows + other.rows,
            changed=self.changed + other.changed,
            bytes=self.bytes + other.bytes,
            reads=self.reads + other.reads,
            seconds=self.seconds + other.seconds,
            longest_seconds=max(self.longest_seconds, other.longest_seconds),
            coercions=tuple((column, kind, rows) for (column, kind), rows in sorted(total.items())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One key range of a table that is being copied."""

    table: str
    #: From 1, in the order of the key.
    number: int
    #: The copy that it is a part of; another copy of the table has other ranges.
    copy_id: str
    #: Digest of the source's structure when the ranges were made.
    shape: str
    #: Last key of the range, JSON; None for the end of the table.
    up_to: str | None
    #: Last key that is done, JSON, at first the last key of the range before; None for the table's start.
    position: str | None
    is_done: bool = False
    #: Goes up with every write; a write goes on from the version that it has read.
    version: int = 0
    moved: Moved = Moved()


def ensure_chunks(connection: Connection) -> None:
    """Create ``etl_chunk`` in replication if it is missing; DDL, so it commits in MySQL."""
    connection.execute(CreateTable(_CHUNK, if_not_exists=True))
    # A table of an older version lacks what came later; not every server knows IF NOT EXISTS here.
    if connection.execute(_HAS_CHANGED).scalar_one() == 0:
        connection.execute(_ADD_CHANGED)
    connection.commit()


def write_chunks(connection: Connection, table: str, chunks: Sequence[Chunk]) -> None:
    """Replace the ranges of a table, in the caller's transaction; with none, only forget the old ones."""
    connection.execute(sql_delete(_CHUNK).where(_c.table_name == table))
    if chunks:
        connection.execute(insert(_CHUNK), [_row(chunk) for chunk in chunks])


def read_chunks(connection: Connection, table: str, copy_id: str) -> tuple[Chunk, ...]:
    """Return the ranges of a copy in the order of the key; none if another copy took its place."""
    rows = connection.execute(
        select(_CHUNK).where(_c.table_name == table, _c.copy_id == copy_id).order_by(_c.number)
    )
    return tuple(_chunk(row) for row in rows.mappings())


def read_chunk(connection: Connection, table: str, number: int) -> Chunk | None:
    """Return one range of the copy that is under way; None when there is no such range."""
    row = (
        connection.execute(select(_CHUNK).where(_c.table_name == table, _c.number == number))
        .mappings()
        .one_or_none()
    )
    return None if row is None else _chunk(row)


def advance_chunk(connection: Connection, before: Chunk, after: Chunk) -> None:
    """Record a page of a range in the transaction of its rows.

    Raises:
        FencedError: The copy was given up, or somebody else works on the range; roll the page back.
    """
    values = _row(after)
    written = connection.execute(
        update(_CHUNK)
        .where(
            _c.table_name == before.table,
            _c.number == before.number,
            _c.copy_id == before.copy_id,
            _c.version == before.version,
        )
        .values(**values)
    )
    if written.rowcount != 1:
        raise FencedError(
            f"Range {before.number} of table {before.table} is worked by another process, or its copy was "
            f"given up; this one stops and changes nothing.",
            table=before.table,
            stage="extract",
        )


def _row(chunk: Chunk) -> dict[str, Any]:
    return {
        "table_name": chunk.table,
        "number": chunk.number,
        "copy_id": chunk.copy_id,
        "shape": chunk.shape,
        "up_to": chunk.up_to,
        "position": chunk.position,
        "is_done": chunk.is_done,
        "version": chunk.version,
        "rows_copied": chunk.moved.rows,
        "rows_changed": chunk.moved.changed,
        "bytes_copied": chunk.moved.bytes,
        "reads": chunk.moved.reads,
        "seconds": chunk.moved.seconds,
        "longest_seconds": chunk.moved.longest_seconds,
        "coercions": json.dumps(chunk.moved.coercions),
    }


def _chunk(row: Any) -> Chunk:
    return Chunk(
        table=row["table_name"],
        number=row["number"],
        copy_id=row["copy_id"],
        shape=row["shape"],
        up_to=row["up_to"],
        position=row["position"],
        is_done=bool(row["is_done"]),
        version=row["version"],
        moved=Moved(
            rows=row["rows_copied"],
            changed=row["rows_changed"],
            bytes=row["bytes_copied"],
            reads=row["reads"],
            seconds=row["seconds"],
            longest_seconds=row["longest_seconds"],
            coercions=tuple((str(c), str(k), int(n)) for c, k, n in json.loads(row["coercions"])),
        ),
    )
