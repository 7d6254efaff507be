"""Where raw differs from the replica, the ranges of the key that differ are loaded again, and no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from dental_etl.config import Settings
from dental_etl.reconciliation import raw
from dental_etl.run import LoadResult
from dental_etl.tracking.status import record_altered, take_fence
from dental_etl.wire.catalog import changed_table_ddl, read_schema
from tests.counting import counted

Copy = Callable[..., int]
Load = Callable[..., LoadResult]
Rows = Callable[..., list[tuple[Any, ...]]]
_CREATE = "CREATE TABLE t (id int PRIMARY KEY, name varchar(50) CHARACTER SET utf8mb4, amount double)"
_FILL = f"INSERT INTO t SELECT seq * 3, CONCAT('n', seq), seq / 8 FROM {counted(1, 700)}"


@pytest.fixture(autouse=True)
def _small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat 700 rows as the millions of a large table."""
    monkeypatch.setattr(raw, "AT_ONCE_ROWS", 100)
    monkeypatch.setattr(raw, "_RANGE_ROWS", 50)


@pytest.fixture
def alter_replica(replication: Connection, sandbox_settings: Settings) -> Callable[..., None]:
    """Alter the replica in place, as an extract that heals drift."""

    def run(columns: tuple[str, ...], *statements: str) -> None:
        schema = read_schema(replication, sandbox_settings.replication.database, "t")
        assert schema is not None
        replication.exec_driver_sql(changed_table_ddl(schema))
        take_fence(replication, "t", 1)
        record_altered(replication, "t", 1, columns)
        replication.commit()
        for statement in statements:
            replication.exec_driver_sql(statement)
        replication.commit()

    return run


def _spoil(analytics: Connection, statement: str) -> None:
    analytics.rollback()
    analytics.exec_driver_sql(statement)
    analytics.commit()


def test_a_foreign_edit_costs_its_range_and_is_said(
    copy_whole: Copy, load: Load, analytics: Connection, raw_rows: Rows
) -> None:
    copy_whole("t", _CREATE, _FILL)
    load("t")
    before = raw_rows("t", "id, name, amount")
    _spoil(analytics, "UPDATE raw.t SET name = 'edited by hand' WHERE id = 21")
    _spoil(analytics, "DELETE FROM raw.t WHERE id = 24")
    _spoil(analytics, "INSERT INTO raw.t (id) VALUES (22)")
    result = load("t")
    assert (result.action, result.rows_written, len(result.findings)) == ("changes", 50, 1)
    assert raw_rows("t", "id, name, amount") == before
    assert result.proven_at is not None


def test_what_lies_beyond_the_last_key_is_found(
    copy_whole: Copy, load: Load, analytics: Connection, raw_rows: Rows
) -> None:
    copy_whole("t", _CREATE, _FILL)
    load("t")
    before = raw_rows("t", "id, name, amount")
    _spoil(analytics, "UPDATE raw.t SET name = 'x' WHERE id = 3")
    _spoil(analytics, "UPDATE raw.t SET id = 9999 WHERE id = 2100")
    assert load("t").rows_written == 100
    assert raw_rows("t", "id, name, amount") == before


def test_a_table_that_differs_everywhere_is_loaded_whole(
    copy_whole: Copy, load: Load, analytics: Connection, raw_rows: Rows
) -> None:
    copy_whole("t", _CREATE, _FILL)
    load("t")
    before = raw_rows("t", "id, name, amount")
    _spoil(analytics, "UPDATE raw.t SET amount = amount + 1")
    assert load("t").action == "full"
    assert raw_rows("t", "id, name, amount") == before


def test_an_altered_column_is_filled_and_compared_in_every_row(
    copy_whole: Copy, load: Load, alter_replica: Callable[..., None], raw_rows: Rows
) -> None:
    copy_whole("t", _CREATE, _FILL)
    load("t")
    alter_replica(
        ("extra",),
        "ALTER TABLE t ADD extra int DEFAULT 5",
        "UPDATE t SET extra = -1 WHERE id BETWEEN 330 AND 340",
    )
    result = load("t")
    assert (result.action, result.rows_written, result.findings) == ("changes", 50, ())
    assert result.proven_by == "checksums by ranges, of which 1 differed and were loaded again"
    assert [row for row in raw_rows("t", "id, extra") if row[1] != 5] == [
        (number, -1) for number in range(330, 341, 3)
    ]


def test_columns_that_were_not_altered_are_not_compared(
    copy_whole: Copy, load: Load, alter_replica: Callable[..., None]
) -> None:
    copy_whole("t", _CREATE, _FILL)
    load("t")
    alter_replica(("extra",), "ALTER TABLE t ADD extra int DEFAULT 5")
    result = load("t")
    assert (result.rows_written, result.proven_by) == (0, "checksums of the altered columns of all 700 rows")


def test_text_that_the_replica_cut_in_place_is_cut_in_raw(
    copy_whole: Copy, load: Load, alter_replica: Callable[..., None], raw_rows: Rows
) -> None:
    """Its type in raw does not change, and no outbox names a row."""
    copy_whole("t", _CREATE, _FILL, "UPDATE t SET name = 'a long name' WHERE id = 30")
    load("t")
    alter_replica(
        ("name",),
        "UPDATE t SET name = 'a lo' WHERE id = 30",
        "ALTER TABLE t MODIFY name varchar(4) CHARACTER SET utf8mb4",
    )
    load("t")
    assert ("a lo",) in raw_rows("t", "name")


def test_a_trigger_that_no_reload_can_mend_is_a_finding(
    copy_whole: Copy, load: Load, analytics: Connection
) -> None:
    copy_whole("t", _CREATE, _FILL)
    load("t")
    _spoil(analytics, "UPDATE raw.t SET name = 'x' WHERE id = 3")
    _spoil(
        analytics,
        "CREATE FUNCTION raw.bad() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.amount = 0; RETURN NEW; END'",
    )
    _spoil(analytics, "CREATE TRIGGER bad BEFORE INSERT ON raw.t FOR EACH ROW EXECUTE FUNCTION raw.bad()")
    with pytest.raises(AssertionError, match="raw differs from the replica"):
        load("t")
