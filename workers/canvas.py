"""The shape of a run as Celery signatures; building one publishes nothing.

    guard -> validate -> plan                                  each on error: abort
    chord( chain(extract, load) per table, finalise )          the finaliser also on error
    verify -> report -> notify -> dbt -> close

Messages hold run id, table and category; everything else is in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from celery import chain, chord, signature
from celery.canvas import Signature

from dental_etl.run import Category, Stage
from workers.routing import TaskName, table_queue, task_queue, time_limit


class Step(StrEnum):
    """What follows the tables, in this order."""

    VERIFY = "verify"
    REPORT = "report"
    NOTIFY = "notify"
    TRANSFORM = "transform"
    CLOSE = "close"


_STEP_TASKS = {
    Step.VERIFY: TaskName.VERIFY,
    Step.REPORT: TaskName.REPORT,
    Step.NOTIFY: TaskName.NOTIFY,
    Step.TRANSFORM: TaskName.DBT,
    Step.CLOSE: TaskName.CLOSE,
}
_CHUNK_TASKS = {Stage.EXTRACT: TaskName.EXTRACT_CHUNK, Stage.LOAD: TaskName.LOAD_CHUNK}
_PHASE_TASKS = {Stage.EXTRACT: TaskName.EXTRACT, Stage.LOAD: TaskName.LOAD}


def beginning(run_id: str) -> Signature:
    """Return guard, validate and plan; whichever fails aborts the run."""
    names = (TaskName.GUARD, TaskName.VALIDATE, TaskName.PLAN)
    return chain(*(_task(name, run_id).on_error(_task(TaskName.ABORT, run_id)) for name in names))


def tables(run_id: str, planned: Iterable[tuple[str, Category]]) -> Signature:
    """Return the chord over the tables, published in the order given.

    The same finaliser is body and errback: it runs when the last table has ended, however they ended.
    """
    header = [table_chain(run_id, table, category) for table, category in planned]
    if not header:
        return finaliser(run_id, "plan")
    return chord(header, body=finaliser(run_id, "chord").on_error(finaliser(run_id, "errback")))


def table_chain(run_id: str, table: str, category: Category) -> Signature:
    """Return extract, then load, of one table."""
    return chain(*(phase(stage, run_id, table, category) for stage in (Stage.EXTRACT, Stage.LOAD)))


def repeated(run_id: str, table: str, category: Category, stage: Stage) -> Signature:
    """Return what is left of a table whose message was lost, with a finaliser of its own."""
    left = (Stage.EXTRACT, Stage.LOAD) if stage is Stage.EXTRACT else (Stage.LOAD,)
    last = finaliser(run_id, "sweep")
    return chain(*(phase(one, run_id, table, category).on_error(last) for one in left), last)


def phase(stage: Stage, run_id: str, table: str, category: Category) -> Signature:
    """Return one phase of one table, on its queue and with its time limit."""
    limit = time_limit(category)
    return signature(
        _PHASE_TASKS[stage].value,
        args=(run_id, table, category.value),
        immutable=True,
        options={
            "queue": table_queue(stage, category).value,
            "soft_time_limit": limit.soft_seconds,
            "time_limit": limit.hard_seconds,
        },
    )


def chunk(stage: Stage, run_id: str, table: str, category: Category, number: int) -> Signature:
    """Return the work on one key range of a large table; nobody waits for it, the table's phase counts."""
    limit, task = time_limit(category), _CHUNK_TASKS[stage]
    return signature(
        task.value,
        args=(run_id, table, category.value, number),
        immutable=True,
        options={
            "queue": task_queue(task).value,
            "soft_time_limit": limit.soft_seconds,
            "time_limit": limit.hard_seconds,
            "ignore_result": True,
        },
    )


def finaliser(run_id: str, by: str) -> Signature:
    """Return the task that asks the ledger whether the run's last table has ended."""
    return _task(TaskName.FINALISE, run_id, by)


def closing(run_id: str, after: Step | None = None) -> Signature:
    """Return the steps that follow the tables, or those after a step."""
    steps = list(Step)
    left = steps if after is None else steps[steps.index(after) + 1 :]
    return chain(*(_task(_STEP_TASKS[step], run_id) for step in left))


def _task(name: TaskName, *args: str) -> Signature:
    return signature(name.value, args=args, immutable=True, options={"queue": task_queue(name).value})
