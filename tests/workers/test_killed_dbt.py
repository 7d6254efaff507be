"""A worker host that is lost in the middle of dbt leaves no dbt and no query behind."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from small_clinic import Clinic, until
from sqlalchemy import text

from dental_etl.connections import connect
from tests.small_models import write_project

pytestmark = pytest.mark.slow

NIGHT = "nightly(run_date=__import__('datetime').date(2026, 1, 30))"
_ASLEEP = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'dbt:%' AND query LIKE '%pg_sleep(600)%'"


def test_a_killed_worker_takes_dbt_and_its_query_along(clinic: Clinic, tmp_path: Path) -> None:
    write_project(tmp_path, {"marts/asleep.sql": "select cast(pg_sleep(600) as text) as nothing"})
    worker = clinic.worker(environment={"PROJECT_ROOT": str(tmp_path), "DBT_EXECUTABLE": ""})
    clinic.enqueue(NIGHT)
    until(lambda: _asleep(clinic), "a query of dbt")
    running = _of_dbt(tmp_path)
    assert running
    worker.kill()
    gone, alive = psutil.wait_procs(running, timeout=60)
    assert (len(gone), alive) == (len(running), [])
    until(lambda: not _asleep(clinic), "the end of its query")


def _asleep(clinic: Clinic) -> bool:
    with connect(clinic.settings.analytics) as connection:
        found: int = connection.execute(text(_ASLEEP)).scalar_one()
    return found > 0


def _of_dbt(root: Path) -> list[psutil.Process]:
    """Return the processes of dbt over this project."""
    project = str(root / "dbt_dental_models")
    return [one for one in psutil.process_iter(["cmdline"]) if project in (one.info["cmdline"] or ())]
