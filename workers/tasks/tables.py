"""The two phases of a table, and the key ranges of a large one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from celery import shared_task
from kombu.exceptions import OperationalError

from dental_etl import pipeline
from dental_etl.exceptions import RETRYABLE, DeadlineError, ETLPipelineError, FencedError
from dental_etl.run import Category, Stage
from workers import canvas
from workers.process import now, settings
from workers.routing import TaskName
from workers.task_class import DiscreetTask, TableTask

logger = logging.getLogger(__name__)

#: What ends the work on a range and is no failure of its table.
_LEFT_TO_THE_OWNER: tuple[type[ETLPipelineError], ...] = (*RETRYABLE, FencedError, DeadlineError)


# No result is kept in Redis: the chord counts its parts by itself, Flower shows the events, the ledger knows.
@shared_task(bind=True, base=TableTask, name=TaskName.EXTRACT.value, stage=Stage.EXTRACT, ignore_result=True)
def extract(_self: Any, run_id: str, table: str, category: str) -> dict[str, int | float] | None:
    """Copy one table from the source to replication; counts go to Flower, None when it was done already."""
    helpers = partial(_call_helpers, Stage.EXTRACT, run_id, table, Category(category))
    result = pipeline.extract_phase(settings(), run_id, table, clock=now, helpers=helpers)
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


def _call_helpers(stage: Stage, run_id: str, table: str, category: Category, numbers: Sequence[int]) -> None:
    """Publish a message per key range; without a broker the table is copied by its own worker alone."""
    try:
        for number in numbers:
            canvas.chunk(stage, run_id, table, category, number).apply_async()
    except OperationalError:
        logger.warning("The broker took no messages for the ranges of %s; they are copied here", table)


@shared_task(bind=True, base=DiscreetTask, name=TaskName.EXTRACT_CHUNK.value, ignore_result=True)
def extract_chunk(_self: Any, run_id: str, table: str, category: str, number: int) -> dict[str, int]:
    """Copy one key range of a large table, unless it is done or somebody is at it."""
    copy = partial(pipeline.extract_chunk_phase, settings(), run_id, table, number, clock=now)
    return {"rows_read": _work_range(table, copy)}


@shared_task(bind=True, base=TableTask, name=TaskName.LOAD.value, stage=Stage.LOAD, ignore_result=True)
def load(_self: Any, run_id: str, table: str, category: str) -> dict[str, int | float] | None:
    """Bring one table from replication to raw; counts go to Flower, None when it was done already."""
    helpers = partial(_call_helpers, Stage.LOAD, run_id, table, Category(category))
    result = pipeline.load_phase(settings(), run_id, table, clock=now, helpers=helpers)
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


@shared_task(bind=True, base=DiscreetTask, name=TaskName.LOAD_CHUNK.value)
def load_chunk(_self: Any, run_id: str, table: str, category: str, number: int) -> dict[str, int]:
    """Load one key range of a large table, unless it is done or somebody is at it."""
    copy = partial(pipeline.load_chunk_phase, settings(), run_id, table, number)
    return {"rows_written": _work_range(table, copy)}


def _work_range(table: str, copy: Callable[[], int]) -> int:
    """Copy a range, or leave it to the table's own task, which copies whatever is left undone."""
    try:
        return copy()
    except _LEFT_TO_THE_OWNER as error:
        logger.info("A range of %s is left to the table's own task: %s", table, error.code)
        return 0
