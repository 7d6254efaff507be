"""Hosts die and brokers forget; the night still ends, once, with everything in place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from small_clinic import TABLES, Clinic, until

from dental_etl.run import TableResult, TableStatus

NIGHT = "nightly(run_date=__import__('datetime').date(2026, 1, 30))"


@contextmanager
def held_at_the_source(clinic: Clinic, table: str) -> Iterator[None]:
    """Keep every reader of a table waiting."""
    clinic.source.exec_driver_sql(f"LOCK TABLES {table} WRITE")
    try:
        yield
    finally:
        clinic.source.exec_driver_sql("UNLOCK TABLES")


def is_extracting(clinic: Clinic, run_id: str, table: str) -> TableResult | None:
    run = clinic.run(run_id)
    result = clinic.results(run_id).get(table) if run else None
    return result if result and result.status is TableStatus.EXTRACTING else None


def assert_everything_arrived_once(clinic: Clinic, run_id: str) -> None:
    assert {result.status for result in clinic.results(run_id).values()} == {TableStatus.LOADED}
    assert {name: clinic.count(name) for name in TABLES} == dict.fromkeys(TABLES, 200)
    assert len([title for title in clinic.notifications(run_id) if "dbt" not in title]) == 1


def test_a_worker_killed_in_the_middle_of_a_table_is_replaced(clinic: Clinic) -> None:
    with held_at_the_source(clinic, "patient"):
        worker = clinic.worker()
        run_id = clinic.enqueue(NIGHT)
        until(lambda: is_extracting(clinic, run_id, "patient"), "an extract to kill")
        worker.kill()
    clinic.worker()
    clinic.ended(run_id, is_swept=True)
    assert_everything_arrived_once(clinic, run_id)


def test_a_broker_that_forgot_everything_is_filled_again(clinic: Clinic) -> None:
    with held_at_the_source(clinic, "patient"):
        clinic.worker(processes=1)
        run_id = clinic.enqueue(NIGHT)
        until(lambda: is_extracting(clinic, run_id, "patient"), "an extract at work")
        clinic.forget()
    clinic.ended(run_id, is_swept=True)
    assert_everything_arrived_once(clinic, run_id)


def test_a_night_whose_start_was_lost_is_begun_again(clinic: Clinic) -> None:
    clinic.enqueue("tables(['patient', 'claim'])")
    clinic.forget()
    run_id = clinic.enqueue("tables(['carrier'])")
    clinic.worker()
    clinic.ended(run_id)
    (lost,) = [run for run in clinic.runs() if run.run_id != run_id]
    clinic.ended(lost.run_id, is_swept=True)
    assert {result.status for result in clinic.results(lost.run_id).values()} == {TableStatus.LOADED}
