"""Visits to the source: what each has cost, and how much of a run's budget they have used."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, insert, select

from dental_etl.config import Role
from dental_etl.connections import database_errors
from dental_etl.run import SourceVisit, TableStatus
from dental_etl.tracking.ledger import tables

_visit = tables.source_visit.c


@database_errors(Role.ANALYTICS)
def add_visits(connection: Connection, run_id: str, visits: Iterable[SourceVisit]) -> None:
    """Record visits that are over."""
    rows = [
        {
            "run_id": run_id,
            "table_name": one.table,
            "began_at": one.began_at,
            "ended_at": one.ended_at,
            "reads": one.reads,
            "bytes_read": one.bytes_read,
            "seconds": one.seconds,
            "longest_read_seconds": one.longest_read_seconds,
            "pauses": one.pauses,
        }
        for one in visits
    ]
    if rows:
        connection.execute(insert(tables.source_visit), rows)


@database_errors(Role.ANALYTICS)
def visits(connection: Connection, run_id: str) -> tuple[SourceVisit, ...]:
    """Return the visits of a run in the order in which they began."""
    rows = connection.execute(
        select(tables.source_visit).where(_visit.run_id == run_id).order_by(_visit.began_at, _visit.visit_id)
    )
    return tuple(
        SourceVisit(
            table=row.table_name,
            began_at=row.began_at,
            ended_at=row.ended_at,
            reads=row.reads,
            bytes_read=row.bytes_read,
            seconds=row.seconds,
            longest_read_seconds=row.longest_read_seconds,
            pauses=row.pauses,
        )
        for row in rows
    )


@database_errors(Role.ANALYTICS)
def bytes_read(connection: Connection, run_id: str) -> int:
    """Return the bytes of rows that a run has read: by visits that are over, and by those that go on."""
    over = select(func.coalesce(func.sum(_visit.bytes_read), 0)).where(_visit.run_id == run_id)
    at_work = select(func.coalesce(func.sum(tables.run_table.c.bytes_read), 0)).where(
        tables.run_table.c.run_id == run_id, tables.run_table.c.status == TableStatus.EXTRACTING
    )
    return int(connection.execute(select(over.scalar_subquery() + at_work.scalar_subquery())).scalar_one())
