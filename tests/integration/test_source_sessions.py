"""After the window: sessions of ours that still read are ended, and nobody else's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from sqlalchemy import Connection, text

from dental_etl.config import Settings
from dental_etl.connections import DRIVER_ERRORS, connect
from dental_etl.tracking.locks import slot_name, source_slot
from dental_etl.tracking.source_sessions import end_readers

_IS_ALIVE = text("SELECT COUNT(*) FROM information_schema.processlist WHERE id = :id")


@pytest.fixture
def watcher(sandbox_settings: Settings, source_admin: Connection) -> Iterator[Connection]:
    """A session of the reading account that reads nothing."""
    with connect(sandbox_settings.source, is_dedicated=True) as connection:
        yield connection


@contextmanager
def reader(settings: Settings) -> Iterator[int]:
    """A session that holds a place and is in the middle of a statement; yields its number."""
    with connect(settings.source, is_dedicated=True) as session, source_slot(session, 1):
        number = session_id(session)

        def read() -> None:
            with suppress(*DRIVER_ERRORS):
                session.execute(text("SELECT SLEEP(30)"))

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield number
        finally:
            with connect(settings.source) as other, suppress(*DRIVER_ERRORS):
                other.exec_driver_sql(f"KILL CONNECTION {number}")
            thread.join()
            session.invalidate()


def session_id(session: Connection) -> int:
    number: int = session.execute(text("SELECT CONNECTION_ID()")).scalar_one()
    return number


def is_alive(watcher: Connection, number: int) -> bool:
    return bool(watcher.execute(_IS_ALIVE, {"id": number}).scalar())


def test_a_reader_that_stays_is_ended(sandbox_settings: Settings, watcher: Connection) -> None:
    with reader(sandbox_settings):
        assert end_readers(watcher, 1, patience_seconds=0.2) == 1
        # The place is free when the server has got rid of the session.
        assert watcher.execute(text("SELECT GET_LOCK(:name, 10)"), {"name": slot_name(1)}).scalar() == 1


def test_a_reader_that_leaves_in_time_is_not_ended(sandbox_settings: Settings, watcher: Connection) -> None:
    with connect(sandbox_settings.source, is_dedicated=True) as session:
        with source_slot(session, 1):
            leaving = threading.Timer(0.3, session.execute, [text("SELECT RELEASE_ALL_LOCKS()")])
            leaving.start()
            ended = end_readers(watcher, 1, patience_seconds=20.0)
            leaving.join()
        assert (ended, is_alive(watcher, session_id(session))) == (0, True)


def test_a_session_of_the_same_account_without_a_place_is_left_alone(
    sandbox_settings: Settings, watcher: Connection
) -> None:
    with connect(sandbox_settings.source, is_dedicated=True) as person:
        number = session_id(person)
        end_readers(watcher, 5, patience_seconds=0.2)
        assert is_alive(watcher, number)


def test_a_place_that_another_account_holds_is_left_alone(
    source_admin: Connection, watcher: Connection
) -> None:
    source_admin.execute(text("SELECT GET_LOCK(:name, 0)"), {"name": slot_name(1)})
    try:
        assert end_readers(watcher, 1, patience_seconds=0.2) == 0
    finally:
        source_admin.execute(text("SELECT RELEASE_ALL_LOCKS()"))
