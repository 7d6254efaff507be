"""The tables of a run and their two phases: plan, claim with a fence, finish, fail, find what is stale.

A phase is owned by whoever holds the table's lock; the fence is what a late attempt runs into.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, Update, case, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from dental_etl.config import Role, TableConfig
from dental_etl.connections import database_errors
from dental_etl.exceptions import FencedError
from dental_etl.run import (
    Category,
    Coercion,
    ExtractResult,
    LoadResult,
    RefreshMode,
    RunStatus,
    Stage,
    Strategy,
    TableResult,
    TableStatus,
)
from dental_etl.tracking.ledger import tables
from dental_etl.tracking.ledger.runs import TABLE_ENDINGS, set_run_status

_table = tables.run_table.c
_RESULT = [_table[n] for n in TableResult.__dataclass_fields__ if n != "table"] + [_table.table_name]

#: Status in which a phase waits, and in which it is being worked.
_WAITING = {Stage.EXTRACT: TableStatus.PLANNED, Stage.LOAD: TableStatus.EXTRACTED}
_WORKING = {Stage.EXTRACT: TableStatus.EXTRACTING, Stage.LOAD: TableStatus.LOADING}


class Plan(Protocol):
    """What the planner decided for one table."""

    @property
    def config(self) -> TableConfig: ...
    @property
    def strategy(self) -> Strategy: ...
    @property
    def reason(self) -> str: ...
    @property
    def refresh(self) -> RefreshMode: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to work one phase of a table, until a newer claim is made."""

    run_id: str
    table: str
    stage: Stage
    #: Increases over all runs; older holders are fenced off.
    fence: int
    refresh: RefreshMode
    #: 1 for the first claim of this phase.
    attempt: int
    #: The run's: when the source must be left alone; None if no hour is blocked.
    deadline: datetime | None


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

    @property
    def stage(self) -> Stage:
        return next(s for s in (Stage.EXTRACT, Stage.LOAD) if self.status in {_WAITING[s], _WORKING[s]})

    @property
    def is_waiting(self) -> bool:
        return self.status in _WAITING.values()


@database_errors(Role.ANALYTICS)
def plan_tables(connection: Connection, run_id: str, plans: Sequence[Plan], now: datetime) -> None:
    """Write the run's tables in the order of their publication and make the run active."""
    rows = [
        {
            "run_id": run_id,
            "table_name": plan.config.table_name,
            "position": position,
            "category": plan.config.performance_category,
            "strategy": plan.strategy,
            "reason": plan.reason,
            "refresh": plan.refresh,
            "status": TableStatus.PLANNED,
            "waiting_since": now,
        }
        for position, plan in enumerate(plans)
    ]
    if rows:
        connection.execute(insert(tables.run_table).on_conflict_do_nothing(), rows)
    set_run_status(connection, run_id, RunStatus.ACTIVE, now)


@database_errors(Role.ANALYTICS)
def mark_published(
    connection: Connection, run_id: str, names: Iterable[str], epoch: str, now: datetime
) -> None:
    """Note that messages for these tables are with the broker."""
    connection.execute(
        update(tables.run_table)
        .where(_table.run_id == run_id, _table.table_name.in_(list(names)), _is_open())
        .values(epoch=epoch, waiting_since=now)
    )


@database_errors(Role.ANALYTICS)
def claim(connection: Connection, run_id: str, table: str, stage: Stage, now: datetime) -> Claim | None:
    """Take a phase of a table; the caller holds the table's lock.

    Returns:
        None if there is nothing to do: the phase is done, the table has ended, or the run is not active.
    """
    is_run_active = (
        select(tables.run.c.run_id)
        .where(tables.run.c.run_id == run_id, tables.run.c.status == RunStatus.ACTIVE)
        .exists()
    )
    deadline = select(tables.run.c.deadline).where(tables.run.c.run_id == run_id).scalar_subquery()
    row = connection.execute(
        _of(run_id, table)
        .where(_table.status.in_([_WAITING[stage], _WORKING[stage]]), is_run_active)
        .values(
            status=_WORKING[stage],
            fence=tables.fence.next_value(),
            attempts=_table.attempts + 1,
            phase_attempts=_table.phase_attempts + 1,
            claimed_at=now,
            not_before=None,
            started_at=func.coalesce(_table.started_at, now),
        )
        .returning(_table.fence, _table.refresh, _table.phase_attempts, deadline.label("deadline"))
    ).first()
    if row is None:
        return None
    return Claim(
        run_id=run_id,
        table=table,
        stage=stage,
        fence=row.fence,
        refresh=RefreshMode(row.refresh),
        attempt=row.phase_attempts,
        deadline=row.deadline,
    )


@database_errors(Role.ANALYTICS)
def finish_extract(connection: Connection, claim: Claim, result: ExtractResult, now: datetime) -> None:
    """Record a complete replica; the table now waits for its load.

    Raises:
        FencedError: A newer attempt took the table over.
    """
    values = {
        "status": TableStatus.EXTRACTED,
        "strategy": result.strategy,
        "reason": result.reason,
        "rows_read": result.rows_read,
        "rows_written": result.rows_written,
        "rows_deleted": result.rows_deleted,
        "bytes_read": result.bytes_read,
        "extract_seconds": result.seconds,
        "source_seconds": result.source_seconds,
        "longest_read_seconds": result.longest_read_seconds,
        "reads": result.reads,
        "drift": list(result.drift),
        "phase_attempts": 0,
        "phase_failures": 0,
        "waiting_since": now,
    }
    _finish(connection, claim, values)
    add_coercions(connection, claim.run_id, result.coercions, stage=Stage.EXTRACT)


@database_errors(Role.ANALYTICS)
def finish_load(connection: Connection, claim: Claim, result: LoadResult, now: datetime) -> None:
    """Record a table that has arrived; called inside the load's own transaction.

    Raises:
        FencedError: A newer attempt took the table over; the caller rolls its rows back.
    """
    values = {
        "status": TableStatus.LOADED,
        "rows_written": result.rows_written,
        "rows_deleted": result.rows_deleted,
        "rows_total": result.rows_total,
        "load_seconds": result.seconds,
        "load_action": result.action,
        "drift": _table.drift.concat(func.to_jsonb(list(result.drift))) if result.drift else _table.drift,
        "finished_at": now,
    }
    _finish(connection, claim, values)
    add_coercions(connection, claim.run_id, result.coercions, stage=Stage.LOAD)


def _finish(connection: Connection, claim: Claim, values: dict[str, Any]) -> None:
    finished = connection.execute(
        _of(claim.run_id, claim.table)
        .where(_table.fence == claim.fence, _table.status == _WORKING[claim.stage])
        .values(error_code=None, error_stage=None, error_detail=None, **values)
    )
    if finished.rowcount != 1:
        raise FencedError(
            f"Another attempt took over the {claim.stage} of table {claim.table}; this one stops. Nothing is to be done.",
            table=claim.table,
            stage=claim.stage,
            run_id=claim.run_id,
        )


@database_errors(Role.ANALYTICS)
def fail(
    connection: Connection, run_id: str, table: str, stage: Stage, code: str, detail: str, now: datetime
) -> bool:
    """End a table as failed; False if it had ended already."""
    return _end(connection, run_id, table, TableStatus.FAILED, _error(stage, code, detail), now)


@database_errors(Role.ANALYTICS)
def leave_out(
    connection: Connection, run_id: str, table: str, stage: Stage, code: str, detail: str, now: datetime
) -> bool:
    """End a table as not run: the window closed over it; False if it had ended already."""
    return _end(connection, run_id, table, TableStatus.NOT_RUN, _error(stage, code, detail), now)


@database_errors(Role.ANALYTICS)
def retry_at(
    connection: Connection,
    run_id: str,
    table: str,
    stage: Stage,
    code: str,
    detail: str,
    at: datetime,
) -> None:
    """Let the phase wait again until `at`, and count the error."""
    connection.execute(
        _of(run_id, table)
        .where(_is_open())
        .values(
            status=_WAITING[stage],
            not_before=at,
            phase_failures=_table.phase_failures + 1,
            **_error(stage, code, detail),
        )
    )


@database_errors(Role.ANALYTICS)
def put_off(connection: Connection, run_id: str, table: str, stage: Stage, at: datetime) -> None:
    """Let the phase wait until `at` without counting anything: its turn has not come yet."""
    was_claimed = _table.status == _WORKING[stage]
    connection.execute(
        _of(run_id, table)
        .where(_table.status.in_([_WAITING[stage], _WORKING[stage]]))
        .values(
            status=_WAITING[stage],
            not_before=at,
            phase_attempts=_table.phase_attempts - case((was_claimed, 1), else_=0),
        )
    )


@database_errors(Role.ANALYTICS)
def mark_not_run(connection: Connection, run_id: str, code: str, now: datetime) -> int:
    """End every table that still waits for its extract; return how many."""
    ended = connection.execute(
        update(tables.run_table)
        .where(_table.run_id == run_id, _table.status == TableStatus.PLANNED)
        .values(
            status=TableStatus.NOT_RUN,
            error_code=code,
            error_stage=Stage.EXTRACT,
            error_detail="The window closed before its turn; the next night reads it.",
            finished_at=now,
        )
    )
    return ended.rowcount


@database_errors(Role.ANALYTICS)
def open_table(connection: Connection, run_id: str, table: str) -> OpenTable | None:
    """Return where a table stands, None if it has ended or is not part of the run."""
    found = _open_tables(connection, run_id, _table.table_name == table)
    return found[0] if found else None


@database_errors(Role.ANALYTICS)
def stale_tables(
    connection: Connection, run_id: str, *, epoch: str, before: datetime
) -> tuple[OpenTable, ...]:
    """Return the tables of a run whose message may be lost, in their order of publication.

    Those waiting with a message of another broker epoch, and those that nothing has touched since
    `before`. Whether a worker holds the lock, or the queue still has the message, is for the caller to ask.
    """
    lost = _table.status.in_(list(_WAITING.values())) & _table.epoch.is_distinct_from(epoch)
    return _open_tables(connection, run_id, or_(lost, _touched_at() < before))


def _open_tables(connection: Connection, run_id: str, condition: Any) -> tuple[OpenTable, ...]:
    rows = connection.execute(
        select(
            _table.table_name,
            _table.category,
            _table.status,
            _table.phase_attempts,
            _table.phase_failures,
            _table.epoch,
            _touched_at().label("touched_at"),
        )
        .where(_table.run_id == run_id, _is_open(), condition)
        .order_by(_table.position)
    )
    return tuple(
        OpenTable(
            table=row.table_name,
            category=Category(row.category),
            status=TableStatus(row.status),
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
    rows = connection.execute(select(*_RESULT).where(_table.run_id == run_id).order_by(_table.position))
    return tuple(_result(dict(row)) for row in rows.mappings())


@database_errors(Role.ANALYTICS)
def add_coercions(
    connection: Connection, run_id: str, found: Iterable[Coercion], *, stage: Stage = Stage.LOAD
) -> None:
    """Record counted coercions; the same phase told twice replaces its count."""
    counted = {(one.table, one.column, one.kind): one.rows for one in found}
    if not counted:
        return
    statement = insert(tables.coercion)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(tables.coercion.primary_key.columns), set_={"rows": statement.excluded.rows}
        ),
        [
            {"run_id": run_id, "stage": stage, "table_name": t, "column_name": c, "kind": k, "rows": n}
            for (t, c, k), n in counted.items()
        ],
    )


def _result(row: dict[str, Any]) -> TableResult:
    typed = {
        **row,
        "category": Category(row["category"]),
        "status": TableStatus(row["status"]),
        "strategy": Strategy(row["strategy"]),
        "refresh": RefreshMode(row["refresh"]),
        "drift": tuple(row["drift"]),
    }
    return TableResult(table=typed.pop("table_name"), **typed)


def _end(
    connection: Connection,
    run_id: str,
    table: str,
    status: TableStatus,
    error: dict[str, str],
    now: datetime,
) -> bool:
    ended = connection.execute(
        _of(run_id, table).where(_is_open()).values(status=status, finished_at=now, **error)
    )
    return ended.rowcount == 1


def _error(stage: Stage, code: str, detail: str) -> dict[str, str]:
    return {"error_code": code, "error_stage": stage, "error_detail": detail}


def _of(run_id: str, table: str) -> Update:
    return update(tables.run_table).where(_table.run_id == run_id, _table.table_name == table)


def _is_open() -> Any:
    return _table.status.not_in(TABLE_ENDINGS)


def _touched_at() -> Any:
    return func.greatest(_table.waiting_since, _table.claimed_at, _table.not_before)
