"""Send the outbox's messages to the channels of their severity; the only HTTP and SMTP of this project.

A channel is an Apprise URL (Slack, e-mail, PagerDuty, ...) or ``file:///path``, which appends one JSON
line per message: Apprise has no file of its own, and a sandbox or a log shipper wants one. URLs hold
tokens, so a channel is only ever named by its kind and place: ``slack:1``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy import Connection

from dental_etl.config import Settings
from dental_etl.connections import connect
from dental_etl.exceptions import DatabaseError
from dental_etl.run import Finding, Severity
from dental_etl.tracking import ledger

logger = logging.getLogger(__name__)

#: A message that no channel took for so long is old news; the report has it all.
_GIVE_UP_AFTER = timedelta(hours=24)
_MOST_AT_ONCE = 50
#: By Apprise's names; it is imported where a message is sent, for few commands send any.
_APPRISE_TYPES = {
    Severity.CRITICAL: "failure",
    Severity.WARNING: "warning",
    Severity.INFORMATION: "info",
}


def deliver_due(settings: Settings, now: datetime) -> int:
    """Send every message whose time has come, at least once to every channel of its severity.

    Never stops a run: a channel that fails is tried again later, and so is an outbox that cannot be
    reached. Each message is a transaction of its own, locked against other senders meanwhile.

    Args:
        settings: Channels and the analytics database.
        now: Aware.

    Returns:
        Number of messages that all their channels took.
    """
    _silence_libraries()
    sent = 0
    try:
        for _ in range(_MOST_AT_ONCE):
            is_sent = _deliver_next(settings, now)
            if is_sent is None:
                break
            sent += is_sent
    except DatabaseError as error:
        logger.error(  # noqa: TRY400  # the driver's text may quote rows, ours does not
            "The notification outbox could not be read; the sweep tries again. %s",
            error,
            extra={"action": "notify", "code": error.code},
        )
    return sent


def channels(settings: Settings, severity: Severity) -> dict[str, str]:
    """Return the channels of a severity: kind and place to URL."""
    urls = {
        Severity.CRITICAL: settings.notify.critical,
        Severity.WARNING: settings.notify.warning,
        Severity.INFORMATION: settings.notify.information,
    }[severity]
    return {f"{urlsplit(url).scheme or 'unknown'}:{place}": url for place, url in enumerate(urls, start=1)}


def unusable_channels(settings: Settings) -> tuple[Finding, ...]:
    """Find the channels that no message could ever be sent to; nothing is sent, and no URL is named."""
    _silence_libraries()
    variables = {
        "NOTIFY_CRITICAL": Severity.CRITICAL,
        "NOTIFY_WARNING": Severity.WARNING,
        "NOTIFY_INFO": Severity.INFORMATION,
    }
    return tuple(
        _unusable(variable, channel)
        for variable, severity in variables.items()
        for channel, url in channels(settings, severity).items()
        if not _is_usable(url)
    )


def _is_usable(url: str) -> bool:
    if urlsplit(url).scheme == "file":
        return True
    import apprise

    return apprise.Apprise.instantiate(url) is not None


def _unusable(variable: str, channel: str) -> Finding:
    return Finding(
        check="notify",
        severity=Severity.WARNING,
        table=None,
        message=f"{variable}: its channel {channel} is no URL that Apprise can send to, so nobody would be told "
        f"there. Several URLs are separated by spaces; Apprise's documentation has the form for each service.",
    )


def _deliver_next(settings: Settings, now: datetime) -> bool | None:
    """Deliver one message: whether all channels have it now, None when nothing is due."""
    with connect(settings.analytics) as connection, connection.begin():
        due = ledger.due_notifications(connection, now, 1)
        if not due:
            return None
        (message,) = due
        targets = channels(settings, message.severity)
        if not targets:
            ledger.mark_notified(connection, message.notification_id, now, code="no_channel")
            _log(logging.WARNING, f"No channel is configured for {message.severity} messages", message)
            return False
        delivered = (*message.delivered, *_send(message, targets, now))
        missing = [channel for channel in targets if channel not in delivered]
        if not missing:
            ledger.mark_notified(connection, message.notification_id, now)
            _log(logging.INFO, f"Sent to {', '.join(targets)}", message)
            return True
        _put_off(connection, message, delivered, missing, now)
        return False


def _put_off(
    connection: Connection,
    message: ledger.Notification,
    delivered: Sequence[str],
    missing: Sequence[str],
    now: datetime,
) -> None:
    if now - message.created_at > _GIVE_UP_AFTER:
        ledger.mark_notified(connection, message.notification_id, now, code="given_up")
        _log(logging.ERROR, f"Gave up on {', '.join(missing)} after {_GIVE_UP_AFTER}", message)
        return
    ledger.notification_failed(connection, message.notification_id, "E_NOTIFY", now, delivered=delivered)
    _log(logging.WARNING, f"Not taken by {', '.join(missing)}; tried again later", message)


def _send(message: ledger.Notification, targets: Mapping[str, str], now: datetime) -> list[str]:
    """Return the channels that took the message in this attempt."""
    open_targets = {channel: url for channel, url in targets.items() if channel not in message.delivered}
    return [channel for channel, url in open_targets.items() if _send_to(url, message, now)]


def _send_to(url: str, message: ledger.Notification, now: datetime) -> bool:
    if urlsplit(url).scheme == "file":
        return _append(Path(unquote(urlsplit(url).path)), message, now)
    import apprise

    service = apprise.Apprise()
    if not service.add(url):
        return False
    return bool(
        service.notify(
            title=message.title,
            body=message.body,
            notify_type=apprise.NotifyType(_APPRISE_TYPES[message.severity]),
            body_format=apprise.NotifyFormat.TEXT,
        )
    )


def _append(path: Path, message: ledger.Notification, now: datetime) -> bool:
    line = {
        "notification_id": message.notification_id,
        "run_id": message.run_id,
        "severity": message.severity,
        "title": message.title,
        "body": message.body,
        "sent_at": now.isoformat(),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        logger.warning("The channel's file cannot be written: %s", error.strerror, extra={"action": "notify"})
        return False
    return True


def _silence_libraries() -> None:
    """Apprise and urllib3 log URLs with their tokens at DEBUG, and Apprise names hosts in its warnings."""
    for name in ("apprise", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _log(level: int, text: str, message: ledger.Notification) -> None:
    logger.log(
        level,
        "Notification %s (%s): %s.",
        message.notification_id,
        message.severity,
        text,
        extra={"action": "notify", "run_id": message.run_id, "attempts": message.attempts + 1},
    )
