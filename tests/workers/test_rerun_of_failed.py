"""What failed is run again by the run's id alone."""

from __future__ import annotations

from small_clinic import Clinic
from sqlalchemy import text
from test_failed_table_still_reports import NIGHT, spoil

from dental_etl.connections import connect
from dental_etl.run import RunKind, TableStatus


def test_the_tables_that_failed_are_run_again(clinic: Clinic) -> None:
    spoil(clinic, "patient")
    clinic.worker()
    night = clinic.enqueue(NIGHT)
    clinic.ended(night)
    with connect(clinic.settings.analytics) as connection:
        connection.execute(text('DROP VIEW raw."patient"'))
        connection.commit()
    rerun = clinic.ended(clinic.enqueue(f"failed('{night}')"))
    statuses = {name: result.status for name, result in clinic.results(rerun.run_id).items()}
    assert (rerun.kind, statuses) == (RunKind.RERUN, {"patient": TableStatus.LOADED})


def test_a_run_without_failures_is_not_run_again(clinic: Clinic) -> None:
    clinic.worker()
    run_id = clinic.enqueue("table('patient')")
    clinic.ended(run_id)
    done = clinic.shell(f"from workers import enqueue; enqueue.failed('{run_id}')")
    assert f"No table of run {run_id} failed or was left out." in done.stderr
