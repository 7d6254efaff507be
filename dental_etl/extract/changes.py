"""A pass for changes: rows at or above the cursor, less an overlap, merged into the replica.

Each page is loaded into a stage; what is new or differs from the replica goes to the outbox and to the
replica in one transaction. Rows that were read before and did not change cost nothing further on.

Where a large table has to be walked over, because no index finds what changed, its key is cut into
ranges that several processes walk. They read beside each other and write one after another; the cursor
moves when every range is done.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace

from dental_etl.exceptions import DataExtractionError, FencedError
from dental_etl.extract import cursors, paging, publishing, queries, ranges
from dental_etl.extract.attempt import Attempt, TableCursor, schema_text
from dental_etl.extract.checkpoint import Checkpoint, Phase
from dental_etl.extract.cursors import CursorKind
from dental_etl.extract.keys import Key
from dental_etl.extract.shadow import source_clock
from dental_etl.run import CopyStatus, Cursor
from dental_etl.tracking.chunks import write_chunks
from dental_etl.tracking.status import (
    CopiedBatch,
    CopiedTable,
    hold_generation,
    next_generation,
    read_copy_status,
    record_batch,
    record_copied,
    record_started,
    write_generation,
)
from dental_etl.wire import names
from dental_etl.wire.load_data import load_data


def copy_changes(attempt: Attempt, status: CopyStatus, checkpoint: Checkpoint | None) -> CopyStatus:
    """Read what changed since the committed cursor and merge it into the replica.

    A pass of this run that stopped half way goes on; one of an earlier run starts again, because the
    keys it had passed have changed since.

    Args:
        attempt: The table; it has a cursor and a key to page by.
        status: Where the last extract ended.
        checkpoint: Where an earlier attempt stopped, if one did.

    Raises:
        DeadlineError: The window closed; the pages that were committed stay, the cursor does not move.
    """
    cursor = _cursor(attempt)
    publishing.ensure_outbox(attempt)
    if checkpoint is None or not _can_go_on(attempt, checkpoint):
        checkpoint = _start(attempt, cursor, status)
    else:
        attempt.has_foreign_reads = True
    create_stage(attempt)
    condition = cursors.condition(cursor.column, cursor.kind, checkpoint.lower)
    after = _first_key(attempt, cursor, checkpoint)
    is_one_read = checkpoint.copy_id is None and paging.is_one_read(attempt, after, condition)
    if not is_one_read and checkpoint.position is None and checkpoint.copy_id is None and _is_shared(attempt):
        checkpoint = _cut(attempt, checkpoint, after)
    if checkpoint.copy_id is not None:
        checkpoint = _merge_ranges(attempt, cursor, checkpoint, checkpoint.copy_id)
        return _finish(attempt, cursor, status, checkpoint)
    read = paging.only_page if is_one_read else paging.changed_pages
    with closing(read(attempt, after, condition)) as pages:
        for page in pages:
            checkpoint = _merge(attempt, cursor, checkpoint, page)
    return _finish(attempt, cursor, status, checkpoint)


def _is_shared(attempt: Attempt) -> bool:
    """What several sessions read is of several moments, and then compared as a whole: nothing would be won."""
    is_compared_anyway = not attempt.schema.is_transactional or attempt.plan.config.reconcile == "nightly"
    return is_compared_anyway and ranges.is_worth_sharing(attempt)


def merging(cursor: TableCursor, checkpoint: Checkpoint) -> ranges.Work:
    """Return what is done with a range of a pass: its changed rows are read, and merged into the replica.

    Args:
        cursor: The table's.
        checkpoint: Of the pass; it has the lower bound and the pass's name.
    """
    condition = cursors.condition(cursor.column, cursor.kind, checkpoint.lower)

    def pages(attempt: Attempt, after: Key | None, up_to: Key | None) -> Generator[paging.Page, None, None]:
        return paging.changed_pages(attempt, after, condition, within=up_to)

    def write(attempt: Attempt, page: paging.Page) -> ranges.Written:
        loaded = load_data(attempt.replication, queries.STAGE, attempt.row_format, page.fetched.blocks)
        generation, now = hold_generation(attempt.replication, attempt.table)
        _require_pass(attempt, checkpoint, Checkpoint.from_text(now))
        changed = _write_staged(attempt, generation)
        if changed:
            write_generation(attempt.replication, attempt.table, generation)
        return ranges.Written(rows=loaded.rows, bytes=loaded.bytes, changed=changed)

    return ranges.Work(pages=pages, write=write, prepare=_empty_stage)


def _require_pass(attempt: Attempt, mine: Checkpoint, now: Checkpoint | None) -> None:
    """Rows that were read for a pass that was given up may be older than what the replica holds by now."""
    if now is None or now.copy_id != mine.copy_id:
        raise FencedError(
            f"The pass for changes of {attempt.table} was given up or has ended; this part of it stops.",
            table=attempt.table,
            stage="extract",
            run_id=attempt.run_id,
        )


def _cut(attempt: Attempt, checkpoint: Checkpoint, after: Key | None) -> Checkpoint:
    """Cut the pass into ranges that anybody may work."""
    copy_id = ranges.new_copy_id(attempt)
    checkpoint = replace(checkpoint, copy_id=copy_id)
    ranges.forget(attempt)
    chunks = ranges.cut_by_replica(attempt, copy_id, after)
    with attempt.transaction():
        write_chunks(attempt.replication, attempt.table, chunks)
        batch = CopiedBatch(checkpoint=checkpoint.to_text())
        record_batch(attempt.replication, attempt.table, attempt.fence, batch)
    return checkpoint


def _merge_ranges(attempt: Attempt, cursor: TableCursor, checkpoint: Checkpoint, copy_id: str) -> Checkpoint:
    """Work the ranges with whoever helps; afterwards the replica itself knows the highest cursor."""
    moved = ranges.fill(attempt, copy_id, merging(cursor, checkpoint))
    attempt.rows_written += moved.changed
    with attempt.transaction():
        batch = CopiedBatch(
            checkpoint=checkpoint.to_text(), rows=moved.rows, bytes=moved.bytes, seconds=moved.seconds
        )
        record_batch(attempt.replication, attempt.table, attempt.fence, batch)
        copied = read_copy_status(attempt.replication, attempt.table)
        write_chunks(attempt.replication, attempt.table, [])
        found = attempt.run(queries.highest(attempt.table, cursor.column, checkpoint.clock)).scalar()
    attempt.generation = copied.generation if copied else attempt.generation
    return replace(checkpoint, highest=cursors.later(cursor.kind, checkpoint.highest, found))


def _cursor(attempt: Attempt) -> TableCursor:
    if attempt.cursor is None:
        raise DataExtractionError(
            f"Table {attempt.table} has no usable cursor column. Run `dental-etl analyze`.",
            table=attempt.table,
            stage="extract",
            run_id=attempt.run_id,
        )
    return attempt.cursor


def _can_go_on(attempt: Attempt, checkpoint: Checkpoint) -> bool:
    return (
        checkpoint.phase is Phase.CHANGES
        and checkpoint.run_id == attempt.run_id
        and checkpoint.shape == attempt.shape
        and (checkpoint.copy_id is None or ranges.are_there(attempt, checkpoint.copy_id))
    )


def _start(attempt: Attempt, cursor: TableCursor, status: CopyStatus) -> Checkpoint:
    value = _committed(status, cursor)
    checkpoint = Checkpoint(
        phase=Phase.CHANGES,
        run_id=attempt.run_id,
        shape=attempt.shape,
        clock=source_clock(attempt),
        lower=None
        if value is None
        else cursors.lower_bound(cursor.kind, value, attempt.plan.config.overlap_minutes),
    )
    with attempt.transaction():
        record_started(
            attempt.replication,
            attempt.table,
            attempt.fence,
            strategy=attempt.plan.config.extraction_strategy,
            checkpoint=checkpoint.to_text(),
        )
    return checkpoint


def _committed(status: CopyStatus, cursor: TableCursor) -> str | None:
    """A cursor of another column says nothing about this one; then every row is looked at."""
    if status.cursor is None or status.cursor.column != cursor.column.name:
        return None
    return status.cursor.value


def _first_key(attempt: Attempt, cursor: TableCursor, checkpoint: Checkpoint) -> Key | None:
    """Where the cursor is the key itself, everything below the lower bound need not even be walked over."""
    is_key = attempt.schema.primary_key == (cursor.column.name,) and cursor.kind is CursorKind.NUMBER
    if checkpoint.position is None and checkpoint.lower is not None and is_key:
        return (int(checkpoint.lower) - 1,)
    return checkpoint.position


def create_stage(attempt: Attempt) -> None:
    with attempt.errors():
        attempt.run(f"DROP TEMPORARY TABLE IF EXISTS {names.mysql(queries.STAGE)}")
        attempt.run(queries.create_stage(attempt.table))


def _merge(attempt: Attempt, cursor: TableCursor, checkpoint: Checkpoint, page: paging.Page) -> Checkpoint:
    stream = page.fetched.stream
    rows = size = changed = 0
    _empty_stage(attempt)
    with attempt.transaction():
        if not page.fetched.is_empty:
            loaded = load_data(attempt.replication, queries.STAGE, attempt.row_format, page.fetched.blocks)
            rows, size = loaded.rows, loaded.bytes
            changed = write_changes(attempt)
            checkpoint = replace(checkpoint, highest=_highest(attempt, cursor, checkpoint))
        checkpoint = replace(checkpoint, position=page.up_to() or checkpoint.position)
        record_batch(
            attempt.replication,
            attempt.table,
            attempt.fence,
            CopiedBatch(
                checkpoint=checkpoint.to_text(),
                rows=rows,
                bytes=size,
                seconds=stream.seconds,
                has_changes=changed > 0,
            ),
        )
    attempt.rows_written += changed
    attempt.count(stream)
    return checkpoint


def _empty_stage(attempt: Attempt) -> None:
    """Empty the stage, outside of the transaction: this would end it."""
    with attempt.errors():
        attempt.run(f"TRUNCATE TABLE {names.mysql(queries.STAGE)}")


def write_changes(attempt: Attempt) -> int:
    """Record and replace the staged rows that differ; return how many there are."""
    generation = next_generation(attempt.generation, attempt.fence)
    changed = _write_staged(attempt, generation)
    if changed:
        attempt.generation = generation
    return changed


def _write_staged(attempt: Attempt, generation: int) -> int:
    changed = int(attempt.run(queries.record_changed_keys(attempt.schema, generation)).rowcount)
    if changed:
        attempt.run(queries.replace_changed_rows(attempt.schema, generation))
    return changed


def _highest(attempt: Attempt, cursor: TableCursor, checkpoint: Checkpoint) -> str | None:
    expression = cursors.highest_expression(cursor.column, checkpoint.clock)
    found = attempt.run(f"SELECT {expression} FROM {names.mysql(queries.STAGE)}").scalar()
    return cursors.later(cursor.kind, checkpoint.highest, found)


def _finish(attempt: Attempt, cursor: TableCursor, status: CopyStatus, checkpoint: Checkpoint) -> CopyStatus:
    value = cursors.later(cursor.kind, _committed(status, cursor), checkpoint.highest)
    with attempt.transaction():
        return record_copied(
            attempt.replication,
            attempt.table,
            attempt.fence,
            CopiedTable(
                now=attempt.clock(),
                cursor=Cursor(
                    column=cursor.column.name, value=cursors.capped(cursor.kind, value, checkpoint.clock)
                ),
                strategy=attempt.plan.config.extraction_strategy,
                is_rewritten=False,
                has_changes=False,
                source_schema=schema_text(attempt.schema),
                overlap_minutes=attempt.plan.config.overlap_minutes,
            ),
        )
