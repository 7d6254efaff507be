"""How far a phase of a table is, written to the ledger while it works."""

from __future__ import annotations

import logging
import time

from dental_etl.config import Role, Settings
from dental_etl.connections import connect, database_errors
from dental_etl.exceptions import DatabaseError
from dental_etl.extract.attempt import Progress
from dental_etl.load.progress import LoadProgress
from dental_etl.tracking import ledger

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 2.0


class Watched:
    """Writes how far a phase is to the ledger, not more often than anybody looks.

    Args:
        settings: Where the ledger is.
        claim: Of the phase.
    """

    def __init__(self, settings: Settings, claim: ledger.Claim) -> None:
        self._settings = settings
        self._claim = claim
        self._started = self._written = time.monotonic()
        self._is_lost = False

    def __call__(self, progress: Progress | LoadProgress) -> None:
        now = time.monotonic()
        if self._is_lost or not self._is_due(progress, now):
            return
        self._written = now
        try:
            self._write(progress, now - self._started)
        except DatabaseError as error:
            # Nobody can watch, but the copy may go on: its end needs the ledger, its rows do not.
            self._is_lost = True
            logger.warning(
                "The progress of %s cannot be shown (%s)",
                self._claim.table,
                error.code,
                extra={"action": "progress_lost", "table": self._claim.table, "stage": self._claim.stage},
            )

    def _is_due(self, progress: Progress | LoadProgress, now: float) -> bool:
        """Look at the clock; the last row is told at once, unless all of it took no time worth showing."""
        is_last = isinstance(progress, LoadProgress) and progress.rows == progress.expected_rows
        since = self._started if is_last else self._written
        return now - since >= _PAUSE_SECONDS

    def _write(self, progress: Progress | LoadProgress, seconds: float) -> None:
        expected = progress.expected_rows if isinstance(progress, LoadProgress) else None
        with connect(self._settings.analytics) as connection, database_errors(Role.ANALYTICS):
            ledger.record_progress(
                connection,
                self._claim,
                rows=progress.rows,
                size=progress.bytes,
                seconds=seconds,
                expected_rows=expected or 0,
            )
            connection.commit()
