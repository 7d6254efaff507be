"""Sessions: opened with patience, given back as good as new, or ended with all that hangs on them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2.extensions
import stamina
from sqlalchemy import Connection, text

from dental_etl.config import DatabaseSettings, Role
from dental_etl.connections.engines import RENEW_REPLICATION, engine
from dental_etl.connections.errors import DRIVER_ERRORS, database_errors
from dental_etl.exceptions import DatabaseConnectionError, DatabaseError, ServerAwayError, ServerFullError

logger = logging.getLogger(__name__)

_COM_RESET_CONNECTION = 0x1F
#: How long a connection is tried; a restart takes less.
_PATIENCE_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionCheck:
    """Outcome of one attempt to reach a database."""

    role: Role
    is_ok: bool
    #: Server's version when reached, else what went wrong and what to do.
    message: str
    seconds: float


def log_retries() -> None:
    """Say in our own words that a server is waited for; stamina's default names a function."""
    stamina.instrumentation.set_on_retry_hooks([_log_retry])


def _log_retry(details: stamina.instrumentation.RetryDetails) -> None:
    logger.warning(
        "%s Next attempt in %.1f s.",
        details.caused_by,
        details.wait_for,
        extra={"action": "connection_retry", "seconds": details.wait_for},
    )


@contextmanager
def connect(database: DatabaseSettings, *, is_dedicated: bool = False) -> Iterator[Connection]:
    """Open a connection, retrying for some seconds while the server cannot be reached.

    Longer outages are for whoever asked: a worker gives its place to another table and comes back.

    Args:
        database: Which database.
        is_dedicated: Whether locks, temporary tables and variables of the session end with it. An
            error ends the session itself. Otherwise the server is told to forget all of it, and the
            session is used again; at the source it is ended in any case: a place there is given back.

    Raises:
        ServerAwayError: The server stayed unreachable.
        ServerFullError: All its places stayed taken.
        DatabaseAccessError: The server refused the account.
    """
    connection = _open(database, is_dedicated=is_dedicated)
    try:
        yield connection
    except BaseException:
        if is_dedicated and not connection.closed:
            connection.invalidate()
        raise
    else:
        if is_dedicated:
            _renew(connection, database.role)
    finally:
        _close(connection)


def _close(connection: Connection) -> None:
    """Give a connection back; a server that is gone by now has rolled back what there was."""
    try:
        if not connection.closed:
            connection.rollback()
    except DRIVER_ERRORS:
        connection.invalidate()
    connection.close()


def _renew(connection: Connection, role: Role) -> None:
    """Make a session as good as new; one that cannot be is ended."""
    if connection.closed or connection.invalidated:
        return
    try:
        connection.rollback()
        driver = driver_connection(connection)
        if role is Role.ANALYTICS:
            _renew_postgres(driver)
        elif role is Role.REPLICATION:
            _renew_mysql(driver)
    except BaseException as error:
        connection.invalidate()  # whatever is wrong with it, it is not used again
        if not isinstance(error, Exception):
            raise


def _renew_postgres(driver: Any) -> None:
    driver.rollback()
    driver.autocommit = True
    with driver.cursor() as cursor:
        cursor.execute("DISCARD ALL")
    driver.autocommit = False


def _renew_mysql(driver: Any) -> None:
    # The driver has no public way to send this command; where it or the server lacks it, sessions are ended.
    driver._execute_command(_COM_RESET_CONNECTION, "")  # noqa: SLF001
    driver._read_ok_packet()  # noqa: SLF001
    with driver.cursor() as cursor:
        cursor.execute(RENEW_REPLICATION)


def driver_connection(connection: Connection) -> Any:
    """Return the pymysql or psycopg2 connection below, for the bulk paths in `wire`."""
    # Not `driver_connection`: that is None once a dedicated connection left the pool.
    return connection.connection.dbapi_connection


def value_at_once(connection: Connection, statement: str, parameters: Mapping[str, object]) -> Any:
    """Return the only value of a statement that begins no transaction, and joins one that is open.

    One round trip instead of three. At MySQL the statement must read no table, or it would begin one.

    Args:
        connection: Its driver is used directly; errors are the driver's.
        statement: With ``%(name)s``.
        parameters: Values by name.
    """
    driver = driver_connection(connection)
    is_alone = isinstance(driver, psycopg2.extensions.connection) and not connection.in_transaction()
    if is_alone:
        driver.autocommit = True
    try:
        with driver.cursor() as cursor:
            cursor.execute(statement, parameters)
            row = cursor.fetchone()
    finally:
        if is_alone and not driver.closed:
            driver.autocommit = False
    return None if row is None else row[0]


def check(database: DatabaseSettings) -> ConnectionCheck:
    """Connect once, without retries, and say what came of it."""
    started = time.monotonic()
    try:
        with database_errors(database.role), engine(database).connect() as connection:
            version: str = connection.execute(text("SELECT version()")).scalar_one()
    except DatabaseError as error:
        return ConnectionCheck(
            role=database.role,
            is_ok=False,
            message=f"{error} ({database.host}:{database.port}, database {database.database})",
            seconds=time.monotonic() - started,
        )
    return ConnectionCheck(
        role=database.role, is_ok=True, message=str(version), seconds=time.monotonic() - started
    )


def answers(database: DatabaseSettings) -> bool:
    """Tell whether a server takes a connection, or refuses ours by name; asks once."""
    try:
        with database_errors(database.role), engine(database).connect():
            return True
    except DatabaseConnectionError:
        return False
    except DatabaseError:
        return True


def _open(database: DatabaseSettings, *, is_dedicated: bool) -> Connection:
    try:
        return _open_patiently(database, is_dedicated=is_dedicated)
    except ServerFullError:
        raise
    except DatabaseConnectionError as error:
        raise ServerAwayError(str(error), server=database.role) from None


def _open_patiently(database: DatabaseSettings, *, is_dedicated: bool) -> Connection:
    for attempt in stamina.retry_context(
        on=DatabaseConnectionError, attempts=5, timeout=_PATIENCE_SECONDS, wait_initial=0.5, wait_max=5.0
    ):
        with attempt, database_errors(database.role):
            return engine(database, is_dedicated=is_dedicated).connect()
    raise AssertionError("stamina either returns or raises")  # pragma: no cover
