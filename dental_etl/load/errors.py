"""Errors of a load: which table and column, and what to do; never the value.

PostgreSQL's messages quote rows ("Key (x)=(...) already exists"). Only the error number and names that
we know ourselves are taken from them. COPY's own errors are read in ``wire.copy_feed``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import psycopg2
import pymysql
import sqlalchemy.exc

from dental_etl.config import Role
from dental_etl.connections import DRIVER_ERRORS, error_number, translate
from dental_etl.exceptions import DataLoadingError, DeleteBrakeError, ETLPipelineError

#: What PostgreSQL refuses because of a row's content, by class or full SQLSTATE.
_DATA = {
    "22": "A value does not fit PostgreSQL's type.",
    "23505": "Two rows have the same key in PostgreSQL, though not in MySQL: the primary key, or a unique index that somebody added.",
    "23": "A row breaks a constraint of the raw table.",
    "54": "A row, a key or the number of columns is larger than PostgreSQL allows.",
}
_REMEDIES = {
    "22": "Look at that column in the source, correct the row there or name the column under exclude_columns in tables.overrides.yml.",
    "23505": "Drop the unique index that was added to the raw table, or correct the key in the source; NUL bytes and invalid text are removed on the way.",
    "23": "Drop the constraint that somebody added to the raw table.",
    "54": "Name columns under exclude_columns in tables.overrides.yml until a row fits a page of 8 KB.",
}
#: What PostgreSQL refuses because something else hangs on the raw table.
_HANGING = {"2BP01", "0A000"}


@contextmanager
def load_errors(table: str, run_id: str, columns: Collection[str]) -> Iterator[None]:
    """Turn drivers' errors into ours, without their text.

    Args:
        table: The table that is loaded.
        run_id: For the error's attributes.
        columns: Names of its columns in raw; may be filled while the block runs.

    Raises:
        DataLoadingError: PostgreSQL refused the rows, or something else hangs on the raw table.
        DatabaseError: Anything else, by the server's error number.
    """
    try:
        yield
    except DRIVER_ERRORS as error:
        raise _load_error(error, table, run_id, columns) from None


def too_many_deletes(table: str, run_id: str, *, rows: int, gone: int, percent: int) -> DeleteBrakeError:
    """Return the error for a table that would lose more rows than anybody loses by accident."""
    return DeleteBrakeError(
        f"Table {table} would lose {gone:,} of its {rows:,} rows in raw, more than DELETE_BRAKE_PERCENT "
        f"({percent} %) allows; raw keeps them all. A replica that was lost and copied again from an emptied "
        f"source looks like this. If the rows are meant to be gone: "
        f"`dental-etl run --table {table} --confirm-deletes`.",
        table=table,
        stage="load",
        run_id=run_id,
    )


def _load_error(error: BaseException, table: str, run_id: str, columns: Collection[str]) -> ETLPipelineError:
    driver = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) and error.orig else error
    if isinstance(driver, pymysql.MySQLError):
        return translate(error, Role.REPLICATION, table=table, stage="load", run_id=run_id)
    number = error_number(error)
    reason = next((key for key in (number, number[:2]) if key in _DATA), None)
    if reason is not None:
        column = _column(driver, columns)
        where = f"column {column} of table {table}" if column else f"table {table}"
        message = f"PostgreSQL refused {where} (error {number}). {_DATA[reason]} {_REMEDIES[reason]}"
        return DataLoadingError(message, table=table, stage="load", run_id=run_id)
    if number in _HANGING:
        message = (
            f"Something else than a view hangs on the raw table {table} (error {number}), such as a foreign "
            "key, a function or a policy, so it cannot take the source's new shape. Drop that, then load again."
        )
        return DataLoadingError(message, table=table, stage="load", run_id=run_id)
    return translate(error, Role.ANALYTICS, table=table, stage="load", run_id=run_id)


def _column(driver: BaseException, columns: Collection[str]) -> str | None:
    """Return the column that the server names; only a name that we know is certain to be no value."""
    named = driver.diag.column_name if isinstance(driver, psycopg2.Error) else None
    return named if named in columns else None


def require_equal(table: str, run_id: str, *, rows: int, in_raw: int) -> None:
    """Pass if raw has as many rows as the replica after all of them were loaded."""
    if in_raw != rows:
        raise DataLoadingError(
            f"Table {table} has {rows} rows in the replication database but {in_raw} in raw after a full "
            "load; nothing was committed. A trigger or rule on the raw table can cause this.",
            table=table,
            stage="load",
            run_id=run_id,
        )
