"""How a reader leaves the source alone: while others wait for locks, hold them, or keep the server busy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text

from dental_etl.config import Settings
from dental_etl.connections import DRIVER_ERRORS, connect
from dental_etl.exceptions import DeadlineError, LockWaitError
from dental_etl.extract import governor, reading, watching
from dental_etl.extract.governor import Cause, Limits
from dental_etl.extract.reading import SourceReader
from dental_etl.wire.catalog import read_schema
from dental_etl.wire.rows import Target, row_format
from tests.counting import counted

COUNT = "SELECT COUNT(*) FROM visit"
_WAITERS = text("SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table%'")
_RUNNING = text("SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User sleep'")


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look, and come back, more often than in production; nothing remembers an earlier test."""
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(reading, "LOCK_WAIT_SECONDS", 1)
    monkeypatch.setattr(reading, "LOCKED_PAUSE_SECONDS", 0.1)
    watching.forget()


@pytest.fixture
def visits(source_admin: Connection) -> Iterator[Connection]:
    source_admin.exec_driver_sql(
        "CREATE TABLE visit (VisitNum bigint NOT NULL PRIMARY KEY, Note varchar(100)) ENGINE=MyISAM"
    )
    source_admin.exec_driver_sql(f"INSERT INTO visit SELECT seq, 'old' FROM {counted(1, 10)}")
    yield source_admin
    source_admin.exec_driver_sql("UNLOCK TABLES")


@pytest.fixture
def reader(sandbox_settings: Settings, visits: Connection) -> Iterator[SourceReader]:
    with connect(sandbox_settings.source, is_dedicated=True) as connection:
        yield prepared(connection)


def prepared(connection: Connection, deadline: datetime | None = None) -> SourceReader:
    reader = SourceReader(
        connection, "visit", deadline, lambda: datetime.now(UTC), limits=Limits(rest_percent=0)
    )
    reader.prepare()
    return reader


@contextmanager
def others(engine: Engine, statement: str, sessions: int = 1) -> Iterator[None]:
    """Sessions of the front desk that are at a statement; ended with their connections."""
    connections = [engine.connect() for _ in range(sessions)]
    numbers = [session_id(connection) for connection in connections]

    def work(connection: Connection) -> None:
        with suppress(*DRIVER_ERRORS):
            connection.exec_driver_sql(statement)

    threads = [threading.Thread(target=work, args=[connection]) for connection in connections]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        with engine.connect() as admin, suppress(*DRIVER_ERRORS):
            for number in numbers:
                admin.exec_driver_sql(f"KILL CONNECTION {number}")
        for thread in threads:
            thread.join()
        for connection in connections:
            connection.invalidate()
            connection.close()


def session_id(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one())


def until(is_so: Callable[[], object]) -> None:
    give_up = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < give_up, "what the test waits for did not come"
        threading.Event().wait(0.02)


def after(seconds: float, work: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, work)
    timer.start()
    return timer


def test_a_calm_source_is_not_paused(reader: SourceReader) -> None:
    for _ in range(20):
        reader.row(COUNT)
    assert (reader.strain, reader.cost.pauses) == (0, {})


def test_a_read_of_a_locked_table_leaves_the_queue_and_comes_back(
    reader: SourceReader, visits: Connection
) -> None:
    visits.exec_driver_sql("LOCK TABLES visit WRITE")
    unlocking = after(1.6, lambda: visits.exec_driver_sql("UNLOCK TABLES"))
    found = reader.row(COUNT)
    unlocking.join()
    assert (found[0] if found else None, reader.cost.pauses[Cause.LOCKED] > 1.0) == (10, True)


def test_time_spent_waiting_for_others_is_not_time_in_which_the_source_worked(
    reader: SourceReader, visits: Connection
) -> None:
    """Else we would rest for what others did, and read in tiny pieces that wait as long each."""
    visits.exec_driver_sql("LOCK TABLES visit WRITE")
    unlocking = after(0.6, lambda: visits.exec_driver_sql("UNLOCK TABLES"))
    reader.row(COUNT)
    unlocking.join()
    assert (reader.cost.seconds < 0.1, reader.cost.pauses[Cause.LOCKED] > 0.4) == (True, True)


def test_a_page_that_waited_does_not_make_the_next_one_smaller(
    sandbox_settings: Settings, reader: SourceReader, visits: Connection
) -> None:
    schema = read_schema(visits, sandbox_settings.source.database, "visit")
    assert schema is not None
    packed = row_format(schema, Target.MYSQL)
    visits.exec_driver_sql("LOCK TABLES visit WRITE")
    unlocking = after(0.6, lambda: visits.exec_driver_sql("UNLOCK TABLES"))
    fetched = reader.page(f"SELECT {packed.select_list} FROM visit", packed)
    unlocking.join()
    assert (fetched.stream.rows, fetched.stream.seconds < 0.1) == (10, True)


def test_a_table_that_stays_locked_is_left_to_a_later_attempt(
    reader: SourceReader, visits: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LOCKED_SECONDS", 0.5)
    visits.exec_driver_sql("LOCK TABLES visit WRITE")
    with pytest.raises(LockWaitError):
        reader.row(COUNT)


def test_nothing_is_read_while_somebody_waits_for_a_lock(reader: SourceReader, visits: Connection) -> None:
    visits.exec_driver_sql("CREATE TABLE other (a int) ENGINE=MyISAM")
    visits.exec_driver_sql("LOCK TABLES other READ")
    with others(visits.engine, "UPDATE other SET a = 1"):
        with visits.engine.connect() as admin:
            until(lambda: admin.execute(_WAITERS).scalar())
        unlocking = after(0.6, lambda: visits.exec_driver_sql("UNLOCK TABLES"))
        reader.row(COUNT)
        unlocking.join()
    assert 0.3 < reader.cost.pauses[Cause.WAITING] < 3.0


def test_a_lock_that_nobody_frees_is_not_waited_for_all_night(
    reader: SourceReader, visits: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(governor, "HOLD_SECONDS", 0.5)
    visits.exec_driver_sql("CREATE TABLE other (a int) ENGINE=MyISAM")
    visits.exec_driver_sql("LOCK TABLES other READ")
    with others(visits.engine, "UPDATE other SET a = 1"):
        with visits.engine.connect() as admin:
            until(lambda: admin.execute(_WAITERS).scalar())
        for _ in range(5):
            reader.row(COUNT)
        visits.exec_driver_sql("UNLOCK TABLES")
    assert reader.totals.reads == 5


def test_who_waited_while_we_read_is_noticed_afterwards(reader: SourceReader, visits: Connection) -> None:
    reader.row(COUNT)
    visits.exec_driver_sql("CREATE TABLE other (a int) ENGINE=MyISAM")
    visits.exec_driver_sql("INSERT INTO other VALUES (1), (1)")
    with others(visits.engine, "SELECT SLEEP(0.3) FROM other"), visits.engine.connect() as admin:
        until(lambda: admin.execute(_RUNNING).scalar())
        visits.exec_driver_sql("UPDATE other SET a = 2")
    until(lambda: reader.row(COUNT) and reader.strain)


def test_statements_of_others_make_a_source_busy(reader: SourceReader, visits: Connection) -> None:
    with others(visits.engine, "SELECT SLEEP(30)", sessions=6):
        with visits.engine.connect() as admin:
            until(lambda: admin.execute(_RUNNING).scalar_one() == 6)
        until(lambda: reader.row(COUNT) and reader.strain)


def test_our_own_readers_do_not_make_a_source_busy(
    reader: SourceReader, visits: Connection, sandbox_settings: Settings
) -> None:
    with connect(sandbox_settings.source) as ours, others(ours.engine, "SELECT SLEEP(30)", sessions=6):
        with visits.engine.connect() as admin:
            until(lambda: admin.execute(_RUNNING).scalar_one() == 6)
        looks = [reader.row(COUNT) and reader.strain for _ in range(20)]
    assert set(looks) == {0}


def test_the_window_closes_over_a_reader_that_waits(sandbox_settings: Settings, visits: Connection) -> None:
    visits.exec_driver_sql("LOCK TABLES visit WRITE")
    with connect(sandbox_settings.source, is_dedicated=True) as connection:
        number = session_id(connection)
        late = prepared(connection, datetime.now(UTC) + timedelta(seconds=1.5))
        with pytest.raises(DeadlineError):
            late.row(COUNT)
    left = text("SELECT COUNT(*) FROM information_schema.processlist WHERE id = :id")
    until(lambda: not visits.execute(left, {"id": number}).scalar())


def test_an_account_without_the_right_to_see_sessions_reads_all_the_same(
    sandbox_settings: Settings, visits: Connection
) -> None:
    visits.exec_driver_sql("DROP USER IF EXISTS blind@'%%'")
    visits.exec_driver_sql("CREATE USER blind@'%%' IDENTIFIED BY 'x'")
    visits.exec_driver_sql(f"GRANT SELECT ON `{sandbox_settings.source.database}`.* TO blind@'%%'")
    try:
        account = replace(sandbox_settings.source, user="blind", password="x")
        with connect(account, is_dedicated=True) as connection:
            found = prepared(connection).row(COUNT)
        assert found is not None
    finally:
        visits.exec_driver_sql("DROP USER blind@'%%'")
