"""One text per value that MySQL and PostgreSQL both can make, so that a replica and raw can be compared; pure.

What PostgreSQL cannot hold is what it became there: a zero date is NULL. Doubles beyond 9e15 or nearer to
zero than 1e-12 are compared by their sign alone: the two servers print those in different ways.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from dental_etl.config import Column
from dental_etl.load.postgres_types import postgres_type
from dental_etl.load.raw_table import RawColumn
from dental_etl.wire.names import mysql
from dental_etl.wire.rows import well_known_binary

#: Two characters that Unicode promises never to give out, as UTF-8 and by their numbers.
_MYSQL_SEPARATOR, _MYSQL_NULL = "CAST(0xEFBFBF AS BINARY)", "CAST(0xEFBFBE AS BINARY)"
_POSTGRES_SEPARATOR, _POSTGRES_NULL = "chr(65535)", "chr(65534)"
#: PostgreSQL's functions take 100 arguments.
_MOST_ARGUMENTS = 90
#: Checksum of rows of which no column can be compared: then their number alone counts.
_NOTHING = "0"

_TEXT = frozenset({"char", "varchar", "tinytext", "text", "enum", "set"})
_LONG_TEXT = frozenset({"mediumtext", "longtext", "json"})
_UTF8 = frozenset({"utf8", "utf8mb3", "utf8mb4"})
_DATES = frozenset({"date", "datetime", "timestamp"})
_INET = frozenset({"inet4", "inet6"})
#: Text of these character sets always arrives as it is; of others, bytes without a letter are replaced.
_EXACT_CHARSETS = _UTF8 | {"latin1", None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One column on both sides."""

    column: Column
    raw: RawColumn


def pairs(columns: Iterable[Column], raw: Iterable[RawColumn], *, leave_out: Collection[str]) -> list[Pair]:
    """Return the columns to compare; those of `leave_out` hold values that raw cannot hold."""
    both = zip(columns, raw, strict=True)
    return [Pair(column=one, raw=other) for one, other in both if one.name not in leave_out]


def mysql_checksum(compared: Sequence[Pair], prefix: str, *, is_careful: bool) -> str:
    """Return the replica's aggregate over rows in any order.

    Args:
        compared: Columns.
        prefix: Quoted alias of the table and a dot.
        is_careful: Take the NUL bytes, which raw cannot hold, out of text; costs half as much again.
    """
    if not compared:
        return _NOTHING
    values = ", ".join(_mysql_values(compared, prefix, is_careful=is_careful))
    row = f"CONCAT_WS({_MYSQL_SEPARATOR}, {values})"
    return f"COALESCE(SUM(CAST(CONV(LEFT(MD5({row}), 14), 16, 10) AS UNSIGNED)), 0)"


def postgres_checksum(compared: Sequence[Pair], prefix: str) -> str:
    """Return raw's aggregate that equals `mysql_checksum` for equal rows."""
    if not compared:
        return _NOTHING
    values = list(_postgres_values(compared, prefix))
    groups = [values[start : start + _MOST_ARGUMENTS] for start in range(0, len(values), _MOST_ARGUMENTS)]
    row = _joined(_joined(group) for group in groups)
    return f"coalesce(sum(('x' || left(md5({row}), 14))::bit(56)::bigint), 0)"


def uncertain_columns(columns: Iterable[Column]) -> frozenset[str]:
    """Return text columns in which bytes may stand that are no text, and are replaced on the way."""
    return frozenset(
        column.name
        for column in columns
        if column.data_type in _TEXT | _LONG_TEXT and column.charset not in _EXACT_CHARSETS
    )


def _joined(values: Iterable[str]) -> str:
    return f"concat_ws({_POSTGRES_SEPARATOR}, {', '.join(values)})"


def _mysql_values(compared: Iterable[Pair], prefix: str, *, is_careful: bool) -> Iterator[str]:
    for pair in compared:
        name = f"{prefix}{mysql(pair.column.name)}"
        value = _mysql_value(pair.column, name, is_careful=is_careful)
        may_be_null = pair.column.is_nullable or pair.column.data_type in _DATES
        yield f"IFNULL({value}, {_MYSQL_NULL})" if may_be_null else value


def _mysql_value(column: Column, name: str, *, is_careful: bool) -> str:
    kind = column.data_type
    if kind in {"float", "double"}:
        return _mysql_double(f"({name} + 0e0)")
    if kind in _DATES:
        printed = f"DATE_FORMAT({name}, '%Y-%m-%d %H:%i:%s.%f')" if _has_fraction(column) else name
        return f"IF(TO_DAYS({name}) > 365, {printed}, NULL)"
    if kind == "time":
        # MariaDB's TIME_TO_SEC keeps the fraction, MySQL's does not.
        seconds = f"CAST(TRUNCATE(ABS(TIME_TO_SEC({name})), 0) AS SIGNED)"
        return f"IF({name} < 0, -1, 1) * ({seconds} * 1000000 + MICROSECOND({name}))"
    if kind in _TEXT:
        return _mysql_text(column, name, is_careful=is_careful)
    if kind in _LONG_TEXT:
        return f"MD5({_mysql_text(column, name, is_careful=is_careful)})"
    return _mysql_other(column, name)


def _mysql_other(column: Column, name: str) -> str:
    if column.data_type in {"bit", "year"} or "zerofill" in column.column_type:
        return f"({name} + 0)"
    kind = postgres_type(column)
    if kind == "bytea":
        is_plain = column.data_type in {"binary", "varbinary", "tinyblob"} or column.data_type.endswith(
            "blob"
        )
        return f"MD5({name})" if is_plain else f"MD5({well_known_binary(name)})"
    return f"CAST({name} AS CHAR)" if kind in {"uuid", "inet"} else name


def _mysql_text(column: Column, name: str, *, is_careful: bool) -> str:
    is_utf8 = column.charset in _UTF8 or column.data_type == "json"
    text = name if is_utf8 else f"CONVERT({name} USING utf8mb4)"
    return f"REPLACE({text}, _utf8mb4 x'00', '')" if is_careful else text


def _mysql_double(value: str) -> str:
    digits = f"TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM CAST({value} AS DECIMAL(65, 30))))"
    return f"CASE WHEN {_is_usual(value)} THEN {digits} ELSE SIGN({value}) END"


def _is_usual(value: str) -> str:
    # From 2^53 on PostgreSQL and MySQL may print the same number with another last digit.
    return f"ABS({value}) >= 1e-12 AND ABS({value}) < 9007199254740992e0"


def _postgres_values(compared: Iterable[Pair], prefix: str) -> Iterator[str]:
    for pair in compared:
        value = _postgres_value(pair, f"{prefix}{pair.raw.quoted}")
        yield f"coalesce({value}, {_POSTGRES_NULL})"


def _postgres_value(pair: Pair, name: str) -> str:
    kind = pair.column.data_type
    if kind in {"float", "double"}:
        return _postgres_double(f"{name}::double precision")
    if kind in _DATES:
        return _postgres_date(pair.column, name)
    if kind == "time":
        return f"(EXTRACT(EPOCH FROM {name}) * 1000000)::bigint::text"
    if kind in _LONG_TEXT:
        return f"md5({name})"
    if pair.raw.type == "bytea":
        return f"md5({name})"
    return f"host({name})" if kind in _INET else f"{name}::text"


def _postgres_date(column: Column, name: str) -> str:
    local = f"({name} AT TIME ZONE 'UTC')" if column.data_type == "timestamp" else name
    return f"to_char({local}, 'YYYY-MM-DD HH24:MI:SS.US')" if _has_fraction(column) else f"{local}::text"


def _postgres_double(value: str) -> str:
    digits = f"trim_scale(({value})::text::numeric)::text"
    return f"CASE WHEN {_is_usual(value)} THEN {digits} ELSE sign({value})::text END"


def _has_fraction(column: Column) -> bool:
    return "(" in column.column_type and not column.column_type.endswith("(0)")
