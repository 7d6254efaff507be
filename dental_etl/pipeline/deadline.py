"""06:00: what still waits is left out, and who still reads is ended."""

from __future__ import annotations

import logging
from datetime import datetime

from dental_etl.config import Role, Settings
from dental_etl.connections import connect
from dental_etl.exceptions import DeadlineError, ServerAwayError
from dental_etl.pipeline.tables import ledger_transaction
from dental_etl.run import Stage
from dental_etl.tracking import ledger
from dental_etl.tracking.source_sessions import end_readers

logger = logging.getLogger(__name__)


def leave_out_waiting(settings: Settings, now: datetime) -> int:
    """End the tables that wait for their extract in runs whose window has closed; return how many.

    A table that is being read stops before its next page, and keeps what it has.
    """
    with ledger_transaction(settings) as connection:
        over = [run for run in ledger.active_runs(connection) if run.deadline and run.deadline <= now]
        code, detail = _why(settings, ledger.outages(connection)) if over else ("", "")
        left_out = sum(ledger.mark_not_run(connection, run.run_id, code, detail, now) for run in over)
    if left_out:
        logger.warning(
            "%s tables had no turn before the window closed", left_out, extra={"action": "deadline"}
        )
    return left_out


def _why(settings: Settings, away: tuple[ledger.Outage, ...]) -> tuple[str, str]:
    for outage in away:
        if outage.server in ledger.NEEDED[Stage.EXTRACT]:
            since = outage.began_at.astimezone(settings.window.zone)
            return ServerAwayError.code, (
                f"The {outage.server} database could not be reached from {since:%H:%M} on, until the window closed; "
                f"the next night reads the table."
            )
    return DeadlineError.code, "The window closed before its turn; the next night reads it."


def end_lingering_readers(settings: Settings, now: datetime, *, patience_seconds: float = 10.0) -> int:
    """End our sessions that read the source although the window is closed; return how many there were.

    Nothing is done while the window is open: runs are at work then.

    Raises:
        DatabaseError: The source could not be asked.
    """
    if settings.window.is_open(now):
        return 0
    with ledger_transaction(settings) as connection:
        if any(outage.server is Role.SOURCE for outage in ledger.outages(connection)):
            return 0  # nobody could read it, and asking it by day is not for us
    with connect(settings.source, is_dedicated=True) as source:
        return end_readers(source, settings.source_max_connections, patience_seconds=patience_seconds)
