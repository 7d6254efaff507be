"""A whole table into its shadow: page by page, some in one transaction with their checkpoint."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace

from dental_etl.connections import DRIVER_ERRORS, error_number
from dental_etl.exceptions import DeadlineError, SourceBudgetError
from dental_etl.extract import cursors, keys, paging, queries, ranges
from dental_etl.extract.attempt import Attempt
from dental_etl.extract.checkpoint import Checkpoint, Phase
from dental_etl.extract.governor import first_pace
from dental_etl.extract.keys import Key
from dental_etl.run import Cursor, Strategy
from dental_etl.tracking.chunks import write_chunks
from dental_etl.tracking.status import CopiedBatch, record_batch, record_started
from dental_etl.wire import names
from dental_etl.wire.catalog import create_table_ddl, has_table, read_schema
from dental_etl.wire.load_data import load_data
from dental_etl.wire.reader import BlockStream

logger = logging.getLogger(__name__)

#: Between two statements the replica waits for us, about as long as it writes 2,000 rows. An attempt that
#: dies reads so much again: a second's work of the source.
_BATCH_BYTES = 32 * 1024 * 1024
#: A replica far away, or busy, commits what it has after that long.
_BATCH_SECONDS = 2.0
#: By preference. A server without Aria takes its default engine for it, and refuses again.
_ENGINES = ("InnoDB", "Aria", "MyISAM")
#: Row size too large; too many columns; the same as some versions say it.
_TOO_WIDE = frozenset({"1005", "1117", "1118", "1478"})


def fill_shadow(attempt: Attempt, checkpoint: Checkpoint | None, *, is_compared: bool) -> Checkpoint:
    """Make the shadow hold every row of the source, and return the checkpoint of a full shadow.

    Goes on with an earlier attempt's shadow where that is right, else starts a new one.

    Args:
        attempt: The table.
        checkpoint: Where an earlier attempt stopped, if one did.
        is_compared: Whether a comparison with the source follows what an earlier night has begun.

    Raises:
        DeadlineError: The window closed; the pages that were committed stay.
    """
    if checkpoint is not None and _can_go_on(attempt, checkpoint, is_compared=is_compared):
        attempt.has_foreign_reads = True
        logger.info(
            "Going on with the copy of %s",
            attempt.table,
            extra={"action": "resume", "run_id": attempt.run_id, "table": attempt.table, "stage": "extract"},
        )
    else:
        checkpoint = _start(attempt)
    if checkpoint.copy_id is not None:
        _fill_by_ranges(attempt, checkpoint, checkpoint.copy_id)
    elif keys.is_pageable(attempt.schema):
        checkpoint = _fill_by_key(attempt, checkpoint)
    else:
        _fill_at_once(attempt, checkpoint)
    return replace(checkpoint, phase=Phase.PUBLISH, cursor=_cursor(attempt, checkpoint), position=None)


def _can_go_on(attempt: Attempt, checkpoint: Checkpoint, *, is_compared: bool) -> bool:
    """The rows of an earlier night are worth keeping only if a pass for changes or a comparison follows them."""
    is_ours = checkpoint.run_id == attempt.run_id
    is_followed = attempt.cursor is not None or (is_compared and keys.is_pageable(attempt.schema))
    return (
        checkpoint.phase is Phase.FILL
        and _has_begun(attempt, checkpoint)
        and checkpoint.shape == attempt.shape
        and (is_ours or (is_followed and not attempt.plan.refresh.is_full))
        and _exists(attempt, names.shadow_table(attempt.table))
        # Rows of a comparison are mended together with their outbox, or not at all.
        and (is_ours or attempt.cursor is not None or _is_transactional(attempt))
    )


def _has_begun(attempt: Attempt, checkpoint: Checkpoint) -> bool:
    if checkpoint.copy_id is not None:
        return ranges.are_there(attempt, checkpoint.copy_id)
    return checkpoint.position is not None


def _start(attempt: Attempt) -> Checkpoint:
    checkpoint = Checkpoint(
        phase=Phase.FILL, run_id=attempt.run_id, shape=attempt.shape, clock=source_clock(attempt)
    )
    with attempt.transaction():  # without a checkpoint nobody trusts the shadow that is about to go
        record_started(
            attempt.replication, attempt.table, attempt.fence, strategy=Strategy.FULL_TABLE, checkpoint=None
        )
    ranges.forget(attempt)  # before the new shadow is there: a late helper must not write into it
    with attempt.errors():
        attempt.run(f"DROP TABLE IF EXISTS {names.mysql(names.shadow_table(attempt.table))}")
        _create(attempt)
    if ranges.is_worth_sharing(attempt) and _is_transactional(attempt):
        return _start_ranges(attempt, checkpoint)
    _record(attempt, checkpoint)
    return checkpoint


def _start_ranges(attempt: Attempt, checkpoint: Checkpoint) -> Checkpoint:
    copy_id = ranges.new_copy_id(attempt)
    checkpoint = replace(checkpoint, copy_id=copy_id)
    chunks = ranges.cut(attempt, copy_id)
    with attempt.transaction():
        write_chunks(attempt.replication, attempt.table, chunks)
        record_batch(
            attempt.replication, attempt.table, attempt.fence, CopiedBatch(checkpoint=checkpoint.to_text())
        )
    return checkpoint


def _is_transactional(attempt: Attempt) -> bool:
    """In another engine than InnoDB the rows of a fenced page would stay."""
    with attempt.errors():
        database = attempt.replication.engine.url.database or ""
        shadow = read_schema(attempt.replication, database, names.shadow_table(attempt.table))
    return shadow is not None and shadow.is_transactional


def _create(attempt: Attempt) -> None:
    """Create the shadow in InnoDB, or in another engine if its rows are too wide for InnoDB's pages."""
    shadow = names.shadow_table(attempt.table)
    for engine in _ENGINES:
        try:
            attempt.run(create_table_ddl(attempt.schema, name=shadow, engine=engine))
        except DRIVER_ERRORS as error:
            if error_number(error) not in _TOO_WIDE or engine == _ENGINES[-1]:
                raise
        else:
            return


def _fill_by_key(attempt: Attempt, checkpoint: Checkpoint) -> Checkpoint:
    pace = first_pace(attempt.plan.config, strain=attempt.reader.strain)
    with closing(paging.pages(attempt, checkpoint.position, pace)) as pages:
        for page in pages:
            checkpoint = _load(attempt, checkpoint, _Batch(page, pages))
    return checkpoint


class _Batch:
    """Pages for one statement: the first, and those behind it that are there when the replica wants them.

    Attributes:
        is_empty: Whether there are no rows.
        streams: Of the pages so far.
        up_to: Last key of the pages that are used up; None where that was the last page alone.
    """

    def __init__(self, first: paging.Page, following: Iterator[paging.Page]) -> None:
        self._first = first
        self._following = following
        self.is_empty = first.fetched.is_empty
        self.streams: list[BlockStream] = [first.fetched.stream]
        self.up_to: Key | None = None

    def blocks(self) -> Iterator[bytes]:
        page, size, until = self._first, 0, time.monotonic() + _BATCH_SECONDS
        while True:
            yield from page.fetched.blocks
            self.up_to = page.up_to() or self.up_to
            size += self.streams[-1].bytes
            if size >= _BATCH_BYTES or time.monotonic() >= until or not page.is_followed():
                return
            page = next(self._following)
            self.streams.append(page.fetched.stream)


def _fill_by_ranges(attempt: Attempt, checkpoint: Checkpoint, copy_id: str) -> None:
    """Let everybody work; the table's own counters are written once, at the end."""
    moved = ranges.fill(attempt, copy_id, FILLING)
    text = checkpoint.to_text()
    with attempt.transaction():
        record_started(
            attempt.replication, attempt.table, attempt.fence, strategy=Strategy.FULL_TABLE, checkpoint=text
        )
        record_batch(
            attempt.replication,
            attempt.table,
            attempt.fence,
            CopiedBatch(checkpoint=text, rows=moved.rows, bytes=moved.bytes, seconds=moved.seconds),
        )


def _pages(attempt: Attempt, after: Key | None, up_to: Key | None) -> Generator[paging.Page, None, None]:
    return paging.pages(
        attempt, after, first_pace(attempt.plan.config, strain=attempt.reader.strain), within=up_to
    )


def _write(attempt: Attempt, page: paging.Page) -> ranges.Written:
    shadow = names.shadow_table(attempt.table)
    loaded = load_data(attempt.replication, shadow, attempt.row_format, page.fetched.blocks)
    return ranges.Written(rows=loaded.rows, bytes=loaded.bytes)


#: A range of the source into the shadow.
FILLING = ranges.Work(pages=_pages, write=_write)


def _fill_at_once(attempt: Attempt, checkpoint: Checkpoint) -> None:
    sql = queries.page(attempt.schema, attempt.row_format.select_list, queries.KeyRange(), None)
    try:
        fetched = attempt.reader.whole_table(sql, attempt.row_format)
        page = paging.Page(fetched=fetched, up_to=lambda: None)
        _load(attempt, checkpoint, _Batch(page, iter(())))
    except SourceBudgetError:
        raise
    except DeadlineError:
        raise DeadlineError(
            f"The window closed while table {attempt.table} was read. It has no primary key to be read in pieces "
            f"by, so it begins anew every night: give it one, or leave it out with `exclude: true` in "
            f"tables.overrides.yml.",
            table=attempt.table,
            stage="extract",
        ) from None


def _load(attempt: Attempt, checkpoint: Checkpoint, batch: _Batch) -> Checkpoint:
    if not batch.is_empty:
        checkpoint = _write_batch(attempt, checkpoint, batch)
    for stream in batch.streams:
        attempt.count(stream)
    return checkpoint


def _write_batch(attempt: Attempt, checkpoint: Checkpoint, batch: _Batch) -> Checkpoint:
    with attempt.transaction():
        loaded = load_data(
            attempt.replication, names.shadow_table(attempt.table), attempt.row_format, batch.blocks()
        )
        # The last page has no end, so it is read again if the attempt dies before the shadow is published.
        checkpoint = replace(checkpoint, position=batch.up_to or checkpoint.position)
        record_batch(
            attempt.replication,
            attempt.table,
            attempt.fence,
            CopiedBatch(
                checkpoint=checkpoint.to_text(),
                rows=loaded.rows,
                bytes=loaded.bytes,
                seconds=sum(stream.seconds for stream in batch.streams),
            ),
        )
    return checkpoint


def _record(attempt: Attempt, checkpoint: Checkpoint) -> None:
    with attempt.transaction():
        record_batch(
            attempt.replication,
            attempt.table,
            attempt.fence,
            CopiedBatch(checkpoint=checkpoint.to_text()),
        )


def source_clock(attempt: Attempt) -> str | None:
    """Return the source's own clock as the cursor would print it; None without a cursor in time."""
    expression = cursors.clock_expression(attempt.cursor.kind) if attempt.cursor else None
    if expression is None:
        return None
    row = attempt.reader.row(f"SELECT {expression}")
    return None if row is None else str(row[0])


def _cursor(attempt: Attempt, checkpoint: Checkpoint) -> Cursor | None:
    """What the table's first pass for changes starts from: all later changes are stamped later than that."""
    if attempt.cursor is None:
        return None
    value = checkpoint.clock
    if value is None:
        shadow = names.mysql(names.shadow_table(attempt.table))
        expression = cursors.highest_expression(attempt.cursor.column, None)
        with attempt.errors():
            value = attempt.run(f"SELECT {expression} FROM {shadow}").scalar()
    return Cursor(column=attempt.cursor.column.name, value=value)


def _exists(attempt: Attempt, table: str) -> bool:
    with attempt.errors():
        database = attempt.replication.engine.url.database or ""
        return has_table(attempt.replication, database, table)
