"""What etl_copy_status, etl_load_status and the locks promise, on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, OperationalError

from dental_etl.config import Settings
from dental_etl.connections import connect
from dental_etl.exceptions import FencedError, TableBusyError
from dental_etl.run import Cursor, LoadStatus, Strategy
from dental_etl.tracking import locks, status
from dental_etl.tracking.on_demand import created_if_missing

NOW = datetime(2026, 3, 1, 4, 5, 6, 700, tzinfo=UTC)


@pytest.fixture
def copied(replication: Connection) -> Connection:
    status.ensure_copy_status(replication)
    return replication


def _finished(*, is_rewritten: bool = False, has_changes: bool = False) -> status.CopiedTable:
    return status.CopiedTable(
        now=NOW,
        cursor=Cursor(column="DateTStamp", value="2026-03-01 04:00:00"),
        strategy=Strategy.INCREMENTAL,
        is_rewritten=is_rewritten,
        has_changes=has_changes,
        source_schema="{}",
        overlap_minutes=15,
    )


def test_a_table_without_an_attempt_has_no_status(copied: Connection) -> None:
    assert status.read_copy_status(copied, "patient") is None


def test_creating_the_status_table_twice_is_harmless(copied: Connection) -> None:
    status.ensure_copy_status(copied)


def test_the_first_fence_makes_a_running_row(copied: Connection) -> None:
    taken = status.take_fence(copied, "patient", 7)
    assert (taken.copy_status, taken.fence, taken.generation, taken.last_copied) == ("running", 7, 0, None)


def test_an_older_attempt_is_fenced_off(copied: Connection) -> None:
    status.take_fence(copied, "patient", 8)
    with pytest.raises(FencedError):
        status.take_fence(copied, "patient", 7)


def test_an_older_attempt_cannot_record_a_batch(copied: Connection) -> None:
    status.take_fence(copied, "patient", 8)
    with pytest.raises(FencedError):
        status.record_batch(copied, "patient", 7, status.CopiedBatch(checkpoint=None, rows=1))


def test_batches_add_up_and_raise_the_generation_only_with_changes(copied: Connection) -> None:
    status.take_fence(copied, "patient", 1)
    status.record_started(copied, "patient", 1, strategy=Strategy.INCREMENTAL, checkpoint=None)
    for has_changes in (True, False, True):
        batch = status.CopiedBatch(checkpoint="{}", rows=10, bytes=5, has_changes=has_changes)
        status.record_batch(copied, "patient", 1, batch)
    found = status.read_copy_status(copied, "patient")
    assert found is not None
    assert (found.rows_copied, found.bytes_copied) == (30, 15)
    first = status.next_generation(0, 1)
    assert found.generation == status.next_generation(first, 1)


def test_a_finished_copy_is_read_back_as_it_was_recorded(copied: Connection) -> None:
    status.take_fence(copied, "patient", 1)
    recorded = status.record_copied(copied, "patient", 1, _finished(has_changes=True))
    assert (recorded.last_copied, recorded.copy_status, recorded.checkpoint) == (NOW, "success", None)
    assert recorded.cursor == Cursor(column="DateTStamp", value="2026-03-01 04:00:00")


def test_a_rewritten_table_carries_one_new_generation_in_both_places(copied: Connection) -> None:
    status.take_fence(copied, "patient", 1)
    first = status.record_copied(copied, "patient", 1, _finished(has_changes=True))
    recorded = status.record_copied(copied, "patient", 1, _finished(is_rewritten=True))
    assert recorded.generation == recorded.full_generation == status.next_generation(first.generation, 1)


def test_a_restored_replica_does_not_count_a_generation_twice(copied: Connection) -> None:
    """Load would take the second for the first, which raw holds already."""
    status.take_fence(copied, "patient", 1)
    backup = status.record_copied(copied, "patient", 1, _finished(has_changes=True)).generation
    status.take_fence(copied, "patient", 2)
    held = status.record_copied(copied, "patient", 2, _finished(has_changes=True)).generation
    copied.execute(text("UPDATE etl_copy_status SET generation = :backup"), {"backup": backup})
    status.take_fence(copied, "patient", 3)
    assert status.record_copied(copied, "patient", 3, _finished(has_changes=True)).generation > held


def test_a_copy_that_changed_nothing_keeps_its_generation(copied: Connection) -> None:
    status.take_fence(copied, "patient", 1)
    assert status.record_copied(copied, "patient", 1, _finished()).generation == 0


def test_a_rolled_back_batch_leaves_no_trace(copied: Connection) -> None:
    status.take_fence(copied, "patient", 1)
    copied.commit()
    status.record_batch(copied, "patient", 1, status.CopiedBatch(checkpoint="{}", rows=10))
    copied.rollback()
    found = status.read_copy_status(copied, "patient")
    assert found is not None
    assert (found.rows_copied, found.checkpoint) == (0, None)


def test_all_statuses_are_read_by_table(copied: Connection) -> None:
    status.take_fence(copied, "patient", 1)
    status.take_fence(copied, "Patient", 2)
    assert {name: row.fence for name, row in status.read_copy_statuses(copied).items()} == {
        "Patient": 2,
        "patient": 1,
    }


@pytest.fixture
def loaded(analytics: Connection) -> Connection:
    status.ensure_load_status(analytics, "raw")
    return analytics


def test_a_load_is_read_back_as_it_was_recorded(loaded: Connection) -> None:
    written = LoadStatus(
        table="patient",
        last_loaded=NOW,
        rows_loaded=5,
        load_status="success",
        loaded_generation=3,
        run_id="r1",
    )
    status.record_loaded(loaded, "raw", written)
    assert status.read_load_status(loaded, "raw", "patient") == written


def test_a_later_load_replaces_the_earlier(loaded: Connection) -> None:
    for generation in (1, 2):
        status.record_loaded(loaded, "raw", LoadStatus(table="patient", loaded_generation=generation))
    assert [row.loaded_generation for row in status.read_load_statuses(loaded, "raw").values()] == [2]


def test_a_table_that_was_never_loaded_has_no_status(loaded: Connection) -> None:
    assert status.read_load_status(loaded, "raw", "patient") is None


@pytest.fixture
def other_replication(sandbox_settings: Settings) -> Iterator[Connection]:
    with connect(sandbox_settings.replication, is_dedicated=True) as connection:
        yield connection


@pytest.fixture
def other_analytics(sandbox_settings: Settings) -> Iterator[Connection]:
    with connect(sandbox_settings.analytics, is_dedicated=True) as connection:
        yield connection


def test_a_locked_table_is_busy_for_others(replication: Connection, other_replication: Connection) -> None:
    with (
        locks.table_lock(replication, "patient"),
        pytest.raises(TableBusyError),
        locks.table_lock(other_replication, "patient"),
    ):
        pass


def test_a_table_is_free_after_its_lock(replication: Connection, other_replication: Connection) -> None:
    with locks.table_lock(replication, "patient"):
        pass
    with locks.table_lock(other_replication, "patient"):
        pass


def test_a_lock_leaves_no_transaction_open(replication: Connection) -> None:
    with locks.table_lock(replication, "patient"):
        assert not replication.in_transaction()


def test_a_lock_ends_with_its_session(sandbox_settings: Settings, other_replication: Connection) -> None:
    with connect(sandbox_settings.replication, is_dedicated=True) as lost, locks.table_lock(lost, "patient"):
        lost.invalidate()
        with locks.table_lock(other_replication, "patient"):
            pass


def test_an_advisory_lock_is_busy_for_others(analytics: Connection, other_analytics: Connection) -> None:
    with (
        locks.advisory_lock(analytics, "load:patient"),
        pytest.raises(TableBusyError),
        locks.advisory_lock(other_analytics, "load:patient"),
    ):
        pass


def test_an_advisory_lock_is_free_afterwards(analytics: Connection, other_analytics: Connection) -> None:
    with locks.advisory_lock(analytics, "load:patient"):
        pass
    with locks.advisory_lock(other_analytics, "load:patient"):
        pass


@pytest.fixture
def readers(sandbox_settings: Settings) -> Iterator[list[Connection]]:
    source = sandbox_settings.source
    with (
        connect(source, is_dedicated=True) as first,
        connect(source, is_dedicated=True) as second,
        connect(source, is_dedicated=True) as third,
    ):
        yield [first, second, third]


def test_each_reader_gets_a_place_of_its_own(readers: list[Connection]) -> None:
    with locks.source_slot(readers[0], 2) as first, locks.source_slot(readers[1], 2) as second:
        assert {first, second} == {1, 2}


def test_no_more_readers_than_places(readers: list[Connection]) -> None:
    with (
        locks.source_slot(readers[0], 2),
        locks.source_slot(readers[1], 2),
        pytest.raises(TableBusyError),
        locks.source_slot(readers[2], 2),
    ):
        pass


def test_whether_a_lock_is_held_can_be_asked_without_taking_it(
    analytics: Connection, replication: Connection, sandbox_settings: Settings
) -> None:
    with (
        connect(sandbox_settings.analytics, is_dedicated=True) as session,
        locks.advisory_lock(session, "load:a"),
    ):
        assert (
            locks.is_advisory_locked(analytics, "load:a"),
            locks.is_advisory_locked(analytics, "load:b"),
        ) == (
            True,
            False,
        )
    with connect(sandbox_settings.replication) as session, locks.table_lock(session, "a"):
        assert (locks.is_table_locked(replication, "a"), locks.is_table_locked(replication, "b")) == (
            True,
            False,
        )


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("DROP TABLE etl_copy_status", id="somebody dropped it"),
        pytest.param(
            "ALTER TABLE etl_copy_status DROP COLUMN forgotten_generation", id="of an older version"
        ),
    ],
)
def test_a_missing_status_table_is_made_when_it_is_missed(copied: Connection, before: str) -> None:
    copied.exec_driver_sql(before)

    found = created_if_missing(
        copied, status.ensure_copy_status, lambda: status.take_fence(copied, "patient", 3)
    )

    assert found.fence == 3


def test_a_status_table_that_another_session_has_just_made_is_found(
    copied: Connection, other_replication: Connection
) -> None:
    """A transaction that is older than the table is told that its definition has changed."""
    copied.exec_driver_sql("CREATE TABLE other (Id int PRIMARY KEY) ENGINE=InnoDB")
    copied.exec_driver_sql("DROP TABLE etl_copy_status")
    copied.exec_driver_sql("SELECT COUNT(*) FROM other")  # here its moment begins
    status.ensure_copy_status(other_replication)
    with pytest.raises(OperationalError, match="1412"):
        status.read_copy_statuses(copied)
    found = created_if_missing(copied, status.ensure_copy_status, lambda: status.read_copy_statuses(copied))
    assert found == {}


def test_another_error_is_not_taken_for_a_missing_table(copied: Connection) -> None:
    def work() -> None:
        copied.exec_driver_sql("INSERT INTO etl_copy_status (table_name) VALUES ('a'), ('a')")

    with pytest.raises(IntegrityError):
        created_if_missing(copied, status.ensure_copy_status, work)
