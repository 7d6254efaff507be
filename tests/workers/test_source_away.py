"""A server goes away in the middle of a night: no table fails for it, and people are told once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from small_clinic import TABLES, Clinic, until
from sqlalchemy import text

from dental_etl import pipeline
from dental_etl.config import Role
from dental_etl.connections import connect
from dental_etl.run import RunStatus, TableStatus
from dental_etl.sandbox import processes, servers
from dental_etl.sandbox.state import Sandbox
from dental_etl.tracking import ledger

pytestmark = pytest.mark.slow

NIGHT = "nightly(run_date=__import__('datetime').date(2026, 1, 30))"
BY_NIGHT = {"TEST_BLOCKED_HOURS": "06:00-21:00", "TEST_CLOCK": "2026-01-31T05:59:00-06:00"}
AT_SIX = {**BY_NIGHT, "TEST_CLOCK": "2026-01-31T06:00:00-06:00"}
#: A connection is tried for a second, not for fifteen, and the beginning of a run again after a second.
IMPATIENT = """
from dental_etl.connections import sessions
from workers import endings
from workers.app import app
sessions._PATIENCE_SECONDS = 1.0
endings._FIRST_PAUSE_SECONDS = 0.5
"""


@pytest.fixture
def mortal(clinic: Clinic, sandbox: Sandbox) -> Iterator[Clinic]:
    """The clinic, whose server is started again in any case."""
    (clinic.directory / "impatient.py").write_text(IMPATIENT)
    yield clinic
    servers.up(sandbox.directory)


def stop_source_while_it_is_read(clinic: Clinic, sandbox: Sandbox, call: str, **environment: str) -> str:
    with clinic.held_at_the_source("patient"):
        clinic.worker(app="impatient", environment=environment)
        run_id = clinic.enqueue(call, **environment)
        clinic.extracting(run_id, "patient")
        clinic.await_reader("patient")
        processes.stop(sandbox.source.directory, signal.SIGTERM)
        clinic.source.invalidate()
        clinic.source.rollback()
    return run_id


def are_parked(clinic: Clinic, run_id: str) -> bool:
    with connect(clinic.settings.analytics) as connection:
        is_known = bool(ledger.outages(connection))
    states = {result.status for result in clinic.results(run_id).values()}
    return is_known and states <= {TableStatus.LOADED, TableStatus.PLANNED}


def test_tables_wait_for_a_source_that_comes_back(mortal: Clinic, sandbox: Sandbox) -> None:
    run_id = stop_source_while_it_is_read(mortal, sandbox, NIGHT)
    until(lambda: are_parked(mortal, run_id), "a night that waits")

    def told() -> list[str]:
        mortal.sweep()
        return mortal.notifications(run_id)

    until(told, "a message to people")
    servers.up(sandbox.directory)
    mortal.ended(run_id, is_swept=True)
    results = mortal.results(run_id)
    assert {result.status for result in results.values()} == {TableStatus.LOADED}
    assert {name: mortal.count(name) for name in TABLES} == dict.fromkeys(TABLES, 200)
    away, back, *others = mortal.notifications(run_id)
    assert ("has not answered since" in away, "answers again since" in back) == (True, True)
    assert len([title for title in others if "dbt" not in title]) == 1


def test_tables_are_left_out_at_six_when_the_source_stays_away(mortal: Clinic, sandbox: Sandbox) -> None:
    run_id = stop_source_while_it_is_read(mortal, sandbox, "nightly()", **BY_NIGHT)
    until(lambda: are_parked(mortal, run_id), "a night that waits")
    mortal.started[0].kill()
    hold_as_if_dead(mortal, "provider")
    mortal.worker(queues="control,load,dbt", processes=1, environment=AT_SIX)
    mortal.send("etl.enforce_deadline", "control")
    mortal.ended(run_id, is_swept=True)
    left_out = [r for r in mortal.results(run_id).values() if r.status is not TableStatus.LOADED]
    assert {(r.status, r.error_code) for r in left_out} == {(TableStatus.NOT_RUN, "E_SERVER_AWAY")}
    assert {"patient", "provider"} <= {r.table for r in left_out}
    assert len([title for title in mortal.notifications(run_id) if "dbt" not in title]) == 1


def test_a_night_that_found_no_source_starts_when_it_is_back(mortal: Clinic, sandbox: Sandbox) -> None:
    """One refused start, one message; a server that stays away is not a new refusal every hour."""
    processes.stop(sandbox.source.directory, signal.SIGTERM)
    mortal.source.invalidate()
    late, later, latest = (
        {**BY_NIGHT, "TEST_CLOCK": f"2026-01-30T{at}-06:00"} for at in ("22:00:00", "23:30:00", "23:50:00")
    )
    mortal.worker(app="impatient", environment=late)
    run_id = mortal.enqueue("nightly()", **late)
    assert mortal.ended(run_id).status is RunStatus.REFUSED
    for clock in (later, latest):
        mortal.started[-1].kill()
        mortal.worker(app="impatient", environment=clock)
        if clock is latest:
            servers.up(sandbox.directory)
        mortal.send("etl.ensure_nightly", "control")
        until(lambda: "Task etl.ensure_nightly" in last_log(mortal), "a look for a missing night")
        until(
            lambda: "etl.ensure_nightly[" in last_log(mortal) and "succeeded" in last_log(mortal), "its end"
        )
        assert len(mortal.runs()) == (2 if clock is latest else 1)
    started = next(run for run in mortal.runs() if run.run_id != run_id)
    mortal.ended(started.run_id)
    assert {result.status for result in mortal.results(started.run_id).values()} == {TableStatus.LOADED}
    assert len(mortal.notifications(run_id)) == 1


def test_a_replica_that_goes_away_before_the_plan_is_asked_until_it_is_back(
    mortal: Clinic, sandbox: Sandbox
) -> None:
    """The night begins when it answers, not an hour later."""
    run_id = "20260131T030000-abcdef"
    now = datetime.now(UTC)
    pipeline.open_nightly(mortal.settings, run_id, None, now)
    processes.stop(sandbox.replication.directory, signal.SIGTERM)
    mortal.worker(queues="control", processes=1, app="impatient")
    mortal.send("etl.plan", "control", run_id)
    assert mortal.ended(run_id).status is RunStatus.REFUSED
    with connect(mortal.settings.analytics) as connection:
        assert [one.server for one in ledger.outages(connection)] == [Role.REPLICATION]
    assert len(mortal.notifications(run_id)) == 1


def hold_as_if_dead(clinic: Clinic, table: str) -> None:
    """Leave a table as a worker leaves it that is killed in the middle of its extract."""
    held = text(
        "UPDATE etl.run_table SET status = 'extracting', claimed_at = waiting_since - interval '1 hour', "
        "waiting_since = waiting_since - interval '1 hour' WHERE table_name = :table"
    )
    with connect(clinic.settings.analytics) as connection:
        connection.execute(held, {"table": table})
        connection.commit()


def last_log(clinic: Clinic) -> str:
    return clinic.started[-1].log.read_text()
