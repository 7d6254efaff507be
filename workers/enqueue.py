"""For the Python shell: start a night, or rerun tables, through the broker.

    >>> from workers.enqueue import nightly, table
    >>> table("patient")                                   # doctest: +SKIP
    >>> table("patient", refresh=RefreshMode.FULL)         # doctest: +SKIP

Each returns the run id; nothing is waited for. The environment decides which clinic is meant.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from celery.canvas import Signature
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from dental_etl import pipeline
from dental_etl.exceptions import BrokerError, RunRefusedError
from dental_etl.run import Category, RefreshMode, RunKind, TableStatus, new_run_id
from dental_etl.tracking import ledger
from dental_etl.tracking.configured import configured_tables
from workers import canvas, nights
from workers.process import now, settings
from workers.routing import Queue, TaskName

__all__ = ["Category", "RefreshMode", "category", "failed", "nightly", "resume", "table", "tables"]

_UNREACHED = (
    "The broker could not be reached, or refused the password. Check CELERY_BROKER_URL and that Redis runs."
)
_UNFINISHED = (TableStatus.FAILED, TableStatus.NOT_RUN)


def nightly(run_date: date | None = None) -> str:
    """Start tonight's run, as beat does at 21:00.

    Whether it may run is decided by the workers: the window, one active run, one run per night.

    Args:
        run_date: The night that it stands for; only in a test environment.

    Raises:
        ValidationError: `run_date` was given in production.
    """
    nights.check_run_date(run_date)
    run_id = new_run_id(now())
    start = Signature(
        TaskName.START_NIGHTLY.value, kwargs={"run_id": run_id, "run_date": run_date and run_date.isoformat()}
    )
    _publish(start.set(queue=Queue.CONTROL.value))
    return run_id


def table(name: str, *, refresh: RefreshMode = RefreshMode.INCREMENTAL, wants_dbt: bool = False) -> str:
    """Rerun one table; see `tables`."""
    return tables([name], refresh=refresh, wants_dbt=wants_dbt)


def tables(
    names: Iterable[str], *, refresh: RefreshMode = RefreshMode.INCREMENTAL, wants_dbt: bool = False
) -> str:
    """Rerun some tables beside whatever else is running; a table at work is waited for.

    Raises:
        WindowClosedError: It is the clinic's day.
        ConfigurationError: A table is not in tables.yml.
    """
    return _rerun(tuple(names), None, refresh, wants_dbt=wants_dbt)


def category(
    name: Category | str,
    *,
    refresh: RefreshMode = RefreshMode.INCREMENTAL,
    wants_dbt: bool = False,
) -> str:
    """Rerun all tables of a category; see `tables`."""
    return _rerun((), Category(name), refresh, wants_dbt=wants_dbt)


def failed(run_id: str, *, refresh: RefreshMode | None = None, wants_dbt: bool = False) -> str:
    """Rerun the tables of a run that failed or had no turn; see `tables`.

    Args:
        run_id: The run that they belong to.
        refresh: What is asked for; by default what that run had been asked for.
        wants_dbt: Build the models afterwards.

    Raises:
        RunRefusedError: There is no such run, or every table of it arrived.
        WindowClosedError: It is the clinic's day.
    """
    with pipeline.ledger_transaction(settings()) as connection:
        run, results = ledger.run(connection, run_id), ledger.results(connection, run_id)
    names = [result.table for result in results if result.status in _UNFINISHED]
    if not names:
        raise RunRefusedError(f"No table of run {run_id} failed or was left out.", run_id=run_id)
    return tables(names, refresh=refresh or run.refresh, wants_dbt=wants_dbt)


def resume(run_id: str) -> None:
    """Publish again, at once, what is open in a run and neither queued nor worked.

    Works without beat, and after Redis lost everything. Other open runs are swept along.

    Raises:
        RunRefusedError: There is no such run, or it has ended.
        BrokerError: The broker could not be reached.
    """
    import workers.app  # noqa: F401  # makes it the current app, and needs the environment
    from workers import sweeping

    with pipeline.ledger_transaction(settings()) as connection:
        run = ledger.run(connection, run_id)
    if run.status.is_terminal:
        raise RunRefusedError(
            f"Run {run_id} has ended ({run.status}). Rerun tables with `dental-etl enqueue table NAME`.",
            run_id=run_id,
        )
    try:
        sweeping.sweep(timedelta(0))
    except (OperationalError, RedisError):
        raise BrokerError(
            f"{_UNREACHED} What was published before is worked; type `dental-etl resume {run_id}` again then.",
            run_id=run_id,
        ) from None


def _rerun(names: tuple[str, ...], only: Category | None, refresh: RefreshMode, *, wants_dbt: bool) -> str:
    pipeline.guard(settings(), now())
    pipeline.select(configured_tables(settings()), names=names, category=only)
    run_id = new_run_id(now())
    pipeline.open_rerun(settings(), run_id, RunKind.RERUN, now(), refresh=refresh, wants_dbt=wants_dbt)
    with pipeline.ledger_transaction(settings()) as connection:
        ledger.select_tables(connection, run_id, names, only)
    _publish(canvas.beginning(run_id))
    return run_id


def _publish(signature: Signature) -> None:
    """Publish without keeping a result: a result that a shell still holds at its end prints an error."""
    import workers.app  # noqa: F401  # makes it the current app, and needs the environment

    try:
        signature.apply_async(ignore_result=True)
    except OperationalError:
        raise BrokerError(
            f"{_UNREACHED} Nothing was published; a rerun that was opened already is picked up by the sweep."
        ) from None
