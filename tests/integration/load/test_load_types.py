"""Values at the limits of every type, compared between the two servers by drivers that we did not write."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection

from dental_etl.exceptions import DatabaseError, DataError
from dental_etl.run import Coercion, LoadResult
from dental_etl.sandbox.state import Kind, Sandbox
from tests.families import missing

Load = Callable[..., LoadResult]
Copy = Callable[..., int]
Rows = Callable[..., list[tuple[Any, ...]]]

#: MySQL type, then the text of its values in SQL.
_EXACT = {
    "tinyint": ("-128", "127", "NULL"),
    "tinyint unsigned": ("0", "255"),
    "tinyint(1)": ("0", "1", "7", "-1"),
    "smallint": ("-32768", "32767"),
    "smallint unsigned": ("65535",),
    "mediumint": ("-8388608", "8388607"),
    "mediumint unsigned": ("16777215",),
    "int": ("-2147483648", "2147483647", "0"),
    "int unsigned": ("4294967295",),
    "bigint": ("-9223372036854775808", "9223372036854775807"),
    "bigint unsigned": ("18446744073709551615", "0"),
    "decimal(65,30)": ("99999999999999999999999999999999999.999999999999999999999999999999", "-0.1"),
    "decimal(10,2)": ("0.00", "-99999999.99", "NULL"),
    "double": ("1.7976931348623157e308", "-2.2250738585072014e-308", "5e-324", "0.1", "1e-7", "123456789.123", "NULL"),
    "year": ("1901", "2155", "0"),
    "varchar(50)": (
        "''", "'NULL'", "NULL", r"'\\N'", r"'\\.'", "'a\tb\nc\rd\\\\'", "' x '", "'\U0001f9b7 Zahn'", "X'1D1E1F'",
        "'%s %(x)s :y'", """'"quoted"'""",
    ),
    "char(5)": ("'ab'", "''"),
    "text": ("'line\r\nline'", "NULL", "''"),
    "mediumtext": ("REPEAT('\U0001f600\t', 100000)", "NULL", "''"),
    "longtext": ("REPEAT('x', 2000000)",),
    "varchar(50) CHARACTER SET latin1": ("'caf\u00e9 \u20ac'", "''"),
    "varchar(50) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin": ("'D0120'", "NULL"),
    "enum('a','b','')": ("'a'", "''", "NULL"),
    "set('a','b','c')": ("'a,c'", "''", "NULL"),
    "json": ("""'{"b": 1,  "a": [1.0, null]}'""", "NULL"),
    "binary(4)": ("X'00FF'", "NULL"),
    "varbinary(300)": ("X'00010A0D095CFFFEFDFC'", "''", "NULL"),
    "mediumblob": ("REPEAT(X'00FF', 100000)", "''"),
    "uuid": ("'123e4567-e89b-12d3-a456-426655440000'", "NULL"),
    "inet6": ("'2001:db8::ff00:42:8329'", "NULL"),
    "time": ("'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:30:00'", "NULL"),
    "time(6)": ("'-100:00:00.000001'", "'23:59:59.999999'"),
    "date": ("'0001-01-01'", "'9999-12-31'", "'2024-02-29'", "NULL"),
    "datetime": ("'0001-01-01 00:00:00'", "'9999-12-31 23:59:59'", "NULL"),
    "datetime(6)": ("'2026-01-31 03:04:05.000001'",),
    "timestamp NULL": ("'1970-01-01 00:00:01'", "'2025-11-02 06:30:00'", "'2038-01-19 03:14:07'", "NULL"),
    "timestamp(3) NULL": ("'2025-11-02 07:30:00.123'",),
}  # fmt: skip
_ONLY_MARIADB = {"uuid", "inet6"}


def _comparable(value: Any) -> Any:
    """Spell what the drivers return differently for the same value in one way."""
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, float):
        return value.hex()
    return str(value) if isinstance(value, Decimal | UUID | int) else value


def _values(rows: Any) -> list[Any]:
    return [_comparable(value) for _, value in rows]


@pytest.mark.parametrize(
    "mysql_type",
    [
        pytest.param(kind, marks=pytest.mark.mariadb_only(kind)) if kind in _ONLY_MARIADB else kind
        for kind in _EXACT
    ],
)
def test_values_arrive_as_they_are(
    mysql_type: str, copy_whole: Copy, load: Load, raw_rows: Rows, replication: Connection
) -> None:
    rows = ", ".join(f"({number}, {value})" for number, value in enumerate(_EXACT[mysql_type]))
    # Values are written here as the source holds them, whatever a server thinks of the year 0001.
    copy_whole(
        "t",
        f"CREATE TABLE t (k int PRIMARY KEY, v {mysql_type}) CHARSET utf8mb4",
        f"INSERT INTO t VALUES {rows}",
    )
    load("t")
    there = replication.exec_driver_sql("SELECT k, v FROM t ORDER BY k").all()
    here = raw_rows("t", "k, host(v)" if mysql_type == "inet6" else "k, v")
    assert _values(here) == _values(there)


@pytest.mark.parametrize(
    "value", ["3.4028234663852886e38", "1.17549435e-38", "0.1", "-0.3333333", "16777217", "1e-45"]
)
def test_no_digit_of_a_float_is_lost(
    value: str, copy_whole: Copy, load: Load, raw_rows: Rows, replication: Connection
) -> None:
    copy_whole("t", "CREATE TABLE t (k int PRIMARY KEY, v float)", f"INSERT INTO t VALUES (1, {value})")
    load("t")
    there = replication.exec_driver_sql("SELECT k, v + 0e0 FROM t").all()
    assert _values(raw_rows("t", "k, v::double precision")) == _values(there)


@pytest.mark.parametrize(
    ("bits", "value"), [(1, 1), (8, 255), (63, 2**63 - 1), (64, 2**64 - 1)], ids=["1", "8", "63", "64"]
)
def test_bits_are_numbers(bits: int, value: int, copy_whole: Copy, load: Load, raw_rows: Rows) -> None:
    copy_whole(
        "t", f"CREATE TABLE t (k int PRIMARY KEY, v bit({bits}))", f"INSERT INTO t VALUES (1, {value})"
    )
    load("t")
    assert raw_rows("t", "k, v") == [(1, value)]


def test_a_point_arrives_as_well_known_binary(
    copy_whole: Copy, load: Load, raw_rows: Rows, replication: Connection
) -> None:
    copy_whole("t", "CREATE TABLE t (k int PRIMARY KEY, v point)", "INSERT INTO t VALUES (1, POINT(1, -2.5))")
    load("t")
    there = replication.exec_driver_sql("SELECT k, ST_AsWKB(v) FROM t").all()
    assert _values(raw_rows("t", "k, v")) == _values(there)


@pytest.mark.parametrize(
    ("mysql_type", "value"),
    [
        ("date", "'0000-00-00'"),
        ("date", "'2020-00-15'"),
        ("datetime", "'0000-00-00 00:00:00'"),
        ("timestamp NOT NULL DEFAULT 0", "0"),
    ],
)
def test_dates_that_postgres_cannot_hold_are_null_and_counted(
    mysql_type: str, value: str, copy_whole: Copy, load: Load, raw_rows: Rows
) -> None:
    copy_whole(
        "t", f"CREATE TABLE t (k int PRIMARY KEY, v {mysql_type})", f"INSERT INTO t VALUES (1, {value})"
    )
    assert load("t").coercions == (Coercion(table="t", column="v", kind="zero_date", rows=1),)
    assert raw_rows("t", "k, v") == [(1, None)]


def test_nul_bytes_in_text_are_removed_and_counted(copy_whole: Copy, load: Load, raw_rows: Rows) -> None:
    copy_whole(
        "t",
        "CREATE TABLE t (k int PRIMARY KEY, v text)",
        "INSERT INTO t VALUES (1, CONCAT('a', CHAR(0), 'b'))",
    )
    assert load("t").coercions == (Coercion(table="t", column="v", kind="nul_byte", rows=1),)
    assert raw_rows("t", "k, v") == [(1, "ab")]


def test_coercions_in_changed_rows_are_counted(copy_whole: Copy, copy_changes: Copy, load: Load) -> None:
    copy_whole("t", "CREATE TABLE t (k int PRIMARY KEY, v date)", "INSERT INTO t VALUES (1, '2026-01-01')")
    load("t")
    copy_changes("t", [(1,)], "UPDATE t SET v = '0000-00-00'")
    assert load("t").coercions == (Coercion(table="t", column="v", kind="zero_date", rows=1),)


def test_changed_rows_of_every_type_are_equal_to_their_old_selves(
    sandbox: Sandbox, copy_whole: Copy, copy_changes: Copy, load: Load
) -> None:
    """A repeated delivery writes nothing, so every type must compare equal to what COPY made of it."""
    left_out = _ONLY_MARIADB if missing(sandbox, Kind.MARIADB) else set()
    types = {kind: values for kind, values in _EXACT.items() if kind not in left_out}
    columns = ", ".join(f"c{number} {type_}" for number, type_ in enumerate(types))
    values = ", ".join(values[0] for values in types.values())
    copy_whole(
        "t",
        f"CREATE TABLE t (k int PRIMARY KEY, {columns}) CHARSET utf8mb4",
        f"INSERT INTO t VALUES (1, {values})",
    )
    load("t")
    copy_changes("t", [(1,)])
    assert load("t").rows_written == 0


def test_a_value_that_cannot_be_stored_is_not_in_the_error(copy_whole: Copy, load: Load) -> None:
    """Here two keys that differ by a NUL byte only, which PostgreSQL cannot hold."""
    copy_whole(
        "t",
        "CREATE TABLE t (k varbinary(20) NOT NULL, v varchar(20) COLLATE utf8mb4_bin PRIMARY KEY) CHARSET utf8mb4",
        "INSERT INTO t VALUES ('x', 'Smith'), ('y', CONCAT('Smi', CHAR(0), 'th'))",
    )
    with pytest.raises((DataError, DatabaseError)) as error:
        load("t")
    assert "Smi" not in "".join(traceback.format_exception(error.value))


def test_a_date_of_postgres_and_mysql_is_the_same_day(copy_whole: Copy, load: Load, raw_rows: Rows) -> None:
    copy_whole("t", "CREATE TABLE t (k int PRIMARY KEY, v date)", "INSERT INTO t VALUES (1, '0001-01-01')")
    load("t")
    assert raw_rows("t", "k, v") == [(1, date(1, 1, 1))]


def test_a_duration_below_zero_keeps_its_sign(copy_whole: Copy, load: Load, raw_rows: Rows) -> None:
    copy_whole("t", "CREATE TABLE t (k int PRIMARY KEY, v time)", "INSERT INTO t VALUES (1, '-100:30:15')")
    load("t")
    assert raw_rows("t", "k, v") == [(1, -timedelta(hours=100, minutes=30, seconds=15))]
