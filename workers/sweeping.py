"""The sweep: what is open in the ledger but has neither a message nor a worker is published again.

One sweep at a time. Everything it publishes may be there twice: a claim lets one through.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from celery.canvas import Signature

from dental_etl import pipeline
from dental_etl.config import Role
from dental_etl.connections import connect
from dental_etl.exceptions import ETLPipelineError, ServerAwayError, ServerFullError, TableBusyError
from dental_etl.run import RunKind, RunStatus, Stage
from dental_etl.tracking import ledger
from dental_etl.tracking.ledger import OpenTable
from dental_etl.tracking.locks import advisory_lock, is_advisory_locked, is_table_locked
from dental_etl.tracking.run_row import RunRow
from workers import broker, canvas, nights
from workers.process import now, prepare_ledger, settings
from workers.routing import Queue, table_queue

logger = logging.getLogger(__name__)

#: Left in peace for that long after a message was published or a phase was claimed.
STALE_SECONDS = 60.0
#: What precedes and follows the tables takes that much longer between two signs of life.
_STEPS_STALE = 5
#: A run that could not even begin in that time is refused.
_LONGEST_BEGINNING = timedelta(minutes=30)
#: A run that cannot reach its report, or whose process is gone, is closed after that.
_LONGEST_RUN = timedelta(hours=24)


def sweep(stale: timedelta) -> None:
    """Look at every run that has not ended; does nothing while another sweep is at it."""
    prepare_ledger()
    try:
        with connect(settings().analytics, is_dedicated=True) as session, advisory_lock(session, "sweep"):
            _sweep(stale)
    except TableBusyError:
        logger.info("Another sweep is at work", extra={"action": "sweep_skipped"})


def _sweep(stale: timedelta) -> None:
    with pipeline.ledger_transaction(settings()) as connection:
        runs = ledger.active_runs(connection)
        silent = {
            run.run_id
            for status in (RunStatus.STARTING, RunStatus.REPORTING)
            for run in ledger.silent_runs(connection, status, now() - _STEPS_STALE * stale)
        }
    if not runs:
        return
    pipeline.leave_out_waiting(settings(), now())
    away = pipeline.ask(settings(), now(), stale)
    for run in runs:
        try:
            _sweep_run(run, stale, away, is_silent=run.run_id in silent)
        except ServerAwayError as error:
            pipeline.notice(settings(), run.run_id, error, now())
        except ServerFullError as error:
            pipeline.note_full(settings(), run.run_id, error, now())


def _sweep_run(run: RunRow, stale: timedelta, away: frozenset[Role], *, is_silent: bool) -> None:
    if now() - run.created_at > _LONGEST_RUN:
        nights.give_up(run)
    elif run.kind is RunKind.MANUAL:
        return  # worked by the process that started it
    elif run.status is RunStatus.ACTIVE:
        _sweep_tables(run, now() - stale, away)
    elif is_silent and run.status is RunStatus.STARTING:
        _begin_again(run)
    elif is_silent:
        _publish(run, canvas.closing(run.run_id))


def _begin_again(run: RunRow) -> None:
    is_without_tables = run.kind is RunKind.RERUN and not run.selected_tables and not run.selected_category
    if now() - run.created_at > _LONGEST_BEGINNING or is_without_tables:
        lost = ETLPipelineError(
            f"Run {run.run_id} could not be started; see the workers' log.", run_id=run.run_id
        )
        pipeline.refuse(settings(), run.run_id, lost, now())
        return
    _publish(run, canvas.beginning(run.run_id))


def _sweep_tables(run: RunRow, before: datetime, away: frozenset[Role]) -> None:
    _publish_stale(run, before, away)
    with pipeline.ledger_transaction(settings()) as connection:
        is_complete = ledger.finalise_once(connection, run.run_id, "sweep", now())
    if is_complete:
        canvas.closing(run.run_id).apply_async()


def _publish_stale(run: RunRow, before: datetime, away: frozenset[Role]) -> None:
    epoch = broker.epoch()
    with pipeline.ledger_transaction(settings()) as connection:
        found = ledger.stale_tables(connection, run.run_id, epoch=epoch, before=before)
    blocked = [table for table in found if ledger.NEEDED[table.stage] & away]
    _park_orphans(run, [table for table in blocked if not table.is_waiting], epoch, away)
    stale = [table for table in found if table not in blocked]
    if not stale:
        return
    again = [table for table in _lost(stale, epoch) if not _is_spent(run, table)]
    for table in again:
        canvas.repeated(run.run_id, table.table, table.category, table.stage).apply_async()
    nights.mark_published(run.run_id, [table.table for table in again], epoch)
    if again:
        logger.warning(
            "%s tables were published again", len(again), extra={"action": "swept", "run_id": run.run_id}
        )


def _park_orphans(run: RunRow, blocked: list[OpenTable], epoch: str, away: frozenset[Role]) -> None:
    """Let tables of dead workers wait for a server that is away, so that the window's end finds them waiting."""
    if not blocked or Role.REPLICATION in away:  # the locks that tell the dead from the living are there
        return
    orphans = _lost(blocked, epoch)
    with pipeline.ledger_transaction(settings()) as connection:
        for table in orphans:
            ledger.park(connection, run.run_id, table.table, table.stage)


def _lost(stale: Iterable[OpenTable], epoch: str) -> list[OpenTable]:
    """Return the tables whose message is gone: no worker holds them, and no queue has them."""
    waiting = broker.waiting_messages()
    settled = [table for table in stale if _has_no_message(table, epoch, waiting)]
    with connect(settings().replication) as replica, connect(settings().analytics) as warehouse:
        return [
            table
            for table in settled
            if not (
                is_table_locked(replica, table.table)
                if table.stage is Stage.EXTRACT
                else is_advisory_locked(warehouse, f"load:{table.table}")
            )
        ]


def _has_no_message(table: OpenTable, epoch: str, waiting: dict[Queue, int]) -> bool:
    """A queue is first in, first out: while it holds messages, the table's may be one of them."""
    if not table.is_waiting or table.epoch != epoch:
        return True
    return waiting[table_queue(table.stage, table.category)] == 0


def _is_spent(run: RunRow, table: OpenTable) -> bool:
    """End a table whose worker died as often as it may."""
    if table.phase_attempts < settings().max_attempts:
        return False
    with pipeline.ledger_transaction(settings()) as connection:
        ledger.fail(
            connection,
            run.run_id,
            table.table,
            table.stage,
            "E_WORKER_LOST",
            f"The worker died {table.phase_attempts} times in the {table.stage} of {table.table}; look at the "
            f"host's memory and the workers' log, then rerun the table.",
            now(),
        )
    return True


def _publish(run: RunRow, signature: Signature) -> None:
    logger.warning("A message of run %s was lost and is published again", run.run_id)
    signature.apply_async()
    with pipeline.ledger_transaction(settings()) as connection:
        ledger.mark_run_published(connection, run.run_id, now())
