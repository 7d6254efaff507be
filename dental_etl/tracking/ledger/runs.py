"""A run from its first row to its last: open, refuse, finalise once, close, read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import Connection, RowMapping, and_, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from dental_etl.config import Role
from dental_etl.connections import database_errors
from dental_etl.exceptions import RunNotFoundError, RunRefusedError
from dental_etl.run import Category, RefreshMode, RunKind, RunStatus, TableStatus
from dental_etl.tracking.ledger import tables
from dental_etl.tracking.run_row import RunRow

ACTIVE = (RunStatus.STARTING, RunStatus.ACTIVE, RunStatus.REPORTING)
TABLE_ENDINGS = tuple(status for status in TableStatus if status.is_terminal)

_run = tables.run.c
_SELECTED = ("selected_tables", "selected_category")
_ROW = [
    *(tables.run.c[name] for name in RunRow.__dataclass_fields__ if name not in _SELECTED),
    tables.run.c.selection,
]


@database_errors(Role.ANALYTICS)
def open_run(
    connection: Connection,
    *,
    run_id: str,
    kind: RunKind,
    run_date: date,
    now: datetime,
    deadline: datetime | None,
    refresh: RefreshMode = RefreshMode.INCREMENTAL,
    wants_dbt: bool = True,
) -> None:
    """Write the run's row; the unique indexes decide between runs that start together.

    Opening a run again under its own id does nothing: its message was delivered twice.

    Raises:
        RunRefusedError: A nightly run is active, or this night has had its run.
    """
    row = {
        "run_id": run_id,
        "kind": kind,
        "run_date": run_date,
        "status": RunStatus.STARTING,
        "refresh": refresh,
        "wants_dbt": wants_dbt,
        "created_at": now,
        "deadline": deadline,
        "published_at": now,
    }
    opened = connection.execute(
        insert(tables.run).values(row).on_conflict_do_nothing().returning(_run.run_id)
    ).first()
    if opened is None and _find(connection, run_id) is None:
        raise RunRefusedError(_refusal(connection, run_date), run_id=run_id)


def _refusal(connection: Connection, run_date: date) -> str:
    active = connection.execute(
        select(_run.run_id).where(_run.kind == RunKind.NIGHTLY, _run.status.in_(ACTIVE))
    ).scalar()
    if active is not None:
        return f"Run {active} is still active; wait for it, or watch it with `dental-etl status --watch`."
    return (
        f"The night of {run_date} has had its run. To repeat tables, use "
        f"`dental-etl enqueue table NAME` or `dental-etl run --table NAME`."
    )


@database_errors(Role.ANALYTICS)
def select_tables(
    connection: Connection, run_id: str, names: Sequence[str], category: Category | None = None
) -> None:
    """Note which tables a run is for, so that its messages need not carry them."""
    selection = {"tables": list(names), "category": category}
    connection.execute(update(tables.run).where(_run.run_id == run_id).values(selection=selection))


@database_errors(Role.ANALYTICS)
def nightly_runs(connection: Connection, run_date: date) -> tuple[RunRow, ...]:
    """Return the nightly runs of a night, refused ones included, newest first."""
    rows = connection.execute(
        select(*_ROW)
        .where(_run.kind == RunKind.NIGHTLY, _run.run_date == run_date)
        .order_by(_run.created_at.desc())
    )
    return tuple(_value(row) for row in rows.mappings())


@database_errors(Role.ANALYTICS)
def activate_run(connection: Connection, run_id: str, now: datetime) -> None:
    """Let the run's tables be worked; a run that has come to its report, or has ended, stays what it is."""
    connection.execute(
        update(tables.run)
        .where(_run.run_id == run_id, _run.status.in_((RunStatus.STARTING, RunStatus.ACTIVE)))
        .values(status=RunStatus.ACTIVE, started_at=func.coalesce(_run.started_at, now))
    )


@database_errors(Role.ANALYTICS)
def refuse_run(connection: Connection, run_id: str, code: str, detail: str, now: datetime) -> bool:
    """End a run that guard, validation or planning stopped; False if it was past that already."""
    refused = connection.execute(
        update(tables.run)
        .where(_run.run_id == run_id, _run.status == RunStatus.STARTING)
        .values(status=RunStatus.REFUSED, error_code=code, error_detail=detail, finished_at=now)
    )
    return refused.rowcount == 1


@database_errors(Role.ANALYTICS)
def finalise_once(connection: Connection, run_id: str, by: str, now: datetime) -> bool:
    """Declare that every table has ended; True for the one caller who may go on to the report."""
    is_open = exists().where(
        and_(tables.run_table.c.run_id == run_id, tables.run_table.c.status.not_in(TABLE_ENDINGS))
    )
    won = connection.execute(
        update(tables.run)
        .where(_run.run_id == run_id, _run.status == RunStatus.ACTIVE, ~is_open)
        .values(status=RunStatus.REPORTING, reporting_at=now, published_at=now, finalised_by=by)
    )
    return won.rowcount == 1


@database_errors(Role.ANALYTICS)
def close_run(connection: Connection, run_id: str, status: RunStatus, now: datetime) -> bool:
    """Give the run its last status; False if it had one."""
    closed = connection.execute(
        update(tables.run)
        .where(_run.run_id == run_id, _run.status.in_(ACTIVE))
        .values(status=status, finished_at=now)
    )
    return closed.rowcount == 1


@database_errors(Role.ANALYTICS)
def mend_run(connection: Connection, run_id: str) -> bool:
    """Let a failed run count as succeeded: what had failed was done again. False if it had not failed."""
    mended = connection.execute(
        update(tables.run)
        .where(_run.run_id == run_id, _run.status == RunStatus.FAILED)
        .values(status=RunStatus.SUCCEEDED)
    )
    return mended.rowcount == 1


@database_errors(Role.ANALYTICS)
def mark_run_published(connection: Connection, run_id: str, now: datetime) -> None:
    """Note when the run's next message went out, so that the sweep leaves it time."""
    connection.execute(update(tables.run).where(_run.run_id == run_id).values(published_at=now))


@database_errors(Role.ANALYTICS)
def silent_runs(connection: Connection, status: RunStatus, before: datetime) -> tuple[RunRow, ...]:
    """Return the Celery runs that stand in a status and had no message and no finished step since `before`."""
    last_step = (
        select(func.max(tables.run_step.c.done_at)).where(tables.run_step.c.run_id == _run.run_id)
    ).scalar_subquery()
    rows = connection.execute(
        select(*_ROW).where(
            _run.status == status,
            _run.kind != RunKind.MANUAL,
            func.greatest(_run.created_at, _run.published_at, last_step) < before,
        )
    )
    return tuple(_value(row) for row in rows.mappings())


@database_errors(Role.ANALYTICS)
def active_runs(connection: Connection) -> tuple[RunRow, ...]:
    """Return the runs that have not ended, oldest first."""
    rows = connection.execute(select(*_ROW).where(_run.status.in_(ACTIVE)).order_by(_run.created_at))
    return tuple(_value(row) for row in rows.mappings())


@database_errors(Role.ANALYTICS)
def find_run(connection: Connection, run_id: str) -> RunRow | None:
    """Return one run, None if there is no such run."""
    return _find(connection, run_id)


@database_errors(Role.ANALYTICS)
def run(connection: Connection, run_id: str) -> RunRow:
    """Return one run.

    Raises:
        RunNotFoundError: There is no such run.
    """
    found = _find(connection, run_id)
    if found is None:
        raise RunNotFoundError(f"There is no run {run_id}; `dental-etl runs` lists them.", run_id=run_id)
    return found


@database_errors(Role.ANALYTICS)
def runs(connection: Connection, limit: int = 20) -> tuple[RunRow, ...]:
    """Return the newest runs, newest first."""
    rows = connection.execute(select(*_ROW).order_by(_run.created_at.desc(), _run.run_id.desc()).limit(limit))
    return tuple(_value(row) for row in rows.mappings())


def _find(connection: Connection, run_id: str) -> RunRow | None:
    row = connection.execute(select(*_ROW).where(_run.run_id == run_id)).mappings().first()
    return None if row is None else _value(row)


def _value(row: RowMapping) -> RunRow:
    values = dict(row)
    selection = values.pop("selection") or {}
    category = selection.get("category")
    typed = {
        **values,
        "kind": RunKind(values["kind"]),
        "status": RunStatus(values["status"]),
        "refresh": RefreshMode(values["refresh"]),
        "selected_tables": tuple(selection.get("tables", ())),
        "selected_category": Category(category) if category else None,
    }
    return RunRow(**typed)
