"""Copy one table from the source to replication by its plan."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from dental_etl.config import Role, Settings
from dental_etl.connections import connect, database_errors, value_at_once
from dental_etl.exceptions import (
    DatabaseError,
    DeadlineError,
    ETLPipelineError,
    FencedError,
    PackingError,
)
from dental_etl.extract import healing, keys, publishing, ranges, structures
from dental_etl.extract.attempt import Attempt, Progress, schema_text, table_cursor
from dental_etl.extract.changes import copy_changes
from dental_etl.extract.checkpoint import Checkpoint, Phase
from dental_etl.extract.proof import Basis, Proof, Prover
from dental_etl.extract.shadow import fill_shadow
from dental_etl.extract.visiting import Account, visit
from dental_etl.plan import ExtractAction, TablePlan
from dental_etl.run import CopyStatus, ExtractResult, Stage, Strategy
from dental_etl.tracking.locks import table_lock
from dental_etl.tracking.on_demand import created_if_missing
from dental_etl.tracking.status import (
    CopiedTable,
    ensure_copy_status,
    read_copy_status,
    record_copied,
    record_copy_failed,
    record_started,
    take_fence,
)
from dental_etl.wire.rows import Target, row_format

__all__ = ["Progress", "extract_table"]

logger = logging.getLogger(__name__)

_BOUND_WAITS = "SET SESSION lock_wait_timeout = 300"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """How the copy was done, and where it left the table."""

    status: CopyStatus
    strategy: Strategy
    reason: str
    drift: tuple[str, ...]
    #: What the copy lets the proof start from.
    basis: Basis = Basis.COPIED
    #: Known already where nothing had to be read.
    proof: Proof | None = None


def extract_table(  # noqa: PLR0913  # what to do, whose turn it is, who watches and who helps
    settings: Settings,
    plan: TablePlan,
    *,
    run_id: str,
    fence: int,
    deadline: datetime | None,
    clock: Callable[[], datetime],
    progress: Callable[[Progress], None] | None = None,
    prover: Prover | None = None,
    helpers: Callable[[Sequence[int]], None] | None = None,
    account: Account | None = None,
) -> ExtractResult:
    """Make the replica of one table equal to the source, as far as its strategy can see.

    With a prover also as far as it cannot: replica and source are then compared, and a table without a
    cursor is not read but compared, once it has been copied.

    May be repeated after any failure, at any point, with the same result. The caller holds the table's
    lock on a connection of its own; the connection that writes holds another, so that an attempt whose
    process only seemed dead cannot write beside its successor.

    Args:
        settings: Both servers, and the number of places at the source.
        plan: What to do, and why.
        run_id: The run; an unfinished shadow is resumed within it.
        fence: Number of this attempt; a higher one has taken over.
        deadline: When the source must be left alone; checked before every read. None if never.
        clock: Returns the current time, aware.
        progress: Called after every batch.
        prover: Compares replica and source afterwards; for this attempt only.
        helpers: Told which key ranges of a large table anybody may work with `extract_chunk`.
        account: Says how much may be read, and is told what was.

    Raises:
        DeleteBrakeError: More rows would be deleted than anybody deletes by accident.
        DeadlineError: The window closed; what was committed stays.
        FencedError: A newer attempt has taken over.
        TableBusyError: Another process writes this replica, or no place at the source became free.
        DataExtractionError: The source has no such table, or a value cannot be copied.
        DatabaseError: By the server's error number.
    """
    order = _Order(
        settings=settings,
        plan=plan,
        run_id=run_id,
        fence=fence,
        deadline=deadline,
        clock=clock,
        progress=progress,
        prover=prover,
        helpers=helpers,
        account=account,
    )
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        replication = stack.enter_context(connect(settings.replication, is_dedicated=True))
        stack.enter_context(table_lock(replication, plan.table, purpose="write"))
        status = _begin(replication, plan.table, fence, run_id)
        stack.enter_context(_failure_recorded(replication, plan.table, fence))
        attempt, outcome, proof = _attempted(order, replication, status)
    return _result(attempt, outcome, proof, time.monotonic() - started)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What `extract_table` was asked for."""

    settings: Settings
    plan: TablePlan
    run_id: str
    fence: int
    deadline: datetime | None
    clock: Callable[[], datetime]
    progress: Callable[[Progress], None] | None
    prover: Prover | None
    helpers: Callable[[Sequence[int]], None] | None
    account: Account | None


def _attempted(
    order: _Order, replication: Connection, status: CopyStatus
) -> tuple[Attempt, _Outcome, Proof | None]:
    """Copy by rows in one piece each, and column by column where some cannot travel so."""
    try:
        return _visited(order, replication, status, is_packed=True)
    except PackingError:
        _log_unpacked(order.plan.table, order.run_id)
        left = _status(replication, order.plan.table, status)
        return _visited(order, replication, left, is_packed=False)


def _visited(
    order: _Order, replication: Connection, status: CopyStatus, *, is_packed: bool
) -> tuple[Attempt, _Outcome, Proof | None]:
    settings, table = order.settings, order.plan.table
    with visit(settings, table, deadline=order.deadline, clock=order.clock, account=order.account) as (
        source,
        reader,
    ):
        schema = structures.source_schema(source, settings.source.database, table, replication=replication)
        schema = schema.without(order.plan.config.exclude_columns)
        attempt = Attempt(
            plan=order.plan,
            run_id=order.run_id,
            fence=order.fence,
            clock=order.clock,
            replication=replication,
            reader=reader,
            schema=schema,
            row_format=row_format(schema, Target.MYSQL, is_packed=is_packed),
            cursor=table_cursor(order.plan, schema),
            progress=order.progress,
            delete_brake_percent=settings.delete_brake_percent,
            generation=status.generation,
            helpers=order.helpers,
        )
        return (attempt, *_copied(attempt, status, order.prover))


def _copied(attempt: Attempt, status: CopyStatus, prover: Prover | None) -> tuple[_Outcome, Proof | None]:
    outcome = _copy(attempt, status, prover)
    proof = outcome.proof
    if prover is not None and proof is None:
        proof = prover.prove(attempt, outcome.basis)
    if outcome.basis is Basis.NOTHING and outcome.proof is None:
        _record_compared(attempt, outcome.status, outcome.strategy)
    return outcome, proof


def _log_unpacked(table: str, run_id: str) -> None:
    logger.warning(
        "Rows of %s cannot travel in one piece each; they are read column by column, which is slower",
        table,
        extra={"action": "unpacked", "run_id": run_id, "table": table, "stage": Stage.EXTRACT},
    )


def _status(replication: Connection, table: str, before: CopyStatus) -> CopyStatus:
    """Return what the first way has left behind."""
    with database_errors(Role.REPLICATION, table=table, stage=Stage.EXTRACT):
        replication.rollback()
        found = read_copy_status(replication, table)
        replication.rollback()
    return found or before


def _begin(replication: Connection, table: str, fence: int, run_id: str) -> CopyStatus:
    with database_errors(Role.REPLICATION, table=table, stage=Stage.EXTRACT, run_id=run_id):
        # A rename waits for whoever reads the table; the server's own patience is a day.
        value_at_once(replication, _BOUND_WAITS, {})

        def take() -> CopyStatus:
            with replication.begin():
                return take_fence(replication, table, fence, run_id=run_id)

        return created_if_missing(replication, ensure_copy_status, take)


def _copy(attempt: Attempt, status: CopyStatus, prover: Prover | None) -> _Outcome:
    checkpoint = Checkpoint.from_text(status.checkpoint)
    published = checkpoint if checkpoint is not None and checkpoint.phase is Phase.PUBLISH else None
    if published is not None:
        status, checkpoint = publishing.finish_publication(attempt, published), None
        attempt.has_foreign_reads = True
    before = structures.copied_schema(attempt)
    found, has_replica = structures.compare_structures(attempt, before)
    why_unchanged = prover.why_unchanged(attempt, status) if prover is not None else None
    is_intact = has_replica and checkpoint is None and status.last_copied is not None
    is_resting = why_unchanged is not None and is_intact and not attempt.plan.refresh.is_full
    if attempt.schema.is_transactional and not is_resting:
        # After the look at the file, so that it never tells of later rows.
        attempt.reader.hold_moment()
    if published is not None and published.run_id == attempt.run_id and not found:
        return _Outcome(
            status=status,
            strategy=Strategy.FULL_TABLE,
            reason=attempt.plan.reason,
            drift=(),
            basis=Basis.COPIED_IN_PARTS,
        )
    if found and prover is not None and not attempt.plan.refresh.is_full:
        guessed = healing.heal(attempt, status, before)
        if guessed is not None:
            return _healed(attempt, status, (*found, *guessed))
    why_full = _why_full(attempt, found, has_replica=has_replica, is_fresh=published is not None)
    can_compare = prover is not None and _can_compare(attempt, status, checkpoint, has_replica=has_replica)
    if prover is not None and why_unchanged is not None and is_resting:
        return _unchanged(attempt, status, prover, why_unchanged)
    if why_full is None:
        status = copy_changes(attempt, status, checkpoint)
        return _Outcome(
            status=status,
            strategy=attempt.plan.config.extraction_strategy,
            reason=attempt.plan.reason,
            drift=found,
            basis=Basis.CHANGES,
        )
    if can_compare:
        _start_comparison(attempt)
        reason = f"compared with the source, only what differs is read; {why_full}"
        return _Outcome(
            status=status, strategy=Strategy.FULL_TABLE, reason=reason, drift=(), basis=Basis.NOTHING
        )
    status, basis = _copy_all(attempt, checkpoint, is_compared=prover is not None)
    return _Outcome(status=status, strategy=Strategy.FULL_TABLE, reason=why_full, drift=found, basis=basis)


def _healed(attempt: Attempt, status: CopyStatus, found: tuple[str, ...]) -> _Outcome:
    """Every row is compared before the new structure is recorded; the cursor stays where it was."""
    _start_comparison(attempt)
    reason = "the replica was altered as the source was, then compared with it; only what differs is read"
    return _Outcome(
        status=status,
        strategy=Strategy.FULL_TABLE,
        reason=f"{reason}; {attempt.plan.reason}",
        drift=found,
        basis=Basis.NOTHING,
    )


def _can_compare(
    attempt: Attempt, status: CopyStatus, checkpoint: Checkpoint | None, *, has_replica: bool
) -> bool:
    """Tell whether comparing replaces the nightly copy of a table that has no cursor."""
    return (
        # A table whose cursor column is gone has none either, until it is analysed again.
        (attempt.plan.config.extraction_strategy is Strategy.FULL_TABLE or attempt.cursor is None)
        and not attempt.plan.refresh.is_full
        and has_replica
        and checkpoint is None
        and status.last_copied is not None
        and keys.is_pageable(attempt.schema)
    )


def _start_comparison(attempt: Attempt) -> None:
    with attempt.transaction():
        record_started(
            attempt.replication, attempt.table, attempt.fence, strategy=Strategy.FULL_TABLE, checkpoint=None
        )


def _unchanged(attempt: Attempt, status: CopyStatus, prover: Prover, why: str) -> _Outcome:
    strategy = attempt.plan.config.extraction_strategy
    return _Outcome(
        status=_record_compared(attempt, status, strategy),
        strategy=strategy,
        reason=f"{why}; {attempt.plan.reason}",
        drift=(),
        basis=Basis.NOTHING,
        proof=prover.unchanged(attempt),
    )


def _record_compared(attempt: Attempt, status: CopyStatus, strategy: Strategy) -> CopyStatus:
    """Record a complete replica that no copy has touched; its cursor stays where it was."""
    with attempt.transaction():
        return record_copied(
            attempt.replication,
            attempt.table,
            attempt.fence,
            CopiedTable(
                now=attempt.clock(),
                cursor=status.cursor,
                strategy=strategy,
                is_rewritten=False,
                has_changes=False,
                source_schema=schema_text(attempt.schema),
                overlap_minutes=attempt.plan.config.overlap_minutes,
            ),
        )


def _copy_all(
    attempt: Attempt, checkpoint: Checkpoint | None, *, is_compared: bool
) -> tuple[CopyStatus, Basis]:
    full = fill_shadow(attempt, checkpoint, is_compared=is_compared)
    status = publishing.publish(attempt, full)
    if full.copy_id is not None:
        ranges.forget(attempt)
    if full.run_id == attempt.run_id:
        return status, Basis.COPIED if checkpoint is None else Basis.COPIED_IN_PARTS
    # The shadow was begun on an earlier night: what changed since is in none of its first pages.
    if attempt.cursor is None:
        return status, Basis.BEGUN_EARLIER
    return copy_changes(attempt, status, None), Basis.CHANGES


def _why_full(attempt: Attempt, found: tuple[str, ...], *, has_replica: bool, is_fresh: bool) -> str | None:
    """Return why the whole table is copied; None when the changes are enough.

    Args:
        attempt: The table.
        found: Changes of its structure.
        has_replica: Whether a replica of the source's structure is there.
        is_fresh: Whether a full copy that the plan takes for unfinished has just been published.
    """
    plan = attempt.plan
    if found:
        return f"the table's structure changed at the source; {plan.reason}"
    if plan.refresh.is_full or plan.config.extraction_strategy is Strategy.FULL_TABLE:
        return plan.reason
    if not has_replica:
        return (
            plan.reason
            if plan.is_full_copy
            else f"the replica is missing, altered or too wide for InnoDB; {plan.reason}"
        )
    if attempt.cursor is None or not keys.is_pageable(attempt.schema):
        return f"the table has no usable cursor or key; {plan.reason}"
    return plan.reason if plan.is_full_copy and not is_fresh else None


def _action(outcome: _Outcome) -> ExtractAction:
    if outcome.basis is Basis.NOTHING:
        return ExtractAction.COMPARED if outcome.proof is None else ExtractAction.UNCHANGED
    is_whole = outcome.strategy is Strategy.FULL_TABLE
    return ExtractAction.WHOLE if is_whole else ExtractAction.CHANGES


@contextlib.contextmanager
def _failure_recorded(replication: Connection, table: str, fence: int) -> Iterator[None]:
    try:
        yield
    except DeadlineError:
        raise  # an unfinished copy is not a failed one
    except ETLPipelineError:
        # The error matters, its record does not: the connection may be what was lost.
        with (
            contextlib.suppress(DatabaseError, FencedError),
            database_errors(Role.REPLICATION, table=table, stage=Stage.EXTRACT),
        ):
            replication.rollback()
            with replication.begin():
                record_copy_failed(replication, table, fence)
        raise


def _result(attempt: Attempt, outcome: _Outcome, proof: Proof | None, seconds: float) -> ExtractResult:
    totals = attempt.reader.totals
    logger.info(
        "Extracted %s: %d rows read, %d written, %d deleted in %.1f s",
        attempt.table,
        totals.rows,
        attempt.rows_written,
        attempt.rows_deleted,
        seconds,
        extra={
            "action": "extracted",
            "run_id": attempt.run_id,
            "table": attempt.table,
            "stage": Stage.EXTRACT,
            "rows": totals.rows,
            "seconds": seconds,
        },
    )
    return ExtractResult(
        table=attempt.table,
        strategy=outcome.strategy,
        reason=outcome.reason,
        generation=attempt.generation,
        rows_read=totals.rows,
        rows_written=attempt.rows_written,
        rows_deleted=attempt.rows_deleted,
        bytes_read=totals.bytes,
        seconds=seconds,
        source_seconds=totals.seconds,
        longest_read_seconds=totals.longest_seconds,
        reads=totals.reads,
        action=_action(outcome),
        coercions=attempt.coercion_values(),
        drift=outcome.drift,
        proven_at=proof.proven_at if proof else None,
        proven_by=proof.proven_by if proof else None,
        findings=proof.findings if proof else (),
    )
