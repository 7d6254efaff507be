"""Checksums over floating numbers, which two families of servers print in different ways."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from dental_etl.config import Settings
from dental_etl.wire.catalog import create_table_ddl, read_schema
from dental_etl.wire.checksums import content_checksum

_LARGEST_FLOAT = 3.4e38


def _numbers() -> Iterator[float]:
    chance = random.Random(7)  # noqa: S311  # the same numbers every time, no secret
    yield from (0.0, -0.0, 1e-3, -1e-3, 1e-20, -1e-20, 2.2250738585072014e-308, -1.7976931348623157e308)
    for exponent in range(-45, 38):
        yield from (sign * chance.uniform(1, 10) * 10.0**exponent for sign in (1, -1) for _ in range(10))


@pytest.fixture
def table(source_admin: Connection, replication: Connection, sandbox_settings: Settings) -> str:
    """The same numbers on both servers."""
    source_admin.exec_driver_sql("SET sql_mode=''")
    source_admin.exec_driver_sql(
        "CREATE TABLE sizes (Id int NOT NULL PRIMARY KEY, Wide double NOT NULL, Narrow float NULL, "
        "Shown double(20,4) NOT NULL)"
    )
    schema = read_schema(source_admin, sandbox_settings.source.database, "sizes")
    assert schema is not None
    replication.exec_driver_sql(create_table_ddl(schema))
    for server in (source_admin, replication):
        for number, value in enumerate(_numbers()):
            narrow = max(min(value, _LARGEST_FLOAT), -_LARGEST_FLOAT)
            server.exec_driver_sql(
                "INSERT INTO sizes VALUES (%s, %s, %s, %s)",
                (number, repr(value), repr(narrow) if number % 9 else None, repr(value % 1e6)),
            )
        server.commit()
    return content_checksum(schema)


def _sum(server: Connection, checksum: str) -> int:
    return int(server.exec_driver_sql(f"SELECT {checksum} FROM sizes").scalar_one())


def test_both_servers_sum_up_the_same_numbers_alike(
    source_admin: Connection, replication: Connection, table: str
) -> None:
    assert _sum(source_admin, table) == _sum(replication, table)


@pytest.mark.parametrize("column", ["Wide", "Narrow"])
def test_the_last_bit_of_a_number_counts(replication: Connection, table: str, column: str) -> None:
    """Of every magnitude: no rounding, no sign, no exponent is left out of the sum."""
    found = replication.exec_driver_sql(
        "SELECT Id FROM sizes WHERE Narrow <> 0 AND MOD(Id, 7) = 1 AND ABS(Wide) < 1e300"
    )
    rows = [int(row[0]) for row in found]
    seen = {_sum(replication, table)}
    for row in rows:
        changed = replication.exec_driver_sql(
            f"UPDATE sizes SET {column} = -{column} * IF('{column}' = 'Wide', 1.0000000000000002e0, 1) "
            f"WHERE Id = {row}"
        )
        assert changed.rowcount == 1
        seen.add(_sum(replication, table))
    assert len(seen) == len(rows) + 1


@pytest.mark.parametrize(
    ("one", "other"), [(15.5, -5.5), (-2.0, 12.0), (0.5, -0.5), (3e-5, -3e-5), (0.25, 0.025)]
)
@pytest.mark.parametrize("column", ["Wide", "Narrow"])
def test_two_numbers_are_never_one(
    replication: Connection, table: str, column: str, one: float, other: float
) -> None:
    sums: set[int] = set()
    for value in (one, other):
        replication.exec_driver_sql(f"UPDATE sizes SET {column} = {value!r} WHERE Id = 20")
        sums.add(_sum(replication, table))
    assert len(sums) == 2
