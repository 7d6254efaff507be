"""06:00 in the middle of a night: nothing more is begun, and nobody reads on."""

from __future__ import annotations

from small_clinic import Clinic, until
from sqlalchemy import text

from dental_etl.run import TableStatus

NIGHT = "nightly()"
BY_NIGHT = {"TEST_BLOCKED_HOURS": "06:00-21:00", "TEST_CLOCK": "2026-01-31T05:59:00-06:00"}
AT_SIX = {**BY_NIGHT, "TEST_CLOCK": "2026-01-31T06:00:00-06:00"}
READERS = text(
    "SELECT COUNT(*) FROM information_schema.processlist "
    "WHERE state LIKE 'Waiting for table%' AND info LIKE '%patient%'"
)


def test_at_six_waiting_tables_are_left_out_and_readers_are_ended(clinic: Clinic) -> None:
    with clinic.held_at_the_source("patient"):
        clinic.worker(processes=1, environment=BY_NIGHT)
        run_id = clinic.enqueue(NIGHT, **BY_NIGHT)
        clinic.extracting(run_id, "patient")
        until(lambda: clinic.source.execute(READERS).scalar() == 1, "a reader")
        clinic.worker(queues="control", processes=1, environment=AT_SIX)
        clinic.send("etl.enforce_deadline", "control")
        until(lambda: "outlived the window" in clinic.log(), "the end of the reader")
        until(lambda: clinic.source.execute(READERS).scalar() == 0, "a source without readers")
        left_out = {
            name for name, result in clinic.results(run_id).items() if result.status is TableStatus.NOT_RUN
        }
    assert left_out == {"procedurelog", "provider"}


def test_a_table_whose_turn_comes_after_six_does_not_reach_the_source(clinic: Clinic) -> None:
    """Nothing listens at the source's port: had the extract tried it, the code would be another one."""
    clinic.worker(queues="control", processes=1, environment=BY_NIGHT)
    run_id = clinic.enqueue("table('patient')", **BY_NIGHT)
    until(lambda: "patient" in (clinic.results(run_id) if clinic.run(run_id) else {}), "a plan")
    clinic.worker(
        queues="large,extract,load,dbt",
        processes=1,
        environment={**AT_SIX, "TEST_OPENDENTAL_SOURCE_PORT": "1"},
    )
    clinic.ended(run_id)
    result = clinic.results(run_id)["patient"]
    assert (result.status, result.error_code) == (TableStatus.NOT_RUN, "E_DEADLINE")


def test_maintenance_is_done_by_a_worker(clinic: Clinic) -> None:
    clinic.worker(processes=1)
    clinic.send("etl.maintain", "dbt")
    until(lambda: "Maintenance: 0 runs pruned" in clinic.log(), "maintenance")
