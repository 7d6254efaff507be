"""Sessions are set up by role, and no driver text leaves the connection layer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Connection, text

from dental_etl.config import Role, Settings
from dental_etl.connections import check, connect, database_errors
from dental_etl.exceptions import DatabaseAccessError, DatabaseQueryError, DatabaseTransactionError

SENTINEL = "Sentinel-Patient-Name"


@pytest.mark.parametrize("role", list(Role))
def test_every_session_runs_in_utc(sandbox_settings: Settings, role: Role) -> None:
    database = {
        Role.SOURCE: sandbox_settings.source,
        Role.REPLICATION: sandbox_settings.replication,
        Role.ANALYTICS: sandbox_settings.analytics,
    }[role]
    statement = "SHOW timezone" if role is Role.ANALYTICS else "SELECT @@session.time_zone"

    with connect(database) as connection:
        zone: str = connection.execute(text(statement)).scalar_one()

    assert zone in {"+00:00", "UTC"}


def test_source_session_cannot_write(sandbox_settings: Settings, source_admin: Connection) -> None:
    source_admin.execute(text("CREATE TABLE patient (PatNum bigint PRIMARY KEY) ENGINE=MyISAM"))

    with (
        pytest.raises(DatabaseAccessError),
        database_errors(Role.SOURCE),
        connect(sandbox_settings.source) as connection,
    ):
        connection.execute(text("INSERT INTO patient VALUES (1)"))


def test_mysql_error_does_not_quote_a_row(sandbox_settings: Settings, replication: Connection) -> None:
    replication.execute(text("CREATE TABLE patient (LName varchar(50) PRIMARY KEY)"))
    replication.commit()

    with (
        pytest.raises(DatabaseQueryError, match="error 1062 while working on table patient") as caught,
        database_errors(Role.REPLICATION, table="patient"),
        connect(sandbox_settings.replication) as connection,
    ):
        connection.execute(text("INSERT INTO patient VALUES (:name), (:name)"), {"name": SENTINEL})

    assert SENTINEL not in str(caught.value)


def test_postgres_error_does_not_quote_a_row(sandbox_settings: Settings, analytics: Connection) -> None:
    analytics.execute(text("CREATE TABLE patient (name text PRIMARY KEY)"))
    analytics.commit()

    with (
        pytest.raises(DatabaseQueryError, match="error 23505") as caught,
        database_errors(Role.ANALYTICS, table="patient"),
        connect(sandbox_settings.analytics) as connection,
    ):
        connection.execute(text("INSERT INTO patient VALUES (:name), (:name)"), {"name": SENTINEL})

    assert SENTINEL not in str(caught.value)


def test_lock_wait_is_worth_another_attempt(sandbox_settings: Settings, replication: Connection) -> None:
    replication.execute(text("CREATE TABLE patient (PatNum bigint PRIMARY KEY) ENGINE=InnoDB"))
    replication.execute(text("INSERT INTO patient VALUES (1)"))
    replication.commit()
    replication.execute(text("UPDATE patient SET PatNum = 2"))

    with connect(sandbox_settings.replication, is_dedicated=True) as other:
        other.execute(text("SET SESSION innodb_lock_wait_timeout = 1"))
        with pytest.raises(DatabaseTransactionError), database_errors(Role.REPLICATION):
            other.execute(text("UPDATE patient SET PatNum = 3"))

    replication.rollback()


def test_dedicated_connection_takes_its_locks_with_it(sandbox_settings: Settings) -> None:
    database = sandbox_settings.replication
    with connect(database, is_dedicated=True) as connection:
        connection.execute(text("SELECT GET_LOCK('a_table', 0)"))

    with connect(database) as connection:
        is_free: int = connection.execute(text("SELECT IS_FREE_LOCK('a_table')")).scalar_one()

    assert is_free == 1


def _session_number(connection: Connection) -> int:
    statement = (
        "SELECT pg_backend_pid()" if connection.dialect.name == "postgresql" else "SELECT CONNECTION_ID()"
    )
    number: int = connection.execute(text(statement)).scalar_one()
    return number


@pytest.mark.parametrize("role", [Role.REPLICATION, Role.ANALYTICS])
def test_a_dedicated_session_is_used_again(sandbox_settings: Settings, role: Role) -> None:
    database = sandbox_settings.replication if role is Role.REPLICATION else sandbox_settings.analytics
    with connect(database, is_dedicated=True) as connection:
        first = _session_number(connection)
    with connect(database, is_dedicated=True) as connection:
        assert _session_number(connection) == first


def test_a_silent_session_at_the_source_is_ended_by_the_server(sandbox_settings: Settings) -> None:
    """A host that lost its power holds its place there until then."""
    with connect(sandbox_settings.source, is_dedicated=True) as connection:
        assert connection.execute(text("SELECT @@session.wait_timeout")).scalar_one() == 1800


def test_a_session_at_the_source_ends_with_its_use(sandbox_settings: Settings) -> None:
    with connect(sandbox_settings.source, is_dedicated=True) as connection:
        first = _session_number(connection)
    with connect(sandbox_settings.source, is_dedicated=True) as connection:
        assert _session_number(connection) != first


def test_nobody_stays_at_the_source_between_two_questions(sandbox_settings: Settings) -> None:
    """An idle session would hold one of the few places that the clinic's server gives our account."""
    with connect(sandbox_settings.source) as connection:
        first = _session_number(connection)
    with connect(sandbox_settings.source) as connection:
        assert _session_number(connection) != first


@pytest.mark.usefixtures("replication")
def test_nothing_of_a_mysql_session_reaches_its_next_use(sandbox_settings: Settings) -> None:
    database = sandbox_settings.replication
    look = text(
        "SELECT @@sql_mode, @@autocommit, @@time_zone, @@character_set_client, @@lock_wait_timeout, @note"
    )
    with connect(database, is_dedicated=True) as connection:
        fresh = connection.execute(look).one()
        connection.exec_driver_sql("CREATE TEMPORARY TABLE etl_note (id int)")
        connection.exec_driver_sql(
            "SET lock_wait_timeout=1, sql_mode='', autocommit=1, NAMES latin1, @note=1"
        )
        connection.exec_driver_sql("SELECT GET_LOCK('a_table', 0)")

    with connect(database, is_dedicated=True) as connection:
        assert connection.execute(look).one() == fresh
        connection.exec_driver_sql("CREATE TEMPORARY TABLE etl_note (id int)")
        with connect(database) as other:
            assert other.execute(text("SELECT IS_FREE_LOCK('a_table')")).scalar_one() == 1


def test_nothing_of_a_postgres_session_reaches_its_next_use(sandbox_settings: Settings) -> None:
    database = sandbox_settings.analytics
    look = text(
        "SELECT current_setting('work_mem'), current_setting('timezone'), to_regclass('pg_temp.note')"
    )
    with connect(database, is_dedicated=True) as connection:
        fresh = connection.execute(look).one()
        connection.exec_driver_sql("CREATE TEMPORARY TABLE note (id int)")
        connection.exec_driver_sql("SET work_mem = '1MB'")
        connection.exec_driver_sql("SELECT pg_advisory_lock(7)")
        connection.commit()

    with connect(database, is_dedicated=True) as connection:
        assert connection.execute(look).one() == fresh
        with connect(database) as other:
            is_free: bool = other.execute(text("SELECT pg_try_advisory_lock(7)")).scalar_one()
            other.execute(text("SELECT pg_advisory_unlock(7)"))
    assert is_free


@pytest.mark.parametrize("role", [Role.REPLICATION, Role.ANALYTICS])
def test_an_error_ends_a_dedicated_session(sandbox_settings: Settings, role: Role) -> None:
    """Nobody knows what the session was in the middle of."""
    database = sandbox_settings.replication if role is Role.REPLICATION else sandbox_settings.analytics
    numbers = []

    def work() -> None:
        with connect(database, is_dedicated=True) as connection:
            numbers.append(_session_number(connection))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    with connect(database, is_dedicated=True) as connection:
        assert _session_number(connection) not in numbers


@pytest.mark.parametrize("role", [Role.REPLICATION, Role.ANALYTICS])
def test_a_session_that_was_killed_while_it_waited_is_replaced(
    sandbox_settings: Settings, role: Role
) -> None:
    database = sandbox_settings.replication if role is Role.REPLICATION else sandbox_settings.analytics
    with connect(database, is_dedicated=True) as connection:
        number = _session_number(connection)
    kill = f"KILL {number}" if role is Role.REPLICATION else f"SELECT pg_terminate_backend({number}, 5000)"
    with connect(database) as other:
        other.exec_driver_sql(kill)
    with connect(database, is_dedicated=True) as connection:
        assert _session_number(connection) != number


def test_check_names_the_server_but_not_the_password(sandbox_settings: Settings) -> None:
    wrong = replace(sandbox_settings.replication, password="wrong-password")

    outcome = check(wrong)

    assert not outcome.is_ok
    assert f"{wrong.host}:{wrong.port}" in outcome.message
    assert "wrong-password" not in outcome.message
    assert "test-connections" in outcome.message


def test_check_reports_the_version(sandbox_settings: Settings) -> None:
    outcome = check(sandbox_settings.source)

    assert outcome.is_ok
    assert outcome.message


def test_a_session_that_was_lost_after_its_last_statement_is_no_error(
    sandbox_settings: Settings, source_admin: Connection
) -> None:
    with connect(sandbox_settings.source) as connection:
        number: int = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
        source_admin.exec_driver_sql(f"KILL {int(number)}")
    with connect(sandbox_settings.source) as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
