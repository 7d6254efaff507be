"""The two phases of a run's tables: plan, claim with a fence, finish, fail.

A phase is owned by whoever holds the table's lock; the fence is what a late attempt runs into.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, case, func, text, update
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
    Stage,
    Strategy,
    TableStatus,
)
from dental_etl.tracking.ledger import tables
from dental_etl.tracking.ledger.phase_statements import claiming, finishing, phase_of
from dental_etl.tracking.ledger.records import add_findings
from dental_etl.tracking.ledger.runs import activate_run
from dental_etl.tracking.ledger.table_state import WAITING, WORKING, is_open

_table = tables.run_table.c


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
    @property
    def expected_seconds(self) -> float | None: ...
    @property
    def notes(self) -> tuple[str, ...]: ...


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
    #: As planned for this run.
    category: Category
    batch_size: int | None
    rows_expected: int


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
            "batch_size": plan.config.batch_size,
            "expected_seconds": plan.expected_seconds,
            "notes": list(plan.notes),
            "rows_expected": plan.config.estimated_rows,
            "status": TableStatus.PLANNED,
            "waiting_since": now,
        }
        for position, plan in enumerate(plans)
    ]
    if rows:
        connection.execute(insert(tables.run_table).on_conflict_do_nothing(), rows)
    activate_run(connection, run_id, now)


@database_errors(Role.ANALYTICS)
def mark_published(
    connection: Connection, run_id: str, names: Iterable[str], epoch: str, now: datetime
) -> None:
    """Note that messages for these tables are with the broker."""
    connection.execute(
        update(tables.run_table)
        .where(_table.run_id == run_id, _table.table_name.in_(list(names)), is_open())
        .values(epoch=epoch, waiting_since=now)
    )


@database_errors(Role.ANALYTICS)
def raise_fences(connection: Connection, *, above: int) -> None:
    """Let the next fence be higher than any that replication has seen.

    It is so already, unless the analytics database was restored from a backup: every table would
    then be fenced off by its own past.
    """
    name = f"{tables.SCHEMA}.{tables.fence.name}"
    connection.execute(
        text(f"SELECT setval(:name, :above) FROM {name} WHERE last_value < :above"),
        {"name": name, "above": above},
    )


@database_errors(Role.ANALYTICS)
def claim(connection: Connection, run_id: str, table: str, stage: Stage, now: datetime) -> Claim | None:
    """Take a phase of a table; the caller holds the table's lock.

    Returns:
        None if there is nothing to do: the phase is done, the table has ended, or the run is not active.
    """
    row = connection.execute(claiming(stage), {"of_run": run_id, "of_table": table, "of_now": now}).first()
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
        category=Category(row.category),
        batch_size=row.batch_size,
        rows_expected=row.rows_expected,
    )


@database_errors(Role.ANALYTICS)
def record_progress(
    connection: Connection, claim: Claim, *, rows: int, size: int, seconds: float, expected_rows: int = 0
) -> None:
    """Say how far a phase is, for whoever watches; nothing happens if a newer attempt has the table.

    Args:
        connection: Analytics.
        claim: Of the phase.
        rows: Read from the source, or copied to raw, so far.
        size: Bytes of them.
        seconds: Since the attempt began.
        expected_rows: Of a load: rows that it will have copied.
    """
    extracted = {"rows_read": rows, "bytes_read": size, "extract_seconds": seconds}
    loaded = {
        "rows_loaded": rows,
        "bytes_loaded": size,
        "rows_to_load": expected_rows,
        "load_seconds": seconds,
    }
    connection.execute(
        phase_of(claim.run_id, claim.table)
        .where(_table.fence == claim.fence, _table.status == WORKING[claim.stage])
        .values(extracted if claim.stage is Stage.EXTRACT else loaded)
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
        "extract_action": result.action,
        "proven_at": result.proven_at,
        "proven_by": result.proven_by,
        "phase_attempts": 0,
        "phase_failures": 0,
        "waiting_since": now,
    }
    _finish(connection, claim, values)
    add_coercions(connection, claim.run_id, result.coercions, stage=Stage.EXTRACT)
    add_findings(connection, claim.run_id, result.findings)


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
        "raw_proven_at": result.proven_at,
        "raw_proven_by": result.proven_by,
        "finished_at": now,
    }
    _finish(connection, claim, values)
    if result.drift:
        drift = _table.drift.concat(func.to_jsonb(list(result.drift)))
        connection.execute(phase_of(claim.run_id, claim.table).values(drift=drift))
    add_coercions(connection, claim.run_id, result.coercions, stage=Stage.LOAD)
    add_findings(connection, claim.run_id, result.findings)


@database_errors(Role.ANALYTICS)
def record_raw_proof(connection: Connection, run_id: str, result: LoadResult) -> None:
    """Record what a comparison after the load has shown about a table of a run."""
    connection.execute(
        phase_of(run_id, result.table).values(raw_proven_at=result.proven_at, raw_proven_by=result.proven_by)
    )


def _finish(connection: Connection, claim: Claim, values: dict[str, Any]) -> None:
    finished = connection.execute(
        finishing(claim.stage, tuple(values)),
        {
            **{f"new_{name}": value for name, value in values.items()},
            "of_run": claim.run_id,
            "of_table": claim.table,
            "of_fence": claim.fence,
        },
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
        phase_of(run_id, table)
        .where(is_open())
        .values(
            status=WAITING[stage],
            not_before=at,
            phase_failures=_table.phase_failures + 1,
            **_error(stage, code, detail),
        )
    )


@database_errors(Role.ANALYTICS)
def put_off(connection: Connection, run_id: str, table: str, stage: Stage, at: datetime) -> None:
    """Let the phase wait until `at` without counting anything: its turn has not come yet."""
    was_claimed = _table.status == WORKING[stage]
    connection.execute(
        phase_of(run_id, table)
        .where(_table.status.in_([WAITING[stage], WORKING[stage]]))
        .values(
            status=WAITING[stage],
            not_before=at,
            phase_attempts=_table.phase_attempts - case((was_claimed, 1), else_=0),
        )
    )


@database_errors(Role.ANALYTICS)
def park(connection: Connection, run_id: str, table: str, stage: Stage) -> None:
    """Let the phase wait for the sweep to publish it again; nothing is counted."""
    was_claimed = _table.status == WORKING[stage]
    connection.execute(
        phase_of(run_id, table)
        .where(_table.status.in_([WAITING[stage], WORKING[stage]]))
        .values(
            status=WAITING[stage],
            epoch=None,
            not_before=None,
            phase_attempts=_table.phase_attempts - case((was_claimed, 1), else_=0),
        )
    )


@database_errors(Role.ANALYTICS)
def mark_not_run(connection: Connection, run_id: str, code: str, detail: str, now: datetime) -> int:
    """End every table that still waits for its extract; return how many."""
    ended = connection.execute(
        update(tables.run_table)
        .where(_table.run_id == run_id, _table.status == TableStatus.PLANNED)
        .values(
            status=TableStatus.NOT_RUN,
            error_code=code,
            error_stage=Stage.EXTRACT,
            error_detail=detail,
            finished_at=now,
        )
    )
    return ended.rowcount


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


def _end(
    connection: Connection,
    run_id: str,
    table: str,
    status: TableStatus,
    error: dict[str, str],
    now: datetime,
) -> bool:
    ended = connection.execute(
        phase_of(run_id, table).where(is_open()).values(status=status, finished_at=now, **error)
    )
    return ended.rowcount == 1


def _error(stage: Stage, code: str, detail: str) -> dict[str, str]:
    return {"error_code": code, "error_stage": stage, "error_detail": detail}
