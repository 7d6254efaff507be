"""Whole tables and changes from a source to its replica, compared by plain driver reads on both sides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pymysql
import pytest
from pymysql.converters import conversions
from sqlalchemy import Connection

from dental_etl.config import DatabaseSettings, Settings, TableConfig
from dental_etl.exceptions import DataExtractionError
from dental_etl.extract.replicator import extract_table
from dental_etl.plan import plan_table
from dental_etl.run import Category, CopyStatus, ExtractResult, RefreshMode, Strategy
from dental_etl.tracking.status import ensure_copy_status, read_copy_status
from tests.counting import counted

Extract = Callable[..., ExtractResult]
_FENCES = count(1)
#: pymysql's converters without those that turn what the server sends into Python values.
_NO_DECODERS: dict[Any, Any] = {
    kind: convert for kind, convert in conversions.items() if not isinstance(kind, int)
}


def _config(table: str, cursor: str | None, batch_size: int) -> TableConfig:
    return TableConfig(
        table_name=table,
        extraction_strategy=Strategy.INCREMENTAL if cursor else Strategy.FULL_TABLE,
        strategy_reason="test",
        primary_incremental_column=cursor,
        batch_size=batch_size,
        performance_category=Category.TINY,
        processing_priority="low",
        estimated_rows=10,
        estimated_size_mb=0.1,
    )


@pytest.fixture
def extract(sandbox_settings: Settings, source_admin: Connection, replication: Connection) -> Extract:
    """Plan and extract a table, as a run would."""

    def run(
        table: str,
        *,
        cursor: str | None = None,
        batch_size: int = 100,
        refresh: RefreshMode = RefreshMode.INCREMENTAL,
    ) -> ExtractResult:
        source_admin.commit()
        now = datetime.now(UTC)
        fence = next(_FENCES)
        plan = plan_table(_config(table, cursor, batch_size), _status(replication, table), refresh, now)
        return extract_table(
            sandbox_settings,
            plan,
            run_id=f"run-{fence}",
            fence=fence,
            deadline=None,
            clock=lambda: datetime.now(UTC),
        )

    return run


def _status(replication: Connection, table: str) -> CopyStatus | None:
    ensure_copy_status(replication)
    status = read_copy_status(replication, table)
    replication.commit()
    return status


def _rows(database: DatabaseSettings, sql: str) -> list[tuple[bytes | None, ...]]:
    """Read as another program would: the server's own bytes, no conversion, no part of the product."""
    with (
        pymysql.connect(
            host=database.host,
            port=database.port,
            user=database.user,
            password=database.password,
            database=database.database,
            use_unicode=False,
            conv=_NO_DECODERS,
            init_command="SET time_zone='+00:00'",
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
        return sorted(cursor.fetchall(), key=repr)


def _assert_equal(settings: Settings, table: str, columns: str = "*") -> None:
    sql = f"SELECT {columns} FROM `{table}`"
    assert _rows(settings.replication, sql) == _rows(settings.source, sql)


def _outbox(settings: Settings, table: str) -> list[tuple[bytes | None, ...]]:
    return _rows(settings.replication, f"SELECT * FROM `etl_changed__{table}`")


STAMPED = """
    CREATE TABLE patient (
        PatNum bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
        LName varchar(100) DEFAULT '',
        DateTStamp timestamp NULL DEFAULT NULL
    ) ENGINE=MyISAM CHARSET=utf8
"""
AWKWARD = """
    CREATE TABLE awkward (
        AwkwardNum bigint unsigned NOT NULL PRIMARY KEY,
        Zero date NOT NULL, Moment datetime(6) NULL, Span time NULL, Amount double NULL, Rough float NULL,
        Price decimal(20,6) NULL, Flag tinyint(1) NULL, Bits bit(5) NULL, Kind enum('a','b') NULL,
        Note text CHARACTER SET utf8mb4 NULL, Old varchar(50) CHARACTER SET latin1 NULL, Raw blob NULL,
        Y year NULL
    ) ENGINE=MyISAM
"""
AWKWARD_ROWS = r"""
    INSERT INTO awkward VALUES
    (0, '0000-00-00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (18446744073709551615, '0001-01-01', '9999-12-31 23:59:59.999999', '-838:59:59', 1.7976931348623157e308,
     3.40282e38, 99999999999999.999999, -128, b'11111', 'b', 'tab\tlf\ncr\rback\\N \\N 100% :x', 'caf\xe9',
     x'00fffefd0a5c', 2155),
    (7, '2020-00-15', '0000-00-00 00:00:00', '838:59:59', 5e-324, 0.1, -0.000001, 127, b'0', 'a', '', '',
     '', 0)
"""


def test_the_first_copy_of_a_myisam_table_is_equal(
    extract: Extract, source_admin: Connection, sandbox_settings: Settings
) -> None:
    source_admin.exec_driver_sql(STAMPED)
    source_admin.exec_driver_sql(
        f"INSERT INTO patient (LName) SELECT CONCAT('n', seq) FROM {counted(1, 1234)}"
    )
    result = extract("patient")
    _assert_equal(sandbox_settings, "patient")
    assert (result.rows_read, result.rows_written, result.strategy) == (1234, 1234, Strategy.FULL_TABLE)


def test_awkward_values_are_equal_byte_by_byte(
    extract: Extract, source_admin: Connection, sandbox_settings: Settings
) -> None:
    source_admin.exec_driver_sql("SET SESSION sql_mode=''")
    source_admin.exec_driver_sql(AWKWARD)
    source_admin.exec_driver_sql(AWKWARD_ROWS.replace("%", "%%"))
    extract("awkward")
    _assert_equal(sandbox_settings, "awkward", "*, Rough + 0e0, HEX(Note), HEX(Old), HEX(Raw)")


def test_an_empty_table_is_copied(
    extract: Extract, source_admin: Connection, sandbox_settings: Settings
) -> None:
    source_admin.exec_driver_sql(STAMPED)
    extract("patient", cursor="DateTStamp")
    _assert_equal(sandbox_settings, "patient")


def test_the_replica_has_the_primary_key_and_the_cursor_as_indexes(
    extract: Extract, source_admin: Connection, replication: Connection
) -> None:
    source_admin.exec_driver_sql(STAMPED)
    extract("patient", cursor="DateTStamp")
    found = [
        (row.Key_name, row.Column_name) for row in replication.exec_driver_sql("SHOW INDEX FROM patient")
    ]
    assert found == [("PRIMARY", "PatNum"), ("etl_cursor", "DateTStamp")]


def test_a_table_without_key_keeps_its_duplicates(
    extract: Extract, source_admin: Connection, sandbox_settings: Settings
) -> None:
    source_admin.exec_driver_sql("CREATE TABLE scratch (a int NULL, b varchar(5) NULL)")
    source_admin.exec_driver_sql("INSERT INTO scratch VALUES (1,'x'),(1,'x'),(1,NULL),(NULL,''),(NULL,'')")
    extract("scratch")
    _assert_equal(sandbox_settings, "scratch")


def test_an_unchanged_table_without_key_keeps_its_generation(
    extract: Extract, source_admin: Connection
) -> None:
    source_admin.exec_driver_sql("CREATE TABLE scratch (a int NULL, b varchar(5) NULL)")
    source_admin.exec_driver_sql("INSERT INTO scratch VALUES (1,'x'),(1,'x')")
    first = extract("scratch")
    assert extract("scratch").generation == first.generation


def test_a_table_without_key_whose_duplicates_changed_is_rewritten(
    extract: Extract, source_admin: Connection, replication: Connection
) -> None:
    """Twice x and once y is not once x and twice y, whatever XOR says."""
    source_admin.exec_driver_sql("CREATE TABLE scratch (a int NULL, b varchar(5) NULL)")
    source_admin.exec_driver_sql("INSERT INTO scratch VALUES (1,'x'),(1,'x'),(2,'y')")
    extract("scratch")
    source_admin.exec_driver_sql("UPDATE scratch SET a = 2, b = 'y' WHERE a = 1 LIMIT 1")
    extract("scratch")
    status = _status(replication, "scratch")
    assert status is not None
    assert status.generation == status.full_generation > 0


KEYS = [
    pytest.param(
        "a int, b varchar(10) CHARACTER SET utf8", "FLOOR(seq / 7), CONCAT('k', seq)", id="composite"
    ),
    pytest.param(
        "a varchar(20) CHARACTER SET utf8 COLLATE utf8mb3_general_ci",
        "CONCAT('%Zé''\\\\', seq)",
        id="text-no-case",
    ),
    pytest.param(
        "a varchar(20) CHARACTER SET latin1 COLLATE latin1_bin", "CONCAT('ö', seq)", id="latin1-binary"
    ),
    pytest.param("a varbinary(20)", "UNHEX(LPAD(HEX(seq * 77), 8, '0'))", id="bytes"),
    pytest.param("a decimal(30,10)", "seq * 1234567890.0000000001 - 9e12", id="decimal"),
    pytest.param("a bigint unsigned", "18446744073709551615 - seq", id="unsigned"),
    pytest.param("a datetime, b time", "'0001-01-01' + INTERVAL seq DAY, SEC_TO_TIME(-seq)", id="times"),
    pytest.param("a bit(40)", "seq * 1000003", id="bits"),
    pytest.param("a enum('z','b','y'), b int", "ELT(1 + seq MOD 3, 'z', 'b', 'y'), seq", id="enum"),
    pytest.param("a double", "seq / 3", id="double"),
]


@pytest.mark.parametrize(("key", "values"), KEYS)
def test_every_kind_of_key_is_copied_and_compared(
    extract: Extract, source_admin: Connection, sandbox_settings: Settings, key: str, values: str
) -> None:
    columns = ", ".join(part.split()[0] for part in key.split(", "))
    source_admin.exec_driver_sql("SET SESSION sql_mode=''")
    source_admin.exec_driver_sql(f"CREATE TABLE keyed ({key}, v int, PRIMARY KEY ({columns})) ENGINE=MyISAM")
    insert = f"INSERT INTO keyed SELECT {values}, seq FROM {counted(1, 450)}"
    source_admin.exec_driver_sql(insert.replace("%", "%%"))
    first = extract("keyed")
    _assert_equal(sandbox_settings, "keyed")
    again = extract("keyed")
    assert (first.rows_read, again.rows_written, again.generation) == (450, 0, first.generation)


def test_a_second_full_copy_moves_only_the_differences(
    extract: Extract, source_admin: Connection, sandbox_settings: Settings
) -> None:
    source_admin.exec_driver_sql(STAMPED)
    source_admin.exec_driver_sql(f"INSERT INTO patient (LName) SELECT 'smith' FROM {counted(1, 250)}")
    first = extract("patient")
    source_admin.exec_driver_sql("UPDATE patient SET LName = 'Smith' WHERE PatNum = 3")
    source_admin.exec_driver_sql("DELETE FROM patient WHERE PatNum = 4")
    source_admin.exec_driver_sql("INSERT INTO patient (PatNum) VALUES (999)")
    second = extract("patient")
    _assert_equal(sandbox_settings, "patient")
    assert (second.rows_written, second.rows_deleted) == (2, 1)
    assert second.generation > first.generation
    generation = str(second.generation).encode()
    assert _outbox(sandbox_settings, "patient") == [(key, generation) for key in (b"3", b"4", b"999")]


def test_a_full_copy_that_differs_everywhere_rewrites_the_table(
    extract: Extract, source_admin: Connection, replication: Connection, sandbox_settings: Settings
) -> None:
    source_admin.exec_driver_sql(STAMPED)
    source_admin.exec_driver_sql(f"INSERT INTO patient (LName) SELECT 'a' FROM {counted(1, 1500)}")
    extract("patient", batch_size=1000)
    source_admin.exec_driver_sql("UPDATE patient SET LName = 'b'")
    extract("patient", batch_size=1000)
    _assert_equal(sandbox_settings, "patient")
    status = _status(replication, "patient")
    assert status is not None
    assert status.generation == status.full_generation > 0


def test_no_shadow_is_left_behind(
    extract: Extract, source_admin: Connection, sandbox_settings: Settings
) -> None:
    source_admin.exec_driver_sql(STAMPED)
    extract("patient")
    extract("patient")
    assert _rows(sandbox_settings.replication, "SHOW TABLES") == [
        (b"etl_changed__patient",),
        (b"etl_copy_status",),
        (b"patient",),
    ]


def test_an_added_column_is_filled_for_every_row(
    extract: Extract, source_admin: Connection, sandbox_settings: Settings
) -> None:
    source_admin.exec_driver_sql(STAMPED)
    source_admin.exec_driver_sql(f"INSERT INTO patient (DateTStamp) SELECT NOW() FROM {counted(1, 10)}")
    extract("patient", cursor="DateTStamp")
    source_admin.exec_driver_sql("ALTER TABLE patient ADD Gender tinyint(1) NOT NULL DEFAULT 3 AFTER PatNum")
    result = extract("patient", cursor="DateTStamp")
    _assert_equal(sandbox_settings, "patient")
    assert result.drift == ("column Gender (tinyint(1)) was added",)


def test_a_dropped_and_a_widened_column_are_followed(
    extract: Extract, source_admin: Connection, sandbox_settings: Settings
) -> None:
    source_admin.exec_driver_sql("CREATE TABLE t (id int PRIMARY KEY, a int, b decimal(5,0))")
    source_admin.exec_driver_sql("INSERT INTO t VALUES (1, 2, 3)")
    extract("t")
    source_admin.exec_driver_sql("ALTER TABLE t DROP a, MODIFY b varchar(10)")
    result = extract("t")
    _assert_equal(sandbox_settings, "t")
    assert result.drift == ("column b changed from decimal(5,0) to varchar(10)", "column a was dropped")


def test_another_key_is_followed_by_the_outbox(
    extract: Extract, source_admin: Connection, sandbox_settings: Settings
) -> None:
    source_admin.exec_driver_sql("CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL)")
    source_admin.exec_driver_sql("INSERT INTO t VALUES (1, 2)")
    extract("t")
    source_admin.exec_driver_sql("ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (a)")
    extract("t")
    source_admin.exec_driver_sql("INSERT INTO t VALUES (1, 9)")
    generation = extract("t").generation
    assert _outbox(sandbox_settings, "t") == [(b"9", str(generation).encode())]


def test_a_generated_column_is_left_out(
    extract: Extract, source_admin: Connection, sandbox_settings: Settings
) -> None:
    source_admin.exec_driver_sql("CREATE TABLE t (id int PRIMARY KEY, g int AS (id * 2) VIRTUAL, a int)")
    source_admin.exec_driver_sql("INSERT INTO t (id, a) VALUES (1, 5)")
    extract("t")
    _assert_equal(sandbox_settings, "t", "id, a")
    assert extract("t").drift == ()


def test_an_altered_replica_is_copied_again(
    extract: Extract, source_admin: Connection, replication: Connection, sandbox_settings: Settings
) -> None:
    source_admin.exec_driver_sql("CREATE TABLE t (id int PRIMARY KEY, a int)")
    source_admin.exec_driver_sql("INSERT INTO t VALUES (1, 2)")
    extract("t")
    replication.exec_driver_sql("ALTER TABLE t DROP a")
    extract("t")
    _assert_equal(sandbox_settings, "t")


def test_a_replica_of_another_type_is_mended_by_a_full_refresh(
    extract: Extract, source_admin: Connection, replication: Connection, sandbox_settings: Settings
) -> None:
    source_admin.exec_driver_sql("CREATE TABLE t (id int PRIMARY KEY, a int)")
    extract("t", cursor="id")
    replication.exec_driver_sql("ALTER TABLE t MODIFY a tinyint")
    source_admin.exec_driver_sql("INSERT INTO t VALUES (1, 4000000)")
    extract("t", cursor="id", refresh=RefreshMode.FULL)
    _assert_equal(sandbox_settings, "t")


def test_a_value_that_does_not_fit_names_its_table_and_column_and_nothing_else(
    extract: Extract, source_admin: Connection, replication: Connection
) -> None:
    source_admin.exec_driver_sql("CREATE TABLE t (id int PRIMARY KEY, a varchar(20))")
    source_admin.exec_driver_sql("INSERT INTO t VALUES (1, 'Smith')")
    extract("t", cursor="id")
    replication.exec_driver_sql("ALTER TABLE t MODIFY a varchar(7)")
    source_admin.exec_driver_sql("INSERT INTO t VALUES (2, 'Smithsonian')")
    with pytest.raises(DataExtractionError, match=r"^Column a of table t ") as caught:
        extract("t", cursor="id")
    assert "Smith" not in str(caught.value)


def test_a_table_missing_at_the_source_says_what_to_do(extract: Extract) -> None:
    with pytest.raises(DataExtractionError, match="dental-etl analyze"):
        extract("nowhere")


def test_a_full_refresh_repairs_what_changes_cannot_see(
    extract: Extract, source_admin: Connection, sandbox_settings: Settings
) -> None:
    source_admin.exec_driver_sql(STAMPED)
    source_admin.exec_driver_sql("INSERT INTO patient (DateTStamp) VALUES (NOW()), (NOW())")
    extract("patient", cursor="DateTStamp")
    source_admin.exec_driver_sql("DELETE FROM patient WHERE PatNum = 1")
    extract("patient", cursor="DateTStamp", refresh=RefreshMode.FULL)
    _assert_equal(sandbox_settings, "patient")


def test_a_row_keyed_by_a_zero_date_is_not_taken_for_gone(
    extract: Extract, source_admin: Connection, sandbox_settings: Settings
) -> None:
    source_admin.exec_driver_sql("CREATE TABLE holiday (Day date NOT NULL PRIMARY KEY, Note text)")
    source_admin.exec_driver_sql(
        "INSERT INTO holiday VALUES ('0000-00-00', 'none'), ('2020-01-01', 'New Year')"
    )
    extract("holiday")
    source_admin.exec_driver_sql("UPDATE holiday SET Note = 'x' WHERE Day > '2000-01-01'")
    assert extract("holiday").rows_deleted == 0
    _assert_equal(sandbox_settings, "holiday")
