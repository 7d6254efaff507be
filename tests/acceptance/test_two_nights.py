"""Two nights through Celery with a day at the clinic between them; then one table from a shell.

The tests of this file are one story and run in its order.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import requests

from dental_etl import pipeline
from dental_etl.report import Outcome
from dental_etl.run import DbtStatus, RunKind, TableStatus
from dental_etl.sandbox import change
from dental_etl.tracking import ledger
from tests.acceptance.conftest import FIRST_NIGHT, Stack, start_of
from tests.comparison import differences

#: Left out by rule: a scratch copy without a key, named like a backup.
SCRATCH = frozenset({"tmp_patient_backup"})


def test_first_night_copies_every_table_and_builds_the_models(night_stack: Stack) -> None:
    report = night_stack.night(FIRST_NIGHT)

    assert report.outcome is Outcome.SUCCEEDED, (report.failed, report.dbt)
    assert report.dbt is not None
    assert report.dbt.status is DbtStatus.SUCCESS
    assert differences(night_stack.settings, leave_out=SCRATCH) == []


def test_second_night_brings_what_the_day_changed(night_stack: Stack) -> None:
    change.change(night_stack.sandbox, seed=2, violence=change.Violence.GENTLE)
    assert differences(night_stack.settings, leave_out=SCRATCH) != []

    report = night_stack.night(FIRST_NIGHT + timedelta(days=1))

    assert report.outcome is Outcome.SUCCEEDED, (report.failed, report.dbt)
    assert differences(night_stack.settings, leave_out=SCRATCH) == []


def test_a_night_is_run_once(night_stack: Stack) -> None:
    with pipeline.ledger_transaction(night_stack.settings) as connection:
        before = len(ledger.runs(connection, 100))

    night_stack.shell(start_of(FIRST_NIGHT))
    report = night_stack.ended(
        night_stack.shell("from workers.enqueue import table; print(table('provider'))")
    )

    with pipeline.ledger_transaction(night_stack.settings) as connection:
        assert len(ledger.runs(connection, 100)) == before + 1
    assert report.header.kind is RunKind.RERUN


def test_one_table_is_rerun_from_a_python_shell(night_stack: Stack) -> None:
    run_id = night_stack.shell("from workers.enqueue import table; print(table('patient'))")

    report = night_stack.ended(run_id)

    assert [(t.table, t.status) for t in report.tables] == [("patient", TableStatus.LOADED)]


def test_the_rerun_is_seen_in_flower(night_stack: Stack) -> None:
    run_id = night_stack.shell("from workers.enqueue import table; print(table('carrier'))")
    night_stack.ended(run_id)

    tasks = json.loads(_flower(night_stack, "/api/tasks?limit=1000"))

    seen = {task["name"] for task in tasks.values() if run_id in (task["args"] or "")}
    assert {"etl.extract", "etl.load"} <= seen


def test_flower_asks_for_its_password(night_stack: Stack) -> None:
    assert requests.get(f"{night_stack.flower.url}/tasks", timeout=10).status_code == 401


def test_a_table_that_cannot_be_loaded_stops_no_other(night_stack: Stack) -> None:
    with pipeline.ledger_transaction(night_stack.settings) as connection:
        connection.exec_driver_sql('ALTER TABLE raw."zipcode" RENAME TO "zipcode_away"')
        connection.exec_driver_sql('CREATE VIEW raw."zipcode" AS SELECT 1 AS one')

    report = night_stack.night(FIRST_NIGHT + timedelta(days=2))

    assert [table.table for table in report.failed] == ["zipcode"]
    assert len(report.loaded) == len(report.tables) - 1
    assert report.dbt is not None
    assert (report.dbt.status, "zipcode" in report.dbt.reason) == (DbtStatus.SKIPPED, True)
    assert _messages(night_stack, report.header.run_id)[-1]["severity"] == "critical"
    with pipeline.ledger_transaction(night_stack.settings) as connection:
        connection.exec_driver_sql('DROP VIEW raw."zipcode"')
        connection.exec_driver_sql('ALTER TABLE raw."zipcode_away" RENAME TO "zipcode"')


def test_no_row_value_is_in_what_the_night_leaves_behind(night_stack: Stack) -> None:
    """Streets of patients occur in no log, report or message."""
    directory = night_stack.sandbox.directory
    written = [
        *directory.glob("logs/*.log"),
        *directory.glob("artifacts/*/report.*"),
        directory / "notifications.jsonl",
    ]
    streets = _streets(night_stack)

    leaks = [
        path.name for path in written for street in streets if street in path.read_text(errors="replace")
    ]

    assert leaks == []


def _flower(night_stack: Stack, path: str) -> str:
    access = night_stack.flower
    answer = requests.get(f"{access.url}{path}", auth=(access.user, access.password), timeout=10)
    answer.raise_for_status()
    return answer.text


def _messages(night_stack: Stack, run_id: str) -> list[dict[str, str]]:
    path = Path(night_stack.sandbox.directory / "notifications.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if line["run_id"] == run_id]


def _streets(night_stack: Stack) -> list[str]:
    with pipeline.ledger_transaction(night_stack.settings) as connection:
        rows = connection.exec_driver_sql(
            'SELECT DISTINCT "Address" FROM raw.patient WHERE length("Address") > 8 LIMIT 50'
        )
        return [str(name) for (name,) in rows]
