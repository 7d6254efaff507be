"""The two phases of a table."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from dental_etl import pipeline
from dental_etl.run import Stage
from workers.process import now, settings
from workers.routing import TaskName
from workers.task_class import TableTask


@shared_task(bind=True, base=TableTask, name=TaskName.EXTRACT.value, stage=Stage.EXTRACT)
def extract(_self: Any, run_id: str, table: str, category: str) -> dict[str, int | float] | None:
    """Copy one table from the source to replication; counts go to Flower, None when it was done already."""
    result = pipeline.extract_phase(settings(), run_id, table, clock=now)
    return (
        None
        if result is None
        else {
            "rows_read": result.rows_read,
            "rows_written": result.rows_written,
            "rows_deleted": result.rows_deleted,
            "seconds": round(result.seconds, 3),
        }
    )


@shared_task(bind=True, base=TableTask, name=TaskName.LOAD.value, stage=Stage.LOAD)
def load(_self: Any, run_id: str, table: str, category: str) -> dict[str, int | float] | None:
    """Bring one table from replication to raw; counts go to Flower, None when it was done already."""
    result = pipeline.load_phase(settings(), run_id, table, clock=now)
    return (
        None
        if result is None
        else {
            "rows_written": result.rows_written,
            "rows_deleted": result.rows_deleted,
            "rows_total": result.rows_total,
            "seconds": round(result.seconds, 3),
        }
    )
