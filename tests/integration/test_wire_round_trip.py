"""Every MySQL type at its limits, through both hops, against real servers."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import pytest
from sqlalchemy import Connection

from dental_etl.config import Settings
from dental_etl.config.tables import TableSchema
from dental_etl.connections import engine
from dental_etl.sandbox import family
from dental_etl.sandbox.state import Sandbox
from dental_etl.wire import packets
from dental_etl.wire.catalog import create_table_ddl, read_schema
from dental_etl.wire.copy_feed import copy_rows
from dental_etl.wire.load_data import load_data
from dental_etl.wire.reader import BlockStream, read_blocks
from dental_etl.wire.rows import RowFormat, Target, row_format

#: MySQL cuts a text before the first such byte.
NO_TEXT = pytest.mark.mariadb_only("text columns that take bytes which are no text")
ALL_BYTES = bytes(range(256)).hex()


class Case(NamedTuple):
    """A value of a MySQL type and what becomes of it."""

    #: Type in MySQL.
    kind: str
    #: Value as SQL.
    value: str
    #: Type in PostgreSQL.
    postgres: str
    #: What PostgreSQL prints; None for NULL.
    printed: str | None


CASES = [
    pytest.param(Case("tinyint", "-128", "smallint", "-128"), id="tinyint"),
    pytest.param(Case("bigint unsigned", "18446744073709551615", "numeric(20)", "18446744073709551615"), id="unsigned"),
    pytest.param(Case("bigint", "-9223372036854775808", "bigint", "-9223372036854775808"), id="bigint"),
    pytest.param(Case("int(8) zerofill", "42", "bigint", "42"), id="zerofill"),
    pytest.param(Case("decimal(38,18)", "-12345678901234567890.123456789012345678", "numeric(38,18)",
                 "-12345678901234567890.123456789012345678"), id="decimal"),
    pytest.param(Case("float", "0.1", "real", "0.1"), id="float"),
    pytest.param(Case("float", "3.4028234663852886e38", "real", "3.4028235e+38"), id="largest float"),
    pytest.param(Case("float", "16777217.5", "real", "1.6777218e+07"), id="float beyond six digits"),
    pytest.param(Case("float", "12.34", "real", "12.34"), id="float that is rounded"),
    pytest.param(Case("float", "-12.34", "real", "-12.34"), id="float below zero"),
    pytest.param(Case("float(9,3)", "99998.999", "real", "99999"), id="float of fixed digits"),
    pytest.param(Case("double", "1.7976931348623157e308", "double precision", "1.7976931348623157e+308"), id="largest double"),
    pytest.param(Case("double", "5e-324", "double precision", "5e-324"), id="smallest double"),
    pytest.param(Case("double", "0.1e0 + 0.2e0", "double precision", "0.30000000000000004"), id="inexact double"),
    pytest.param(Case("bit(64)", "b'1111111111111111111111111111111111111111111111111111111111111111'", "numeric(20)",
                 "18446744073709551615"), id="bit"),
    pytest.param(Case("year", "2155", "smallint", "2155"), id="year"),
    pytest.param(Case("year", "0", "smallint", "0"), id="year zero"),
    pytest.param(Case("date", "'9999-12-31'", "date", "9999-12-31"), id="last date"),
    pytest.param(Case("date", "'0001-01-01'", "date", "0001-01-01"), id="Open Dental's empty date"),
    pytest.param(Case("date", "'0000-00-00'", "date", None), id="zero date"),
    pytest.param(Case("date", "'2020-05-00'", "date", None), id="date without day"),
    pytest.param(Case("date", "'2020-00-15'", "date", None), id="date without month"),
    pytest.param(Case("date", "'0000-05-15'", "date", None), id="date in year 0"),
    pytest.param(Case("datetime(6)", "'2011-11-06 01:30:00.123456'", "timestamp(6)", "2011-11-06 01:30:00.123456"),
                 id="datetime"),
    pytest.param(Case("datetime", "'0000-00-00 00:00:00'", "timestamp(0)", None), id="zero datetime"),
    pytest.param(Case("datetime", "'2020-00-15 10:00:00'", "timestamp(0)", None), id="datetime without month"),
    pytest.param(Case("timestamp", "'2038-01-19 03:14:07'", "timestamptz", "2038-01-19 03:14:07+00"), id="timestamp"),
    pytest.param(Case("timestamp", "'0000-00-00 00:00:00'", "timestamptz", None), id="zero timestamp"),
    pytest.param(Case("time(6)", "'-838:59:58.999999'", "interval", "-838:59:58.999999"), id="longest negative time"),
    pytest.param(Case("time", "'838:59:59'", "interval", "838:59:59"), id="longest time"),
    pytest.param(Case("time(1)", "'-00:00:00.5'", "interval", "-00:00:00.5"), id="negative fraction"),
    pytest.param(Case("char(5)", "''", "text", ""), id="empty text"),
    pytest.param(Case("varchar(50)", "'\\\\N'", "text", "\\N"), id="text that looks like NULL"),
    pytest.param(Case("varchar(50)", "'NULL'", "text", "NULL"), id="the word NULL"),
    pytest.param(Case("varchar(50)", "x'61096209630d640a655c662722'", "text", "a\tb\tc\rd\ne\\f'\""), id="separators"),
    pytest.param(Case("varchar(50)", "x'1a1b1c1d1e1f7f'", "text", "\x1a\x1b\x1c\x1d\x1e\x1f\x7f"), id="control characters"),
    pytest.param(Case("varchar(50)", "x'610062'", "text", "ab"), id="NUL byte"),
    pytest.param(Case("varchar(50)", "_utf8mb4 x'f09f9880'", "text", "\U0001f600"), id="emoji"),
    pytest.param(Case("varchar(50) CHARACTER SET latin1", "x'e980fffefd8d'", "text", "é€ÿþý\x8d"), id="latin1"),
    pytest.param(Case("varchar(50) CHARACTER SET ucs2", "'żółć'", "text", "żółć"), id="ucs2"),
    pytest.param(Case("varchar(50) CHARACTER SET ascii", "x'61fffefd'", "text", "a���"), id="bytes in ascii", marks=NO_TEXT),
    pytest.param(Case("varchar(50) CHARACTER SET utf8", "x'61eda080'", "text", "a���"), id="lone surrogate", marks=NO_TEXT),
    pytest.param(Case("text", "repeat('x', 65535)", "text", "x" * 65535), id="longest text"),
    pytest.param(Case("mediumtext", "concat(repeat('x', 70000), 'é')", "text", "x" * 70000 + "é"), id="mediumtext"),
    pytest.param(Case("longtext CHARACTER SET latin1", "repeat(_latin1 x'e9', 300)", "text", "é" * 300), id="longtext"),
    pytest.param(Case("enum('a','b''c')", "'b''c'", "text", "b'c"), id="enum"),
    pytest.param(Case("enum('a','b')", "0", "text", ""), id="enum index 0"),
    pytest.param(Case("set('a','b')", "'a,b'", "text", "a,b"), id="set"),
    pytest.param(Case("json", "'{\"a\": 1}'", "text", '{"a": 1}'), id="json"),
    pytest.param(Case("json", "'{\"a\":  1}'", "text", '{"a":  1}'), id="json as it was typed",
                 marks=pytest.mark.mariadb_only("JSON that stays as it was typed")),
    pytest.param(Case("binary(4)", "x'fffefd00'", "bytea", "\\xfffefd00"), id="binary"),
    pytest.param(Case("varbinary(300)", f"x'{ALL_BYTES}'", "bytea", f"\\x{ALL_BYTES}"), id="varbinary"),
    pytest.param(Case("blob", "''", "bytea", "\\x"), id="empty blob"),
    pytest.param(Case("longblob", "x'fd'", "bytea", "\\xfd"), id="blob that looks like NULL"),
    pytest.param(Case("point", "ST_GeomFromText('POINT(1 2)')", "bytea",
                 "\\x0101000000000000000000f03f0000000000000040"), id="geometry"),
    pytest.param(Case("uuid", "'123e4567-e89b-12d3-a456-426655440000'", "uuid", "123e4567-e89b-12d3-a456-426655440000"),
                 id="uuid", marks=pytest.mark.mariadb_only("uuid")),
    pytest.param(Case("inet6", "'::1'", "inet", "::1/128"), id="inet6", marks=pytest.mark.mariadb_only("inet6")),
    pytest.param(Case("inet4", "'10.0.0.1'", "inet", "10.0.0.1/32"), id="inet4", marks=pytest.mark.mariadb_only("inet4")),
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Hops:
    """The three databases, and one table that goes through them."""

    admin: Connection
    source: Connection
    replication: Connection
    analytics: Connection
    database: str
    is_packed: bool

    def create(self, kind: str, value: str) -> None:
        """Make table t with a value in row 1 and NULL in row 2, as clinics have it: MyISAM, not strict."""
        execute(self.admin, "SET SESSION sql_mode=''")
        # The last column shows a field that moved up.
        execute(
            self.admin,
            f"CREATE TABLE t (id int PRIMARY KEY, c {kind} NULL, after int NOT NULL) "
            f"ENGINE=MyISAM DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        )
        execute(self.admin, f"INSERT INTO t VALUES (1, {value}, 7), (2, NULL, 8)")
        self.admin.commit()

    @property
    def schema(self) -> TableSchema:
        schema = read_schema(self.source, self.database, "t")
        assert schema is not None
        return schema

    def format(self, target: Target) -> RowFormat:
        return row_format(self.schema, target, is_packed=self.is_packed)

    def replicate(self) -> BlockStream:
        execute(self.replication, create_table_ddl(self.schema))
        wanted = self.format(Target.MYSQL)
        stream = read_blocks(self.source, f"SELECT {wanted.select_list} FROM t", None, wanted)
        load_data(self.replication, "t", wanted, stream)
        self.replication.commit()
        return stream

    def land(self, kind: str) -> BlockStream:
        execute(self.analytics, f"CREATE TABLE t (id int, c {kind}, after int)")
        wanted = self.format(Target.POSTGRES)
        stream = read_blocks(self.replication, f"SELECT {wanted.select_list} FROM t", None, wanted)
        copy_rows(self.analytics, "t", wanted, stream, freeze=True)
        self.analytics.commit()
        return stream


@pytest.fixture(params=["packed", "apart"])
def hops(
    request: pytest.FixtureRequest,
    source_admin: Connection,
    replication: Connection,
    analytics: Connection,
    sandbox_settings: Settings,
) -> Iterator[Hops]:
    with engine(sandbox_settings.source).connect() as source:
        yield Hops(
            admin=source_admin,
            source=source,
            replication=replication,
            analytics=analytics,
            database=sandbox_settings.source.database,
            is_packed=request.param == "packed",
        )


def execute(connection: Connection, sql: str) -> None:
    connection.exec_driver_sql(sql.replace("%", "%%"))


def rows_of(connection: Connection, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.exec_driver_sql(sql)]


@pytest.mark.parametrize("case", CASES)
def test_the_replica_holds_the_same_bytes(hops: Hops, case: Case) -> None:
    hops.create(case.kind, case.value)
    hops.replicate()
    exact = "CONCAT(c + 0e0)" if case.kind.startswith("float") else "CAST(c AS BINARY)"
    whole = f"SELECT id, HEX({exact}), after FROM t ORDER BY id"
    assert rows_of(hops.replication, whole) == rows_of(hops.source, whole)


@pytest.mark.parametrize("case", CASES)
def test_postgres_prints_the_same_value(hops: Hops, case: Case) -> None:
    hops.create(case.kind, case.value)
    hops.replicate()
    hops.land(case.postgres)
    found = rows_of(hops.analytics, "SELECT id, c::text, after FROM t ORDER BY id")
    assert found == [(1, case.printed, 7), (2, None, 8)]


@pytest.mark.parametrize(
    ("case", "coercion"),
    [
        pytest.param(Case("date", "'0000-00-00'", "date", None), "zero_date", id="date"),
        pytest.param(Case("timestamp", "0", "timestamptz", None), "zero_date", id="timestamp"),
        pytest.param(Case("text", "x'6100'", "text", "a"), "nul_byte", id="NUL"),
        pytest.param(Case("mediumtext", "x'6100'", "text", "a"), "nul_byte", id="NUL in long text"),
        pytest.param(Case("text", "x'eda080'", "text", "�"), "invalid_utf8", id="surrogate", marks=NO_TEXT),
        pytest.param(
            Case("longtext", "x'eda080'", "text", "�"),
            "invalid_utf8",
            id="surrogate in long text",
            marks=NO_TEXT,
        ),
    ],
)
def test_what_postgres_cannot_hold_is_counted_by_column(hops: Hops, case: Case, coercion: str) -> None:
    hops.create(case.kind, case.value)
    hops.replicate()
    assert hops.land(case.postgres).coercions == {("c", coercion): 1}


def test_floats_of_every_size_keep_their_last_bit(hops: Hops) -> None:
    """Each power of two with its neighbours, and numbers between; those in the middle travel rounded."""
    hops.create("float", "NULL")
    values = [
        factor * 2.0**power * (1 + ulps * 2.0**-23)
        for power in range(-140, 128)
        for ulps in (-3, -1, 0, 1, 2, 1234567, 5592405)
        for factor in (1, -1)
    ]
    values += [99999.0 + ulps / 128 for ulps in (-2, -1, 0, 1, 2)]
    rows = ", ".join(f"({number}, {value!r}, 0)" for number, value in enumerate(values, start=3))
    execute(hops.admin, f"INSERT INTO t VALUES {rows}")
    hops.admin.commit()
    hops.replicate()
    hops.land("real")
    expected = rows_of(hops.source, "SELECT id, c + 0e0 FROM t ORDER BY id")
    assert rows_of(hops.replication, "SELECT id, c + 0e0 FROM t ORDER BY id") == expected
    assert rows_of(hops.analytics, "SELECT id, c::double precision FROM t ORDER BY id") == expected


def test_nothing_is_coerced_between_two_mysql_servers(hops: Hops) -> None:
    hops.create("datetime", "'2020-00-15 10:00:00'")
    assert hops.replicate().coercions == {}


@pytest.mark.parametrize("target", [Target.MYSQL, Target.POSTGRES])
@pytest.mark.parametrize("kind", ["text", "longtext", "blob", "datetime"])
def test_the_public_cursor_gives_the_same_bytes(
    hops: Hops, monkeypatch: pytest.MonkeyPatch, kind: str, target: Target
) -> None:
    hops.create(kind, "'2020-00-00\\t\\\\'")
    wanted = hops.format(target)
    sql = f"SELECT {wanted.select_list} FROM t"
    by_packets = list(read_blocks(hops.source, sql, None, wanted))
    monkeypatch.setattr(packets, "_PYMYSQL_SERIES", (0, 0))
    monkeypatch.setattr(packets, "_verdicts", {})
    assert list(read_blocks(hops.source, sql, None, wanted)) == by_packets


def test_the_packet_path_is_in_use_with_the_pinned_pymysql(hops: Hops) -> None:
    assert packets.self_test(packets.driver_in_transaction(hops.source))


def test_a_row_of_more_than_16_mib_arrives_whole(hops: Hops) -> None:
    hops.create("longtext", "repeat('\\t', 9000000)")
    execute(hops.admin, "UPDATE t SET c = concat(c, c, 'end') WHERE id = 1")
    hops.admin.commit()
    hops.replicate()
    check = "SELECT length(c), crc32(c) FROM t ORDER BY id"
    assert rows_of(hops.replication, check) == [(18000003, *rows_of(hops.source, check)[0][1:]), (None, None)]


@pytest.mark.slow  # a text of 64 MB through two servers
@pytest.mark.parametrize("hops", ["packed"], indirect=True)
def test_a_text_of_64_mib_takes_twice_its_size_in_memory(hops: Hops) -> None:
    hops.create("longtext", "repeat('\u00e4\t\U0001f600x', 8388608)")
    size_mb = 64
    tracemalloc.start()
    try:
        hops.replicate()
        hops.land("text")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    check = "SELECT {}, OCTET_LENGTH(c) FROM t WHERE id = 1"
    here = rows_of(hops.analytics, check.format("encode(sha256(convert_to(c, 'UTF8')), 'hex')"))
    there = check.format("SHA2(c, 256)")
    assert here == rows_of(hops.replication, there) == rows_of(hops.source, there)
    assert size_mb <= peak / 2**20 < 2.5 * size_mb


@pytest.mark.parametrize("server", ["source", "replication"])
def test_a_value_beyond_the_largest_packet_arrives(hops: Hops, sandbox: Sandbox, server: str) -> None:
    hops.create("longtext", "repeat('x', 3000000)")
    session: Connection = getattr(hops, server)
    with closing(family.connect(getattr(sandbox, server))) as admin, admin.cursor() as cursor:
        cursor.execute("SET GLOBAL max_allowed_packet = 1048576")
        try:
            _renew(session)
            assert rows_of(session, "SELECT @@SESSION.max_allowed_packet") == [(1048576,)]
            hops.replicate()
        finally:
            cursor.execute("SET GLOBAL max_allowed_packet = 268435456")
            _renew(session)
    check = "SELECT SHA2(c, 256), LENGTH(c) FROM t WHERE id = 1"
    assert rows_of(hops.replication, check) == rows_of(hops.source, check)


def _renew(session: Connection) -> None:
    session.engine.dispose()
    session.invalidate()
    session.rollback()


def test_parameters_are_written_into_the_query(hops: Hops) -> None:
    hops.create("varchar(20)", "'O''Hara'")
    wanted = row_format(hops.schema, Target.MYSQL)
    sql = f"SELECT {wanted.select_list} FROM t WHERE c = %(name)s AND c LIKE '%%'"
    assert list(read_blocks(hops.source, sql, {"name": "O'Hara"}, wanted)) == [b"1\tO'Hara\t7\n"]


def test_the_last_row_is_known_for_the_next_page(hops: Hops) -> None:
    hops.create("text", "'x'")
    wanted = hops.format(Target.MYSQL)
    stream = read_blocks(hops.source, f"SELECT {wanted.select_list} FROM t ORDER BY id", None, wanted)
    list(stream)
    assert stream.last_values == {"id": b"2", "c": None, "after": b"8"}


def test_a_table_of_required_columns_only_is_read(hops: Hops) -> None:
    execute(hops.admin, "CREATE TABLE t (id int PRIMARY KEY, c varchar(9) NOT NULL) CHARACTER SET latin1")
    execute(hops.admin, "INSERT INTO t VALUES (1, 'é')")
    hops.admin.commit()
    wanted = hops.format(Target.MYSQL)
    blocks = list(read_blocks(hops.source, f"SELECT {wanted.select_list} FROM t", None, wanted))
    assert blocks == ["1\té\n".encode()]


def test_a_query_without_rows_gives_no_blocks(hops: Hops) -> None:
    hops.create("text", "'x'")
    wanted = hops.format(Target.MYSQL)
    sql = f"SELECT {wanted.select_list} FROM t WHERE id > 99"
    assert list(read_blocks(hops.source, sql, None, wanted)) == []
