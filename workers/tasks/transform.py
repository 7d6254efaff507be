"""dbt, when the night was good."""

from __future__ import annotations

from celery import shared_task

from dental_etl import pipeline
from dental_etl.exceptions import TransformError
from dental_etl.run import DbtResult, DbtStatus, Severity
from dental_etl.tracking import ledger
from workers.canvas import Step
from workers.endings import error_code
from workers.node_events import NodeEvents
from workers.process import now, settings
from workers.routing import TaskName
from workers.task_class import StepTask


class TransformTask(StepTask):
    """dbt that could not even start has failed: the run must not end as if it had not been asked for."""

    abstract = True

    def give_up(self, run_id: str, error: BaseException) -> None:
        reason = str(error) if isinstance(error, TransformError) else f"dbt ended with {error_code(error)}"
        result = DbtResult(status=DbtStatus.FAILED, reason=reason, seconds=0.0)
        title = f"dental_etl: dbt failed in run {run_id}"
        with pipeline.ledger_transaction(settings()) as connection:
            ledger.record_dbt(connection, run_id, result)
            ledger.add_notification(connection, run_id, Severity.CRITICAL, title, reason, now())


@shared_task(bind=True, base=TransformTask, name=TaskName.DBT.value, step=Step.TRANSFORM)
def transform(self: TransformTask, run_id: str) -> str:
    """Build the models, or record why they were not built."""
    tell = NodeEvents(
        self.app, run_id=run_id, task_id=str(self.request.id), hostname=str(self.request.hostname)
    )
    return self.once(run_id, lambda: pipeline.transform_run(settings(), run_id, clock=now, on_node=tell))
