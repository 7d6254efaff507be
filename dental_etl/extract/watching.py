"""Looks at how busy the source is: once a second and process, on whatever connection reads next.

Not by a connection of its own: that would take one of the few places, would have to be kept alive beside
workers that fork and die, and its verdict would have to reach every host. Two statements that read no table
cost the source 0.6 ms of processor time (MariaDB 10.11) and a far reader two round trips a second; they are
asked between two of its reads, where the connection has nothing else to do. Whoever waited for one of those
reads has gone on by then, so the server's counter of lock waits is looked at too, not only who waits at
that moment.

What is asked works from MySQL 5.5 and MariaDB 5.5 on. Without the right PROCESS nobody else's sessions are
seen; statements at work and lock waits are counted all the same.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from dental_etl.config import Role
from dental_etl.connections import database_errors
from dental_etl.exceptions import DatabaseAccessError, DatabaseQueryError
from dental_etl.extract.governor import LOOK_SECONDS, Limits, Look, Strain

logger = logging.getLogger(__name__)

# Counters that the server keeps anyway; no table is touched, no lock taken that a statement waits for.
# Waits for rows are not asked for: our reads lock none, and whoever waits for one is a running thread.
_COUNTERS = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_running', 'Table_locks_waited')"
# States and users only: the text of others' statements never leaves the server.
_SESSIONS = """
    SELECT COALESCE(SUM(user = SUBSTRING_INDEX(USER(), '@', 1) AND command <> 'Sleep'), 0),
           COALESCE(SUM(user <> SUBSTRING_INDEX(USER(), '@', 1)
                        AND (state LIKE 'Waiting for%lock' OR state IN ('Waiting for table flush', 'Locked'))), 0)
      FROM information_schema.processlist
"""
# The profile of a session's last statement: kept by MySQL 5.5 and MariaDB 5.5 on, for the session that wants it.
_PROFILE = "SET SESSION profiling_history_size = 1, profiling = 1"
_LOCK_WAIT = (
    "SELECT COALESCE(SUM(duration), 0) FROM information_schema.profiling WHERE state LIKE 'Waiting for%'"
)
_AS_IT_IS = {"no_parameters": True}


class SourceWatch:
    """What this process knows about the strain of one server; shared by its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._strain = Strain()
        self._looked_at: float | None = None

    @property
    def current(self) -> Strain:
        """What the last look has shown."""
        return self._strain

    def strain(self, connection: Connection, limits: Limits) -> Strain:
        """Return the strain, after a new look if the last one is a second old.

        Args:
            connection: Source; idle.
            limits: When a source is busy.
        """
        now = time.monotonic()
        with self._lock:
            before = self._looked_at
            if before is not None and now - before < LOOK_SECONDS:
                return self._strain
            self._looked_at = now  # whoever comes meanwhile goes by what is known
        found = _look(connection)
        with self._lock:
            if found is not None:
                seconds = LOOK_SECONDS if before is None else now - before
                self._strain = self._strain.after(found, seconds=seconds, limits=limits)
            return self._strain


def profile_reads(connection: Connection) -> bool:
    """Have the server note what each statement of this session waits for; False where it cannot."""
    try:
        with database_errors(Role.SOURCE):
            connection.exec_driver_sql(_PROFILE)
    except (DatabaseAccessError, DatabaseQueryError):
        return False
    return True


def lock_wait_seconds(connection: Connection) -> float:
    """Return how long the last statement of a session waited for others' locks, see `profile_reads`."""
    with database_errors(Role.SOURCE):
        return float(next(iter(_ask(connection, _LOCK_WAIT)))[0])


def watch_of(connection: Connection) -> SourceWatch:
    """Return this process's watch over the server of a connection; a forked worker gets its own."""
    url = connection.engine.url
    return _watch(url.host or "", url.port or 0, os.getpid())


def forget() -> None:
    """Forget what earlier looks have shown; for who begins anew, as tests do."""
    _watch.cache_clear()


@lru_cache(maxsize=32)
def _watch(host: str, port: int, process_id: int) -> SourceWatch:
    return SourceWatch()


def _look(connection: Connection) -> Look | None:
    """Ask the server; None where it does not answer such questions, which fails no table."""
    try:
        with database_errors(Role.SOURCE):
            counters = {str(name): int(value) for name, value in _ask(connection, _COUNTERS)}
            ours, waiting = next(iter(_ask(connection, _SESSIONS)))
    except (DatabaseAccessError, DatabaseQueryError) as error:
        _say_blind(error.code)
        return None
    running = counters.get("Threads_running", 0)
    return Look(
        others_running=max(0, running - int(ours)),
        waiting=int(waiting),
        lock_waits=counters.get("Table_locks_waited", 0),
    )


def _ask(connection: Connection, sql: str) -> Iterable[Any]:
    return connection.exec_driver_sql(sql, execution_options=_AS_IT_IS).all()


@lru_cache(maxsize=1)
def _say_blind(code: str) -> None:
    """Say it once, not every second."""
    logger.warning(
        "The source does not tell how busy it is (%s); reads keep their usual pace",
        code,
        extra={"action": "blind", "stage": "extract"},
    )
