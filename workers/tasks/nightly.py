"""Tasks that begin a run and notice that its tables have ended."""

from __future__ import annotations

import logging
from datetime import date
from typing import Any

from celery import shared_task

from dental_etl import notify, pipeline
from dental_etl.exceptions import ETLPipelineError, RunRefusedError
from dental_etl.tracking import ledger
from workers import canvas, nights
from workers.process import now, settings
from workers.routing import TaskName
from workers.task_class import BeginningTask, DiscreetTask

logger = logging.getLogger(__name__)


@shared_task(bind=True, base=DiscreetTask, name=TaskName.START_NIGHTLY.value, ignore_result=True)
def start_nightly(_self: Any, run_id: str | None = None, run_date: str | None = None) -> None:
    """Open tonight's run and send it on its way; a second start of the night is only logged."""
    _start(run_id, date.fromisoformat(run_date) if run_date else None)


@shared_task(bind=True, base=DiscreetTask, name=TaskName.ENSURE_NIGHTLY.value, ignore_result=True)
def ensure_nightly(_self: Any) -> None:
    """Start tonight's run if beat or the broker missed it."""
    if nights.is_missing(now()):
        logger.warning("Tonight's run had not been started", extra={"action": "run_missed"})
        _start(None, None)


def _start(run_id: str | None, run_date: date | None) -> None:
    try:
        nights.start(run_id, run_date)
    except RunRefusedError as refused:
        logger.info("No run was started: %s", refused, extra={"action": "run_refused"})


@shared_task(bind=True, base=BeginningTask, name=TaskName.GUARD.value, ignore_result=True)
def guard(_self: Any, run_id: str) -> None:
    pipeline.guard(settings(), now())


@shared_task(bind=True, base=BeginningTask, name=TaskName.VALIDATE.value, ignore_result=True)
def validate(_self: Any, run_id: str) -> None:
    pipeline.validate_run(settings(), run_id, now())


@shared_task(bind=True, base=BeginningTask, name=TaskName.PLAN.value, ignore_result=True)
def plan(_self: Any, run_id: str) -> None:
    nights.plan(run_id)


@shared_task(bind=True, base=DiscreetTask, name=TaskName.ABORT.value, ignore_result=True)
def abort(_self: Any, run_id: str) -> None:
    """End a run whose beginning failed, even if it failed without a word, and tell people."""
    lost = ETLPipelineError(f"Run {run_id} stopped before its tables; see the workers' log.", run_id=run_id)
    pipeline.refuse(settings(), run_id, lost, now())
    notify.deliver_due(settings(), now())


@shared_task(bind=True, base=DiscreetTask, name=TaskName.FINALISE.value, ignore_result=True)
def finalise(_self: Any, run_id: str, by: str) -> None:
    """Go on to the report if the ledger says that the last table has ended, once per run."""
    with pipeline.ledger_transaction(settings()) as connection:
        has_won = ledger.finalise_once(connection, run_id, by, now())
    if has_won:
        canvas.closing(run_id).apply_async()
