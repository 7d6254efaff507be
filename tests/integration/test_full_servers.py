"""Servers without a place for us: told by number or by text, waited for, and no attempt at a table."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pymysql
import pytest

from dental_etl import pipeline
from dental_etl.config import DatabaseSettings, Role, Settings
from dental_etl.connections import connect, sessions
from dental_etl.connections.engines import engine
from dental_etl.exceptions import ServerFullError
from dental_etl.extract.visiting import visit
from dental_etl.pipeline import tables as table_phases
from dental_etl.run import RefreshMode, RunKind, TableResult, TableStatus
from dental_etl.sandbox.state import ADMIN_USER, Sandbox, Server
from dental_etl.tracking import ledger
from tests.nights import Nights

RUN_ID = "20260131T040000-abcdef"
NOW = datetime(2026, 1, 31, 4, tzinfo=UTC)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection is tried for some tenths of a second, not for fifteen."""
    monkeypatch.setattr(sessions, "_PATIENCE_SECONDS", 0.3)


@contextmanager
def limited(server: Server, database: DatabaseSettings, limit: int) -> Iterator[None]:
    """Let the product's account have so many connections to a MySQL server."""
    admin = pymysql.connect(
        host=database.host, port=database.port, user=ADMIN_USER, password=server.admin_password
    )
    account = f"'{database.user}'@'{database.host}'"
    with admin, admin.cursor() as cursor:
        cursor.execute(f"ALTER USER {account} WITH MAX_USER_CONNECTIONS {limit}")
        try:
            yield
        finally:
            cursor.execute(f"ALTER USER {account} WITH MAX_USER_CONNECTIONS 0")


@contextmanager
def filled(server: Server, database: DatabaseSettings) -> Iterator[Callable[[], None]]:
    """Take all places of the product's account; yield what leaves them."""
    for is_dedicated in (False, True):
        engine(database, is_dedicated=is_dedicated).dispose()
    with limited(server, database, 3), ExitStack() as held:
        taken = [held.enter_context(open_session(database)) for _ in range(3)]

        def leave() -> None:
            for session in taken:
                session.close()

        yield leave


@contextmanager
def open_session(database: DatabaseSettings) -> Iterator[pymysql.Connection[pymysql.cursors.Cursor]]:
    session = pymysql.connect(
        host=database.host, port=database.port, user=database.user, password=database.password
    )
    try:
        yield session
    finally:
        with suppress(pymysql.Error):  # closed already
            session.close()


@pytest.fixture(scope="module")
def nights(sandbox: Sandbox, sandbox_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    made = Nights(sandbox, sandbox_settings, tmp_path_factory.mktemp("full"))
    made.execute("CREATE TABLE patient (PatNum bigint PRIMARY KEY) ENGINE=MyISAM")
    made.execute("INSERT INTO patient VALUES (1), (2)")
    made.analyze()
    return made


@pytest.fixture(params=[Role.SOURCE, Role.REPLICATION])
def full(
    request: pytest.FixtureRequest, sandbox: Sandbox, planned: Settings
) -> Iterator[tuple[Settings, Callable[[], None]]]:
    """A planned run, one of whose servers has no place for us; and what makes room there."""
    is_source = request.param is Role.SOURCE
    server = sandbox.source if is_source else sandbox.replication
    with filled(server, planned.source if is_source else planned.replication) as leave:
        yield planned, leave


@pytest.fixture
def planned(nights: Nights) -> Settings:
    nights.in_raw("DELETE FROM etl.run")
    pipeline.open_rerun(nights.settings, RUN_ID, RunKind.MANUAL, NOW, refresh=RefreshMode.INCREMENTAL)
    pipeline.plan_run(nights.settings, RUN_ID, lambda: NOW, names=("patient",))
    return nights.settings


def result_of(settings: Settings) -> TableResult:
    with pipeline.ledger_transaction(settings) as connection:
        return ledger.results(connection, RUN_ID)[0]


def work(settings: Settings) -> BaseException | None:
    return pipeline.run_table(settings, RUN_ID, "patient", clock=lambda: NOW)


def test_a_table_waits_for_a_place(full: tuple[Settings, Callable[[], None]]) -> None:
    settings, leave = full
    one_attempt = replace(settings, max_attempts=1)
    later = threading.Timer(2.0, leave)
    later.start()
    error = work(one_attempt)
    later.join()
    result = result_of(settings)
    assert (error, result.status, result.rows_total) == (None, TableStatus.LOADED, 2)


def test_it_does_not_wait_for_ever(
    sandbox: Sandbox, planned: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_phases, "_ROOM_PATIENCE_SECONDS", 0.5)
    with filled(sandbox.replication, planned.replication):
        assert isinstance(work(planned), ServerFullError)
    assert result_of(planned).error_code == "E_SERVER_FULL"


def test_who_had_room_for_long_has_another_attempt(
    planned: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second connection may be refused after hours of work; that is no reason to leave out all other tables."""
    monkeypatch.setattr(table_phases, "_ROOM_PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(table_phases, "_LONGEST_REFUSAL_SECONDS", 0.4)
    refusals = [ServerFullError("1226")]

    def work() -> None:
        if refusals:
            time.sleep(0.6)
            raise refusals.pop()

    table_phases._with_attempts(planned, work)
    assert refusals == []


def test_a_place_at_a_full_source_is_waited_for_with_patience(sandbox: Sandbox, planned: Settings) -> None:
    place = visit(planned, "patient", deadline=None, clock=lambda: NOW, patience_seconds=0.1)
    with filled(sandbox.source, planned.source), pytest.raises(ServerFullError, match="1226"), place:
        pass


def test_people_are_told_once_of_a_server_that_stays_full(planned: Settings) -> None:
    full = ServerFullError("1226")
    full.server = Role.REPLICATION
    told = []
    for minutes in (0, 4, 6, 8):
        pipeline.note_full(planned, RUN_ID, full, NOW + timedelta(minutes=minutes))
        with pipeline.ledger_transaction(planned) as connection:
            found = [one.check for one in ledger.findings(connection, RUN_ID)]
            waiting = ledger.due_notifications(connection, NOW + timedelta(hours=1))
        assert found == ["server_full"]
        told.append([one.title for one in waiting if one.run_id == RUN_ID])
    title = "dental_etl: the replication database has no free connection for us"
    assert told == [[], [], [title], [title]]


def test_a_full_server_is_told_from_one_that_is_away(sandbox: Sandbox, sandbox_settings: Settings) -> None:
    database = sandbox_settings.source
    admin = pymysql.connect(
        host=database.host, port=database.port, user=ADMIN_USER, password=sandbox.source.admin_password
    )
    with admin, admin.cursor() as cursor, ExitStack() as held:
        cursor.execute("SELECT @@max_connections")
        (usual,) = cursor.fetchone() or (0,)
        cursor.execute("SET GLOBAL max_connections = 10")
        try:
            with suppress(pymysql.OperationalError):
                while True:
                    held.enter_context(open_session(database))
            with pytest.raises(ServerFullError, match="1040"), connect(database):
                pass
        finally:
            cursor.execute(f"SET GLOBAL max_connections = {usual}")


def test_postgres_says_it_in_words_only(sandbox_settings: Settings) -> None:
    """A connection that is refused brings no SQLSTATE through the driver."""
    database = sandbox_settings.analytics
    newcomer = replace(database, connect_timeout_seconds=9)  # whose pool holds no session yet
    with engine(database).connect().execution_options(isolation_level="AUTOCOMMIT") as owner:
        owner.exec_driver_sql(f"ALTER DATABASE {database.database} CONNECTION LIMIT 1")
        try:
            with pytest.raises(ServerFullError) as caught, connect(newcomer):
                pass
        finally:
            owner.exec_driver_sql(f"ALTER DATABASE {database.database} CONNECTION LIMIT -1")
    assert caught.value.server == Role.ANALYTICS
