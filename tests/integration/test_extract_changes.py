"""Passes for changes: what a cursor must not miss, what it must not be blinded by, and how it moves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Connection, text

from dental_etl.config import Settings, TableConfig
from dental_etl.extract.replicator import extract_table
from dental_etl.plan import plan_table
from dental_etl.run import Category, CopyStatus, ExtractResult, RefreshMode, Strategy
from dental_etl.tracking.status import ensure_copy_status, read_copy_status
from tests.counting import counted

Extract = Callable[..., ExtractResult]
_FENCES = count(1)
#: Size of ten rows so long that a pass over a thousand takes several reads.
LONG_ROWS_MB = 10.0
STAMPED = """
    CREATE TABLE visit (
        VisitNum bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
        Note varchar(100) CHARACTER SET utf8 DEFAULT '',
        Amount double NOT NULL DEFAULT 0,
        Stamp timestamp NULL DEFAULT NULL
    ) ENGINE=MyISAM
"""


@pytest.fixture
def extract(sandbox_settings: Settings, source_admin: Connection, replication: Connection) -> Extract:
    """Plan and extract `visit` by its stamp, as a run would."""

    def run(cursor: str = "Stamp", *, batch_size: int = 100, size_mb: float = 0.1) -> ExtractResult:
        source_admin.commit()
        fence = next(_FENCES)
        config = TableConfig(
            table_name="visit",
            extraction_strategy=Strategy.INCREMENTAL,
            strategy_reason="test",
            primary_incremental_column=cursor,
            batch_size=batch_size,
            performance_category=Category.TINY,
            processing_priority="low",
            estimated_rows=10,
            estimated_size_mb=size_mb,
        )
        now = datetime.now(UTC)
        return extract_table(
            sandbox_settings,
            plan_table(config, _status(replication), RefreshMode.INCREMENTAL, now),
            run_id=f"run-{fence}",
            fence=fence,
            deadline=None,
            clock=lambda: datetime.now(UTC),
        )

    return run


@pytest.fixture
def visits(source_admin: Connection) -> Connection:
    """A source with ten visits, each stamped an hour before the next."""
    source_admin.exec_driver_sql("SET time_zone='+00:00', sql_mode=''")
    source_admin.exec_driver_sql(STAMPED)
    source_admin.exec_driver_sql(
        f"INSERT INTO visit (Note, Stamp) SELECT 'old', NOW() - INTERVAL seq HOUR FROM {counted(1, 10)}"
    )
    return source_admin


def _status(replication: Connection) -> CopyStatus | None:
    ensure_copy_status(replication)
    status = read_copy_status(replication, "visit")
    replication.commit()
    return status


def _set_cursor(replication: Connection, value: str) -> None:
    replication.execute(text("UPDATE etl_copy_status SET last_primary_value = :value"), {"value": value})
    replication.commit()


def _cursor(replication: Connection) -> str:
    status = _status(replication)
    assert status is not None
    assert status.cursor is not None
    assert status.cursor.value is not None
    return status.cursor.value


def _rows(connection: Connection) -> list[Any]:
    rows = connection.exec_driver_sql("SELECT * FROM visit ORDER BY 1").all()
    connection.commit()
    return list(rows)


def _outbox(replication: Connection) -> list[Any]:
    rows = replication.exec_driver_sql("SELECT * FROM etl_changed__visit ORDER BY 2, 1").all()
    replication.commit()
    return [tuple(row) for row in rows]


def test_the_first_copy_starts_its_cursor_at_the_sources_clock(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    before = str(visits.exec_driver_sql("SELECT CAST(UTC_TIMESTAMP() AS CHAR)").scalar_one())
    extract()
    assert before <= _cursor(replication)


def test_a_night_without_changes_writes_nothing(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    first = extract()
    second = extract()
    assert (second.strategy, second.rows_written, second.generation) == (
        Strategy.INCREMENTAL,
        0,
        first.generation,
    )
    assert _outbox(replication) == []


def test_new_and_changed_rows_arrive_and_nothing_else_is_announced(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    extract()
    visits.exec_driver_sql("UPDATE visit SET Note = 'new', Stamp = NOW() WHERE VisitNum = 7")
    visits.exec_driver_sql("UPDATE visit SET Stamp = Stamp WHERE VisitNum = 1")
    visits.exec_driver_sql("INSERT INTO visit (Note, Stamp) VALUES ('tab\t%% ''\\\\', NOW())")
    result = extract()
    assert _rows(replication) == _rows(visits)
    announced = [(key, result.generation) for key in (7, 11)]
    assert (result.rows_written, _outbox(replication)) == (2, announced)


def test_a_change_of_case_only_is_a_change(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    extract()
    visits.exec_driver_sql("UPDATE visit SET Note = 'OLD', Stamp = NOW() WHERE VisitNum = 7")
    extract()
    assert _rows(replication) == _rows(visits)


def test_a_change_in_the_last_digit_of_a_double_is_a_change(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    visits.exec_driver_sql("UPDATE visit SET Amount = 0.1 + 0.2")
    extract()
    visits.exec_driver_sql("UPDATE visit SET Amount = 0.3, Stamp = NOW() WHERE VisitNum = 7")
    assert extract().rows_written == 1


def test_rows_equal_to_the_cursor_are_not_lost(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    extract()
    visits.exec_driver_sql("INSERT INTO visit (Note, Stamp) VALUES ('tie', '2026-01-01 10:00:00')")
    _set_cursor(replication, "2026-01-01 10:15:00")  # less the overlap it is the row's own stamp
    extract()
    assert _rows(replication) == _rows(visits)


def test_rows_dated_back_within_the_overlap_are_seen(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    extract()
    visits.exec_driver_sql("INSERT INTO visit (Stamp) VALUES (NOW() - INTERVAL 14 MINUTE)")
    extract()
    assert _rows(replication) == _rows(visits)


@pytest.mark.parametrize("stamp", ["NULL", "'0000-00-00 00:00:00'"], ids=["null", "zero"])
def test_rows_without_a_stamp_are_always_read(
    extract: Extract, visits: Connection, replication: Connection, stamp: str
) -> None:
    extract()
    visits.exec_driver_sql(f"INSERT INTO visit (Note, Stamp) VALUES ('undated', {stamp})")
    extract()
    visits.exec_driver_sql(f"UPDATE visit SET Note = 'changed', Stamp = {stamp} WHERE Note = 'undated'")
    extract()
    assert _rows(replication) == _rows(visits)


def test_a_row_dated_far_ahead_does_not_blind_the_table(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    extract()
    visits.exec_driver_sql("ALTER TABLE visit MODIFY Stamp datetime NULL")
    extract()
    visits.exec_driver_sql("INSERT INTO visit (Note, Stamp) VALUES ('ahead', '2099-01-01')")
    extract()
    visits.exec_driver_sql("INSERT INTO visit (Note, Stamp) VALUES ('today', NOW())")
    extract()
    assert _rows(replication) == _rows(visits)


def test_a_committed_cursor_ahead_of_the_clock_comes_back(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    extract()
    _set_cursor(replication, "2099-01-01 00:00:00")
    extract()
    assert _cursor(replication) < "2099"


def test_the_cursor_is_the_highest_stamp_that_was_committed(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    extract()
    _set_cursor(replication, "2001-01-01 00:00:00")
    extract()
    assert _cursor(replication) == str(
        visits.exec_driver_sql("SELECT CAST(MAX(Stamp) AS CHAR) FROM visit").scalar_one()
    )


def test_local_stamps_are_measured_by_the_servers_local_clock(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    """A DATETIME holds the clinic's time, whatever zone our session runs in."""
    visits.exec_driver_sql("ALTER TABLE visit MODIFY Stamp datetime NULL")
    before = _local_time(visits)
    extract()
    assert before <= _cursor(replication) <= _local_time(visits)


def _local_time(visits: Connection) -> str:
    """What a program of the clinic would stamp a row with."""
    visits.exec_driver_sql("SET time_zone = @@global.time_zone")
    now = str(visits.exec_driver_sql("SELECT CAST(NOW() AS CHAR)").scalar_one())
    visits.exec_driver_sql("SET time_zone = '+00:00'")
    return now


def test_many_pages_of_changes_are_all_merged(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    extract()
    visits.exec_driver_sql(f"INSERT INTO visit (Stamp) SELECT NOW() FROM {counted(1, 950)}")
    result = extract(size_mb=LONG_ROWS_MB)
    assert _rows(replication) == _rows(visits)
    assert result.rows_written == 950


def test_each_batch_of_changes_has_a_generation_of_its_own(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    """A load between two batches would otherwise take the second for loaded."""
    extract()
    visits.exec_driver_sql(f"INSERT INTO visit (Stamp) SELECT NOW() FROM {counted(1, 950)}")
    extract(size_mb=LONG_ROWS_MB)
    status = _status(replication)
    assert status is not None
    generations = {generation for _, generation in _outbox(replication)}
    assert len(generations) > 1
    assert max(generations) == status.generation


def test_a_small_pass_is_one_read(extract: Extract, visits: Connection) -> None:
    extract()
    visits.exec_driver_sql(f"INSERT INTO visit (Stamp) SELECT NOW() FROM {counted(1, 950)}")
    assert extract().reads == 3  # the clock, the optimiser's estimate, the rows


def test_an_indexed_stamp_is_read_through_its_index(extract: Extract, visits: Connection) -> None:
    visits.exec_driver_sql("ALTER TABLE visit ADD INDEX (Stamp)")
    visits.exec_driver_sql(
        f"INSERT INTO visit (Stamp) SELECT NOW() - INTERVAL 1 YEAR FROM {counted(1, 2000)}"
    )
    extract()
    visits.exec_driver_sql("INSERT INTO visit (Stamp) VALUES (NOW())")
    assert extract(size_mb=LONG_ROWS_MB).reads == 3


def test_a_growing_key_as_cursor_reads_only_its_end(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    visits.exec_driver_sql(f"INSERT INTO visit (Note) SELECT 'n' FROM {counted(1, 5000)}")
    extract("VisitNum", batch_size=5000)
    visits.exec_driver_sql("INSERT INTO visit (Note) VALUES ('last')")
    result = extract("VisitNum", batch_size=5000)
    assert _rows(replication) == _rows(visits)
    assert result.rows_read < 1500


def test_another_cursor_column_starts_from_a_full_copy(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    extract()
    assert extract("VisitNum").strategy is Strategy.FULL_TABLE
    assert extract("VisitNum").strategy is Strategy.INCREMENTAL


def test_a_cursor_column_that_is_gone_means_a_full_copy(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    extract()
    visits.exec_driver_sql("ALTER TABLE visit DROP Stamp")
    extract()
    assert extract().strategy is Strategy.FULL_TABLE


def test_the_source_is_never_written(
    extract: Extract, visits: Connection, sandbox_settings: Settings
) -> None:
    before = _source_state(visits)
    extract()
    extract()
    assert _source_state(visits) == before


def _source_state(visits: Connection) -> list[Any]:
    """Checksum and file time of every table, and what exists."""
    visits.commit()
    tables = visits.exec_driver_sql("SHOW TABLE STATUS").all()
    checksum = visits.exec_driver_sql("CHECKSUM TABLE visit").one()
    visits.commit()
    return [tuple(tables[0]), len(tables), tuple(checksum)]
