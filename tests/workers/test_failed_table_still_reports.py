"""One bad table is one bad table: the others arrive, the report names it, dbt waits."""

from __future__ import annotations

import json
from pathlib import Path

import redis
from small_clinic import TABLES, Clinic
from sqlalchemy import text

from dental_etl.connections import connect
from dental_etl.run import DbtStatus, RunStatus, TableStatus
from dental_etl.tracking import ledger

NIGHT = "nightly(run_date=__import__('datetime').date(2026, 1, 30))"


def spoil(clinic: Clinic, table: str) -> None:
    """Put a view where the table's rows should go."""
    with connect(clinic.settings.analytics) as connection:
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS raw"))
        connection.execute(text(f'CREATE VIEW raw."{table}" AS SELECT 1 AS one'))
        connection.commit()


def celery_results(clinic: Clinic) -> list[dict[str, object]]:
    with redis.Redis.from_url(clinic.settings.result_backend) as client:
        keys = client.keys("etl:celery-task-meta-*")
        return [json.loads(client.get(key) or b"{}") for key in keys]


def test_a_table_that_cannot_be_loaded_stops_no_other(clinic: Clinic) -> None:
    spoil(clinic, "patient")
    clinic.worker()
    run_id = clinic.enqueue(NIGHT)
    run = clinic.ended(run_id)
    statuses = {name: result.status for name, result in clinic.results(run_id).items()}
    assert statuses == {**dict.fromkeys(TABLES, TableStatus.LOADED), "patient": TableStatus.FAILED}
    assert (run.status, run.finalised_by) == (RunStatus.FAILED, "errback")


def test_a_failed_table_is_a_failure_in_flower_by_code_only(clinic: Clinic) -> None:
    spoil(clinic, "patient")
    clinic.worker()
    clinic.ended(clinic.enqueue(NIGHT))
    failures = [result for result in celery_results(clinic) if result["status"] == "FAILURE"]
    codes = [failure["result"]["exc_message"] for failure in failures]  # type: ignore[index]  # JSON of Celery
    assert any(code[0].startswith("E_") and code[1] == "patient" for code in codes)


def test_a_failed_table_holds_dbt_back_and_is_named_in_the_report(clinic: Clinic) -> None:
    spoil(clinic, "patient")
    clinic.worker()
    run = clinic.ended(clinic.enqueue(NIGHT))
    with connect(clinic.settings.analytics) as connection:
        dbt = ledger.dbt_result(connection, run.run_id)
    assert dbt is not None
    assert (dbt.status, "patient" in dbt.reason) == (DbtStatus.SKIPPED, True)
    assert run.html_path is not None
    assert "patient" in Path(run.html_path).read_text()


def test_a_failed_night_is_told_once(clinic: Clinic) -> None:
    spoil(clinic, "patient")
    clinic.worker()
    run = clinic.ended(clinic.enqueue(NIGHT))
    assert len(clinic.notifications(run.run_id)) == 1
