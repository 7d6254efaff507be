"""Columns that change, views that stand on the table, and readers that do not let go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from dental_etl.config import Settings
from dental_etl.connections import engine
from dental_etl.exceptions import DatabaseTransactionError, DataLoadingError, SchemaDriftError
from dental_etl.run import LoadResult, RefreshMode

Load = Callable[..., LoadResult]
Copy = Callable[..., int]
Rows = Callable[..., list[tuple[Any, ...]]]
RunSql = Callable[..., None]

_TABLE = "CREATE TABLE patient (PatNum int PRIMARY KEY, LName varchar(100) NOT NULL, Fee smallint NOT NULL)"
_TWO = "INSERT INTO patient VALUES (1, 'A', 10), (2, 'B', 20)"
_VIEWS = (
    "CREATE SCHEMA staging",
    'CREATE VIEW staging.stg_patient WITH (security_barrier) AS SELECT "PatNum" AS id, "Fee" AS fee FROM raw.patient',
    "CREATE VIEW staging.int_fees AS SELECT fee FROM staging.stg_patient WHERE fee > 10",
    "CREATE MATERIALIZED VIEW staging.mat_fees AS SELECT fee FROM staging.int_fees",
    "CREATE UNIQUE INDEX mat_fees_fee ON staging.mat_fees (fee)",
    "COMMENT ON VIEW staging.stg_patient IS 'it''s 100% a patient'",
    "COMMENT ON COLUMN staging.stg_patient.fee IS 'in cents'",
    "GRANT SELECT ON staging.stg_patient TO PUBLIC",
    "GRANT SELECT (fee) ON staging.int_fees TO PUBLIC",
)
_DESCRIPTION = """
    SELECT c.relname, c.relkind, c.reloptions, c.relacl::text, pg_get_userbyid(c.relowner), pg_get_viewdef(c.oid),
           obj_description(c.oid),
           ARRAY(SELECT (attname, col_description(c.oid, attnum), attacl)::text FROM pg_attribute
                 WHERE attrelid = c.oid AND attnum > 0 ORDER BY attnum),
           ARRAY(SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = c.oid)
    FROM pg_class AS c WHERE relnamespace = 'staging'::regnamespace AND relkind IN ('v', 'm') ORDER BY relname
"""


@pytest.fixture
def described(analytics: Connection) -> Callable[[], list[tuple[Any, ...]]]:
    """Describe the views with all that belongs to them."""

    def describe() -> list[tuple[Any, ...]]:
        rows = [tuple(row) for row in analytics.exec_driver_sql(_DESCRIPTION).all()]
        analytics.rollback()
        return rows

    return describe


@pytest.fixture
def reader(sandbox_settings: Settings) -> Iterator[Connection]:
    """Another session, as an analyst or dbt has it."""
    with engine(sandbox_settings.analytics).connect() as connection:
        yield connection


def test_views_see_the_new_rows_of_a_full_refresh(
    copy_whole: Copy, load: Load, run_sql: RunSql, analytics: Connection
) -> None:
    copy_whole("patient", _TABLE, _TWO)
    load("patient")
    run_sql(*_VIEWS)
    copy_whole("patient", "UPDATE patient SET Fee = 30 WHERE PatNum = 1")
    load("patient")
    assert analytics.exec_driver_sql("SELECT * FROM staging.int_fees ORDER BY 1").scalars().all() == [20, 30]


def test_views_survive_a_widened_column_with_all_that_belongs_to_them(
    copy_whole: Copy, load: Load, run_sql: RunSql, described: Callable[[], list[tuple[Any, ...]]]
) -> None:
    copy_whole("patient", _TABLE, _TWO)
    load("patient")
    run_sql(*_VIEWS)
    before = described()
    copy_whole("patient", "ALTER TABLE patient MODIFY Fee bigint NOT NULL")
    result = load("patient")
    assert result.drift == ("column Fee changed from smallint to bigint",)
    assert described() == before


def test_views_survive_a_column_widened_between_changes(
    copy_whole: Copy,
    copy_changes: Copy,
    load: Load,
    run_sql: RunSql,
    described: Callable[[], list[tuple[Any, ...]]],
) -> None:
    copy_whole("patient", _TABLE, _TWO)
    load("patient")
    run_sql(*_VIEWS)
    before = described()
    copy_changes(
        "patient",
        [(1,)],
        "ALTER TABLE patient MODIFY Fee bigint NOT NULL",
        "UPDATE patient SET Fee = 10000000000 WHERE PatNum = 1",
    )
    result = load("patient")
    assert (result.action, result.drift) == ("changes", ("column Fee changed from smallint to bigint",))
    assert described() == before


def test_a_materialized_view_over_a_rebuilt_table_is_filled_again(
    copy_whole: Copy, load: Load, run_sql: RunSql, analytics: Connection
) -> None:
    copy_whole("patient", _TABLE, _TWO)
    load("patient")
    run_sql(*_VIEWS)
    copy_whole("patient", "ALTER TABLE patient MODIFY Fee bigint NOT NULL")
    load("patient")
    assert analytics.exec_driver_sql("SELECT fee FROM staging.mat_fees").scalars().all() == [20]


def test_a_view_that_no_longer_fits_is_dropped_and_named(
    copy_whole: Copy, load: Load, run_sql: RunSql, described: Callable[[], list[tuple[Any, ...]]]
) -> None:
    copy_whole("patient", _TABLE, _TWO)
    load("patient")
    run_sql(
        "CREATE SCHEMA staging",
        'CREATE VIEW staging.doubled AS SELECT "Fee" * 2 AS fee FROM raw.patient',
        'CREATE VIEW staging.named AS SELECT "LName" FROM raw.patient',
    )
    copy_whole("patient", "ALTER TABLE patient MODIFY Fee varchar(20) NOT NULL")
    result = load("patient", refresh=RefreshMode.FULL)
    assert [note for note in result.drift if "doubled" in note] == [
        'view "staging"."doubled" no longer fits and was dropped; `dental-etl dbt build` makes dbt\'s views again'
    ]
    assert [row[0] for row in described()] == ["named"]


def test_default_privileges_do_not_open_a_view_that_was_closed(
    copy_whole: Copy, load: Load, run_sql: RunSql, described: Callable[[], list[tuple[Any, ...]]]
) -> None:
    copy_whole("patient", _TABLE, _TWO)
    load("patient")
    run_sql(
        "CREATE SCHEMA staging",
        'CREATE VIEW staging.fees AS SELECT "Fee" FROM raw.patient',
        "ALTER DEFAULT PRIVILEGES IN SCHEMA staging GRANT SELECT ON TABLES TO PUBLIC",
    )
    copy_whole("patient", "ALTER TABLE patient MODIFY Fee bigint NOT NULL")
    load("patient")
    assert "=r/" not in str(described()[0][3])


def test_an_added_column_is_filled_for_old_rows(copy_whole: Copy, load: Load, raw_rows: Rows) -> None:
    copy_whole("patient", _TABLE, _TWO)
    load("patient")
    copy_whole("patient", "ALTER TABLE patient ADD Email varchar(50) NOT NULL DEFAULT 'x'")
    assert load("patient").drift == ("column Email was added as text",)
    assert raw_rows("patient", '"PatNum", "Email"') == [(1, "x"), (2, "x")]


def test_a_dropped_column_stays_and_is_null(copy_whole: Copy, load: Load, raw_rows: Rows) -> None:
    copy_whole("patient", _TABLE, _TWO)
    load("patient")
    copy_whole("patient", "ALTER TABLE patient DROP Fee")
    assert load("patient").drift == (
        "column Fee no longer exists in the source; raw keeps it, NULL from now on",
    )
    assert raw_rows("patient", '"PatNum", "Fee"') == [(1, None), (2, None)]


def test_an_incompatible_type_is_rebuilt_when_a_person_asks(
    copy_whole: Copy, load: Load, raw_rows: Rows
) -> None:
    copy_whole("patient", _TABLE, _TWO)
    load("patient")
    copy_whole(
        "patient", "ALTER TABLE patient DROP Fee", "ALTER TABLE patient ADD Fee date DEFAULT '2026-01-31'"
    )
    with pytest.raises(SchemaDriftError, match=r"Fee \(smallint in raw, date .* --force-full"):
        load("patient")
    load("patient", refresh=RefreshMode.FULL)
    assert [str(day) for _, day in raw_rows("patient", '"PatNum", "Fee"')] == ["2026-01-31", "2026-01-31"]


def test_a_new_primary_key_replaces_the_old_one(copy_whole: Copy, load: Load, analytics: Connection) -> None:
    copy_whole("patient", _TABLE, _TWO)
    load("patient")
    copy_whole("patient", "ALTER TABLE patient DROP PRIMARY KEY, ADD PRIMARY KEY (LName, Fee), DROP PatNum")
    load("patient")
    key: str = analytics.exec_driver_sql(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'raw.patient'::regclass"
    ).scalar_one()
    assert key == 'PRIMARY KEY ("LName", "Fee")'


def test_grants_on_the_raw_table_survive_a_rebuild(
    copy_whole: Copy, load: Load, run_sql: RunSql, analytics: Connection
) -> None:
    copy_whole("patient", _TABLE, _TWO)
    load("patient")
    run_sql("GRANT SELECT ON raw.patient TO PUBLIC")
    copy_whole("patient", "ALTER TABLE patient MODIFY Fee varchar(20) NOT NULL")
    load("patient")
    assert analytics.exec_driver_sql(
        "SELECT relacl::text LIKE '%%=r/%%' FROM pg_class WHERE oid = 'raw.patient'::regclass"
    ).scalar_one()


def test_a_long_reader_does_not_stop_a_refresh(
    copy_whole: Copy, load: Load, raw_rows: Rows, reader: Connection
) -> None:
    copy_whole("patient", _TABLE, _TWO)
    load("patient")
    copy_whole("patient", "UPDATE patient SET LName = 'Z'")
    reader.exec_driver_sql("SELECT * FROM raw.patient").all()
    assert load("patient").action == "full"
    assert raw_rows("patient", '"LName"') == [("Z",), ("Z",)]


def test_a_reader_keeps_its_old_rows_during_a_refresh(
    copy_whole: Copy, load: Load, reader: Connection
) -> None:
    copy_whole("patient", _TABLE, _TWO)
    load("patient")
    copy_whole("patient", "UPDATE patient SET LName = 'Z'")
    reader.execution_options(isolation_level="REPEATABLE READ")
    before = reader.exec_driver_sql('SELECT "LName" FROM raw.patient ORDER BY 1').all()
    load("patient")
    assert reader.exec_driver_sql('SELECT "LName" FROM raw.patient ORDER BY 1').all() == before


def test_a_reader_with_an_old_snapshot_sees_rows_after_a_truncate(
    copy_whole: Copy, load: Load, reader: Connection
) -> None:
    copy_whole("patient", _TABLE, _TWO)
    load("patient")
    copy_whole("patient", "UPDATE patient SET LName = 'Z'")
    reader.execution_options(isolation_level="REPEATABLE READ")
    reader.exec_driver_sql("SELECT 1").all()
    load("patient")
    assert len(reader.exec_driver_sql("SELECT * FROM raw.patient").all()) == 2


def test_a_reader_delays_a_change_of_columns(copy_whole: Copy, load: Load, reader: Connection) -> None:
    copy_whole("patient", _TABLE, _TWO)
    load("patient")
    copy_whole("patient", "ALTER TABLE patient ADD Email varchar(50) NOT NULL")
    reader.exec_driver_sql("SELECT * FROM raw.patient").all()
    with pytest.raises(DatabaseTransactionError, match="whose columns must change"):
        load("patient")


def test_something_else_that_hangs_on_the_table_is_said(
    copy_whole: Copy, load: Load, run_sql: RunSql
) -> None:
    copy_whole("patient", _TABLE, _TWO)
    load("patient")
    run_sql('CREATE TABLE raw.child (p integer REFERENCES raw.patient ("PatNum"))')
    copy_whole("patient", "UPDATE patient SET LName = 'Z'")
    with pytest.raises(DataLoadingError, match="Something else than a view hangs on the raw table patient"):
        load("patient")
