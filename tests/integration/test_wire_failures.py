"""What goes wrong on the wire: named by table and column, never by value, and nothing half written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from dental_etl.config import Settings
from dental_etl.config.tables import Column, TableSchema
from dental_etl.connections import engine
from dental_etl.exceptions import (
    DatabaseAccessError,
    DatabaseConnectionError,
    DatabaseQueryError,
    DataExtractionError,
    DataLoadingError,
    PackingError,
)
from dental_etl.sandbox.state import ADMIN_USER, Kind, Sandbox
from dental_etl.wire.copy_feed import copy_rows
from dental_etl.wire.load_data import load_data
from dental_etl.wire.reader import read_blocks
from dental_etl.wire.rows import RowFormat, Target, row_format
from tests.counting import counted

PATIENT = TableSchema(
    name="patient",
    engine="InnoDB",
    primary_key=("id",),
    columns=(
        Column(name="id", data_type="int", column_type="int", is_nullable=False),
        Column(name="note", data_type="text", column_type="text", is_nullable=True, charset="utf8mb4"),
    ),
)
FORMAT = row_format(PATIENT, Target.MYSQL)
POSTGRES_FORMAT = row_format(PATIENT, Target.POSTGRES)
#: About 100 MB: more than the buffers between two processes hold.
MUCH = f"SELECT CONCAT_WS(CAST(0xFF AS BINARY), seq, REPEAT('x', 1000)) FROM {counted(1, 100000)}"
#: Some hundreds to the power of five, to be counted; SLEEP ends early in MySQL, and without an error.
ENDLESS = "SELECT SUM(a.id) FROM " + ", ".join(f"information_schema.collations AS {name}" for name in "abcde")
#: The session's variable for 0.05 s, and how the server ends a statement then.
TIMEOUTS = {Kind.MARIADB: ("max_statement_time", 0.05, 1969), Kind.MYSQL: ("max_execution_time", 50, 3024)}
_EIGHT_MIB = ", ".join(["REPEAT('x', 1 << 23)"] * 40)
#: More than any max_allowed_packet that a sandbox has.
TOO_LONG = f"SELECT CONCAT_WS(CAST(0xFF AS BINARY), {_EIGHT_MIB})"
ONE = [b"1\tSmith\n"]


@pytest.fixture
def source(sandbox_settings: Settings) -> Iterator[Connection]:
    with engine(sandbox_settings.source).connect() as connection:
        yield connection


@pytest.fixture
def replica(replication: Connection) -> Connection:
    replication.exec_driver_sql(
        "CREATE TABLE patient (id int PRIMARY KEY, note varchar(5)) CHARACTER SET utf8mb4"
    )
    replication.commit()
    return replication


@pytest.fixture
def raw(analytics: Connection) -> Connection:
    analytics.exec_driver_sql("CREATE TABLE patient (id int PRIMARY KEY, note varchar(5))")
    analytics.commit()
    return analytics


def failing() -> Iterator[bytes]:
    yield b"1\ta\n"
    raise TimeoutError


def count(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT count(*) FROM patient").scalar_one())


def interrupted(connection: Connection, row_format: RowFormat = FORMAT) -> None:
    """Start a read, take one block, and give up."""
    stream = iter(read_blocks(connection, MUCH, None, row_format))
    next(stream)
    stream.close()  # type: ignore[attr-defined]  # a generator, which Iterator does not tell


def test_memory_stays_bounded_by_blocks(source: Connection) -> None:
    assert max(len(block) for block in read_blocks(source, MUCH, None, FORMAT)) < 3 << 20


def test_a_read_that_is_given_up_does_not_poison_the_connection(source: Connection) -> None:
    interrupted(source)
    source.rollback()
    assert source.exec_driver_sql("SELECT 1").scalar_one() == 1


def test_a_query_that_the_server_refuses_keeps_the_connection(source: Connection) -> None:
    with pytest.raises(DatabaseQueryError, match="source database answered with error 1146"):
        list(read_blocks(source, "SELECT id FROM missing", None, FORMAT))
    assert source.exec_driver_sql("SELECT 1").scalar_one() == 1


def test_a_read_beyond_the_statement_timeout_is_stopped_by_the_server(
    sandbox: Sandbox, source: Connection
) -> None:
    name, value, error = TIMEOUTS[sandbox.source.kind]
    source.exec_driver_sql(f"SET SESSION {name}={value}")
    with pytest.raises(DatabaseQueryError, match=f"error {error}"):
        list(read_blocks(source, ENDLESS, None, FORMAT))
    source.exec_driver_sql(f"SET SESSION {name}=0")


def test_a_connection_lost_in_the_middle_is_told_as_lost(
    source: Connection, source_admin: Connection
) -> None:
    session = int(source.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one())
    blocks = iter(read_blocks(source, MUCH, None, FORMAT))
    next(blocks)
    source_admin.exec_driver_sql(f"KILL CONNECTION {session}")
    with pytest.raises(DatabaseConnectionError):
        list(blocks)
    source.rollback()


def test_a_result_with_other_columns_than_expected_is_refused(source: Connection) -> None:
    with pytest.raises(DataExtractionError, match="gave 2 result columns instead of 1"):
        list(read_blocks(source, "SELECT 1, 2", None, FORMAT))
    source.rollback()


def test_a_row_that_the_server_leaves_out_is_an_error(source: Connection) -> None:
    with pytest.raises(DataExtractionError, match=r"row of table patient .* Raise max_allowed_packet"):
        list(read_blocks(source, TOO_LONG, None, FORMAT))
    source.rollback()


def test_text_that_looks_like_a_separator_gives_no_key(source: Connection) -> None:
    stream = read_blocks(source, "SELECT CONCAT_WS(CAST(0xFF AS BINARY), 1, 'a', 'b')", None, FORMAT)
    list(stream)
    with pytest.raises(PackingError, match="look like our own separators"):
        _ = stream.last_values
    source.rollback()


def test_a_value_that_does_not_fit_the_replica_names_its_column(replica: Connection) -> None:
    with pytest.raises(DataExtractionError, match="Column note of table patient"):
        load_data(replica, "patient", FORMAT, [b"1\tSmithsonian\n"])


def test_an_error_of_the_replica_holds_no_value(replica: Connection) -> None:
    with pytest.raises(DataExtractionError) as caught:
        load_data(replica, "patient", FORMAT, [b"Smith\ta\n"])
    assert "Smith" not in f"{caught.value!r}{caught.value.__cause__!r}"


def test_rows_with_a_known_key_are_replaced(replica: Connection) -> None:
    load_data(replica, "patient", FORMAT, [b"1\ta\n", b"1\tb\n"])
    assert replica.exec_driver_sql("SELECT id, note FROM patient").all() == [(1, "b")]


def test_rows_are_counted_even_when_they_replace(replica: Connection) -> None:
    load_data(replica, "patient", FORMAT, ONE)
    assert load_data(replica, "patient", FORMAT, [b"1\ta\n2\tb\n"]).rows == 2


def test_no_rows_are_no_statement(replica: Connection) -> None:
    assert load_data(replica, "patient", FORMAT, []).rows == 0


def test_a_commit_after_a_load_is_a_commit(replica: Connection, sandbox_settings: Settings) -> None:
    load_data(replica, "patient", FORMAT, ONE)
    replica.commit()
    with engine(sandbox_settings.replication).connect() as other:
        assert count(other) == 1


def test_a_rollback_after_a_load_takes_the_rows_back(replica: Connection) -> None:
    load_data(replica, "patient", FORMAT, ONE)
    replica.rollback()
    assert count(replica) == 0


def test_a_failure_of_the_blocks_passes_through_a_load(replica: Connection) -> None:
    with pytest.raises(TimeoutError):
        load_data(replica, "patient", FORMAT, failing())
    replica.rollback()
    assert count(replica) == 0


def test_a_failure_of_the_source_in_a_load_is_told_of_the_source(
    replica: Connection, source: Connection
) -> None:
    with pytest.raises(DatabaseQueryError, match="source database"):
        load_data(replica, "patient", FORMAT, read_blocks(source, "SELECT id FROM missing", None, FORMAT))


@pytest.fixture
def with_enum(replication: Connection) -> RowFormat:
    replication.exec_driver_sql("CREATE TABLE e (e enum('a','b'), n int NOT NULL)")
    kind = Column(
        name="e", data_type="enum", column_type="enum('a','b')", is_nullable=True, charset="utf8mb4"
    )
    number = Column(name="n", data_type="int", column_type="int", is_nullable=False)
    return row_format(TableSchema(name="e", engine="InnoDB", columns=(kind, number)), Target.MYSQL)


def mode(connection: Connection) -> str:
    return str(connection.exec_driver_sql("SELECT @@SESSION.sql_mode").scalar_one())


def test_strict_mode_is_back_after_a_table_with_enum_columns(
    replication: Connection, with_enum: RowFormat
) -> None:
    load_data(replication, "e", with_enum, [b"1\t1\n0\t2\n"])
    assert mode(replication) == "STRICT_ALL_TABLES"


def test_strict_mode_is_back_after_a_failure_of_the_blocks(
    replication: Connection, with_enum: RowFormat
) -> None:
    with pytest.raises(TimeoutError):
        load_data(replication, "e", with_enum, failing())
    assert mode(replication) == "STRICT_ALL_TABLES"


def test_other_columns_stay_strict_beside_an_enum(replication: Connection, with_enum: RowFormat) -> None:
    with pytest.raises(DataExtractionError, match="2 warnings"):
        load_data(replication, "e", with_enum, [b"0\tx\n"])


def with_index_zero(rows: int, last: bytes) -> Iterator[bytes]:
    """Each row gives a warning that is no error; the last one may give one that is."""
    for first in range(0, rows, 1000):
        yield b"".join(b"0\t%d\n" % number for number in range(first, min(first + 1000, rows)))
    yield last


def test_more_warnings_than_a_server_keeps_hide_no_value_that_does_not_fit(
    replication: Connection, with_enum: RowFormat
) -> None:
    with pytest.raises(DataExtractionError, match="warnings"):
        load_data(replication, "e", with_enum, with_index_zero(70_000, b"1\t99999999999\n"))


def test_rows_with_more_warnings_than_a_server_keeps_are_written(
    replication: Connection, with_enum: RowFormat
) -> None:
    loaded = load_data(replication, "e", with_enum, with_index_zero(70_500, b"1\t70500\n"))
    assert (loaded.rows, mode(replication)) == (70_501, "STRICT_ALL_TABLES")
    found = replication.exec_driver_sql("SELECT COUNT(*), COUNT(DISTINCT n), SUM(e = '') FROM e").one()
    assert found == (70_501, 70_501, 70_500)


def test_a_failed_copy_closes_the_read_behind_it(raw: Connection, source: Connection) -> None:
    stream = read_blocks(source, MUCH, None, POSTGRES_FORMAT)
    with pytest.raises(DataLoadingError):
        copy_rows(raw, "patient", POSTGRES_FORMAT, stream)
    source.rollback()
    assert source.exec_driver_sql("SELECT 1").scalar_one() == 1


@pytest.fixture
def _without_local_infile(sandbox: Sandbox, sandbox_settings: Settings) -> Iterator[None]:
    account = replace(
        sandbox_settings.replication, user=ADMIN_USER, password=sandbox.replication.admin_password
    )
    with engine(account).connect() as admin:
        admin.exec_driver_sql("SET GLOBAL local_infile=OFF")
        yield
        admin.exec_driver_sql("SET GLOBAL local_infile=ON")


@pytest.mark.usefixtures("_without_local_infile")
def test_a_server_without_local_infile_is_named(replica: Connection) -> None:
    with pytest.raises(DatabaseAccessError, match="local_infile=ON"):
        load_data(replica, "patient", FORMAT, ONE)


def test_a_value_that_does_not_fit_postgres_names_its_column(raw: Connection) -> None:
    with pytest.raises(DataLoadingError, match="Column note of table patient"):
        copy_rows(raw, "patient", POSTGRES_FORMAT, [b"1\tSmithsonian\n"])


def test_an_error_of_postgres_holds_no_value(raw: Connection) -> None:
    with pytest.raises(DataLoadingError) as caught:
        copy_rows(raw, "patient", POSTGRES_FORMAT, [b"Smith\ta\n"])
    assert "Smith" not in str(caught.value)


def test_a_failure_of_the_blocks_passes_through_a_copy(raw: Connection) -> None:
    with pytest.raises(TimeoutError):
        copy_rows(raw, "patient", POSTGRES_FORMAT, failing())
    raw.rollback()
    assert count(raw) == 0


def test_a_copy_returns_its_rows(raw: Connection) -> None:
    assert copy_rows(raw, "patient", POSTGRES_FORMAT, [b"1\ta\n2\tb\n", b"3\t\\N\n"]) == 3


def test_a_commit_after_a_copy_is_a_commit(raw: Connection, sandbox_settings: Settings) -> None:
    copy_rows(raw, "patient", POSTGRES_FORMAT, ONE)
    raw.commit()
    with engine(sandbox_settings.analytics).connect() as other:
        assert count(other) == 1
