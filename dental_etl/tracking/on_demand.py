"""Tables of ours in the replication database: created when missed, instead of being asked for before every use."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from dental_etl.connections import DRIVER_ERRORS, error_number

Found = TypeVar("Found")

NO_SUCH_TABLE = "1146"
#: A table that an older version of ours has made.
_NO_SUCH_COLUMN = "1054"
#: Another session has made or altered it since this one's transaction began.
_MADE_MEANWHILE = "1412"


def created_if_missing(
    connection: Connection, create: Callable[[Connection], None], work: Callable[[], Found]
) -> Found:
    """Do the work; when a table or column is missing, roll back, create it and do the work again.

    Nothing is remembered, so a database that was dropped or restored in between heals as well.

    Args:
        connection: Replication.
        create: Creates the table, or brings it up to date; DDL, so it commits.
        work: What needs the table; a transaction of its own, or nothing that must not be rolled back.
    """
    try:
        return work()
    except DRIVER_ERRORS as error:
        if error_number(error) not in {NO_SUCH_TABLE, _NO_SUCH_COLUMN, _MADE_MEANWHILE}:
            raise
    connection.rollback()
    create(connection)
    return work()
