"""Run id and table name on every log line of a worker, and what else goes with the begin and end of a task."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from celery.exceptions import ChordError
from celery.signals import (
    after_setup_logger,
    after_setup_task_logger,
    celeryd_after_setup,
    task_postrun,
    task_prerun,
    worker_ready,
)

from dental_etl.connections import log_retries
from workers import termination


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the running task is about."""

    run_id: str = "-"
    table: str = "-"


_NOTHING = Subject()
_subject: ContextVar[Subject] = ContextVar("subject", default=_NOTHING)


#: Those that Celery gives handlers: everything, tasks, and the pool of processes.
_LOGGERS = (None, "celery.task", "multiprocessing")


class SubjectFilter(logging.Filter):
    """Adds run id and table to records that do not carry their own."""

    def filter(self, record: logging.LogRecord) -> bool:
        subject = _subject.get()
        record.run_id = getattr(record, "run_id", None) or subject.run_id
        record.table = getattr(record, "table", None) or subject.table
        return True


def subject_of(task: str, args: tuple[Any, ...] | list[Any]) -> Subject:
    """Return what a task with these arguments is about: tables' tasks take run, table, category."""
    names = [value for value in args if isinstance(value, str)]
    if not names:
        return Subject()
    is_about_table = (
        task in {"etl.extract", "etl.extract_chunk", "etl.load", "etl.load_chunk"} and len(names) > 1
    )
    return Subject(run_id=names[0], table=names[1] if is_about_table else "-")


def connect() -> None:
    """Attach to Celery's signals; calling it again changes nothing."""
    log_retries()
    logging.getLogger("celery.backends.redis").addFilter(quiet_chord_error)
    # Each of them comes after some handlers were made and before others.
    for signal in (after_setup_logger, after_setup_task_logger, celeryd_after_setup, worker_ready):
        signal.connect(_add_filter, weak=False, dispatch_uid="dental_etl.filter")
    task_prerun.connect(_enter, weak=False, dispatch_uid="dental_etl.prerun")
    task_postrun.connect(_leave, weak=False, dispatch_uid="dental_etl.postrun")


def quiet_chord_error(record: logging.LogRecord) -> bool:
    """Turn Celery's traceback about a failed part of the chord into a line.

    The part has been logged with its code where it failed, and the finaliser runs all the same.
    """
    if record.exc_info and isinstance(record.exc_info[1], ChordError):
        record.msg, record.args, record.exc_info = (
            "A table of the night failed; the finaliser is called",
            (),
            None,
        )
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
    return True


def _add_filter(**_: Any) -> None:
    # A handler's filter sees the records of every logger; a logger's would only see its own.
    for handler in [handler for name in _LOGGERS for handler in logging.getLogger(name).handlers]:
        if not any(isinstance(known, SubjectFilter) for known in handler.filters):
            handler.addFilter(SubjectFilter())


def _enter(sender: Any = None, args: Any = (), **_: Any) -> None:
    _subject.set(subject_of(sender.name, args or ()))
    termination.exit_at_once()


def _leave(**_: Any) -> None:
    termination.exit_in_order()
    _subject.set(_NOTHING)
