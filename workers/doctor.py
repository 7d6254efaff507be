"""Everything that a night stands on, looked at now: what is wrong, and what to type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from dental_etl import pipeline
from dental_etl.config import Settings
from dental_etl.exceptions import DatabaseError, ETLPipelineError
from dental_etl.run import Finding, RunKind, RunStatus, Severity
from dental_etl.tracking import ledger
from dental_etl.tracking.run_row import RunRow
from dental_etl.transform.environment import executable
from workers import broker
from workers.process import prepare_ledger
from workers.routing import Queue

#: A nightly run comes every day; one that is older than this was missed.
_NIGHT_IS_MISSED = timedelta(hours=26)
_MESSAGE_IS_LATE = timedelta(hours=1)


def examine(settings: Settings, now: datetime) -> tuple[Finding, ...]:
    """Look at configuration, databases, ledger, broker, workers, beat and dbt; raise nothing.

    The source is asked for its catalog only, so this may be done at any hour.

    Returns:
        One finding per thing that was looked at, the healthy ones as information.
    """
    parts: tuple[Callable[[], Iterator[Finding]], ...] = (
        lambda: _databases(settings, now),
        lambda: _ledger(settings, now),
        _broker,
        lambda: _dbt(settings),
    )
    return tuple(finding for part in parts for finding in part())


def _databases(settings: Settings, now: datetime) -> Iterator[Finding]:
    found = pipeline.look(settings, now)
    yield from found
    if not any(finding.severity is Severity.CRITICAL for finding in found):
        yield _well(
            "databases", "The three databases answer, with the rights and the room that a night needs."
        )


def _ledger(settings: Settings, now: datetime) -> Iterator[Finding]:
    try:
        prepare_ledger()
        with pipeline.ledger_transaction(settings) as connection:
            runs = ledger.runs(connection, limit=100)
            late = ledger.count_late_notifications(connection, now - _MESSAGE_IS_LATE)
    except DatabaseError as error:
        yield _ill("ledger", f"The ledger cannot be read. {error}")
        return
    night = next((run for run in runs if run.kind is RunKind.NIGHTLY), None)
    yield _last_night(night, now) if night else _well("night", "There has been no nightly run yet.")
    if late:
        yield _odd(
            "notify",
            f"{late} messages wait for a channel since more than an hour. Look for `notify` in the log of the "
            f"control worker; `dental-etl validate` judges the channels.",
        )


def _last_night(night: RunRow, now: datetime) -> Finding:
    where = f"Run {night.run_id} of {night.run_date}"
    if not night.status.is_terminal:
        is_late = night.deadline is not None and now > night.deadline
        if is_late:
            return _ill("night", f"{where} never ended. Type: dental-etl resume {night.run_id}")
        return _well("night", f"{where} is under way. Follow it with: dental-etl status --watch")
    if now - night.created_at > _NIGHT_IS_MISSED:
        return _ill(
            "night",
            f"{where} was the last one; since then no night was started. Look at beat and the control worker.",
        )
    if night.status is not RunStatus.SUCCEEDED:
        return _odd("night", f"{where} {night.status}. Type: dental-etl report {night.run_id}")
    return _well("night", f"{where} succeeded.")


def _broker() -> Iterator[Finding]:
    import workers.app  # noqa: F401  # makes it the current app, and needs the environment

    try:
        policy, is_beat_alive, consumers = (
            broker.forgets_messages(),
            broker.is_beat_alive(),
            broker.consumers(),
        )
    except (OperationalError, RedisError, OSError) as error:
        yield _ill(
            "broker",
            f"Redis does not answer ({type(error).__name__}). Check CELERY_BROKER_URL, and that Redis runs; "
            f"`dental-etl run --all` needs no broker.",
        )
        return
    yield _memory(policy)
    yield _beat(is_alive=is_beat_alive)
    yield from (_queue(queue, workers) for queue, workers in consumers.items())


def _memory(policy: str | None) -> Finding:
    if policy is None:
        return _well("broker", "Redis answers, and keeps what it was given.")
    return _odd(
        "broker",
        f"Redis throws messages away when it is full (maxmemory-policy {policy}). Set it to noeviction.",
    )


def _beat(*, is_alive: bool) -> Finding:
    if is_alive:
        return _well("beat", "Beat ticks.")
    return _ill(
        "beat", "No beat has ticked for a minute, so no night would start. Type: systemctl start dental-beat"
    )


def _queue(queue: Queue, workers: int) -> Finding:
    if workers:
        return _well(f"queue {queue}", f"{workers} worker(s) take from it.")
    return _ill(
        f"queue {queue}",
        f"No worker takes from it, so a night would not end. Type: systemctl start dental-worker@{queue}",
    )


def _dbt(settings: Settings) -> Iterator[Finding]:
    try:
        command = executable(settings)
    except ETLPipelineError as error:
        yield _ill("dbt", str(error))
        return
    yield _well("dbt", f"{command[0]} is there, and so are the models.")


def _well(check: str, message: str) -> Finding:
    return Finding(check=check, severity=Severity.INFORMATION, table=None, message=message)


def _odd(check: str, message: str) -> Finding:
    return Finding(check=check, severity=Severity.WARNING, table=None, message=message)


def _ill(check: str, message: str) -> Finding:
    return Finding(check=check, severity=Severity.CRITICAL, table=None, message=message)
