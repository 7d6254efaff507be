"""A server whose connections are all taken: the workers' tables wait, however often, and the report says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pymysql
import pytest
from small_clinic import TABLES, Clinic, until

from dental_etl import pipeline
from dental_etl.config import DatabaseSettings
from dental_etl.connections import connect
from dental_etl.connections.engines import engine
from dental_etl.run import RunKind, TableStatus
from dental_etl.sandbox.state import ADMIN_USER, Sandbox, Server
from dental_etl.tracking import ledger

pytestmark = pytest.mark.slow

NIGHT = "nightly(run_date=__import__('datetime').date(2026, 1, 30))"
#: A connection is tried for an instant, and a table comes again after another.
IMPATIENT = """
from dental_etl.connections import sessions
from workers import endings
from workers.app import app
sessions._PATIENCE_SECONDS = 0.2
endings._FIRST_PAUSE_SECONDS = 0.5
"""
#: So often that every table has found it full more often than it may fail.
TIMES = 4 * len(TABLES)


@contextmanager
def no_newcomers(server: Server, database: DatabaseSettings) -> Iterator[None]:
    """Take the only connection that the product's account may have."""
    for is_dedicated in (False, True):
        engine(database, is_dedicated=is_dedicated).dispose()
    admin = pymysql.connect(
        host=database.host, port=database.port, user=ADMIN_USER, password=server.admin_password
    )
    account = f"'{database.user}'@'{database.host}'"
    with admin, admin.cursor() as cursor:
        cursor.execute(f"ALTER USER {account} WITH MAX_USER_CONNECTIONS 1")
        try:
            with until(lambda: _session(database), "the end of all other connections"):
                yield
        finally:
            cursor.execute(f"ALTER USER {account} WITH MAX_USER_CONNECTIONS 0")


def is_published(clinic: Clinic) -> bool:
    return any("etl.plan[" in line and "succeeded" in line for line in clinic.log().splitlines())


def _session(database: DatabaseSettings) -> pymysql.Connection[pymysql.cursors.Cursor] | None:
    try:
        return pymysql.connect(
            host=database.host, port=database.port, user=database.user, password=database.password
        )
    except pymysql.OperationalError:  # a worker that was killed is not gone yet
        return None


def test_tables_wait_for_a_full_replica(clinic: Clinic, sandbox: Sandbox) -> None:
    (clinic.directory / "impatient.py").write_text(IMPATIENT)
    beginning = clinic.worker(queues="control", processes=1)
    run_id = clinic.enqueue(NIGHT)
    until(lambda: is_published(clinic), "a planned night")
    beginning.kill()  # with the connections that it has kept
    with no_newcomers(sandbox.replication, clinic.settings.replication):
        clinic.worker(app="impatient")
        until(lambda: clinic.log().count(" put off for ") >= TIMES, "tables that wait")
    clinic.ended(run_id)
    results = clinic.results(run_id).values()
    assert {(one.status, one.error_code) for one in results} == {(TableStatus.LOADED, None)}
    (message,) = findings(clinic, run_id)
    assert "The replication database" in message


def test_a_sweep_that_finds_the_replica_full_goes_on_with_other_runs(
    clinic: Clinic, sandbox: Sandbox
) -> None:
    """Of the first run it cannot tell which tables are worked; the second one's tables have ended."""
    (clinic.directory / "impatient.py").write_text(IMPATIENT)
    settings, runs = clinic.settings, ("20260131T030000-aaaaaa", "20260131T040000-bbbbbb")
    for run_id in runs:
        pipeline.open_rerun(settings, run_id, RunKind.RERUN, datetime.now(UTC))
    pipeline.plan_run(settings, runs[0], lambda: datetime.now(UTC), names=("patient",))
    with pipeline.ledger_transaction(settings) as connection:
        ledger.plan_tables(connection, runs[1], [], datetime.now(UTC))
    with no_newcomers(sandbox.replication, settings.replication):
        clinic.worker(queues="control", processes=1, app="impatient")
        clinic.send("etl.sweep", "control", stale_seconds=3600.0)
        until(lambda: _has_swept(clinic), "the end of a sweep")
    second = clinic.run(runs[1])
    assert second is not None
    assert second.finalised_by == "sweep"
    assert len(findings(clinic, runs[0])) == 1


def _has_swept(clinic: Clinic) -> bool:
    return any(
        "etl.sweep[" in line and ("succeeded" in line or "raised" in line)
        for line in clinic.log().splitlines()
    )


def findings(clinic: Clinic, run_id: str) -> list[str]:
    with connect(clinic.settings.analytics) as connection:
        found = ledger.findings(connection, run_id)
    return [one.message for one in found if one.check == "server_full"]
