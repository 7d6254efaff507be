"""How a run gets under way: its row in the ledger, its first message, its tables' messages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from dental_etl import pipeline
from dental_etl.config import Environment
from dental_etl.exceptions import ValidationError
from dental_etl.run import RunStatus, new_run_id
from dental_etl.tracking import ledger
from workers import broker, canvas
from workers.process import now, prepare_ledger, settings

#: A start that guard or validation refused is tried again after that: the clinic's server may be back.
_REFUSED_PAUSE = timedelta(hours=1)


def start(run_id: str | None, run_date: date | None) -> str:
    """Open tonight's run and publish its beginning.

    Args:
        run_id: Chosen by whoever asked, default a new one.
        run_date: The night that it stands for; only a test environment may choose it.

    Raises:
        RunRefusedError: A nightly run is active, or this night has had its run.
        ValidationError: `run_date` was given in production.
    """
    if run_date is not None and settings().environment is not Environment.TEST:
        raise ValidationError(["run_date is decided by the clock in production; leave it out"])
    started = run_id or new_run_id(now())
    pipeline.open_nightly(settings(), started, run_date, now())
    canvas.beginning(started).apply_async()
    return started


def is_missing(at: datetime) -> bool:
    """Say whether the window is open and the night has had no run, nor a start refused just now."""
    if not settings().window.is_open(at):
        return False
    prepare_ledger()
    with pipeline.ledger_transaction(settings()) as connection:
        runs = ledger.nightly_runs(connection, settings().window.run_date(at))
    return all(run.status is RunStatus.REFUSED and run.created_at < at - _REFUSED_PAUSE for run in runs)


def plan(run_id: str) -> None:
    """Plan the run's tables and publish them; tables that were published twice are worked once.

    Raises:
        ConfigurationError: A table is unknown.
    """
    with pipeline.ledger_transaction(settings()) as connection:
        run = ledger.run(connection, run_id)
    plans = pipeline.plan_run(
        settings(),
        run_id,
        now(),
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
