"""The value that most rows of a MySQL table have in a column, found in a few rows at either end of its key.

A column that an upgrade adds holds one value in nearly every row. What has that value need not be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dental_etl.config import Column, TableSchema
from dental_etl.wire.names import mysql

BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
#: Rows looked at from either end: old ones are what an upgrade fills, new ones what came since.
_ROWS = 500
#: Where fewer rows share a value, moving the others costs more than moving all.
_COMMON_SHARE = 0.8
#: A longer value is no default; GROUP_CONCAT would cut it besides.
_MOST_BYTES = 250
_NULL = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the two ends of a table say about one column."""

    #: Rows that were looked at; those in the middle of a short table count twice.
    rows: int
    #: The common value, as `condition` writes it; None when there is no such.
    common: str | None = None


def statement(schema: TableSchema, column: Column) -> str:
    """Select what `from_row` reads: two short walks along the primary key."""
    table, name = mysql(schema.name), mysql(column.name)
    ends = [
        f"(SELECT {name} FROM {table} FORCE INDEX (PRIMARY) ORDER BY "
        f"{', '.join(f'{mysql(part)} {way}' for part in schema.primary_key)} LIMIT {_ROWS})"
        for way in ("ASC", "DESC")
    ]
    return (
        f"SELECT SUBSTRING_INDEX(GROUP_CONCAT(v ORDER BY n DESC, v), ',', 1), MAX(n), SUM(n) FROM "
        f"(SELECT {_written(column)} AS v, COUNT(*) AS n FROM ({' UNION ALL '.join(ends)}) e GROUP BY v) g"
    )


def from_row(row: Any) -> Sample:
    """Return the sample from the one row of `statement`."""
    if row is None or row[0] is None:
        return Sample(rows=0)
    common, rows, looked_at = str(row[0]), int(row[1]), int(row[2])
    is_common = rows >= looked_at * _COMMON_SHARE and len(common) <= 2 * _MOST_BYTES
    return Sample(rows=looked_at, common=common if is_common else None)


def value_of(common: str) -> bytes | None:
    """Return the common value as the server prints it, text in the column's character set; None for NULL."""
    return None if common == _NULL else bytes.fromhex(common.removeprefix("x"))


def condition(column: Column, common: str) -> str:
    """Return the condition for rows that have the common value."""
    return f"{_written(column)} = '{common}'"


def _written(column: Column) -> str:
    name = mysql(column.name)
    return f"IF({name} IS NULL, '{_NULL}', CONCAT('x', HEX({_printed(column, name)})))"


def _printed(column: Column, name: str) -> str:
    if column.data_type in {"float", "double"}:
        return f"CAST({name} + 0e0 AS CHAR)"  # the text of a FLOAT has six digits
    if column.data_type == "bit":
        return f"CAST({name} + 0 AS CHAR)"
    return name if column.charset or column.data_type in BYTES else f"CAST({name} AS CHAR)"
