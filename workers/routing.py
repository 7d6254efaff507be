"""Names, once: the queues, the tasks, and which queue a task goes to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kombu import Queue as BrokerQueue

from dental_etl.run import Category, Stage


class Queue(StrEnum):
    #: Short work that steers runs; never anything that reads a table.
    CONTROL = "control"
    #: Extracts of large tables, so that hours of one table do not hold up the others.
    LARGE = "large"
    EXTRACT = "extract"
    #: Apart from extract, or loads would starve behind the extracts of 400 tables.
    LOAD = "load"
    DBT = "dbt"


class TaskName(StrEnum):
    START_NIGHTLY = "etl.start_nightly"
    ENSURE_NIGHTLY = "etl.ensure_nightly"
    GUARD = "etl.guard"
    VALIDATE = "etl.validate"
    PLAN = "etl.plan"
    ABORT = "etl.abort"
    EXTRACT = "etl.extract"
    EXTRACT_CHUNK = "etl.extract_chunk"
    LOAD = "etl.load"
    LOAD_CHUNK = "etl.load_chunk"
    FINALISE = "etl.finalise"
    VERIFY = "etl.verify"
    REPORT = "etl.report"
    NOTIFY = "etl.notify"
    DBT = "etl.dbt"
    CLOSE = "etl.close"
    SWEEP = "etl.sweep"
    ENFORCE_DEADLINE = "etl.enforce_deadline"
    DELIVER = "etl.deliver_notifications"
    MAINTAIN = "etl.maintain"


#: What the default queue is not right for.
_QUEUES = {
    TaskName.EXTRACT: Queue.EXTRACT,
    TaskName.EXTRACT_CHUNK: Queue.LARGE,
    TaskName.LOAD: Queue.LOAD,
    TaskName.LOAD_CHUNK: Queue.LOAD,
    # Compares whole tables; nothing else is loaded by then.
    TaskName.VERIFY: Queue.LOAD,
    TaskName.DBT: Queue.DBT,
    # One process works there: never beside a build, and never in the way of what steers a run.
    TaskName.MAINTAIN: Queue.DBT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimit:
    """How long a phase of a table may take before its worker is taken to hang."""

    #: The task is interrupted and the table ends as failed.
    soft_seconds: int
    #: The process is killed; the sweep looks after the table.
    hard_seconds: int


_MINUTE = 60
_TIME_LIMITS = {
    Category.LARGE: TimeLimit(soft_seconds=8 * 60 * _MINUTE, hard_seconds=(8 * 60 + 5) * _MINUTE),
    Category.MEDIUM: TimeLimit(soft_seconds=120 * _MINUTE, hard_seconds=125 * _MINUTE),
    Category.SMALL: TimeLimit(soft_seconds=30 * _MINUTE, hard_seconds=35 * _MINUTE),
    Category.TINY: TimeLimit(soft_seconds=15 * _MINUTE, hard_seconds=20 * _MINUTE),
}


def task_queue(name: TaskName) -> Queue:
    """Return where a task goes that is not about a table of known size."""
    return _QUEUES.get(name, Queue.CONTROL)


def table_queue(stage: Stage, category: Category) -> Queue:
    """Return where a phase of a table goes."""
    if stage is Stage.LOAD:
        return Queue.LOAD
    return Queue.LARGE if category is Category.LARGE else Queue.EXTRACT


def time_limit(category: Category) -> TimeLimit:
    """Return how long a phase of a table of this size may take."""
    return _TIME_LIMITS[category]


def broker_queues() -> tuple[BrokerQueue, ...]:
    """Return the queues as the broker knows them, on the default exchange."""
    return tuple(BrokerQueue(queue.value, routing_key=queue.value) for queue in Queue)


def task_routes() -> dict[str, dict[str, str]]:
    """Return the route of every task, for Celery's ``task_routes``."""
    return {name.value: {"queue": task_queue(name).value} for name in TaskName}
