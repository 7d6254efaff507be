"""An independent reader: source and raw, value by value, through the drivers and nothing of ours.

It answers with table names and counts only, so that a failing test never prints a row.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg2
import pymysql
from psycopg2 import sql
from pymysql.converters import encoders

from dental_etl.config import DatabaseSettings, Settings

Canonical = Callable[[Any], Any]
_INTEGERS = {"tinyint", "smallint", "mediumint", "int", "bigint", "year"}
_BINARY = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
_GEOMETRY = {
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geometrycollection", "geomcollection",
}  # fmt: skip
_MOMENTS = {"date", "datetime", "timestamp"}
_ZERO = re.compile(r"-00|^0000-")
#: Names that PostgreSQL or the product keeps for itself.
_TAKEN = {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid", "oid", "_loaded_at", "_run_id"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How many rows of a table are on one side only."""

    table: str
    only_in_source: int
    only_in_raw: int


def differences(settings: Settings, *, leave_out: frozenset[str] = frozenset()) -> list[Difference]:
    """Compare every base table of the source with its table in raw, rows as multisets."""
    with _mysql(settings.source) as source, _postgres(settings.analytics) as raw:
        tables = [name for name in _source_tables(source) if name not in leave_out]
        found = [_difference(source, raw, settings, name) for name in tables]
    return [one for one in found if one.only_in_source or one.only_in_raw]


def source_row_count(settings: Settings, table: str) -> int:
    """Return how many rows the source has now."""
    with _mysql(settings.source) as source, source.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {_quoted(table)}")
        return int(cursor.fetchone()[0])


def _difference(source: Any, raw: Any, settings: Settings, table: str) -> Difference:
    columns = _columns(source, table)
    expected = _source_rows(source, table, columns)
    actual = _raw_rows(raw, settings.analytics.schema, table, columns)
    return Difference(
        table=table,
        only_in_source=sum((expected - actual).values()),
        only_in_raw=sum((actual - expected).values()),
    )


def _mysql(database: DatabaseSettings) -> Any:
    return pymysql.connect(
        host=database.host,
        port=database.port,
        user=database.user,
        password=database.password,
        database=database.database,
        charset="utf8mb4",
        conv=encoders,  # type: ignore[arg-type]  # encoders only: values come as the bytes that were sent
        use_unicode=False,
        init_command="SET SESSION time_zone='+00:00'",
    )


def _postgres(database: DatabaseSettings) -> Any:
    return psycopg2.connect(
        host=database.host,
        port=database.port,
        user=database.user,
        password=database.password,
        dbname=database.database,
        options="-c timezone=UTC -c intervalstyle=postgres -c extra_float_digits=3",
    )


def _source_tables(source: Any) -> list[str]:
    with source.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() "
            "AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY table_name"
        )
        return [name.decode() for (name,) in cursor.fetchall()]


def _columns(source: Any, table: str) -> dict[str, str]:
    with source.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, IF(character_set_name = 'ascii', 'ascii', data_type) FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND BINARY table_name = %s ORDER BY ordinal_position",
            (table,),
        )
        return {name.decode(): kind.decode() for name, kind in cursor.fetchall()}


def _source_rows(source: Any, table: str, columns: dict[str, str]) -> Counter[tuple[Any, ...]]:
    selected = ", ".join(_source_expression(_quoted(name), kind) for name, kind in columns.items())
    convert = [_from_mysql(kind) for kind in columns.values()]
    with source.cursor() as cursor:
        cursor.execute(f"SELECT {selected} FROM {_quoted(table)}")
        return _counted(cursor.fetchall(), convert)


def _source_expression(column: str, kind: str) -> str:
    if kind in {"float", "double"}:
        # A float prints six digits only, a zerofilled zero with a minus no number at all.
        return f"{column}+0e0"
    if kind == "ascii":  # the server would hide bytes that are no text behind question marks
        return f"CAST({column} AS BINARY)"
    # Behind four bytes of its reference system, a shape is stored as WKB; ST_AsWKB of MySQL turns it north first.
    return f"SUBSTR(CAST({column} AS BINARY), 5)" if kind in _GEOMETRY else column


def _raw_rows(raw: Any, schema: str, table: str, columns: dict[str, str]) -> Counter[tuple[Any, ...]]:
    selected = [_raw_expression(in_raw(name), kind) for name, kind in columns.items()]
    convert = [_from_postgres(kind) for kind in columns.values()]
    wanted = sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(selected), sql.Identifier(schema, in_raw(table))
    )
    with raw.cursor() as cursor:
        try:
            cursor.execute(wanted)
        except (psycopg2.errors.UndefinedTable, psycopg2.errors.UndefinedColumn):
            raw.rollback()
            return Counter({("not in raw",): 1})
        return _counted(cursor.fetchall(), convert)


def in_raw(name: str) -> str:
    """Return how raw spells a name, by the rule as it is documented for analysts."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    if name in _TAKEN:
        return f"{name}_{digest}"
    if len(name.encode()) <= 63:
        return name
    return f"{name.encode()[:54].decode('utf-8', 'ignore')}_{digest}"


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _raw_expression(name: str, kind: str) -> sql.Composable:
    column = sql.Identifier(name)
    if kind == "time":
        return sql.SQL("(EXTRACT(EPOCH FROM {}) * 1000000)::bigint").format(column)
    if kind in _MOMENTS:
        return sql.SQL("{}::text").format(column)
    return sql.SQL("host({})").format(column) if kind.startswith("inet") else column


def _counted(rows: Any, convert: list[Canonical]) -> Counter[tuple[Any, ...]]:
    return Counter(
        tuple(None if value is None else one(value) for one, value in zip(convert, row, strict=True))
        for row in rows
    )


def _from_mysql(kind: str) -> Canonical:
    if kind in _INTEGERS:
        return int
    if kind == "decimal":
        return lambda value: Decimal(value.decode())
    # MySQL has a zero with a minus. MariaDB does not, so a replica there loses it.
    if kind == "double":
        return lambda value: struct.pack("d", float(value) + 0.0)
    if kind == "float":
        return lambda value: struct.pack("f", float(value) + 0.0)
    if kind == "bit":
        return lambda value: int.from_bytes(value, "big")
    if kind in _MOMENTS:
        return _mysql_moment
    if kind == "time":
        return _mysql_microseconds
    if kind in _BINARY | _GEOMETRY:
        return bytes
    if kind.startswith("inet"):
        return lambda value: _address(value.decode())
    return lambda value: value.decode("utf-8", "replace").replace("\0", "")


def _from_postgres(kind: str) -> Canonical:
    if kind == "float":
        return lambda value: struct.pack("f", value + 0.0)
    if kind == "double":
        return lambda value: struct.pack("d", value + 0.0)
    if kind == "bit":
        return int
    if kind in _MOMENTS:
        return _postgres_moment
    if kind in _BINARY | _GEOMETRY:
        return bytes
    if kind.startswith("inet"):
        return _address
    return lambda value: value


def _address(value: str) -> object:
    return ipaddress.ip_address(value)


def _mysql_moment(value: bytes) -> str | None:
    text = value.decode()
    return None if _ZERO.search(text) else _without_zero_fraction(text)


def _postgres_moment(value: str) -> str:
    return _without_zero_fraction(value.removesuffix("+00"))


def _without_zero_fraction(text: str) -> str:
    whole, dot, fraction = text.partition(".")
    return whole + (dot + fraction.rstrip("0") if fraction.strip("0") else "")


def _mysql_microseconds(value: bytes) -> int:
    text = value.decode()
    hours, minutes, seconds = text.lstrip("-").split(":")
    total = int(hours) * 3_600_000_000 + int(minutes) * 60_000_000 + int(Decimal(seconds) * 1_000_000)
    return -total if text.startswith("-") else total
