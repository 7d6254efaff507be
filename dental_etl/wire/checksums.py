"""Checksums of rows that every MySQL and MariaDB computes alike; pure.

Two servers that hold the same bytes in columns of the same type answer the same numbers, whatever their
versions: numbers and times have one spelling under our session settings, text is taken in UTF-8 whatever
its character set, anything else as hexadecimal digits or a digest.

CRC32 is linear: exchanging a value between two rows changes both checksums by the same bits, which a
plain sum often and an exclusive or always forgives. So every row's checksum is multiplied by a number
made from its key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dental_etl.config.tables import Column, TableSchema
from dental_etl.wire.names import mysql

_SEPARATOR = "CAST(0xFF AS BINARY)"
#: As in `wire.rows`: one byte alone may be a text that is broken.
_NULL = "CAST(0xFD81 AS BINARY)"

_UTF8 = frozenset({"utf8", "utf8mb3", "utf8mb4"})
_BINARY = frozenset({"binary", "varbinary", "tinyblob"})
#: May be so long that a row would not fit max_allowed_packet, which makes the whole row NULL.
_DIGESTED = frozenset({
    "mediumtext", "longtext", "json", "blob", "mediumblob", "longblob", "geometry", "point", "linestring",
    "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection",
})  # fmt: skip
_CAST = frozenset({"uuid", "inet4", "inet6"})
_DOUBLES = frozenset({"double", "real"})
#: Times 2 to the 64th a number keeps every digit.
_LARGER = "* 18446744073709551616e0"
#: TEXT columns of a row that are taken as they are: together below the smallest packet in use, 1 MB.
_MOST_TEXTS = 8


def content_checksum(schema: TableSchema, *, is_deep: bool = False) -> str:
    """Return an aggregate over all columns, for rows in any order.

    Args:
        schema: The table.
        is_deep: Take SHA-256 for CRC32: more work for the server, and beyond any accident. MD5 is no
            function of MySQL 9.6 and later any more.
    """
    if is_deep:
        digits = f"LEFT(SHA2({_row(schema.columns)}, 256), 14)"
        return f"COALESCE(SUM(CAST(CONV({digits}, 16, 10) AS UNSIGNED)), 0)"
    if not schema.primary_key:
        return f"COALESCE(SUM(CRC32({_row(schema.columns)})), 0)"
    return f"COALESCE(SUM(CRC32({_row(schema.columns)}) * {_factor(schema)}), 0)"


def key_checksum(schema: TableSchema) -> str:
    """Return an aggregate over the primary key alone; costs an eighth of the whole row."""
    return f"COALESCE(SUM(CRC32({_row(schema.key_columns)}) * {_factor(schema)}), 0)"


def _factor(schema: TableSchema) -> str:
    return f"((CRC32({_row(schema.key_columns)}) & 1048575) | 1)"


def _row(columns: Sequence[Column]) -> str:
    return f"CONCAT_WS({_SEPARATOR}, {', '.join(_values(columns))})"


def _values(columns: Iterable[Column]) -> Iterator[str]:
    texts = 0
    for column in columns:
        texts += column.data_type == "text"
        value = _value(column, is_digested=column.data_type == "text" and texts > _MOST_TEXTS)
        yield f"IFNULL({value}, {_NULL})" if column.is_nullable else value


def _value(column: Column, *, is_digested: bool) -> str:
    name, kind = mysql(column.name), column.data_type
    if kind in _DIGESTED or is_digested:
        return f"SHA2({name}, 256)"
    if kind == "float":
        return _float(name)
    if kind in _DOUBLES:
        return _double(name)
    if kind == "bit" or (kind == "enum" and not column.has_uncertain_labels):
        return f"({name} + 0)"  # an ENUM's index: the error value and an empty label are both ''
    if kind in _CAST:
        return f"CAST({name} AS CHAR)"
    if kind in _BINARY:
        return f"HEX({name})"
    return _text(column) if column.charset else name


def _double(name: str) -> str:
    """A number that is printed alike everywhere.

    Of numbers nearer to zero than a thousandth MySQL prints some with an exponent that MariaDB prints with
    zeros; larger, they are printed alike. MySQL has a zero with a minus, which MariaDB does not know.
    """
    small = f"IF(ABS({name}) BETWEEN 1e-20 AND 1e-3, {name} {_LARGER}, {name})"
    return f"IF({name} >= 1e-3, {name}, IF({name} = 0, '0', {small}))"


def _float(name: str) -> str:
    """The same for a FLOAT, whose own text has six digits; as a double it keeps all.

    Of a double that is worked out MySQL prints 22 characters, and the minus of a small one would cost a digit.
    So it is written in front; not as a digit, or 15.5 and -5.5 would be one.
    """
    small = f"IF(ABS({name}) BETWEEN 1e-20 AND 1e-3, {name} {_LARGER}, {name} + 0e0)"
    return f"IF({name} >= 1e-3, {name} + 0e0, CONCAT(IF({name} < 0, '-', '+'), ABS({small})))"


def _text(column: Column) -> str:
    """UTF-8 never holds the separator; latin1 becomes UTF-8 without loss, others may not."""
    name = mysql(column.name)
    if column.charset in _UTF8:
        return name
    return f"CONVERT({name} USING utf8mb4)" if column.charset == "latin1" else f"HEX({name})"
