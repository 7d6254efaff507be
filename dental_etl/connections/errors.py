"""Errors of databases: any driver's become ours, by number and without their text, which may quote rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psycopg2
import pymysql
import sqlalchemy.exc

from dental_etl.config import Role
from dental_etl.exceptions import (
    DatabaseAccessError,
    DatabaseConnectionError,
    DatabaseError,
    DatabaseQueryError,
    DatabaseTransactionError,
    LockWaitError,
    ServerFullError,
)

_MYSQL_CONNECTION = frozenset({
    1042, 1043, 1053, 1152, 1153, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1927, 2002, 2003, 2006, 2013, 2014, 2055, 4031,
})  # fmt: skip
_MYSQL_LOCK_WAIT = 1205
_MYSQL_TRANSACTION = frozenset({1213, 1412, 1684, 1689})
_MYSQL_ACCESS = frozenset({1044, 1045, 1049, 1142, 1143, 1227, 1290, 1370, 1698, 1792, 1820, 1862, 3118})
_MYSQL_DAMAGED = frozenset({126, 127, 144, 145, 1016, 1017, 1030, 1034, 1035, 1168, 1194, 1195, 1712, 1877})
_MYSQL_FULL = frozenset({3, 20, 1021, 1026, 1114})
#: Too many connections to the server or of our account; 1226 also its connections or statements of an hour.
_MYSQL_NO_PLACE = frozenset({1040, 1203, 1226})
_POSTGRES_CONNECTION = ("08", "57P01", "57P02", "57P03")
_POSTGRES_NO_PLACE = "53300"
#: Of a connection that was refused the driver gives the text alone, without a number.
_POSTGRES_NO_PLACE_TEXTS = ("too many clients", "too many connections", "connection slots are reserved")
_POSTGRES_TRANSACTION = ("40001", "40P01", "55P03", "25P03")
_POSTGRES_ACCESS = ("28", "3D000", "42501")

DRIVER_ERRORS = (sqlalchemy.exc.SQLAlchemyError, pymysql.MySQLError, psycopg2.Error)


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
    found.server = role
    return found


def error_number(error: BaseException) -> str:
    """Return MySQL's error number or PostgreSQL's SQLSTATE as text; empty when there is none."""
    driver = _driver_error(error)
    if isinstance(driver, psycopg2.Error):
        return driver.pgcode or ""
    if isinstance(driver, pymysql.MySQLError) and driver.args and isinstance(driver.args[0], int):
        return str(driver.args[0])
    return ""


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
_NO_PLACE = (
    "All its connections are taken, or all that our account may have: look who holds them (SHOW PROCESSLIST, "
    "pg_stat_activity), and at the limits of the server and of the account."
)
_REFUSED = "Look the number up in the server's manual; `dental-etl validate` checks the set-up."


def _classify_mysql(number: int) -> tuple[type[DatabaseError], str]:
    if number in _MYSQL_NO_PLACE:
        return ServerFullError, _NO_PLACE
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
    if number.startswith(_POSTGRES_ACCESS) or _says(error, ("password authentication failed",)):
        return DatabaseAccessError, _DENIED
    if number == _POSTGRES_NO_PLACE or (not number and _says(error, _POSTGRES_NO_PLACE_TEXTS)):
        return ServerFullError, _NO_PLACE
    is_lost = isinstance(_driver_error(error), psycopg2.OperationalError | psycopg2.InterfaceError)
    if number.startswith(_POSTGRES_CONNECTION) or (not number and is_lost):
        return DatabaseConnectionError, _LOST
    return DatabaseQueryError, _REFUSED


def _says(error: BaseException, texts: Iterable[str]) -> bool:
    said = str(_driver_error(error))
    return any(text in said for text in texts)
