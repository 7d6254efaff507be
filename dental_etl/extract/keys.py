"""Positions in a table's primary key: which keys can be paged by, and conditions over them; pure.

Composite keys are compared row-wise, spelled out: MySQL does not use an index for ``(a, b) > (1, 2)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from dental_etl.config import Column, TableSchema
from dental_etl.exceptions import DataExtractionError
from dental_etl.wire import names

#: Values of the key's columns, in key order.
Key = tuple[int | Decimal | str | bytes, ...]

_WHOLE = frozenset({"tinyint", "smallint", "mediumint", "int", "integer", "bigint", "year"})
_TEMPORAL = frozenset({"date", "datetime", "timestamp", "time"})
# FLOAT cannot be compared with what it prints; ENUM sorts by its number but compares by its text; TEXT and
# BLOB are keyed by a prefix. Nobody keys a clinic's tables by those, so such tables are read in one piece.
_PAGEABLE = _WHOLE | _TEMPORAL | {"decimal", "bit", "char", "varchar", "binary", "varbinary"}
# A key of another character set may come back as a different one, and pages would never end.
_CHARSETS = frozenset({None, "utf8", "utf8mb3", "utf8mb4", "latin1", "ascii"})


def is_pageable(schema: TableSchema) -> bool:
    """Return whether the table can be read in ranges of its primary key."""
    return bool(schema.primary_key) and all(
        column.data_type in _PAGEABLE and column.charset in _CHARSETS and not column.is_recollated
        for column in schema.key_columns
    )


def is_number(schema: TableSchema) -> bool:
    """Return whether the key is one whole number, which is in a row as it is in a condition."""
    key = schema.key_columns
    return len(key) == 1 and key[0].data_type in _WHOLE - {"year"}


def slot(schema: TableSchema, width: int) -> str:
    """Return the number of the slot that a whole-number key falls into; slot 0 reaches to both sides of 0."""
    return f"{names.mysql(schema.primary_key[0])} DIV {int(width)}"


def slot_ends(number: int, width: int) -> tuple[int, int]:
    """Return the lowest and the highest key that a slot can hold: DIV cuts towards zero."""
    lowest = number * width if number > 0 else number * width - (width - 1)
    return lowest, number * width + (width - 1 if number >= 0 else 0)


def select_list(schema: TableSchema) -> str:
    """Return the key's columns as expressions whose results can be compared with the column again."""
    return ", ".join(_readable(column) for column in schema.key_columns)


def order_by(schema: TableSchema) -> str:
    return ", ".join(names.mysql(name) for name in schema.primary_key)


def after(schema: TableSchema, key: Key) -> str:
    """Return the condition for rows beyond a key."""
    return _compare(schema.primary_key, key, ">", ">")


def up_to(schema: TableSchema, key: Key) -> str:
    """Return the condition for rows up to a key, itself included."""
    return _compare(schema.primary_key, key, "<", "<=")


def within(schema: TableSchema, parts: Sequence[tuple[int, int]]) -> str:
    """Return the condition for a whole-number key that lies in one of some parts: looks into the index once each."""
    column = names.mysql(schema.primary_key[0])
    terms = (f"{column} BETWEEN {int(first)} AND {int(last)}" for first, last in parts)
    return f"({' OR '.join(terms)})"


def from_row(schema: TableSchema, row: Sequence[Any]) -> Key:
    """Return a key from a row of `select_list`.

    Raises:
        DataExtractionError: The key cannot be written into a statement again.
    """
    try:
        return tuple(_value(column, value) for column, value in zip(schema.key_columns, row, strict=True))
    except UnicodeDecodeError:
        raise key_is_no_text(schema.name) from None


def key_is_no_text(table: str) -> DataExtractionError:
    """Return the error for a key that cannot be read, and so cannot be paged by."""
    return DataExtractionError(
        f"A primary key of table {table} holds bytes that are not text in its character set, so the table "
        f"cannot be read in the order of its key. Mend that key at the source.",
        table=table,
        stage="extract",
    )


def to_json(key: Key) -> list[Any]:
    return [_encoded(value) for value in key]


def from_json(raw: Sequence[Any]) -> Key:
    return tuple(_decoded(value) for value in raw)


def _readable(column: Column) -> str:
    quoted = names.mysql(column.name)
    if column.data_type in _TEMPORAL | {"decimal"}:
        return f"CAST({quoted} AS CHAR)"  # as MySQL prints it: drivers have no value for zero dates
    if column.charset == "ascii":
        return f"CAST({quoted} AS BINARY)"  # bytes that are no text would come as question marks
    return f"{quoted}+0" if column.data_type == "bit" else quoted


def _value(column: Column, value: Any) -> int | Decimal | str | bytes:
    if column.data_type == "decimal":
        return Decimal(value)
    if column.data_type in _WHOLE or column.data_type == "bit":
        return int(value)
    if column.charset == "ascii" and isinstance(value, bytes):
        return value.decode("ascii")
    return value if isinstance(value, bytes) else str(value)


def _literal(value: int | Decimal | str | bytes) -> str:
    # A quoted decimal would be compared as a double and lose its last digits.
    return f"{value:f}" if isinstance(value, Decimal) else names.literal(value)


def _compare(columns: Sequence[str], key: Key, strict: str, last: str) -> str:
    column, value = names.mysql(columns[0]), _literal(key[0])
    if len(columns) == 1:
        return f"{column} {last} {value}"
    rest = _compare(columns[1:], key[1:], strict, last)
    # The first term says nothing new, but it is what the optimiser makes its range from.
    return f"({column} {strict}= {value} AND ({column} {strict} {value} OR ({column} = {value} AND {rest})))"


def _encoded(value: int | Decimal | str | bytes) -> Any:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    return {"decimal": f"{value:f}"} if isinstance(value, Decimal) else value


def _decoded(value: Any) -> int | Decimal | str | bytes:
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"]) if "hex" in value else Decimal(value["decimal"])
    return value if isinstance(value, int) else str(value)
