"""Connections to the three databases: one pool per role and process, sessions set up by role.

Retries are stamina's: exponential backoff with jitter, on lost or refused connections only.
Driver errors quote rows, so they never leave this project as they are: `database_errors`
turns them into our own, which carry the server's error number and nothing else.
"""

from __future__ import annotations

import logging
import os
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import psycopg2
import psycopg2.extensions
import pymysql
import sqlalchemy.exc
import stamina
from pymysql.constants import CR
from sqlalchemy import URL, Connection, Dialect, Engine, NullPool, create_engine, event, text

from dental_etl.config import DatabaseSettings, Role
from dental_etl.exceptions import (
    DatabaseAccessError,
    DatabaseConnectionError,
    DatabaseError,
    DatabaseQueryError,
    DatabaseTransactionError,
    LockWaitError,
    ServerAwayError,
)

logger = logging.getLogger(__name__)

# Strict, so that a value that does not fit is an error and not a different value. Zero dates are
# real data here. unique_checks stays on: off, MariaDB takes a bulk path that costs more CPU.
_REPLICATION = "time_zone='+00:00', sql_mode='STRICT_ALL_TABLES', foreign_key_checks=0, unique_checks=1"
#: Every session runs in UTC: a local TIMESTAMP inside the autumn hour cannot be read back.
_MYSQL_SESSIONS = {
    # Reads only, whatever the account may do; a slow replica must not get the read killed.
    Role.SOURCE: (
        "SET SESSION time_zone='+00:00', net_write_timeout=600, sql_mode=''",
        "SET SESSION TRANSACTION READ ONLY",
    ),
    Role.REPLICATION: (f"SET SESSION {_REPLICATION}",),
}
#: What the driver and we have set up in a session, after the server has forgotten all of it.
_RENEW_REPLICATION = f"SET NAMES utf8mb4, autocommit=0, {_REPLICATION}"
_COM_RESET_CONNECTION = 0x1F
#: Dedicated sessions that wait in each process for their next use.
_KEPT_SESSIONS = 5
_POSTGRES_OPTIONS = "-c timezone=UTC -c work_mem=128MB -c maintenance_work_mem=512MB -c client_encoding=UTF8"

_MYSQL_CONNECTION = frozenset({
    1040, 1042, 1043, 1053, 1152, 1153, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1203, 1226,
    1927, 2002, 2003, 2006, 2013, 2014, 2055, 4031,
})  # fmt: skip
_MYSQL_LOCK_WAIT = 1205
_MYSQL_TRANSACTION = frozenset({1213, 1412, 1684, 1689})
_MYSQL_ACCESS = frozenset({1044, 1045, 1049, 1142, 1143, 1227, 1290, 1370, 1698, 1792, 1820, 1862, 3118})
_MYSQL_DAMAGED = frozenset({126, 127, 144, 145, 1016, 1017, 1034, 1035, 1168, 1194, 1195, 1712, 1877})
_MYSQL_FULL = frozenset({3, 20, 1021, 1026, 1114})
#: Too many connections: to the server, or of our account.
_NO_PLACE = frozenset({"1040", "1203", "1226", "53300"})
_POSTGRES_CONNECTION = ("08", "57P01", "57P02", "57P03", "53300")
_POSTGRES_TRANSACTION = ("40001", "40P01", "55P03", "25P03")
_POSTGRES_ACCESS = ("28", "3D000", "42501")

#: How long a connection is tried; a restart takes less.
_PATIENCE_SECONDS = 15.0

DRIVER_ERRORS = (sqlalchemy.exc.SQLAlchemyError, pymysql.MySQLError, psycopg2.Error)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionCheck:
    """Outcome of one attempt to reach a database."""

    role: Role
    is_ok: bool
    #: Server's version when reached, else what went wrong and what to do.
    message: str
    seconds: float


def engine(database: DatabaseSettings) -> Engine:
    """Return this process's engine for a database; a forked worker gets its own."""
    return _engine(database, os.getpid(), is_dedicated=False)


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
        cursor.execute(_RENEW_REPLICATION)


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


@contextmanager
def database_errors(
    role: Role, *, table: str | None = None, stage: str | None = None, run_id: str | None = None
) -> Iterator[None]:
    """Turn any driver's error into ours, without its text: that may quote rows.

    Raises:
        DatabaseConnectionError, DatabaseTransactionError, DatabaseAccessError, DatabaseQueryError:
            By the server's error number.
    """
    try:
        yield
    except DRIVER_ERRORS as error:
        raise translate(error, role, table=table, stage=stage, run_id=run_id) from None


def translate(
    error: BaseException,
    role: Role,
    *,
    table: str | None = None,
    stage: str | None = None,
    run_id: str | None = None,
) -> DatabaseError:
    """Return our error for a driver's; the message holds the role and the error number only."""
    number = error_number(error)
    kind, remedy = _classify(error, number)
    where = f" while working on table {table}" if table else ""
    found = kind(
        f"The {role} database answered with error {number or type(_driver_error(error)).__name__}{where}. {remedy}",
        table=table,
        stage=stage,
        run_id=run_id,
    )
    found.number = number
    return found


def error_number(error: BaseException) -> str:
    """Return MySQL's error number or PostgreSQL's SQLSTATE as text; empty when there is none."""
    driver = _driver_error(error)
    if isinstance(driver, psycopg2.Error):
        return driver.pgcode or ""
    if isinstance(driver, pymysql.MySQLError) and driver.args and isinstance(driver.args[0], int):
        return str(driver.args[0])
    return ""


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


@lru_cache(maxsize=32)
def _engine(database: DatabaseSettings, process_id: int, *, is_dedicated: bool) -> Engine:
    created = create_engine(
        _url(database),
        **(_dedicated_pool(database) if is_dedicated else _shared_pool(database)),
        pool_recycle=database.pool_recycle_seconds,
        hide_parameters=True,
        connect_args=_connect_args(database),
    )
    if database.role in _MYSQL_SESSIONS:
        event.listen(created, "connect", _mysql_session(database.role))
        if database.ssl_mode == "prefer" and not database.ssl_ca:
            event.listen(created, "do_connect", _prefer_tls)
    return created


def _shared_pool(database: DatabaseSettings) -> dict[str, Any]:
    return {
        "pool_size": database.pool_size,
        "max_overflow": database.max_overflow,
        "pool_timeout": database.pool_timeout_seconds,
        "pool_pre_ping": True,
    }


def _dedicated_pool(database: DatabaseSettings) -> dict[str, Any]:
    """Nobody ever waits for a session of his own; a few that are done are kept for whoever comes next."""
    if database.role is Role.SOURCE:
        return {"poolclass": NullPool, "pool_reset_on_return": None}  # it ends, and takes all with it
    return {
        "pool_size": _KEPT_SESSIONS,
        "max_overflow": -1,
        "pool_use_lifo": True,
        "pool_pre_ping": True,
        "pool_reset_on_return": None,  # `_renew` has done that
    }


def _url(database: DatabaseSettings) -> URL:
    driver = "postgresql+psycopg2" if database.role is Role.ANALYTICS else "mysql+pymysql"
    return URL.create(
        driver, database.user, database.password, database.host, database.port, database.database
    )


def _connect_args(database: DatabaseSettings) -> dict[str, Any]:
    if database.role is Role.ANALYTICS:
        return {
            "connect_timeout": database.connect_timeout_seconds,
            "options": _POSTGRES_OPTIONS,
            "application_name": "dental_etl",
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "sslmode": database.ssl_mode,
            **({"sslrootcert": database.ssl_ca} if database.ssl_ca else {}),
        }
    return {
        "connect_timeout": database.connect_timeout_seconds,
        "charset": "utf8mb4",
        "local_infile": database.role is Role.REPLICATION,
        "program_name": "dental_etl",
        **_mysql_tls(database),
    }


def _mysql_tls(database: DatabaseSettings) -> dict[str, Any]:
    """Return pymysql's TLS options; the context is made once, as loading the authorities takes 40 ms."""
    if _is_plain(database):
        return {"ssl_disabled": True}
    return {"ssl": _tls_context(database)}


def _is_plain(database: DatabaseSettings) -> bool:
    """Tell whether TLS is off, or merely preferred for bytes that do not leave this machine."""
    is_local = database.host in {"127.0.0.1", "::1", "localhost"}
    return database.ssl_mode == "disable" or (database.ssl_mode == "prefer" and is_local)


def _tls_context(database: DatabaseSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=database.ssl_ca or None)
    # Certificates that MySQL makes for itself do not pass the strict checks of newer Pythons.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = database.ssl_mode == "verify-full"
    is_verified = database.ssl_mode.startswith("verify") or bool(database.ssl_ca)
    context.verify_mode = ssl.CERT_REQUIRED if is_verified else ssl.CERT_NONE
    return context


def _prefer_tls(dialect: Dialect, _record: Any, arguments: Any, parameters: dict[str, Any]) -> Any:
    """Connect with TLS, and without it where the server has none."""
    try:
        return dialect.connect(*arguments, **parameters)
    except pymysql.OperationalError as error:
        if error.args[0] != CR.CR_SSL_CONNECTION_ERROR:
            raise
    return dialect.connect(*arguments, **{**parameters, "ssl": None, "ssl_disabled": True})


def _mysql_session(role: Role) -> Any:
    def set_up(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            for statement in _MYSQL_SESSIONS[role]:
                cursor.execute(statement)

    return set_up


def _open(database: DatabaseSettings, *, is_dedicated: bool) -> Connection:
    try:
        return _open_patiently(database, is_dedicated=is_dedicated)
    except DatabaseConnectionError as error:
        if error.number in _NO_PLACE:
            raise  # it is there, only its places are taken
        raise ServerAwayError(str(error), server=database.role) from None


def _open_patiently(database: DatabaseSettings, *, is_dedicated: bool) -> Connection:
    for attempt in stamina.retry_context(
        on=DatabaseConnectionError, attempts=5, timeout=_PATIENCE_SECONDS, wait_initial=0.5, wait_max=5.0
    ):
        with attempt, database_errors(database.role):
            return _engine(database, os.getpid(), is_dedicated=is_dedicated).connect()
    raise AssertionError("stamina either returns or raises")  # pragma: no cover


def _driver_error(error: BaseException) -> BaseException:
    return error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) and error.orig else error


def _classify(error: BaseException, number: str) -> tuple[type[DatabaseError], str]:
    if isinstance(_driver_error(error), psycopg2.Error):
        return _classify_postgres(error, number)
    if isinstance(_driver_error(error), pymysql.InterfaceError):  # without a number: used after it was lost
        return DatabaseConnectionError, _LOST
    if isinstance(_driver_error(error), pymysql.MySQLError):
        return _classify_mysql(int(number or 0))
    return DatabaseQueryError, "This is a programming error; please report it."


_LOST = "The server could not be reached or the connection was lost. See `dental-etl test-connections`."
_CONFLICT = "Another session stood in the way (deadlock or lock wait)."
_DENIED = "Check user, password, database name and grants with `dental-etl test-connections`."
_DAMAGED = (
    "The server cannot read that table's own files: run CHECK TABLE there, and mend it with REPAIR TABLE."
)
_FULL = "Its disk is full: make room there, then rerun the table."
_REFUSED = "Look the number up in the server's manual; `dental-etl validate` checks the set-up."


def _classify_mysql(number: int) -> tuple[type[DatabaseError], str]:
    if number in _MYSQL_CONNECTION:
        return DatabaseConnectionError, _LOST
    if number == _MYSQL_LOCK_WAIT:
        return LockWaitError, _CONFLICT
    if number in _MYSQL_TRANSACTION:
        return DatabaseTransactionError, _CONFLICT
    if number in _MYSQL_ACCESS:
        return DatabaseAccessError, _DENIED
    if number in _MYSQL_FULL:
        return DatabaseQueryError, _FULL
    return DatabaseQueryError, _DAMAGED if number in _MYSQL_DAMAGED else _REFUSED


def _classify_postgres(error: BaseException, number: str) -> tuple[type[DatabaseError], str]:
    if number.startswith(_POSTGRES_TRANSACTION):
        return DatabaseTransactionError, _CONFLICT
    if number.startswith(_POSTGRES_ACCESS) or "password authentication failed" in str(_driver_error(error)):
        return DatabaseAccessError, _DENIED
    is_lost = isinstance(_driver_error(error), psycopg2.OperationalError | psycopg2.InterfaceError)
    if number.startswith(_POSTGRES_CONNECTION) or (not number and is_lost):
        return DatabaseConnectionError, _LOST
    return DatabaseQueryError, _REFUSED
