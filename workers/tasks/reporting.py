"""The steps after the tables, without dbt."""

from __future__ import annotations

from celery import shared_task

from dental_etl import pipeline
from workers.canvas import Step
from workers.process import now, settings
from workers.routing import TaskName
from workers.task_class import StepTask


@shared_task(bind=True, base=StepTask, name=TaskName.VERIFY.value, step=Step.VERIFY)
def verify(self: StepTask, run_id: str) -> str:
    return self.once(run_id, lambda: pipeline.verify_run(settings(), run_id, clock=now))


@shared_task(bind=True, base=StepTask, name=TaskName.REPORT.value, step=Step.REPORT)
def report(self: StepTask, run_id: str) -> str:
    return self.once(run_id, lambda: pipeline.report_run(settings(), run_id, now()))


@shared_task(bind=True, base=StepTask, name=TaskName.NOTIFY.value, step=Step.NOTIFY)
def notify(self: StepTask, run_id: str) -> str:
    return self.once(run_id, lambda: pipeline.notify_run(settings(), run_id, now()))


@shared_task(bind=True, base=StepTask, name=TaskName.CLOSE.value, step=Step.CLOSE)
def close(self: StepTask, run_id: str) -> str:
    """Give the run its last status."""
    return self.once(run_id, lambda: pipeline.close_run(settings(), run_id, now()))
