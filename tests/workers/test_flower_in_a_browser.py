"""What an engineer sees in Flower the morning after a night with one bad table, in a real browser."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from browser import PROGRAM, browser, page
from small_clinic import TABLES, Clinic, until
from sqlalchemy import text

from dental_etl.connections import connect
from dental_etl.sandbox.ports import free_ports
from tests.small_models import write_project

needs_browser = pytest.mark.skipif(
    PROGRAM is None and "CI" not in os.environ,
    reason="no Chromium: install it with `apt-get install chromium` to see Flower as people do",
)
ROOT = Path(__file__).parents[2]
NIGHT = "nightly(run_date=__import__('datetime').date(2026, 1, 30))"
USER, PASSWORD = "morning", "coffee"
ROWS = "[...document.querySelectorAll('#tasks-table tbody tr')].map(row => row.innerText)"


@pytest.fixture
def flower(clinic: Clinic) -> Iterator[str]:
    """Flower beside a worker, with the repository's own settings."""
    port = free_ports(1)[0]
    variables = {
        "FLOWER_BASIC_AUTH": f"{USER}:{PASSWORD}",
        "FLOWER_PORT": str(port),
        "FLOWER_DB": str(clinic.directory / "flower"),
    }
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "flower"]
    with (clinic.directory / "flower.log").open("wb") as output:
        process = subprocess.Popen(
            [*command, f"--conf={ROOT / 'ops/flower/flowerconfig.py'}"],
            env={**clinic.environment, **variables},
            cwd=clinic.directory,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: _answers(port), "Flower")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def run_id(clinic: Clinic, flower: str) -> str:
    """A night in which the load of `patient` fails: a view stands where its rows should go."""
    with connect(clinic.settings.analytics) as connection:
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS raw"))
        connection.execute(text("CREATE VIEW raw.patient AS SELECT 1 AS one"))
        connection.commit()
    clinic.worker()
    return clinic.ended(clinic.enqueue(NIGHT)).run_id


@needs_browser
def test_the_failed_table_is_found_with_its_code(
    clinic: Clinic, flower: str, run_id: str, tmp_path: Path
) -> None:
    code = clinic.results(run_id)["patient"].error_code
    with browser(tmp_path / "profile") as address:
        seen = asyncio.run(_look(address, flower, run_id))
    assert seen.was_asked
    assert all(any(run_id in row and f"'{table}'" in row for row in seen.night) for table in TABLES)
    assert len(seen.failed) == 1
    assert all(text in seen.failed[0] for text in ("etl.load", "FAILURE", run_id, "'patient'", str(code)))


def test_prometheus_counts_the_failed_table(flower: str, run_id: str) -> None:
    metrics = until(lambda: _failed_loads(flower), "a counted failure")
    assert float(metrics.rpartition(" ")[2]) == 1.0


@pytest.mark.slow
def test_the_models_of_dbt_are_listed_as_tasks(clinic: Clinic, flower: str, tmp_path: Path) -> None:
    write_project(
        tmp_path,
        {
            "staging/stg_patient.sql": """select "Id" as patient_id from {{ source('opendental', 'patient') }}""",
            "marts/nobody.sql": "select 1 / (count(*) - count(*)) as share from {{ ref('stg_patient') }}",
        },
    )
    clinic.worker(environment={"PROJECT_ROOT": str(tmp_path), "DBT_EXECUTABLE": ""})
    run_id = clinic.ended(clinic.enqueue(NIGHT)).run_id
    answer = until(lambda: _models(flower) if len(_models(flower)) == 2 else None, "both models")
    assert answer == {f"('{run_id}', 'stg_patient')": "SUCCESS", f"('{run_id}', 'nobody')": "FAILURE"}


class _Seen:
    was_asked = False
    night: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


async def _look(address: str, flower: str, run_id: str) -> _Seen:
    seen = _Seen()
    async with page(address, USER, PASSWORD) as tab:
        await tab.open(f"{flower}/tasks")
        await tab.until("document.querySelectorAll('#tasks-table tbody tr').length > 1")
        await tab.evaluate("jQuery('#tasks-table').DataTable().page.len(100).draw()")
        await tab.until(f"{ROWS}.length > {2 * len(TABLES)}")
        seen.night = tuple(await tab.evaluate(ROWS))
        await tab.type_into("input[type=search]", "state:FAILURE")
        await tab.until(f"{ROWS}.length > 0 && {ROWS}.every(row => row.includes('FAILURE'))")
        seen.failed = tuple(await tab.evaluate(ROWS))
        seen.was_asked = tab.was_asked
    return seen


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthcheck", timeout=5).ok
    except (requests.ConnectionError, requests.Timeout):
        return False


def _models(flower: str) -> dict[str, str]:
    """Return the state of every model that Flower lists, by its arguments."""
    tasks = requests.get(f"{flower}/api/tasks", auth=(USER, PASSWORD), timeout=10).json()
    return {task["args"]: task["state"] for task in tasks.values() if task["name"] == "dbt.model"}


def _failed_loads(flower: str) -> str | None:
    lines = requests.get(f"{flower}/metrics", timeout=10).text.splitlines()
    return next(
        (
            one
            for one in lines
            if one.startswith("flower_events_total{") and 'task="etl.load",type="task-failed"' in one
        ),
        None,
    )
