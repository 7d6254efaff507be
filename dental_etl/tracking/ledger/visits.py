"""Visits to the source: what each has cost, and how much of a run's budget they have used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from dental_etl.config import Role
from dental_etl.connections import database_errors
from dental_etl.run import SourceVisit
from dental_etl.tracking.ledger import tables

_visit = tables.source_visit.c


@database_errors(Role.ANALYTICS)
def add_visits(connection: Connection, run_id: str, visits: Iterable[SourceVisit]) -> None:
    """Record visits that are over."""
    rows = [_row(run_id, one) for one in visits]
    if rows:
        connection.execute(insert(tables.source_visit), rows)


@database_errors(Role.ANALYTICS)
def write_visit(connection: Connection, run_id: str, visit: SourceVisit, number: int | None) -> int:
    """Record what a visit that goes on has cost so far, in the place of its row of that number; return it."""
    if number is None:
        statement = insert(tables.source_visit).values(_row(run_id, visit)).returning(_visit.visit_id)
        return int(connection.execute(statement).scalar_one())
    connection.execute(
        update(tables.source_visit).where(_visit.visit_id == number).values(_row(run_id, visit))
    )
    return number


@database_errors(Role.ANALYTICS)
def forget_visits(connection: Connection, numbers: Sequence[int]) -> None:
    """Delete rows of `write_visit`; their visits are over, and are recorded as such."""
    if numbers:
        connection.execute(delete(tables.source_visit).where(_visit.visit_id.in_(numbers)))


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
    counted = select(func.coalesce(func.sum(_visit.bytes_read), 0)).where(_visit.run_id == run_id)
    return int(connection.execute(counted).scalar_one())


def _row(run_id: str, visit: SourceVisit) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "table_name": visit.table,
        "began_at": visit.began_at,
        "ended_at": visit.ended_at,
        "reads": visit.reads,
        "bytes_read": visit.bytes_read,
        "seconds": visit.seconds,
        "longest_read_seconds": visit.longest_read_seconds,
        "pauses": visit.pauses,
    }
