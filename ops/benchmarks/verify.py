"""Looks at a copy with other eyes than ours: the servers' checksums, and plain drivers' values.

MySQL against MySQL: the number of rows and two checksums over every column of every row. PostgreSQL
against MySQL: the number of rows, the number of values in every column, and every 37th row value by
value, as pymysql and psycopg2 read them, floats bit for bit.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from functools import cache
from typing import Any

from psycopg2 import sql

from ops.benchmarks.contestants import Verdict
from ops.benchmarks.datasets import Dataset
from ops.benchmarks.laboratory import Laboratory

LIMIT_SCHEMA = "benchmark_limit"
_EVERY = 37
_DATES = ("date", "datetime", "timestamp")
_COLUMNS = (
    "SELECT column_name, data_type FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position"
)

#: Columns with their types.
_Columns = tuple[tuple[str, str], ...]


def limit_table(dataset: Dataset) -> str:
    """Name the table in replication that the server fills from a file."""
    return f"{dataset.table}_limit"


def replica(lab: Laboratory, dataset: Dataset) -> Verdict:
    """Compare replication with the source."""
    return _mysql_copy(lab, dataset, dataset.table)


def limit_replica(lab: Laboratory, dataset: Dataset) -> Verdict:
    return _mysql_copy(lab, dataset, limit_table(dataset))


def raw(lab: Laboratory, dataset: Dataset) -> Verdict:
    """Compare the raw table with the source."""
    return postgres_copy(lab, dataset, lab.settings.analytics.database, schema="raw")


def limit_raw(lab: Laboratory, dataset: Dataset) -> Verdict:
    return postgres_copy(lab, dataset, lab.settings.analytics.database, schema=LIMIT_SCHEMA)


def replica_and_raw(lab: Laboratory, dataset: Dataset) -> Verdict:
    first, second = replica(lab, dataset), raw(lab, dataset)
    return Verdict(is_equal=first.is_equal and second.is_equal, detail=f"{first.detail}; {second.detail}")


def peer_database(name: str) -> Callable[[Laboratory, Dataset], Verdict]:
    """Compare what another tool wrote, wherever in its database that is."""
    return lambda lab, dataset: postgres_copy(lab, dataset, name)


def mysql_database(name: str) -> Callable[[Laboratory, Dataset], Verdict]:
    """Compare what another tool wrote into a database of the replication server."""
    return lambda lab, dataset: _mysql_copy(lab, dataset, dataset.table, database=name)


def _mysql_copy(lab: Laboratory, dataset: Dataset, table: str, database: str = "") -> Verdict:
    columns, expected = _source_columns(lab, dataset), _source_checksums(lab, dataset)
    with lab.mysql(lab.sandbox.replication) as connection:
        found = _checksums(connection, columns, table, database)
    if expected == found:
        return Verdict(is_equal=True, detail="count and checksums of all columns")
    if expected[0] != found[0]:
        return Verdict(is_equal=False, detail=f"{found[0]} rows instead of {expected[0]}")
    pairs = zip(columns, expected[3:], found[3:], strict=True)
    differing = [name for (name, _), wanted, got in pairs if wanted != got]
    return Verdict(is_equal=False, detail=f"columns that differ: {', '.join(differing)}")


def postgres_copy(lab: Laboratory, dataset: Dataset, database: str, schema: str = "") -> Verdict:
    """Compare a table in PostgreSQL with the source.

    Other tools spell names differently (lower case, underscores); that is not held against them.
    """
    columns = _source_columns(lab, dataset)
    with lab.postgres(database) as connection, connection.cursor() as cursor:
        where = _find(cursor, dataset, schema)
        if where is None:
            return Verdict(is_equal=False, detail="there is no such table")
        target, spelled = where
        missing = [name for name, _ in columns if _folded(name) not in spelled]
        if missing:
            return Verdict(is_equal=False, detail=f"columns missing: {', '.join(missing)}")
        names = [spelled[_folded(name)] for name, _ in columns]
        found_counts = _postgres_counts(cursor, target, names)
        found_rows = _postgres_sample(cursor, target, names, spelled[_folded(dataset.key)])
    return _compare(
        columns, _source_counts(lab, dataset), found_counts, _source_sample(lab, dataset), found_rows
    )


def _compare(
    columns: _Columns,
    expected_counts: Sequence[int],
    found_counts: Sequence[int],
    expected: Sequence[Sequence[Any]],
    found: Sequence[Sequence[Any]],
) -> Verdict:
    if expected_counts[0] != found_counts[0]:
        return Verdict(is_equal=False, detail=f"{found_counts[0]} rows instead of {expected_counts[0]}")
    types = [data_type for _, data_type in columns]
    differing = {
        name
        for (name, _), wanted, got in zip(columns, expected_counts[1:], found_counts[1:], strict=True)
        if wanted != got
    }
    for ours, theirs in zip(expected, found, strict=False):
        for (name, _), data_type, left, right in zip(columns, types, ours, theirs, strict=True):
            if name not in differing and _plain(left, data_type) != _plain(right, data_type):
                differing.add(name)
    if len(expected) != len(found):
        return Verdict(is_equal=False, detail=f"{len(found)} sampled rows instead of {len(expected)}")
    if differing:
        return Verdict(is_equal=False, detail=f"columns that differ: {', '.join(sorted(differing))}")
    return Verdict(is_equal=True, detail=f"count, values per column, {len(expected)} rows by value")


def _plain(value: Any, data_type: str) -> Any:
    """Return what a value means, however a driver gives it: a tool may choose another exact type."""
    if data_type == "float" and isinstance(value, (int, float, Decimal)):
        return struct.pack("<f", value)
    if isinstance(value, (bool, int, float)):
        return Decimal(repr(float(value))) if isinstance(value, float) else Decimal(int(value))
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return moment.date() if data_type == "date" and moment.time() == time_of_day() else moment
    if isinstance(value, time_of_day):
        return timedelta(
            hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond
        )
    return value


def _checksums(connection: Any, columns: _Columns, table: str, database: str) -> tuple[int, ...]:
    """Return the number of rows, two checksums over whole rows, and one over each column with its key."""
    values = [f"IFNULL({_exact(name, data_type)}, '~NULL~')" for name, data_type in columns]
    row = f"CRC32(CONCAT_WS('|', {', '.join(values)}))"
    single = ", ".join(f"BIT_XOR(CRC32(CONCAT_WS('|', `{columns[0][0]}`, {value})))" for value in values)
    qualified = f"`{database}`.`{table}`" if database else f"`{table}`"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*), BIT_XOR({row}), SUM({row}), {single} FROM {qualified}")
        return tuple(int(number) for number in cursor.fetchone())


def _exact(name: str, data_type: str) -> str:
    return f"`{name}`+0e0" if data_type == "float" else f"`{name}`"


@cache
def _source_columns(lab: Laboratory, dataset: Dataset) -> _Columns:
    with lab.mysql(lab.sandbox.source) as connection, connection.cursor() as cursor:
        cursor.execute(_COLUMNS, (dataset.table,))
        return tuple((str(name), str(data_type)) for name, data_type in cursor.fetchall())


@cache
def _source_checksums(lab: Laboratory, dataset: Dataset) -> tuple[int, ...]:
    with lab.mysql(lab.sandbox.source) as connection:
        return _checksums(connection, _source_columns(lab, dataset), dataset.table, "")


@cache
def _source_counts(lab: Laboratory, dataset: Dataset) -> tuple[int, ...]:
    counts = ", ".join(f"COUNT({_dated(name, kind)})" for name, kind in _source_columns(lab, dataset))
    with lab.mysql(lab.sandbox.source) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*), {counts} FROM `{dataset.table}`")
        return tuple(int(count) for count in cursor.fetchone())


@cache
def _source_sample(lab: Laboratory, dataset: Dataset) -> tuple[tuple[Any, ...], ...]:
    columns = _source_columns(lab, dataset)
    selected = ", ".join(
        _dated(name, kind) if kind in _DATES else _exact(name, kind) for name, kind in columns
    )
    with lab.mysql(lab.sandbox.source) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {selected} FROM `{dataset.table}` WHERE MOD(`{dataset.key}`, {_EVERY}) = 0"
            f" ORDER BY `{dataset.key}`"
        )
        return tuple(
            tuple(_parsed(value, kind) for value, (_, kind) in zip(row, columns, strict=True))
            for row in cursor.fetchall()
        )


def _dated(name: str, data_type: str) -> str:
    """Read a date as text, NULL where PostgreSQL has no such date."""
    if data_type not in _DATES:
        return f"`{name}`"
    zero = "0000-00-00" if data_type == "date" else "0000-00-00 00:00:00"
    return f"NULLIF(CAST(`{name}` AS CHAR), '{zero}')"


def _parsed(value: Any, data_type: str) -> Any:
    if value is None or data_type not in _DATES:
        return value
    return date.fromisoformat(value) if data_type == "date" else datetime.fromisoformat(value)


def _find(cursor: Any, dataset: Dataset, schema: str) -> tuple[sql.Composed, dict[str, str]] | None:
    """Find the table that a tool made, and how it spelled the columns."""
    cursor.execute(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
        " AND replace(lower(table_name), '_', '') = %s AND (table_schema = %s OR %s = '')"
        " AND table_schema NOT LIKE '%%staging'",
        (_folded(dataset.table), schema, schema),
    )
    found = cursor.fetchone()
    if found is None:
        return None
    cursor.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
        found,
    )
    return sql.SQL("{}.{}").format(*map(sql.Identifier, found)), {
        _folded(name): name for (name,) in cursor.fetchall()
    }


def _folded(name: str) -> str:
    return name.lower().replace("_", "")


def _postgres_counts(cursor: Any, target: sql.Composed, names: Sequence[str]) -> tuple[int, ...]:
    counts = sql.SQL(", ").join(sql.SQL("count({})").format(sql.Identifier(name)) for name in names)
    cursor.execute(sql.SQL("SELECT count(*), {} FROM {}").format(counts, target))
    return tuple(cursor.fetchone())


def _postgres_sample(
    cursor: Any, target: sql.Composed, names: Sequence[str], key: str
) -> tuple[tuple[Any, ...], ...]:
    selected = sql.SQL(", ").join(map(sql.Identifier, names))
    cursor.execute(
        sql.SQL("SELECT {} FROM {} WHERE mod({}, {}) = 0 ORDER BY {}").format(
            selected, target, sql.Identifier(key), sql.Literal(_EVERY), sql.Identifier(key)
        )
    )
    return tuple(cursor.fetchall())
