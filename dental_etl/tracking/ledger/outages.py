"""Servers that are away: known to every worker, asked again by one, over when one connection was opened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert

from dental_etl.config import Role
from dental_etl.connections import database_errors
from dental_etl.exceptions import ServerAwayError
from dental_etl.run import Stage
from dental_etl.tracking.ledger import tables

_outage = tables.outage.c
#: What a phase cannot do without; without analytics there is no ledger to ask.
NEEDED = {
    Stage.EXTRACT: frozenset({Role.SOURCE, Role.REPLICATION}),
    Stage.LOAD: frozenset({Role.REPLICATION}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A server that could not be reached, and has not been since."""

    server: Role
    began_at: datetime
    #: The run that met it.
    run_id: str
    #: How often it was asked again, in vain.
    asked: int
    #: When it is asked again.
    ask_at: datetime


@database_errors(Role.ANALYTICS)
def open_outage(connection: Connection, server: Role, run_id: str, now: datetime) -> bool:
    """Note that a server is away; False if that is known already."""
    row = {"server": server, "began_at": now, "run_id": run_id, "ask_at": now}
    opened = connection.execute(
        insert(tables.outage).values(row).on_conflict_do_nothing().returning(_outage.server)
    )
    return opened.first() is not None


@database_errors(Role.ANALYTICS)
def outages(connection: Connection) -> tuple[Outage, ...]:
    """Return the servers that are away now."""
    rows = connection.execute(
        select(*(_outage[name] for name in Outage.__dataclass_fields__))
        .where(_outage.ended_at.is_(None))
        .order_by(_outage.server)
    )
    return tuple(Outage(**{**row, "server": Role(row["server"])}) for row in rows.mappings())


def require_servers(connection: Connection, stage: Stage) -> None:
    """Pass unless a server that the phase needs is known to be away.

    What one worker could not reach may be that worker's own trouble; the server is away for everybody once
    the sweep has asked it in vain.

    Raises:
        ServerAwayError: One is; it was not asked.
    """
    for outage in outages(connection):
        if outage.asked and outage.server in NEEDED[stage]:
            raise ServerAwayError(
                f"The {outage.server} database has been away since {outage.began_at:%Y-%m-%d %H:%M} UTC; what needs "
                f"it waits. See `dental-etl test-connections`.",
                server=outage.server,
                is_known=True,
            )


@database_errors(Role.ANALYTICS)
def ask_later(connection: Connection, server: Role, at: datetime) -> None:
    """Note that a server was asked in vain, and when it is asked again."""
    connection.execute(
        update(tables.outage)
        .where(_outage.server == server, _outage.ended_at.is_(None))
        .values(asked=_outage.asked + 1, ask_at=at)
    )


@database_errors(Role.ANALYTICS)
def has_returned_since(connection: Connection, at: datetime) -> bool:
    """Tell whether a server that was away has answered since then."""
    found = connection.execute(select(_outage.server).where(_outage.ended_at >= at).limit(1))
    return found.first() is not None


@database_errors(Role.ANALYTICS)
def end_outage(connection: Connection, server: Role, now: datetime) -> bool:
    """Note that a server answers; False if it was not away, or somebody else has noted it."""
    ended = connection.execute(
        update(tables.outage).where(_outage.server == server, _outage.ended_at.is_(None)).values(ended_at=now)
    )
    return ended.rowcount == 1
