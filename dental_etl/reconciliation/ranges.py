"""Ranges of keys: how they are counted, cut and compared, as SQL; pure.

A range ends with a key and includes it, as each server's own collation sees it, so keys that are equal to
the server (``abc`` and ``ABC``, ``a`` and ``a``-with-a-blank) never fall into two ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dental_etl.config import TableSchema
from dental_etl.extract import keys
from dental_etl.extract.keys import Key
from dental_etl.extract.queries import GONE, STAGE, KeyRange
from dental_etl.wire import checksums, names
from dental_etl.wire.rows import RowFormat, Target

#: Ranges of so many rows at most are read and compared by value.
LEAF_ROWS = 1000
#: A range that differs is cut into so many.
PARTS = 16


class Depth(StrEnum):
    """What a checksum is made of."""

    #: The primary key alone; an eighth of the work.
    KEYS = "keys"
    #: All columns, by CRC32.
    ROWS = "rows"
    #: All columns, by SHA-256.
    DEEP = "deep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What one server says about the rows of a range."""

    rows: int
    checksum: int


def contents(schema: TableSchema, key_range: KeyRange, depth: Depth = Depth.ROWS) -> str:
    """Select the number of rows of a range and their checksum.

    Reads the rows of the range in the order of the key; without bounds, one scan of the table.

    Args:
        schema: The table.
        key_range: Which rows.
        depth: What the checksum is made of.
    """
    if depth is Depth.KEYS:
        aggregate = checksums.key_checksum(schema)
    else:
        aggregate = checksums.content_checksum(schema, is_deep=depth is Depth.DEEP)
    return f"SELECT COUNT(*), {aggregate} FROM {_source(schema, key_range)}"


def slots(schema: TableSchema, key_range: KeyRange, width: int) -> str:
    """Select number, rows and checksum of every slot of a range of a whole-number key, each as one text.

    One pass over the rows, as `contents`, and a small temporary table: a tenth more work.
    """
    slot = keys.slot(schema, width)
    return (
        f"SELECT CONCAT_WS(',', {slot}, COUNT(*), {checksums.content_checksum(schema)}) "
        f"FROM {_source(schema, key_range)} GROUP BY {slot} ORDER BY NULL"
    )


def slot_format(schema: TableSchema, target: Target) -> RowFormat:
    """Return how the answer to `slots` is read: a line a slot, ten times as quick as row by row."""
    return RowFormat(
        table=schema.name,
        target=target,
        columns=("slot",),
        packed=1,
        apart=(),
        coerced=(),
        select_list="",
        load_columns="",
        load_set="",
        copy_columns="",
        enum_columns=(),
    )


def ends(schema: TableSchema, key_range: KeyRange) -> str:
    """Select the lowest and the highest key of a range; looks into the index only."""
    key = names.mysql(schema.primary_key[0])
    return f"SELECT MIN({key}), MAX({key}) FROM {_source(schema, key_range)}"


def count(schema: TableSchema) -> str:
    """Select the number of rows: stored by MyISAM, one scan of the smallest index for InnoDB."""
    return f"SELECT COUNT(*) FROM {names.mysql(schema.name)}"


def boundary(schema: TableSchema, key_range: KeyRange, rows: int) -> str:
    """Select the key that lies so many rows into a range; no row if it has fewer. Reads the index only."""
    return (
        f"SELECT {keys.select_list(schema)} FROM {_source(schema, key_range, is_hinted=True)} "
        f"ORDER BY {keys.order_by(schema)} LIMIT 1 OFFSET {max(rows, 1) - 1}"
    )


def first_part(key_range: KeyRange, end: Key) -> KeyRange:
    return KeyRange(after=key_range.after, up_to=end)


def rest(key_range: KeyRange, end: Key) -> KeyRange:
    return KeyRange(after=end, up_to=key_range.up_to)


def create_gone(schema: TableSchema) -> str:
    """Create this session's list of keys that the source no longer has; empty."""
    return (
        f"CREATE TEMPORARY TABLE {names.mysql(GONE)} (PRIMARY KEY ({_list(schema)})) ENGINE=InnoDB "
        f"SELECT {_list(schema)} FROM {names.mysql(schema.name)} WHERE 1 = 0"
    )


def collect_gone(schema: TableSchema, key_range: KeyRange) -> str:
    """Add the replica's keys of a range that the stage, holding the source's rows of it, lacks."""
    same = " AND ".join(f"r.{names.mysql(name)} = s.{names.mysql(name)}" for name in schema.primary_key)
    mine = f"(SELECT {_list(schema)} FROM {_source(schema, key_range)}) r"
    return (
        f"INSERT IGNORE INTO {names.mysql(GONE)} SELECT {_list(schema, 'r.')} FROM {mine} "
        f"WHERE NOT EXISTS (SELECT 1 FROM {names.mysql(STAGE)} s WHERE {same})"
    )


def _source(schema: TableSchema, key_range: KeyRange, *, is_hinted: bool = False) -> str:
    conditions = key_range.conditions(schema)
    hint = " FORCE INDEX (PRIMARY)" if conditions or is_hinted else ""
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"{names.mysql(schema.name)}{hint}{where}"


def _list(schema: TableSchema, prefix: str = "") -> str:
    return ", ".join(f"{prefix}{names.mysql(name)}" for name in schema.primary_key)
