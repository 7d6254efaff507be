"""The books of a run at the source: what its visits have cost, and what it may still read."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from dental_etl.config import Role, Settings
from dental_etl.connections import connect, database_errors
from dental_etl.exceptions import DatabaseError
from dental_etl.run import SourceVisit
from dental_etl.tracking import ledger

logger = logging.getLogger(__name__)

_MB = 1024 * 1024
#: How old the knowledge about what all workers have read together may be.
_KNOWN_SECONDS = 2.0


class RunAccount:
    """Counts what one attempt reads at the source towards its run.

    Args:
        settings: Where the ledger is, and the budget.
        run_id: The run.
    """

    def __init__(self, settings: Settings, run_id: str) -> None:
        self._settings = settings
        self._run_id = run_id
        self._visits: list[SourceVisit] = []
        #: Numbers of the ledger's rows about visits of this attempt that were not over yet.
        self._unfinished: list[int] = []
        self._at_work: int | None = None
        self._left = float("inf")
        self._asked_at: float | None = None

    def bytes_left(self, so_far: SourceVisit) -> float:
        """Return what all workers together may still read, as of two seconds ago at most.

        Whoever asks tells the others what it has read itself: each byte counts once, whoever read it, and
        what a killed worker has read stays counted.
        """
        if not self._settings.source_budget_mb:
            return float("inf")
        now = time.monotonic()
        if self._asked_at is None or now - self._asked_at >= _KNOWN_SECONDS:
            with connect(self._settings.analytics) as connection, database_errors(Role.ANALYTICS):
                if so_far.bytes_read:
                    self._at_work = ledger.write_visit(connection, self._run_id, so_far, self._at_work)
                spent = ledger.bytes_read(connection, self._run_id)
                connection.commit()
            self._left, self._asked_at = self._settings.source_budget_mb * _MB - spent, now
        return self._left

    def visited(self, visit: SourceVisit) -> None:
        """Take note of a visit; `settle` or the end of `kept` writes it."""
        self._visits.append(visit)
        if self._at_work is not None:
            self._unfinished.append(self._at_work)
            self._at_work = None

    def settle(self, connection: Connection) -> None:
        """Write what was noted, in the caller's transaction."""
        ledger.forget_visits(connection, self._unfinished)
        ledger.add_visits(connection, self._run_id, self._visits)
        self._visits.clear()
        self._unfinished.clear()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Write at the end what nobody has settled: the attempt failed, or was a helper's."""
        try:
            yield
        finally:
            if self._visits:
                self._write()

    def _write(self) -> None:
        try:
            with connect(self._settings.analytics) as connection, database_errors(Role.ANALYTICS):
                self.settle(connection)
                connection.commit()
        except DatabaseError as error:
            logger.warning(
                "What a visit to the source has cost could not be written (%s); the report will not count it",
                error.code,
                extra={"action": "visit_lost", "run_id": self._run_id},
            )
