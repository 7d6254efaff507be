"""A server that is away: no table fails for it. One process asks until it answers; people are told once."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sqlalchemy import Connection

from dental_etl.config import DatabaseSettings, Role, Settings
from dental_etl.connections import answers
from dental_etl.exceptions import DatabaseError, ServerAwayError, ServerFullError
from dental_etl.pipeline.tables import ledger_transaction
from dental_etl.run import Finding, RunKind, Severity, Stage
from dental_etl.tracking import ledger

logger = logging.getLogger(__name__)

#: A server that is restarted answers before people need to know.
_QUIET_ASKS = 2
#: A server that is full for a moment is nobody's business at night.
_FULL_FOR_LONG = timedelta(minutes=5)
#: The pause between two questions doubles up to so many times the first.
_LONGEST_PAUSE = 5


def park_table(
    settings: Settings, run_id: str, table: str, stage: Stage, away: ServerAwayError, now: datetime
) -> None:
    """Let a table wait for a server that is away; the first table that meets it makes it known to all."""
    with ledger_transaction(settings) as connection:
        ledger.park(connection, run_id, table, stage)
    notice(settings, run_id, away, now)


def notice(settings: Settings, run_id: str, away: DatabaseError, now: datetime) -> None:
    """Make it known that a server takes no connection."""
    with ledger_transaction(settings) as connection:
        is_news = ledger.open_outage(connection, Role(away.server), run_id, now)
    if is_news:
        logger.warning(
            "The %s database takes no connection; what needs it waits, and it is asked again",
            away.server,
            extra={"action": "server_away", "run_id": run_id},
        )


def note_full(settings: Settings, run_id: str, full: ServerFullError, now: datetime) -> None:
    """Leave a trace for the report of a server that is there, but has no place for us; tell people if it lasts."""
    message = (
        f"The {full.server} database had no free connection for us at times, and tables waited for one. Look who "
        f"holds them (SHOW PROCESSLIST, pg_stat_activity), and at the limits of the server and of our account."
    )
    found = Finding(check="server_full", severity=Severity.WARNING, table=None, message=message)
    with ledger_transaction(settings) as connection:
        first = ledger.add_common_finding(connection, run_id, found, now)
        if now - first >= _FULL_FOR_LONG:
            title = f"dental_etl: the {full.server} database has no free connection for us"
            since = f"{first.astimezone(settings.window.zone):%H:%M}"
            body = f"First at {since}. {message} What has no turn by the window's end is read the next night."
            ledger.add_notification(connection, run_id, Severity.WARNING, title, body, now)


def notice_all(settings: Settings, run_id: str, now: datetime) -> None:
    """Ask every server that a table needs, and make it known which are away."""
    for database in (settings.source, settings.replication):
        if not answers(database):
            notice(settings, run_id, ServerAwayError("A connection was refused.", server=database.role), now)


def ask(settings: Settings, now: datetime, pause: timedelta) -> frozenset[Role]:
    """Ask the servers that are away whether they are back; return those that are not.

    The source is asked inside the window only.

    Args:
        settings: Where.
        now: Aware.
        pause: Between the first two questions; the next ones are longer.
    """
    with ledger_transaction(settings) as connection:
        away = ledger.outages(connection)
    return frozenset(outage.server for outage in away if not _is_over(settings, outage, now, pause))


def answered(settings: Settings, now: datetime) -> None:
    """Note that every server has just been reached."""
    with ledger_transaction(settings) as connection:
        for outage in ledger.outages(connection):
            _end(connection, settings, outage, now)


def _is_over(settings: Settings, outage: ledger.Outage, now: datetime, pause: timedelta) -> bool:
    may_ask = outage.server is not Role.SOURCE or settings.window.is_open(now)
    if now < outage.ask_at or not may_ask:
        return False
    is_back = answers(_database(settings, outage.server))
    with ledger_transaction(settings) as connection:
        if is_back:
            _end(connection, settings, outage, now)
        else:
            ledger.ask_later(connection, outage.server, now + min(2**outage.asked, _LONGEST_PAUSE) * pause)
            if outage.asked + 1 > _QUIET_ASKS:
                _tell(connection, settings, outage, now)
    return is_back


def _end(connection: Connection, settings: Settings, outage: ledger.Outage, now: datetime) -> None:
    if not ledger.end_outage(connection, outage.server, now):
        return
    until = now.astimezone(settings.window.zone)
    # Without times, where it was one worker's trouble: said again every minute of a night, it stands there once.
    message = (
        f"The {outage.server} database could not be reached from {_since(settings, outage)} to {until:%H:%M}; "
        f"the tables that needed it waited."
        if outage.asked
        else f"A worker could not reach the {outage.server} database, which answered when it was asked again. After "
        f"many such nights look at the way to it from every worker host; the log of the one concerned names the tables that wait."
    )
    logger.warning(message, extra={"action": "server_back", "run_id": outage.run_id})
    found = Finding(check="server_away", severity=Severity.WARNING, table=None, message=message)
    for run in ledger.active_runs(connection):
        ledger.add_findings(connection, run.run_id, [found])
    if outage.asked > _QUIET_ASKS:
        title = f"dental_etl: the {outage.server} database answers again since {until:%H:%M}"
        ledger.add_notification(connection, outage.run_id, Severity.INFORMATION, title, message, now)


def _tell(connection: Connection, settings: Settings, outage: ledger.Outage, now: datetime) -> None:
    """Put one message into the outbox; said again, it is the same."""
    since = _since(settings, outage)
    waiting = [run for run in ledger.active_runs(connection) if run.kind is not RunKind.MANUAL]
    if not waiting:
        return  # a start that was refused has said so
    until = min((run.deadline for run in waiting if run.deadline), default=None)
    end = f" until {until.astimezone(settings.window.zone):%H:%M}" if until else ""
    body = (
        f"Nothing has failed yet: the tables that need it wait, and it is asked again every few minutes{end}. What "
        f"has no turn by then is left out and read the next night. Look at the server and the way to it; "
        f"`dental-etl test-connections` shows what we see."
    )
    title = f"dental_etl: the {outage.server} database has not answered since {since}"
    ledger.add_notification(connection, outage.run_id, Severity.CRITICAL, title, body, now)


def _since(settings: Settings, outage: ledger.Outage) -> str:
    return f"{outage.began_at.astimezone(settings.window.zone):%H:%M}"


def _database(settings: Settings, server: Role) -> DatabaseSettings:
    return next(
        one for one in (settings.source, settings.replication, settings.analytics) if one.role is server
    )
