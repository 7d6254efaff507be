"""How a run gets under way: its row in the ledger, its first message, its tables' messages."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import date, datetime, timedelta

from dental_etl import pipeline
from dental_etl.config import Environment
from dental_etl.exceptions import ValidationError
from dental_etl.run import RunKind, RunStatus, Severity, new_run_id
from dental_etl.tracking import ledger
from dental_etl.tracking.run_row import RunRow
from workers import broker, canvas
from workers.process import now, prepare_ledger, settings

logger = logging.getLogger(__name__)

#: A start that guard or validation refused is tried again after that: the clinic's server may be back.
_REFUSED_PAUSE = timedelta(hours=1)
#: So long after it has opened, the window's own start may still be under way.
_START_PAUSE = timedelta(minutes=2)
#: A server that was away then is asked as often as somebody looks for a missing night.
_ASK_PAUSE = timedelta(minutes=1)


def start(run_id: str | None, run_date: date | None) -> str:
    """Open tonight's run and publish its beginning.

    Args:
        run_id: Chosen by whoever asked, default a new one.
        run_date: The night that it stands for; only a test environment may choose it.

    Raises:
        RunRefusedError: A nightly run is active, or this night has had its run.
        ValidationError: `run_date` was given in production.
    """
    check_run_date(run_date)
    started = run_id or new_run_id(now())
    _end_earlier(run_date or settings().window.run_date(now()))
    pipeline.open_nightly(settings(), started, run_date, now())
    canvas.beginning(started).apply_async()
    return started


def check_run_date(run_date: date | None) -> None:
    """Let only a test environment choose the night, to play several on one day.

    Raises:
        ValidationError: This is production.
    """
    if run_date is not None and settings().environment is not Environment.TEST:
        raise ValidationError(["run_date is decided by the clock in production; leave it out"])


def _end_earlier(run_date: date) -> None:
    """Give up a run of an earlier night, or a queue without a worker would cost every night that follows."""
    prepare_ledger()
    with pipeline.ledger_transaction(settings()) as connection:
        runs = ledger.active_runs(connection)
    for run in runs:
        is_over = run.deadline is not None and run.deadline < now()
        if run.kind is RunKind.NIGHTLY and run.run_date < run_date and is_over:
            give_up(run)


def give_up(run: RunRow) -> None:
    """Close a run that does not come to its end by itself, and tell people."""
    logger.error("Run %s never ended and is closed", run.run_id, extra={"action": "run_given_up"})
    with pipeline.ledger_transaction(settings()) as connection:
        ledger.close_run(connection, run.run_id, RunStatus.FAILED, now())
        ledger.add_notification(
            connection,
            run.run_id,
            Severity.CRITICAL,
            f"dental_etl: run {run.run_id} never ended",
            f"It stood in {run.status} since {run.reporting_at or run.started_at or run.created_at:%Y-%m-%d %H:%M} UTC. "
            f"Look for a queue without a worker (control, large, extract, load, dbt); see `dental-etl status {run.run_id}`.",
            now(),
        )


def is_missing(at: datetime) -> bool:
    """Say whether the window is open and the night has had no run, nor a start refused just now.

    By day no server is asked.
    """
    window = settings().window
    if not (window.is_open(at) and window.is_open(at - _START_PAUSE)):
        return False
    prepare_ledger()
    with pipeline.ledger_transaction(settings()) as connection:
        runs = ledger.nightly_runs(connection, settings().window.run_date(at))
    if any(run.status is not RunStatus.REFUSED for run in runs):
        return False
    last = max((run.created_at for run in runs), default=None)
    if last is None:
        return True
    if pipeline.ask(settings(), at, _ASK_PAUSE):
        return False  # it would be refused again, and people told again
    with pipeline.ledger_transaction(settings()) as connection:
        return last < at - _REFUSED_PAUSE or ledger.has_returned_since(connection, last)


def plan(run_id: str) -> None:
    """Plan the run's tables and publish those that have a turn; what was published twice is worked once.

    Raises:
        ConfigurationError: A table is unknown.
    """
    with pipeline.ledger_transaction(settings()) as connection:
        run = ledger.run(connection, run_id)
    plans = pipeline.plan_run(
        settings(),
        run_id,
        now,
        names=run.selected_tables,
        category=run.selected_category,
        refresh=run.refresh,
    )
    epoch = broker.epoch()
    canvas.tables(run_id, [(plan.table, plan.config.performance_category) for plan in plans]).apply_async()
    mark_published(run_id, (plan.table for plan in plans), epoch)


def mark_published(run_id: str, tables: Iterable[str], epoch: str) -> None:
    """Tell the ledger which broker has the tables' messages."""
    with pipeline.ledger_transaction(settings()) as connection:
        ledger.mark_published(connection, run_id, tables, epoch, now())
        ledger.mark_run_published(connection, run_id, now())
