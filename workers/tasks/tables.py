"""The two phases of a table, and the key ranges of a large one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from celery import shared_task
from kombu.exceptions import OperationalError

from dental_etl import pipeline
from dental_etl.run import Category, Stage
from workers import canvas
from workers.process import now, settings
from workers.routing import TaskName
from workers.task_class import ChunkTask, TableTask

logger = logging.getLogger(__name__)


# No result of an extract is kept in Redis: the chord counts loads, Flower shows the events, the ledger knows.
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


@shared_task(bind=True, base=ChunkTask, name=TaskName.EXTRACT_CHUNK.value, ignore_result=True)
def extract_chunk(_self: Any, run_id: str, table: str, category: str, number: int) -> dict[str, int]:
    """Copy one key range of a large table, unless it is done or somebody is at it."""
    return {"rows_read": pipeline.extract_chunk_phase(settings(), run_id, table, number, clock=now)}


@shared_task(bind=True, base=TableTask, name=TaskName.LOAD.value, stage=Stage.LOAD)
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


@shared_task(bind=True, base=ChunkTask, name=TaskName.LOAD_CHUNK.value)
def load_chunk(_self: Any, run_id: str, table: str, category: str, number: int) -> dict[str, int]:
    """Load one key range of a large table, unless it is done or somebody is at it."""
    return {"rows_written": pipeline.load_chunk_phase(settings(), run_id, table, number)}
