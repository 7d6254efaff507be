"""Our sessions at the source that outlive the window: found by the places they hold, ended by their number.

Every session that reads a table holds a place (`locks.source_slot`), and the server itself says who
holds it. So no session is ended that only looks like ours: a person with the same account holds none.
"""

from __future__ import annotations

import logging
import time

from sqlalchemy import Connection, text

from dental_etl.config import Role
from dental_etl.connections import DRIVER_ERRORS, database_errors, error_number
from dental_etl.tracking.locks import slot_name

logger = logging.getLogger(__name__)

_HOLDER = text("SELECT IS_USED_LOCK(:name)")
_WAIT = text("SELECT GET_LOCK(:name, :seconds)")
_RELEASE = text("SELECT RELEASE_LOCK(:name)")
# A session's own account sees its own threads without any right. MySQL lets it end those as well.
_IS_OURS = text(
    "SELECT COUNT(*) FROM information_schema.processlist "
    "WHERE id = :id AND user = SUBSTRING_INDEX(USER(), '@', 1) AND db = DATABASE()"
)
_NO_SUCH_THREAD = "1094"


def end_readers(connection: Connection, slots: int, *, patience_seconds: float = 10.0) -> int:
    """End the sessions of ours that still hold a place at the source; return how many there were.

    Args:
        connection: Source, dedicated, with the account that reads.
        slots: Number of places (``SOURCE_MAX_CONNECTIONS``).
        patience_seconds: All of them together have that long to leave by themselves: a reader looks at
            the clock before its next page.
    """
    until = time.monotonic() + patience_seconds
    with database_errors(Role.SOURCE):
        return sum(_end_reader(connection, slot_name(slot), until) for slot in range(1, slots + 1))


def _end_reader(connection: Connection, name: str, until: float) -> int:
    seconds = max(until - time.monotonic(), 0.0)
    # The server does the waiting, and gives the place at once when its holder leaves.
    if connection.execute(_WAIT, {"name": name, "seconds": seconds}).scalar() == 1:
        connection.execute(_RELEASE, {"name": name})
        return 0
    holder = connection.execute(_HOLDER, {"name": name}).scalar()
    if holder is None or not connection.execute(_IS_OURS, {"id": holder}).scalar():
        return 0
    return _kill(connection, int(holder))


def _kill(connection: Connection, session: int) -> int:
    try:
        connection.exec_driver_sql(f"KILL CONNECTION {session}")
    except DRIVER_ERRORS as error:
        if error_number(error) != _NO_SUCH_THREAD:
            raise
        return 0  # it has left while we looked
    logger.warning(
        "Session %s at the source outlived the window and was ended", session, extra={"action": "killed"}
    )
    return 1
