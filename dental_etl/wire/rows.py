"""How the rows of one table travel; pure.

The server makes one byte string per row, ``CONCAT_WS(FF, c1, c2, ...)``, so that the client never
touches a value. What frames it (FF between fields, FE between rows, `NULL`, and one of `_COERCED` for
a date that PostgreSQL cannot hold) never occurs in UTF-8, so no text can be taken for it. CONCAT_WS
skips NULL: every nullable expression must be wrapped, or later fields move up.

Servers may hold text that is broken, mostly single bytes of an older character set. So a mark goes on
with four times 81, which is no letter in most of those: an FD or F5 (``\u00fd``, ``\u00f5``) with anything
else behind it is no mark, and is found where the block is checked. Four, because Python looks for five
bytes in half the time that it takes for two.

Columns that would break the framing or the packet (binary, long text, text of a character set whose
bytes the server does not check) travel apart, as further result columns behind the packed one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dental_etl.config.tables import Column, TableSchema
from dental_etl.exceptions import DataExtractionError
from dental_etl.wire.names import mysql, postgres, raw_name

FIELD_END = b"\xff"
ROW_END = b"\xfe"
NULL = b"\xfd\x81\x81\x81\x81"
#: In front of text, in a column that travels apart: it could not be converted as it is.
UNCERTAIN = b"\xff"
#: One per date column, so that they are counted by column without looking at rows. All end as `NULL` does.
_COERCED = tuple(bytes([code]) + NULL[1:] for code in (*range(0xF5, 0xFD), 0xC0, 0xC1))

_DATES = frozenset({"date", "datetime", "timestamp"})
_BINARY = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_GEOMETRY = frozenset({
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geometrycollection", "geomcollection",
})  # fmt: skip
#: Up to 64 KiB; longer text could push the packed row over max_allowed_packet, which makes it NULL.
_SHORT_TEXT = frozenset({"char", "varchar", "tinytext", "text", "enum", "set"})
_LONG_TEXT = frozenset({"mediumtext", "longtext", "json"})
#: So many TEXT columns together stay far below the max_allowed_packet that servers come with.
_MOST_TEXTS = 8
_TEXT = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
#: Their own text is exact: 17 digits of a double, every digit of a decimal, microseconds of a time.
_PLAIN = frozenset({
    "tinyint", "smallint", "mediumint", "int", "integer", "bigint", "decimal", "numeric", "double", "real",
    "time", "year",
})  # fmt: skip
#: MariaDB's own types; beside them the NULL marker would be taken for a value of theirs.
_CAST = frozenset({"uuid", "inet4", "inet6"})
_DOUBLES = frozenset({"double", "real"})
_UTF8 = frozenset({"utf8", "utf8mb3", "utf8mb4"})


class Target(StrEnum):
    """Which server the blocks are for."""

    MYSQL = "mysql"
    POSTGRES = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApartColumn:
    """A column that travels as a result column of its own."""

    name: str
    #: Written as hexadecimal digits; else text, checked value by value.
    is_binary: bool
    #: NULL arrives as its marker, and a real NULL means that the server gave up.
    is_marked: bool
    #: NULL is NULL; neither this nor `is_marked` for a column that is never NULL.
    may_be_null: bool
    #: Text behind `UNCERTAIN` has letters that Unicode does not have; the server put a ``?`` for each.
    may_be_uncertain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFormat:
    """How rows of one table are selected, framed and written."""

    table: str
    target: Target
    #: Columns in the order of the fields: packed ones, then those apart.
    columns: tuple[str, ...]
    #: How many of them are packed into the first result column; 0 means that there is none.
    packed: int
    apart: tuple[ApartColumn, ...]
    #: Date columns and the mark that stands for a date PostgreSQL cannot hold.
    coerced: tuple[tuple[str, bytes], ...]
    #: What to SELECT, without the word.
    select_list: str
    #: Column list of LOAD DATA; columns that need an expression go through a variable.
    load_columns: str
    #: ``SET ...`` of LOAD DATA; empty when no column needs one.
    load_set: str
    #: Column list of COPY, as raw spells it.
    copy_columns: str
    #: ENUM columns: their error value '' (index 0) is refused by strict mode.
    enum_columns: tuple[str, ...]

    @property
    def result_columns(self) -> int:
        """Number of result columns that the server answers with."""
        return min(self.packed, 1) + len(self.apart)


def row_format(
    schema: TableSchema,
    target: Target,
    columns: Sequence[str] | None = None,
    *,
    alias: str = "",
    is_packed: bool = True,
) -> RowFormat:
    """Decide how rows of a table travel.

    Args:
        schema: Structure of the table that is read.
        target: Where the rows go.
        columns: Which columns; default all that hold data of their own.
        alias: Alias of the table in the SELECT, for joins.
        is_packed: False sends every column apart: slower, but it does not depend on
            max_allowed_packet nor on the bytes in text.

    Raises:
        DataExtractionError: A column has a type that we do not know how to carry.
    """
    wanted = [schema.column(name) for name in columns] if columns is not None else schema.columns
    packed, apart = _split(wanted, target, is_packed=is_packed)
    ordered = (*packed, *apart)
    coerced = _markers(ordered, target)
    select = _Select(schema.name, target, f"{mysql(alias)}." if alias else "", coerced)
    return RowFormat(
        table=schema.name,
        target=target,
        columns=tuple(column.name for column in ordered),
        packed=len(packed),
        apart=tuple(_apart_column(column, target) for column in apart),
        coerced=tuple(coerced.items()),
        select_list=select.list(packed, apart),
        load_columns=", ".join(_load_column(column, target, index) for index, column in enumerate(ordered)),
        load_set=_load_set(ordered, target),
        copy_columns=", ".join(postgres(raw_name(column.name)) for column in ordered),
        enum_columns=tuple(column.name for column in ordered if _is_numbered(column, target)),
    )


def _split(
    columns: Iterable[Column], target: Target, *, is_packed: bool
) -> tuple[list[Column], list[Column]]:
    packed: list[Column] = []
    apart: list[Column] = []
    dates = texts = 0
    for column in columns:
        texts += column.data_type == "text"
        dates += _is_coerced(column, target)
        is_apart = not is_packed or _travels_apart(column, target)
        is_apart |= _is_coerced(column, target) and dates > len(_COERCED)
        is_apart |= column.data_type == "text" and texts > _MOST_TEXTS
        (apart if is_apart else packed).append(column)
    return packed, apart


def _apart_column(column: Column, target: Target) -> ApartColumn:
    is_marked = _is_null_marked(column, target) or _is_coerced(column, target)
    return ApartColumn(
        name=column.name,
        is_binary=_is_binary(column, target),
        is_marked=is_marked,
        may_be_null=column.is_nullable and not is_marked,
        may_be_uncertain=target is Target.POSTGRES and _is_foreign(column),
    )


def _is_null_marked(column: Column, target: Target) -> bool:
    """Text that can outgrow max_allowed_packet, which some servers answer with a silent NULL."""
    is_text = column.data_type in _LONG_TEXT and not _is_ascii(column)
    return is_text and not _is_binary(column, target)


def _travels_apart(column: Column, target: Target) -> bool:
    is_long = column.data_type in _LONG_TEXT
    return _is_binary(column, target) or is_long or _is_ascii(column) or _is_foreign(column)


def _is_ascii(column: Column) -> bool:
    """Servers store any byte in an ascii column; FF there would be taken for a separator."""
    return column.charset == "ascii" and column.data_type in _TEXT


def _is_foreign(column: Column) -> bool:
    """Text of a character set with letters that Unicode lacks, or that come back as others.

    latin1 is not one: every byte of it has its letter.
    """
    return column.data_type in _TEXT and column.charset not in _UTF8 | {"latin1", "ascii", None}


def _is_binary(column: Column, target: Target) -> bool:
    """Whether the column travels as hexadecimal digits."""
    is_kept_as_bytes = target is Target.MYSQL and (_is_ascii(column) or _is_foreign(column))
    return column.data_type in _BINARY or column.data_type in _GEOMETRY or is_kept_as_bytes


def _is_numbered(column: Column, target: Target) -> bool:
    """An ENUM goes from MySQL to MySQL by its index: no text stands for the index 0 alone."""
    return target is Target.MYSQL and column.data_type == "enum" and not column.has_uncertain_labels


def _is_coerced(column: Column, target: Target) -> bool:
    return target is Target.POSTGRES and column.data_type in _DATES


def _markers(columns: Iterable[Column], target: Target) -> dict[str, bytes]:
    """Columns beyond the supply of marks travel apart, where the column is known without one of its own."""
    dates = [column.name for column in columns if _is_coerced(column, target)]
    return {name: _COERCED[min(index, len(_COERCED) - 1)] for index, name in enumerate(dates)}


class _Select:
    """Writes the SELECT list of one table."""

    def __init__(self, table: str, target: Target, prefix: str, coerced: dict[str, bytes]) -> None:
        self._table = table
        self._target = target
        self._prefix = prefix
        self._coerced = coerced

    def list(self, packed: Iterable[Column], apart: Iterable[Column]) -> str:
        fields = [self._packed(column) for column in packed]
        # Cast, or a server that finds no other binary part takes the separator for text (error 1300).
        first = [f"CONCAT_WS({_marker(FIELD_END)}, {', '.join(fields)})"] if fields else []
        return ", ".join(first + [self._apart(column) for column in apart])

    def _packed(self, column: Column) -> str:
        if column.name in self._coerced:
            return self._date(column)
        value = self._value(column)
        # The CAST is needed, or the server takes the marker for text and refuses it (error 1300).
        return f"IFNULL({value}, {_marker(NULL)})" if column.is_nullable else value

    def _apart(self, column: Column) -> str:
        if column.data_type in _BINARY or column.data_type in _GEOMETRY:
            return self._value(column)
        if column.name in self._coerced:
            return self._date(column)
        if _is_binary(column, self._target):
            return f"CONVERT({self._name(column)} USING binary)"
        # Bytes, so that no conversion alters them. CAST AS BINARY would be NULL, without a word, for text
        # beyond max_allowed_packet.
        value = f"CONVERT({self._value(column)} USING binary)"
        if _is_foreign(column):
            value = f"IF({self._is_certain(column)}, {value}, CONCAT({_marker(UNCERTAIN)}, {value}))"
        if column.is_nullable and _is_null_marked(column, self._target):
            return f"IF({self._name(column)} IS NULL, {_marker(NULL)}, {value})"
        return value

    def _is_certain(self, column: Column) -> str:
        """Whether the conversion brought no question marks that were not there before."""
        lengths = [
            f"CHAR_LENGTH(REPLACE({text}, '?', ''))" for text in (self._name(column), self._value(column))
        ]
        return f"{self._name(column)} IS NULL OR {lengths[0]} = {lengths[1]}"

    def _date(self, column: Column) -> str:
        """TO_DAYS is NULL for zero and partial dates, and at most 365 in year 0, which PostgreSQL lacks."""
        name = self._name(column)
        otherwise = _marker(self._coerced[column.name])
        if column.is_nullable:
            otherwise = f"IF({name} IS NULL, {_marker(NULL)}, {otherwise})"
        return f"IF(TO_DAYS({name}) > 365, {name}, {otherwise})"

    def _value(self, column: Column) -> str:
        name = self._name(column)
        kind = column.data_type
        if kind == "float":
            return _exact_float(name)
        if kind in _DOUBLES and "zerofill" in column.column_type:
            return (
                f"IF({name} = 0, '0', {name})"  # MySQL fills a zero with a minus with zeros before the minus
            )
        if kind == "bit" or _is_numbered(column, self._target):
            return f"({name} + 0)"
        if kind in _CAST:
            return f"CAST({name} AS CHAR)"
        if kind in _GEOMETRY:
            return well_known_binary(name) if self._target is Target.POSTGRES else name
        if kind in _SHORT_TEXT or kind in _LONG_TEXT:
            return name if _is_utf8(column) else f"CONVERT({name} USING utf8mb4)"
        if kind in _PLAIN or kind in _DATES or kind in _BINARY:
            return name
        raise DataExtractionError(
            f"Column {column.name} of table {self._table} has the type {column.column_type}, which cannot be "
            f"copied. Name the column under exclude_columns in tables.overrides.yml, or ask for the type.",
            table=self._table,
        )

    def _name(self, column: Column) -> str:
        return self._prefix + mysql(column.name)


def well_known_binary(name: str) -> str:
    """Return the shape of a geometry as it is stored, behind the four bytes of its reference system.

    MySQL's ST_AsWKB would turn places on earth around, latitude first.
    """
    return f"SUBSTR({name}, 5)"


def _exact_float(name: str) -> str:
    """The text of a FLOAT has six digits, and nine tell it from every other.

    As a double it has up to 17, which take the server as long as five whole numbers. Rounded it has nine or
    more where it is neither small nor large, at half the price.
    """
    return f"IF({name} BETWEEN 1 AND 99999, CONCAT(ROUND({name}, 8)), {name} + 0e0)"


def _is_utf8(column: Column) -> bool:
    # MySQL's json has no character set of its own and is utf8mb4; ascii is UTF-8 unless it is broken,
    # and then the check of every value must see the broken bytes.
    return column.data_type == "json" or column.charset in _UTF8 or column.charset == "ascii"


def _marker(mark: bytes) -> str:
    return f"CAST(0x{mark.hex().upper()} AS BINARY)"


def _load_column(column: Column, target: Target, index: int) -> str:
    is_computed = _is_binary(column, target) or _is_number(column, target)
    return _variable(index) if is_computed else mysql(column.name)


def _load_set(columns: Iterable[Column], target: Target) -> str:
    parts = []
    for index, column in enumerate(columns):
        if _is_binary(column, target):
            parts.append(f"{mysql(column.name)} = UNHEX({_variable(index)})")
        elif _is_number(column, target):
            parts.append(f"{mysql(column.name)} = CAST({_variable(index)} AS UNSIGNED)")
    return "SET " + ", ".join(parts) if parts else ""


def _is_number(column: Column, target: Target) -> bool:
    """Whether the text is a number that must not be taken for the bytes or the label of the value."""
    return column.data_type == "bit" or _is_numbered(column, target)


def _variable(index: int) -> str:
    # Not by the column's name: a variable's may have 64 characters in all.
    return f"@etl_{index}"
