"""dbt, when the night was good."""

from __future__ import annotations

from celery import shared_task

from dental_etl import pipeline
from workers.canvas import Step
from workers.process import now, settings
from workers.routing import TaskName
from workers.task_class import StepTask


@shared_task(bind=True, base=StepTask, name=TaskName.DBT.value, step=Step.TRANSFORM)
def transform(self: StepTask, run_id: str) -> str:
    """Build the models, or record why they were not built."""
    return self.once(run_id, lambda: pipeline.transform_run(settings(), run_id, clock=now))
