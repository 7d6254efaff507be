"""Which PostgreSQL type holds the values of a MySQL column: a fixed table over the DDL, never a guess.

Types are spelled as PostgreSQL itself prints them (``format_type``), so that "is the raw table still
what it should be" is a comparison of text.

Decisions that the table below does not show:

- ``tinyint`` is a number, also ``tinyint(1)``: Open Dental keeps enums in it. dbt decides booleans.
- ``bit(n)`` is a number, ``bigint`` up to 63 bits and ``numeric(20,0)`` for 64.
- ``json`` is ``text``: byte for byte what MySQL holds, comparable, and the same as on MariaDB, where
  a JSON column is a long text.
- ``time`` is ``interval``: Open Dental keeps signed durations beyond a day in it.
- Everything except the primary key is nullable, since zero dates become NULL.
"""

from __future__ import annotations

import re

from dental_etl.config.tables import Column
from dental_etl.exceptions import DataLoadingError

_SIGNED = {
    "tinyint": "smallint",
    "smallint": "smallint",
    "mediumint": "integer",
    "int": "integer",
    "integer": "integer",
    "bigint": "bigint",
}
_UNSIGNED = {
    "tinyint": "smallint",
    "smallint": "integer",
    "mediumint": "integer",
    "int": "bigint",
    "integer": "bigint",
    "bigint": "numeric(20,0)",
}
_FIXED = {
    "float": "real",
    "double": "double precision",
    "date": "date",
    "year": "smallint",
    "uuid": "uuid",
    "inet4": "inet",
    "inet6": "inet",
    **dict.fromkeys(
        ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json"), "text"
    ),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), "bytea"),
    **dict.fromkeys(
        (
            "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
            "geometrycollection", "geomcollection",
        ),
        "bytea",
    ),
}  # fmt: skip
_WITH_FRACTION = {
    "datetime": "timestamp({}) without time zone",
    "timestamp": "timestamp({}) with time zone",
    "time": "interval({})",
}
#: MySQL types whose every value has one exact counterpart, equal in MySQL if and only if it is equal
#: in PostgreSQL. Not text (collations), not floats, not dates (zero dates become NULL).
_EXACT_KEYS = frozenset({*_SIGNED, "decimal", "bit", "year", "binary", "varbinary", "uuid", "inet4", "inet6"})
#: MySQL types that may become NULL on the way, so they cannot be part of a PostgreSQL primary key.
_MAY_BECOME_NULL = frozenset({"date", "datetime", "timestamp"})

#: An entry of a PostgreSQL index takes a third of a page: 2,704 bytes.
_KEY_BYTES = 2600
_SIZED = frozenset({"char", "varchar", "binary", "varbinary"})
_UNSIZED_BYTES = 48
_FOUR_BYTES = frozenset({"utf8mb4", "utf16", "utf16le", "utf32", "gb18030"})

#: Decimal digits that every value of the integer type fits in.
_INTEGER_DIGITS = {"smallint": 5, "integer": 10, "bigint": 19}
_WIDER = frozenset({
    ("smallint", "integer"),
    ("smallint", "bigint"),
    ("integer", "bigint"),
    ("smallint", "real"),
    ("smallint", "double precision"),
    ("integer", "double precision"),
    ("real", "double precision"),
    ("smallint", "text"),
    ("integer", "text"),
    ("bigint", "text"),
})  # fmt: skip
_PARAMETERS = re.compile(r"\((\d+)(?:,(\d+))?\)")


def postgres_type(column: Column) -> str:
    """Return the PostgreSQL type for a MySQL column, as ``format_type`` prints it.

    Raises:
        DataLoadingError: The type is not in the table.
    """
    kind = column.data_type
    if kind in _SIGNED:
        return _UNSIGNED[kind] if column.is_unsigned else _SIGNED[kind]
    if kind in _WITH_FRACTION:
        return _WITH_FRACTION[kind].format(_numbers(column.column_type)[0])
    if kind == "decimal":
        precision, scale = _numbers(column.column_type)
        return f"numeric({precision or 10},{scale})"
    if kind == "bit":
        return "numeric(20,0)" if _numbers(column.column_type)[0] == 64 else "bigint"
    if kind in _FIXED:
        return _FIXED[kind]
    raise DataLoadingError(
        f"Column {column.name} has the MySQL type {column.column_type}, which has no PostgreSQL type here. "
        "Name the column under exclude_columns in tables.overrides.yml, or add the type to load/postgres_types.py."
    )


def is_exact_key(columns: tuple[Column, ...]) -> bool:
    """Tell whether rows can be found by this primary key on both sides.

    Text is not exact: under MySQL's collations ``abc`` and ``ABC`` are one key, so a key that only
    changed its spelling would leave the old spelling behind. Such tables are loaded in full.
    """
    return can_be_key(columns) and all(column.data_type in _EXACT_KEYS for column in columns)


def can_be_key(columns: tuple[Column, ...]) -> bool:
    """Tell whether PostgreSQL can hold this primary key.

    No part of it may turn into NULL, and its longest value must fit an entry of an index.
    """
    is_nullable = any(column.data_type in _MAY_BECOME_NULL for column in columns)
    return bool(columns) and not is_nullable and sum(map(_key_bytes, columns)) <= _KEY_BYTES


def _key_bytes(column: Column) -> int:
    """Most bytes of a value in UTF-8; what is not text or bytes takes few."""
    width = 1 if column.charset is None else 4 if column.charset in _FOUR_BYTES else 3
    return column.length * width if column.data_type in _SIZED else _UNSIZED_BYTES


def is_widening(old: str, new: str) -> bool:
    """Tell whether every value of `old` becomes, by PostgreSQL's cast, what MySQL holds in `new`."""
    old_name, new_name = _PARAMETERS.sub("", old), _PARAMETERS.sub("", new)
    if (old, new) in _WIDER:
        return True
    if new_name == "numeric":
        precision, scale = _numbers(new)
        if old in _INTEGER_DIGITS:
            return precision - scale >= _INTEGER_DIGITS[old]
        old_precision, old_scale = _numbers(old)
        return old_name == "numeric" and scale >= old_scale and precision - scale >= old_precision - old_scale
    if old == "date":
        return new_name == "timestamp without time zone"
    is_timed = old_name.startswith(("timestamp", "interval"))
    return is_timed and old_name == new_name and _numbers(new)[0] >= _numbers(old)[0]


def _numbers(spelled: str) -> tuple[int, int]:
    match = _PARAMETERS.search(spelled)
    return (int(match[1]), int(match[2] or 0)) if match else (0, 0)
