"""One table end to end: each phase holds the table's lock, claims it in the ledger, works, commits."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial

import stamina
from sqlalchemy import Connection

from dental_etl.config import Role, Settings, TableConfig, read_tables
from dental_etl.connections import connect, database_errors
from dental_etl.exceptions import (
    RETRYABLE,
    DatabaseConnectionError,
    DeadlineError,
    ETLPipelineError,
    ServerFullError,
)
from dental_etl.extract.helper import extract_chunk
from dental_etl.extract.replicator import extract_table
from dental_etl.load.loader import LoadOptions, load_chunk, load_table, load_table_chunked
from dental_etl.pipeline.account import RunAccount
from dental_etl.pipeline.watching import Watched
from dental_etl.plan import TablePlan, as_planned, plan_table
from dental_etl.reconciliation.raw import prove_raw
from dental_etl.reconciliation.source import SourceProver
from dental_etl.run import (
    Category,
    ExtractResult,
    LoadResult,
    RefreshMode,
    RunStatus,
    Stage,
    TableStatus,
)
from dental_etl.tracking import ledger, status
from dental_etl.tracking.configured import configured_table, is_new
from dental_etl.tracking.locks import advisory_lock, table_lock
from dental_etl.tracking.on_demand import created_if_missing

logger = logging.getLogger(__name__)

_NEW = "came to the source since the last analysis; treated by safe defaults until the next one"
#: How long a table waits, while a person does, for a server that has no place for us.
_ROOM_PATIENCE_SECONDS = 300.0
#: Who is refused later than that, the wait for a place at the source included, had room and has worked.
_LONGEST_REFUSAL_SECONDS = 345.0
Clock = Callable[[], datetime]
#: Told the numbers of the key ranges of a large table that anybody may work (`extract_chunk_phase`).
Helpers = Callable[[Sequence[int]], None]


def extract_phase(
    settings: Settings, run_id: str, table: str, *, clock: Clock, helpers: Helpers | None = None
) -> ExtractResult | None:
    """Copy one table from the source to replication; a phase that is done is not done again.

    Args:
        settings: Where.
        run_id: The run.
        table: Its table.
        clock: Gives the time, aware.
        helpers: Asked for help with a large table; None to copy it alone.

    Returns:
        What was done, or None when there was nothing to claim.

    Raises:
        TableBusyError: Another process works on this table.
        ServerAwayError: A server that it needs is away, and known to be; nothing was tried.
        ETLPipelineError: The table could not be extracted; `RETRYABLE` says whether to try again.
    """
    _require_servers(settings, Stage.EXTRACT)
    with connect(settings.replication, is_dedicated=True) as session, table_lock(session, table):
        with ledger_transaction(settings) as connection:
            claim = ledger.claim(connection, run_id, table, Stage.EXTRACT, clock())
        if claim is None:
            return None
        _require_time_left(claim, clock())
        account = RunAccount(settings, run_id)
        with account.kept():
            result = extract_table(
                settings,
                _plan(settings, session, claim, claim.refresh, clock()),
                run_id=run_id,
                fence=claim.fence,
                deadline=claim.deadline,
                clock=clock,
                prover=SourceProver(_reconcile_seconds(settings, table)),
                helpers=helpers,
                progress=Watched(settings, claim),
                account=account,
            )
            if is_new(settings, table):
                result = replace(result, drift=(_NEW, *result.drift))
            with ledger_transaction(settings) as connection:
                ledger.finish_extract(connection, claim, result, clock())
                account.settle(connection)
    _log(Stage.EXTRACT, run_id, table, result.rows_written, result.seconds)
    return result


def extract_chunk_phase(settings: Settings, run_id: str, table: str, number: int, *, clock: Clock) -> int:
    """Work one key range of a large table whose extract is under way; return the rows that were read.

    Nothing is done once the table's extract has ended. A range needs no claim in the ledger: its owner
    is whoever holds its lock, and its checkpoint stands beside its rows.

    Raises:
        ETLPipelineError: The range could not be copied; the owner of the table's extract meets the same.
    """
    with ledger_transaction(settings) as connection:
        ledger.require_servers(connection, Stage.EXTRACT)
        where = ledger.open_table(connection, run_id, table)
        run = ledger.run(connection, run_id)
    if where is None or where.status is not TableStatus.EXTRACTING or run.status is not RunStatus.ACTIVE:
        return 0
    if run.deadline is not None and clock() >= run.deadline:
        return 0
    with connect(settings.replication) as connection:
        plan = _plan(settings, connection, where, run.refresh, clock())
    account = RunAccount(settings, run_id)
    with account.kept():
        return extract_chunk(
            settings, plan, number, run_id=run_id, deadline=run.deadline, clock=clock, account=account
        )


def load_phase(
    settings: Settings, run_id: str, table: str, *, clock: Clock, helpers: Helpers | None = None
) -> LoadResult | None:
    """Bring ``raw`` to the replica's generation, with the ledger in the same transaction as the rows.

    Takes, returns and raises the same as `extract_phase`; helpers call `load_chunk_phase`.
    """
    _require_servers(settings, Stage.LOAD)
    with connect(settings.analytics, is_dedicated=True) as session, advisory_lock(session, f"load:{table}"):
        with ledger_transaction(settings) as connection:
            claim = ledger.claim(connection, run_id, table, Stage.LOAD, clock())
        if claim is None:
            return None
        config = _config(settings, claim)
        result = _loader(config)(
            settings,
            config,
            run_id=run_id,
            before_commit=lambda connection, done: ledger.finish_load(connection, claim, done, clock()),
            clock=clock,
            options=LoadOptions(
                refresh=claim.refresh,
                prove=prove_raw,
                helpers=helpers,
                watcher=Watched(settings, claim),
            ),
        )
    _log(Stage.LOAD, run_id, table, result.rows_written, result.seconds)
    return result


def load_chunk_phase(settings: Settings, run_id: str, table: str, number: int) -> int:
    """Copy one key range of a large table whose first load is under way; return its rows.

    Raises:
        ETLPipelineError: The range could not be copied; the owner of the table's load meets the same.
    """
    with ledger_transaction(settings) as connection:
        ledger.require_servers(connection, Stage.LOAD)
        where = ledger.open_table(connection, run_id, table)
        run = ledger.run(connection, run_id)
    if where is None or where.status is not TableStatus.LOADING or run.status is not RunStatus.ACTIVE:
        return 0
    return load_chunk(settings, table, number, run_id=run_id)


def run_table(
    settings: Settings,
    run_id: str,
    table: str,
    *,
    clock: Clock,
    extract_helpers: Helpers | None = None,
    load_helpers: Helpers | None = None,
) -> BaseException | None:
    """Work both phases of one table in this process; a failure becomes a row of the ledger.

    This is one of the two places where any exception is caught: one bad table is one bad table.

    Returns:
        The failure, or None.
    """
    extract = partial(extract_phase, settings, run_id, table, clock=clock, helpers=extract_helpers)
    load = partial(load_phase, settings, run_id, table, clock=clock, helpers=load_helpers)
    for stage, phase in ((Stage.EXTRACT, extract), (Stage.LOAD, load)):
        try:
            _with_attempts(settings, phase)
        except Exception as error:  # noqa: BLE001  # see above
            end_table(settings, run_id, table, stage, error, clock())
            return error
    return None


def end_table(
    settings: Settings, run_id: str, table: str, stage: Stage, error: BaseException, now: datetime
) -> None:
    """Write a table's failure to the ledger: our own message, or for a stranger's error its class only."""
    code = error.code if isinstance(error, ETLPipelineError) else "E_INTERNAL"
    detail = str(error) if isinstance(error, ETLPipelineError) else f"Unexpected {type(error).__name__}"
    logger.error(
        "%s of %s ended with %s",
        stage,
        table,
        code,
        extra={"action": "table_failed", "run_id": run_id, "table": table, "stage": stage},
    )
    end = ledger.leave_out if isinstance(error, DeadlineError) else ledger.fail
    with ledger_transaction(settings) as connection:
        end(connection, run_id, table, stage, code, detail, now)


@contextmanager
def ledger_transaction(settings: Settings) -> Iterator[Connection]:
    """Open a transaction on the analytics database, committed at the end."""
    with connect(settings.analytics) as connection, database_errors(Role.ANALYTICS):
        yield connection
        connection.commit()


def _require_servers(settings: Settings, stage: Stage) -> None:
    with connect(settings.analytics) as connection, database_errors(Role.ANALYTICS):
        # One look: a transaction would cost two more round trips.
        ledger.require_servers(connection.execution_options(isolation_level="AUTOCOMMIT"), stage)


def _require_time_left(claim: ledger.Claim, now: datetime) -> None:
    """A table whose turn comes too late must not even connect to the source."""
    if claim.deadline is not None and now >= claim.deadline:
        raise DeadlineError(
            f"The window closed before the turn of table {claim.table}; the next night reads it.",
            table=claim.table,
            stage=claim.stage,
            run_id=claim.run_id,
        )


def _plan(
    settings: Settings,
    replication: Connection,
    planned: ledger.Claim | ledger.OpenTable,
    refresh: RefreshMode,
    now: datetime,
) -> TablePlan:
    with database_errors(Role.REPLICATION):
        copied = created_if_missing(
            replication,
            status.ensure_copy_status,
            lambda: status.read_copy_status(replication, planned.table),
        )
        replication.rollback()
    return plan_table(_config(settings, planned), copied, refresh, now)


def _config(settings: Settings, planned: ledger.Claim | ledger.OpenTable) -> TableConfig:
    """Return a table's configuration as the run was planned with it."""
    is_known = planned.batch_size is not None  # not so in a run that an older version has planned
    return as_planned(
        configured_table(settings, planned.table),
        category=planned.category,
        batch_size=planned.batch_size,
        rows=planned.rows_expected if is_known else None,
    )


def _reconcile_seconds(settings: Settings, table: str) -> float:
    """Return a table's share of the budget for comparing: that of its size among the tables that rotate."""
    tables = read_tables(settings.tables_file)
    rotating = {one.table_name: one.estimated_size_mb + 1.0 for one in tables if one.reconcile != "nightly"}
    share = rotating[table] / sum(rotating.values()) if table in rotating else 0.0
    return settings.reconcile_budget_minutes * 60.0 * share


def _loader(config: TableConfig) -> Callable[..., LoadResult]:
    return load_table_chunked if config.performance_category is Category.LARGE else load_table


def _with_attempts(settings: Settings, work: Callable[[], object]) -> None:
    for attempt in stamina.retry_context(
        on=_is_worth_another, attempts=settings.max_attempts, timeout=None, wait_initial=2.0, wait_max=60.0
    ):
        with attempt:
            _when_there_is_room(work)


def _when_there_is_room(work: Callable[[], object]) -> None:
    """Let a table wait for a full server: that is no attempt at the table."""
    for attempt in stamina.retry_context(
        on=ServerFullError, attempts=None, timeout=_ROOM_PATIENCE_SECONDS, wait_initial=2.0, wait_max=30.0
    ):
        with attempt:
            _unless_refused_late(work)


def _unless_refused_late(work: Callable[[], object]) -> None:
    """Take a connection that is refused after long work for a lost one: it counts, and costs no other table."""
    began = time.monotonic()
    try:
        work()
    except ServerFullError as full:
        if time.monotonic() - began < _LONGEST_REFUSAL_SECONDS:
            raise
        raise DatabaseConnectionError(str(full)) from None


def _is_worth_another(error: Exception) -> bool:
    return isinstance(error, RETRYABLE) and not isinstance(error, ServerFullError)


def _log(stage: Stage, run_id: str, table: str, rows: int, seconds: float) -> None:
    logger.info(
        "%s of %s done: %s rows written in %.1f s",
        stage,
        table,
        rows,
        seconds,
        extra={"action": f"{stage}_done", "run_id": run_id, "table": table, "rows": rows, "seconds": seconds},
    )
