"""One large table by several workers: killed, sent twice, left alone; every row arrives once."""

from __future__ import annotations

import pytest
from small_clinic import Clinic, Worker, until
from sqlalchemy import text

from dental_etl.connections import connect
from dental_etl.run import Strategy, TableStatus
from tests.counting import counted

ROWS = 20_000
CHUNKS = 25
PATIENT = "table('patient')"


@pytest.fixture
def large(clinic: Clinic) -> Clinic:
    """The clinic with one large table, by the owner's word: batches of 100 rows, ranges of eight."""
    clinic.source.exec_driver_sql(
        f"INSERT INTO patient (Note) SELECT CONCAT('x', seq) FROM {counted(1, ROWS - 200)}"
    )
    clinic.source.commit()
    overrides = clinic.settings.tables_file.with_name("tables.overrides.yml")
    overrides.write_text(
        "tables:\n  patient: {performance_category: large, batch_size: 100, estimated_rows: 3000000, "
        "estimated_size_mb: 5000}\n"
    )
    return clinic


def is_exact(clinic: Clinic) -> bool:
    """Compare source and raw row by row."""
    rows = clinic.source.exec_driver_sql("SELECT Id, Note FROM patient ORDER BY Id").all()
    clinic.source.commit()
    with connect(clinic.settings.analytics) as connection:
        raw = connection.execute(text('SELECT "Id", "Note" FROM raw.patient ORDER BY "Id"')).all()
    return [tuple(row) for row in rows] == [tuple(row) for row in raw]


def chunks_done(clinic: Clinic) -> int:
    with connect(clinic.settings.replication) as connection:
        there = connection.execute(text("SHOW TABLES LIKE 'etl_chunk'")).scalar()
        if there is None:
            return 0
        return int(connection.execute(text("SELECT COUNT(*) FROM etl_chunk WHERE is_done")).scalar_one())


def by_helpers(clinic: Clinic) -> int:
    """Return how many messages brought rows."""
    lines = [line for line in clinic.log().splitlines() if "etl.extract_chunk[" in line]
    return len([line for line in lines if "'rows_read': " in line and "'rows_read': 0" not in line])


def is_helper(worker: Worker) -> bool:
    """Tell whether a worker is at a range, and not at the table's own extract."""
    log = worker.log.read_text()
    return "Task etl.extract_chunk[" in log and "Task etl.extract[" not in log


def is_load_helper(worker: Worker) -> bool:
    log = worker.log.read_text()
    return "Task etl.load_chunk[" in log and "Task etl.load[" not in log


def test_helpers_take_ranges_of_a_table(large: Clinic) -> None:
    large.worker(processes=3)
    run_id = large.enqueue(PATIENT)
    large.ended(run_id)
    result = large.results(run_id)["patient"]
    assert (result.status, result.rows_read, is_exact(large)) == (TableStatus.LOADED, ROWS, True)
    assert by_helpers(large) > 0


def test_helpers_take_ranges_of_a_pass_for_changes(large: Clinic) -> None:
    """By its estimated size the table is too large for one read, and no index finds what changed."""
    walked = (
        "{extraction_strategy: incremental_chunked, performance_category: large, batch_size: 100, "
        "estimated_rows: 40000, estimated_size_mb: 200}"
    )
    overrides = large.settings.tables_file.with_name("tables.overrides.yml")
    overrides.write_text(f"tables:\n  patient: {walked}\n")
    large.worker(processes=3)
    large.ended(large.enqueue(PATIENT))
    before = by_helpers(large)
    large.source.exec_driver_sql("UPDATE patient SET Note = 'changed' WHERE MOD(Id, 10) = 0")
    large.source.commit()
    run_id = large.enqueue(PATIENT)
    large.ended(run_id)
    result = large.results(run_id)["patient"]
    assert (result.status, is_exact(large)) == (TableStatus.LOADED, True)
    assert (result.strategy, result.rows_written) == (Strategy.INCREMENTAL_CHUNKED, ROWS // 10)
    assert by_helpers(large) > before


def test_a_killed_helper_of_a_load_costs_nothing(large: Clinic) -> None:
    large.worker(queues="control,large,dbt", processes=2)
    both = [large.worker(queues="load", processes=1) for _ in range(2)]
    run_id = large.enqueue(PATIENT)
    helper = until(lambda: next(filter(is_load_helper, both), None), "a helper")
    helper.kill()
    large.ended(run_id, is_swept=True)
    assert (large.results(run_id)["patient"].status, is_exact(large)) == (TableStatus.LOADED, True)


def test_a_killed_helper_costs_nothing(large: Clinic) -> None:
    large.worker(queues="control,load,dbt", processes=1)
    both = [large.worker(queues="large", processes=1) for _ in range(2)]
    run_id = large.enqueue(PATIENT)
    helper = until(lambda: next(filter(is_helper, both), None), "a helper")
    helper.kill()
    large.ended(run_id, is_swept=True)
    result = large.results(run_id)["patient"]
    assert (result.status, result.attempts, is_exact(large)) == (TableStatus.LOADED, 2, True)


def test_a_killed_owner_is_followed_by_one_that_goes_on(large: Clinic) -> None:
    large.worker(queues="control,load,dbt", processes=1)
    owner = large.worker(queues="large", processes=1)
    run_id = large.enqueue(PATIENT)
    done = until(lambda: chunks_done(large), "a range that is done")
    owner.kill()
    assert done < CHUNKS
    large.worker(queues="large", processes=1)
    large.ended(run_id, is_swept=True)
    result = large.results(run_id)["patient"]
    assert (result.status, result.rows_read, is_exact(large)) == (TableStatus.LOADED, ROWS, True)


def test_ranges_that_are_delivered_twice_are_copied_once(large: Clinic) -> None:
    large.worker(processes=2)
    run_id = large.enqueue(PATIENT)
    large.extracting(run_id, "patient")
    for number in range(1, CHUNKS + 1):
        large.send("etl.extract_chunk", "large", run_id, "patient", "large", number)  # type: ignore[arg-type]  # a number travels too
    large.ended(run_id)
    assert (large.results(run_id)["patient"].rows_read, is_exact(large)) == (ROWS, True)


def test_a_message_about_a_table_that_has_ended_does_nothing(large: Clinic) -> None:
    large.worker(processes=1)
    run_id = large.enqueue(PATIENT)
    large.ended(run_id)
    large.send("etl.extract_chunk", "large", run_id, "patient", "large", 1)  # type: ignore[arg-type]  # a number travels too
    until(lambda: "{'rows_read': 0}" in large.log(), "a range that is not there any more")
    assert is_exact(large)
