"""Work one key range of a large table that another process is extracting."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from dental_etl.config import Role, Settings
from dental_etl.connections import connect, database_errors
from dental_etl.extract import collations, ranges
from dental_etl.extract.attempt import Attempt, table_cursor
from dental_etl.extract.changes import create_stage, merging
from dental_etl.extract.checkpoint import Checkpoint, Phase
from dental_etl.extract.shadow import FILLING
from dental_etl.extract.visiting import Account, visit
from dental_etl.plan import TablePlan
from dental_etl.tracking.chunks import ensure_chunks, read_chunk
from dental_etl.tracking.on_demand import created_if_missing
from dental_etl.tracking.status import read_copy_status
from dental_etl.wire.catalog import read_schema
from dental_etl.wire.rows import Target, row_format


def extract_chunk(
    settings: Settings,
    plan: TablePlan,
    number: int,
    *,
    run_id: str,
    deadline: datetime | None,
    clock: Callable[[], datetime],
    account: Account | None = None,
) -> int:
    """Do what is left of one key range of a copy or a pass for changes; return the rows that were read.

    Nothing is done, and 0 returned, when the range is done or somebody works it, or when there is no such
    range any more. Whatever is left undone here, the owner of the table's extract does.

    Args:
        settings: Both servers, and the number of places at the source.
        plan: Of the table.
        number: Of the range, from 1.
        run_id: The run.
        deadline: When the source must be left alone; None if never.
        clock: Returns the current time, aware.
        account: Says how much may be read, and is told what was.

    Raises:
        TableBusyError: No place at the source is free; a helper does not wait for one.
        DeadlineError: The window closed; the pages that were committed stay.
        FencedError: The copy was given up.
        DataExtractionError: A value cannot be copied.
        DatabaseError: By the server's error number.
    """
    with contextlib.ExitStack() as stack:
        replication = stack.enter_context(connect(settings.replication, is_dedicated=True))
        checkpoint = _open_checkpoint(replication, plan.table, number, run_id)
        if checkpoint is None:
            return 0
        source, reader = stack.enter_context(
            visit(settings, plan.table, deadline=deadline, clock=clock, account=account, patience_seconds=0.0)
        )
        with database_errors(Role.SOURCE, table=plan.table, stage="extract", run_id=run_id):
            schema = read_schema(source, settings.source.database, plan.table)
        if schema is None:
            return 0
        schema = collations.known_to(replication, schema).without(plan.config.exclude_columns)
        attempt = Attempt(
            plan=plan,
            run_id=run_id,
            fence=0,  # what guards a range is its own version
            clock=clock,
            replication=replication,
            reader=reader,
            schema=schema,
            row_format=row_format(schema, Target.MYSQL),
            cursor=table_cursor(plan, schema),
            progress=None,
        )
        todo = _work(attempt, checkpoint)
        if todo is not None:
            ranges.work(attempt, number, todo)
        return reader.totals.rows


def _open_checkpoint(replication: Connection, table: str, number: int, run_id: str) -> Checkpoint | None:
    """Return what the range is a part of; None when there is nothing left of it to do."""
    with database_errors(Role.REPLICATION, table=table, stage="extract", run_id=run_id):
        chunk = created_if_missing(replication, ensure_chunks, lambda: read_chunk(replication, table, number))
        status = read_copy_status(replication, table)
        replication.rollback()
    checkpoint = Checkpoint.from_text(status.checkpoint) if status else None
    if chunk is None or chunk.is_done or checkpoint is None or checkpoint.copy_id != chunk.copy_id:
        return None
    return checkpoint


def _work(attempt: Attempt, checkpoint: Checkpoint) -> ranges.Work | None:
    if checkpoint.phase is Phase.FILL:
        return FILLING
    if checkpoint.phase is not Phase.CHANGES or attempt.cursor is None or checkpoint.shape != attempt.shape:
        return None
    create_stage(attempt)
    return merging(attempt.cursor, checkpoint)
