"""Hosts die and brokers forget; the night still ends, once, with everything in place."""

from __future__ import annotations

from small_clinic import TABLES, Clinic

from dental_etl.run import TableStatus

NIGHT = "nightly(run_date=__import__('datetime').date(2026, 1, 30))"


def assert_everything_arrived_once(clinic: Clinic, run_id: str) -> None:
    assert {result.status for result in clinic.results(run_id).values()} == {TableStatus.LOADED}
    assert {name: clinic.count(name) for name in TABLES} == dict.fromkeys(TABLES, 200)
    assert len([title for title in clinic.notifications(run_id) if "dbt" not in title]) == 1


def test_a_worker_killed_in_the_middle_of_a_table_is_replaced(clinic: Clinic) -> None:
    with clinic.held_at_the_source("patient"):
        worker = clinic.worker()
        run_id = clinic.enqueue(NIGHT)
        clinic.extracting(run_id, "patient")
        worker.kill()
    clinic.worker()
    clinic.ended(run_id, is_swept=True)
    assert_everything_arrived_once(clinic, run_id)


def test_a_broker_that_forgot_everything_is_filled_again(clinic: Clinic) -> None:
    with clinic.held_at_the_source("patient"):
        clinic.worker(processes=1)
        run_id = clinic.enqueue(NIGHT)
        clinic.extracting(run_id, "patient")
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


def test_a_table_that_kills_its_workers_is_given_up(clinic: Clinic) -> None:
    with clinic.held_at_the_source("patient"):
        clinic.worker()
        run_id = clinic.enqueue("table('patient')")
        for attempt in range(1, clinic.settings.max_attempts + 1):
            clinic.extracting(run_id, "patient", attempt=attempt, is_swept=True)
            clinic.kill_reader("patient")
        clinic.ended(run_id, is_swept=True)
    assert clinic.results(run_id)["patient"].error_code == "E_WORKER_LOST"
