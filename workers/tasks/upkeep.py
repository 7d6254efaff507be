"""Tasks that keep runs going and the house in order: sweep, deadline, outbox, maintenance."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery import shared_task

from dental_etl import maintenance, notify, pipeline
from workers import sweeping
from workers.process import now, prepare_ledger, settings
from workers.routing import TaskName
from workers.task_class import DiscreetTask


@shared_task(bind=True, base=DiscreetTask, name=TaskName.SWEEP.value, ignore_result=True)
def sweep(_self: Any, stale_seconds: float = sweeping.STALE_SECONDS) -> None:
    """Repair what the broker or a dead worker lost."""
    sweeping.sweep(timedelta(seconds=stale_seconds))


@shared_task(bind=True, base=DiscreetTask, name=TaskName.ENFORCE_DEADLINE.value, ignore_result=True)
def enforce_deadline(_self: Any) -> None:
    """Leave out what still waits when the window closes, and end who still reads the source."""
    prepare_ledger()
    pipeline.leave_out_waiting(settings(), now())
    sweeping.sweep(timedelta(seconds=sweeping.STALE_SECONDS))
    pipeline.end_lingering_readers(settings(), now())


@shared_task(bind=True, base=DiscreetTask, name=TaskName.DELIVER.value, ignore_result=True)
def deliver_notifications(_self: Any) -> None:
    """Send what waits in the outbox."""
    prepare_ledger()
    notify.deliver_due(settings(), now())


@shared_task(bind=True, base=DiscreetTask, name=TaskName.MAINTAIN.value, ignore_result=True)
def maintain(_self: Any) -> None:
    """Prune history, drop leftovers, refresh statistics; our own databases only."""
    prepare_ledger()
    maintenance.maintain(settings(), now())
