"""Where the tables of a run stand: the vocabulary of their statuses, and what can be read about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, or_, select

from dental_etl.config import Role
from dental_etl.connections import database_errors
from dental_etl.run import Category, RefreshMode, RunStatus, Stage, Strategy, TableResult, TableStatus
from dental_etl.tracking.ledger import tables
from dental_etl.tracking.ledger.runs import TABLE_ENDINGS

_table = tables.run_table.c
#: What a `TableResult` is made of.
RESULT = [_table[n] for n in TableResult.__dataclass_fields__ if n != "table"] + [_table.table_name]

#: Status in which a phase waits, and in which it is being worked.
WAITING = {Stage.EXTRACT: TableStatus.PLANNED, Stage.LOAD: TableStatus.EXTRACTED}
WORKING = {Stage.EXTRACT: TableStatus.EXTRACTING, Stage.LOAD: TableStatus.LOADING}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTable:
    """A table of a run that has not ended."""

    table: str
    category: Category
    status: TableStatus
    #: Claims of the phase that it is in.
    phase_attempts: int
    #: Errors of the phase that it is in.
    phase_failures: int
    #: The broker's epoch when its message was published; None if it never was.
    epoch: str | None
    #: When it was published, claimed or put off; it is left in peace for a while from then.
    touched_at: datetime
    #: As planned for this run.
    batch_size: int | None = None
    rows_expected: int = 0

    @property
    def stage(self) -> Stage:
        return next(s for s in (Stage.EXTRACT, Stage.LOAD) if self.status in {WAITING[s], WORKING[s]})

    @property
    def is_waiting(self) -> bool:
        return self.status in WAITING.values()


@database_errors(Role.ANALYTICS)
def open_table(connection: Connection, run_id: str, table: str) -> OpenTable | None:
    """Return where a table stands, None if it has ended or is not part of the run."""
    found = _open_tables(connection, run_id, _table.table_name == table)
    return found[0] if found else None


@database_errors(Role.ANALYTICS)
def open_tables(connection: Connection, run_id: str) -> frozenset[str]:
    """Return the tables of a run that wait or are worked; none once the run has come to its report."""
    found = connection.execute(
        select(_table.table_name)
        .join(tables.run, tables.run.c.run_id == _table.run_id)
        .where(_table.run_id == run_id, is_open(), tables.run.c.status == RunStatus.ACTIVE)
    )
    return frozenset(found.scalars())


@database_errors(Role.ANALYTICS)
def stale_tables(
    connection: Connection, run_id: str, *, epoch: str, before: datetime
) -> tuple[OpenTable, ...]:
    """Return the tables of a run whose message may be lost, in their order of publication.

    Those waiting with a message of another broker epoch, and those that nothing has touched since
    `before`. Whether a worker holds the lock, or the queue still has the message, is for the caller to ask.
    """
    lost = _table.status.in_(list(WAITING.values())) & _table.epoch.is_distinct_from(epoch)
    return _open_tables(connection, run_id, or_(lost, _touched_at() < before))


def _open_tables(connection: Connection, run_id: str, condition: Any) -> tuple[OpenTable, ...]:
    rows = connection.execute(
        select(
            _table.table_name,
            _table.category,
            _table.status,
            _table.batch_size,
            _table.rows_expected,
            _table.phase_attempts,
            _table.phase_failures,
            _table.epoch,
            _touched_at().label("touched_at"),
        )
        .where(_table.run_id == run_id, is_open(), condition)
        .order_by(_table.position)
    )
    return tuple(
        OpenTable(
            table=row.table_name,
            category=Category(row.category),
            status=TableStatus(row.status),
            batch_size=row.batch_size,
            rows_expected=row.rows_expected,
            phase_attempts=row.phase_attempts,
            phase_failures=row.phase_failures,
            epoch=row.epoch,
            touched_at=row.touched_at,
        )
        for row in rows
    )


@database_errors(Role.ANALYTICS)
def results(connection: Connection, run_id: str) -> tuple[TableResult, ...]:
    """Return the tables of a run in their order of publication."""
    rows = connection.execute(select(*RESULT).where(_table.run_id == run_id).order_by(_table.position))
    return tuple(as_result(dict(row)) for row in rows.mappings())


def is_open() -> Any:
    """Return the condition that a table has not ended."""
    return _table.status.not_in(TABLE_ENDINGS)


def as_result(row: dict[str, Any]) -> TableResult:
    """Return a row of `RESULT` as a value."""
    typed = {
        **row,
        "category": Category(row["category"]),
        "status": TableStatus(row["status"]),
        "strategy": Strategy(row["strategy"]),
        "refresh": RefreshMode(row["refresh"]),
        "drift": tuple(row["drift"]),
        "notes": tuple(row["notes"]),
    }
    return TableResult(table=typed.pop("table_name"), **typed)


def _touched_at() -> Any:
    return func.greatest(_table.waiting_since, _table.claimed_at, _table.not_before)
