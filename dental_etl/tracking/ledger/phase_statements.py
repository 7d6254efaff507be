"""The statements by which a phase begins and ends, each built once: building one takes longer than the server needs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, DateTime, Update, bindparam, func, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from dental_etl.run import RunStatus, Stage
from dental_etl.tracking.ledger import tables
from dental_etl.tracking.ledger.table_state import WAITING, WORKING

_table = tables.run_table.c


def phase_of(run_id: str | BindParameter[str], table: str | BindParameter[str]) -> Update:
    """Return an update of one table of one run, to be completed."""
    return update(tables.run_table).where(_table.run_id == run_id, _table.table_name == table)


@lru_cache(maxsize=8)
def claiming(stage: Stage) -> ReturningUpdate[Any]:
    """Return the statement that takes a phase: ``of_run``, ``of_table``, ``of_now``."""
    run_id: BindParameter[str] = bindparam("of_run")
    now = bindparam("of_now", type_=DateTime(timezone=True))
    is_run_active = (
        select(tables.run.c.run_id)
        .where(tables.run.c.run_id == run_id, tables.run.c.status == RunStatus.ACTIVE)
        .exists()
    )
    deadline = select(tables.run.c.deadline).where(tables.run.c.run_id == run_id).scalar_subquery()
    return (
        phase_of(run_id, bindparam("of_table"))
        .where(_table.status.in_([WAITING[stage], WORKING[stage]]), is_run_active)
        .values(
            status=WORKING[stage],
            fence=tables.fence.next_value(),
            attempts=_table.attempts + 1,
            phase_attempts=_table.phase_attempts + 1,
            claimed_at=now,
            not_before=None,
            started_at=func.coalesce(_table.started_at, now),
        )
        .returning(
            _table.fence,
            _table.refresh,
            _table.phase_attempts,
            deadline.label("deadline"),
            _table.category,
            _table.batch_size,
            _table.rows_expected,
        )
    )


@lru_cache(maxsize=8)
def finishing(stage: Stage, names: tuple[str, ...]) -> Update:
    """Return the statement that ends a phase: ``of_run``, ``of_table``, ``of_fence``, and ``new_`` before each name."""
    return (
        phase_of(bindparam("of_run"), bindparam("of_table"))
        .where(_table.fence == bindparam("of_fence"), _table.status == WORKING[stage])
        .values(error_code=None, error_stage=None, error_detail=None)
        .values({name: bindparam(f"new_{name}") for name in names})
    )
