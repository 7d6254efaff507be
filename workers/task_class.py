"""The task classes: an error becomes its code, and an ending reaches the ledger.

A driver's error quotes rows. So whatever a task raises is caught here, below Celery, and replaced by
`TaskFailedError`, raised outside the ``except`` so that the original is not even its context.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import PurePath
from typing import Any, ClassVar, NoReturn

from celery import Task
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded

from dental_etl import pipeline
from dental_etl.config import Role
from dental_etl.connections import connect
from dental_etl.exceptions import (
    RETRYABLE,
    DatabaseError,
    ETLPipelineError,
    ServerAwayError,
    ServerFullError,
    TableBusyError,
    TimeLimitError,
)
from dental_etl.run import Finding, Severity, Stage
from dental_etl.tracking import ledger
from dental_etl.tracking.locks import advisory_lock
from workers import canvas
from workers.canvas import Step
from workers.endings import Ending, ending, error_code, pause_seconds
from workers.process import now, settings

logger = logging.getLogger(__name__)

#: Celery's own signals, and memory: not ours to rename.
_PASS = (Ignore, Reject, Retry, MemoryError)
#: For waits that another rule ends: the window, or the run's end.
_MANY = 1_000
_LEDGER_PAUSE_SECONDS = 60.0
_NO_CONNECTION = (ServerAwayError, ServerFullError)


class TaskFailedError(Exception):
    """All that leaves a worker about a failure: a code, and what it was about."""

    def __init__(self, code: str, subject: str) -> None:
        super().__init__(code, subject)


class DiscreetTask(Task):  # type: ignore[type-arg]  # generic in the stubs only
    """A task whose errors leave the worker as codes."""

    abstract = True
    #: Restarts after a lost worker, and attempts of steps; tables count in the ledger.
    max_retries = 3
    default_retry_delay = 30
    #: Logged here in our words already; Celery need not print it as a surprise.
    throws = (TaskFailedError,)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        error: BaseException
        try:
            return self.run(*args, **kwargs)
        except _PASS:
            raise
        except SoftTimeLimitExceeded:
            error = TimeLimitError(
                f"{self.name} took longer than its time limit; look for a lock or a slow network, then rerun it."
            )
        except Exception as caught:  # noqa: BLE001  # one of the two places: the boundary to Celery
            error = caught
        return self.end(error, args)

    def end(self, error: BaseException, args: Sequence[Any]) -> NoReturn:
        """Do what an error demands, then raise what Celery may know."""
        log_error(self.name, error)
        raise TaskFailedError(error_code(error), str(args[0]) if args else self.name)

    def again(self, seconds: float, error: BaseException, subject: str, *, limit: int = _MANY) -> NoReturn:
        """Let Celery deliver this task once more."""
        failed = TaskFailedError(error_code(error), subject)
        raise self.retry(exc=failed, countdown=seconds, max_retries=limit)


class TableTask(DiscreetTask):
    """One phase of one table; called with run id, table and category."""

    abstract = True
    stage: ClassVar[Stage]

    def end(self, error: BaseException, args: Sequence[Any]) -> NoReturn:
        run_id, table = str(args[0]), str(args[1])
        where = self._where(run_id, table)
        if isinstance(where, DatabaseError):
            log_error(self.name, where)
            self.again(_LEDGER_PAUSE_SECONDS, where, table)
        self._end_as(ending(error, self.stage, where, settings().max_attempts), error, run_id, table, where)

    def _where(self, run_id: str, table: str) -> ledger.OpenTable | DatabaseError | None:
        """Return where the table stands, or why the ledger cannot say."""
        try:
            with pipeline.ledger_transaction(settings()) as connection:
                return ledger.open_table(connection, run_id, table)
        except DatabaseError as unreachable:
            return unreachable

    def _end_as(
        self,
        decided: Ending,
        error: BaseException,
        run_id: str,
        table: str,
        where: ledger.OpenTable | None,
    ) -> NoReturn:
        if decided is Ending.DROP or where is None:
            logger.info("%s of %s dropped: another delivery has it, or it has ended", self.stage, table)
            raise Ignore
        if decided is Ending.WAIT:
            self._wait(error, run_id, table)
        if isinstance(error, ServerAwayError) and decided is Ending.PARK:
            self._park(error, run_id, table)
        if decided is Ending.RETRY:
            self._retry(error, run_id, table, where.phase_failures)
        if not isinstance(error, ETLPipelineError):
            log_error(self.name, error)
        pipeline.end_table(settings(), run_id, table, self.stage, error, now())
        raise TaskFailedError(error_code(error), table)

    def _wait(self, error: BaseException, run_id: str, table: str) -> NoReturn:
        if isinstance(error, ServerFullError):
            pipeline.note_full(settings(), run_id, error, now())
        seconds = pause_seconds(0)
        at = now() + timedelta(seconds=seconds)
        with pipeline.ledger_transaction(settings()) as connection:
            ledger.put_off(connection, run_id, table, self.stage, at)
        logger.info("%s of %s put off for %.0f s: %s", self.stage, table, seconds, error)
        self.again(seconds, error, table)

    def _park(self, error: ServerAwayError, run_id: str, table: str) -> NoReturn:
        pipeline.park_table(settings(), run_id, table, self.stage, error, now())
        logger.info("%s of %s waits: the %s database is away", self.stage, table, error.server)
        raise Reject(error.code, requeue=False)  # in Flower: REJECTED, where Ignore would leave it STARTED

    def _retry(self, error: BaseException, run_id: str, table: str, failures: int) -> NoReturn:
        seconds = pause_seconds(failures)
        at = now() + timedelta(seconds=seconds)
        with pipeline.ledger_transaction(settings()) as connection:
            ledger.retry_at(connection, run_id, table, self.stage, error_code(error), str(error), at)
        logger.warning("%s of %s is tried again in %.0f s: %s", self.stage, table, seconds, error_code(error))
        self.again(seconds, error, table)


class BeginningTask(DiscreetTask):
    """Guard, validate or plan; what it raises ends the run as refused."""

    abstract = True

    def end(self, error: BaseException, args: Sequence[Any]) -> NoReturn:
        run_id = str(args[0])
        if isinstance(error, RETRYABLE) and self.request.retries < self.max_retries:
            self.again(pause_seconds(self.request.retries), error, run_id)
        if isinstance(error, _NO_CONNECTION) and error.server != Role.ANALYTICS:
            pipeline.notice(settings(), run_id, error, now())  # so the night starts when it answers
        if not isinstance(error, ETLPipelineError):
            log_error(self.name, error)
            error = ETLPipelineError(f"{self.name} met an unexpected {type(error).__name__}; see the log.")
        pipeline.refuse(settings(), run_id, error, now())
        raise TaskFailedError(error_code(error), run_id)


class StepTask(DiscreetTask):
    """A step after the tables; done once per run, and never in the way of the next step."""

    abstract = True
    step: ClassVar[Step]

    def once(self, run_id: str, work: Callable[[], object]) -> str:
        """Do the step unless it is done, holding the run so that two deliveries do not meet."""
        database = settings().analytics
        with connect(database, is_dedicated=True) as session, advisory_lock(session, f"run:{run_id}"):
            with pipeline.ledger_transaction(settings()) as connection:
                if self.step in ledger.steps_done(connection, run_id):
                    return "already"
            work()
            self._mark(run_id)
        return "done"

    def end(self, error: BaseException, args: Sequence[Any]) -> NoReturn:
        run_id = str(args[0])
        if isinstance(error, TableBusyError):  # another delivery is at it
            raise Ignore
        log_error(self.name, error)
        is_final = isinstance(error, ETLPipelineError) and not isinstance(error, RETRYABLE)
        if not is_final and self.request.retries < self.max_retries:
            self.again(pause_seconds(self.request.retries), error, run_id)
        self.give_up(run_id, error)
        self._mark(run_id)
        if self.step is not Step.CLOSE:
            canvas.closing(run_id, after=self.step).apply_async()
        raise TaskFailedError(error_code(error), run_id)

    def give_up(self, run_id: str, error: BaseException) -> None:
        """Leave a trace for the report of a step that could not be done."""
        message = f"{self.step} could not be done ({error_code(error)}); see the workers' log."
        found = Finding(check=f"step_{self.step}", severity=Severity.CRITICAL, table=None, message=message)
        with pipeline.ledger_transaction(settings()) as connection:
            ledger.add_findings(connection, run_id, [found])

    def _mark(self, run_id: str) -> None:
        with pipeline.ledger_transaction(settings()) as connection:
            ledger.mark_step(connection, run_id, self.step, now())


def log_error(task: str, error: BaseException) -> None:
    """Log what went wrong: our own words, or for a stranger its class and where it was, never its text."""
    if isinstance(error, ETLPipelineError):
        logger.error("%s: %s: %s", task, error.code, error, extra={"action": "task_failed"})
        return
    frames = traceback.extract_tb(error.__traceback__)
    path = " > ".join(f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    logger.error("%s: unexpected %s at %s", task, type(error).__name__, path, extra={"action": "task_failed"})
