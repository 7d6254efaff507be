"""The notification outbox: written with the run, sent later, at least once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from dental_etl.config import Role
from dental_etl.connections import database_errors
from dental_etl.run import Severity
from dental_etl.tracking.ledger import tables

_LONGEST_PAUSE = timedelta(hours=1)
_notification = tables.notification.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A message that waits to be sent."""

    notification_id: int
    run_id: str | None
    severity: Severity
    title: str
    body: str
    created_at: datetime
    #: Attempts that failed.
    attempts: int
    #: Channels that have it already, for instance ``slack:1``.
    delivered: tuple[str, ...] = ()


@database_errors(Role.ANALYTICS)
def add_notification(
    connection: Connection, run_id: str | None, severity: Severity, title: str, body: str, now: datetime
) -> None:
    """Put a message into the outbox; a run says the same title once."""
    row = {
        "run_id": run_id,
        "severity": severity,
        "title": title,
        "body": body,
        "created_at": now,
        "next_attempt_at": now,
    }
    connection.execute(insert(tables.notification).values(row).on_conflict_do_nothing())


@database_errors(Role.ANALYTICS)
def due_notifications(connection: Connection, now: datetime, limit: int = 20) -> tuple[Notification, ...]:
    """Lock and return messages whose time has come, oldest first.

    They stay locked until the caller's transaction ends; two senders do not see the same message.
    """
    rows = connection.execute(
        select(*(_notification[name] for name in Notification.__dataclass_fields__))
        .where(_notification.sent_at.is_(None), _notification.next_attempt_at <= now)
        .order_by(_notification.notification_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return tuple(
        Notification(**{**row, "severity": Severity(row["severity"]), "delivered": tuple(row["delivered"])})
        for row in rows.mappings()
    )


@database_errors(Role.ANALYTICS)
def count_late_notifications(connection: Connection, before: datetime) -> int:
    """Return how many messages were written before that time and still wait for a channel."""
    late: int = connection.execute(
        select(func.count()).where(_notification.sent_at.is_(None), _notification.created_at < before)
    ).scalar_one()
    return late


@database_errors(Role.ANALYTICS)
def mark_notified(
    connection: Connection, notification_id: int, now: datetime, *, code: str | None = None
) -> None:
    """Record that a message is done with: it went out, or `code` says why it never will."""
    connection.execute(
        update(tables.notification)
        .where(_notification.notification_id == notification_id)
        .values(sent_at=now, error_code=code)
    )


@database_errors(Role.ANALYTICS)
def notification_failed(
    connection: Connection, notification_id: int, code: str, now: datetime, *, delivered: Sequence[str] = ()
) -> None:
    """Put a message off: 1, 2, 4, ... minutes, an hour at most; channels that have it are left out then."""
    attempts: int = connection.execute(
        select(_notification.attempts).where(_notification.notification_id == notification_id)
    ).scalar_one()
    pause = min(timedelta(minutes=2 ** min(attempts, 10)), _LONGEST_PAUSE)
    connection.execute(
        update(tables.notification)
        .where(_notification.notification_id == notification_id)
        .values(
            attempts=attempts + 1,
            error_code=code,
            next_attempt_at=now + pause,
            delivered=list(delivered),
        )
    )
