"""A large table by key ranges, which several processes may work at the same time.

Who owns the table's extract makes the ranges, calls for helpers, works whatever range is free, and is
done when every range is. A range belongs to whoever holds its lock, and the lock belongs to the session
that writes. So a helper that dies leaves its range to the owner, and an owner that dies leaves the
ranges to the next attempt; nobody needs to be told.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from dental_etl.config import TableConfig
from dental_etl.exceptions import DatabaseTransactionError, TableBusyError
from dental_etl.extract import keys, paging, queries
from dental_etl.extract.attempt import Attempt
from dental_etl.extract.keys import Key
from dental_etl.extract.reading import ReadTotals
from dental_etl.run import Category
from dental_etl.tracking.chunks import (
    Chunk,
    Moved,
    advance_chunk,
    ensure_chunks,
    read_chunk,
    read_chunks,
    write_chunks,
)
from dental_etl.tracking.locks import table_lock
from dental_etl.wire.catalog import has_table

logger = logging.getLogger(__name__)

#: A range is that many full reads at most, and a table has so many ranges: each is worth a message, and
#: the last one does not keep everybody waiting.
_READS_PER_CHUNK = 8
_LEAST_CHUNKS = 16
_LOOK_AGAIN_SECONDS = 0.2
#: Between two sums over all ranges, for whoever watches.
_ADD_UP_SECONDS = 1.0
#: Deadlocks with helpers that one attempt puts up with.
_MOST_CONFLICTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a page has brought."""

    rows: int
    bytes: int
    #: Rows that the replica lacked or held differently, where that is known.
    changed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is done with a range: its rows are read after one key and up to another, and written."""

    pages: Callable[[Attempt, Key | None, Key | None], Generator[paging.Page, None, None]]
    #: Writes the rows of a page that has some, in the transaction of its checkpoint.
    write: Callable[[Attempt, paging.Page], Written]
    #: Done before that transaction.
    prepare: Callable[[Attempt], None] = lambda _: None


def is_worth_sharing(attempt: Attempt) -> bool:
    """Tell whether a table is copied in ranges: large, with a key to cut, and somebody to call."""
    is_large = attempt.plan.config.performance_category is Category.LARGE
    return is_large and attempt.helpers is not None and keys.is_pageable(attempt.schema)


def forget(attempt: Attempt) -> None:
    """Forget the ranges of earlier copies: whoever still works one of them writes nothing more."""
    if is_worth_sharing(attempt):
        with attempt.errors():
            ensure_chunks(attempt.replication)
    elif not _is_there(attempt):
        return
    with attempt.transaction():
        write_chunks(attempt.replication, attempt.table, [])


def are_there(attempt: Attempt, copy_id: str) -> bool:
    """Tell whether the ranges of a copy still stand, so that it can go on."""
    return _is_there(attempt) and bool(_all(attempt, copy_id))


def new_copy_id(attempt: Attempt) -> str:
    """Return a name that no other copy of the table has: every attempt has its own fence."""
    return f"{attempt.run_id}:{attempt.fence}"


def cut(attempt: Attempt, copy_id: str) -> tuple[Chunk, ...]:
    """Return the ranges of a new copy; walks the key's index at the source and reads no row."""
    return _chunks(attempt, copy_id, None, list(_bounds(attempt, chunk_rows(attempt.plan.config))))


def cut_by_replica(attempt: Attempt, copy_id: str, after: Key | None) -> tuple[Chunk, ...]:
    """Return the ranges beyond a key, cut where the replica's keys are; costs the source nothing.

    Any cuts are right, whatever keys have come and gone since: the last range has no end.
    """
    bounds = _replica_bounds(attempt, after, chunk_rows(attempt.plan.config))
    return _chunks(attempt, copy_id, after, list(bounds))


def _chunks(attempt: Attempt, copy_id: str, after: Key | None, bounds: list[Key]) -> tuple[Chunk, ...]:
    ends = [*bounds, None]
    return tuple(
        Chunk(
            table=attempt.table,
            number=number,
            copy_id=copy_id,
            shape=attempt.shape,
            up_to=_to_text(up_to),
            position=_to_text(start),
        )
        for number, (start, up_to) in enumerate(zip([after, *bounds], ends, strict=True), start=1)
    )


def fill(attempt: Attempt, copy_id: str, todo: Work) -> Moved:
    """Work the ranges until all are done, with whoever helps; return what they hold together.

    Raises:
        DeadlineError: The window closed; the pages that were committed stay.
    """
    attempt.has_foreign_reads = True
    before, counted = attempt.reader.totals, attempt.coercions
    attempt.reader.totals, attempt.coercions = ReadTotals(), Counter()
    attempt.together = _Together(attempt, copy_id, before)
    left = _open(attempt, copy_id)
    if attempt.helpers is not None:
        # The first ones come first; the owner begins at the other end.
        attempt.helpers([chunk.number for chunk in left[:-1]])
    conflicts = 0
    while left:
        outcomes = [_work_patiently(attempt, chunk.number, todo, conflicts) for chunk in reversed(left)]
        conflicts += outcomes.count(None)
        if not any(outcomes):
            time.sleep(_LOOK_AGAIN_SECONDS)  # others are at all of them; one that dies frees its own
            attempt.tell()
        left = _open(attempt, copy_id)
    attempt.together = None
    moved = _moved(attempt, copy_id)
    attempt.reader.totals = _added(before, moved)
    attempt.coercions = counted + Counter({(column, kind): rows for column, kind, rows in moved.coercions})
    return moved


class _Together:
    """Adds up the rows of all ranges, whoever works them, at most once in a while."""

    def __init__(self, attempt: Attempt, copy_id: str, before: ReadTotals) -> None:
        self._attempt = attempt
        self._copy_id = copy_id
        self._before = before
        self._sum = (before.rows, before.bytes)
        self._looked = time.monotonic()

    def __call__(self) -> tuple[int, int]:
        if time.monotonic() - self._looked >= _ADD_UP_SECONDS:
            moved = _moved(self._attempt, self._copy_id)
            self._sum = (self._before.rows + moved.rows, self._before.bytes + moved.bytes)
            self._looked = time.monotonic()
        return self._sum


def _work_patiently(attempt: Attempt, number: int, todo: Work, conflicts: int) -> bool | None:
    """Work a range as `work` does; None if a helper's page stood in the way, which passes."""
    try:
        return work(attempt, number, todo)
    except DatabaseTransactionError:
        if conflicts >= _MOST_CONFLICTS:
            raise
        return None


def work(attempt: Attempt, number: int, todo: Work) -> bool:
    """Do what is left of one range; False when it is done, or somebody else is at it.

    Raises:
        DeadlineError: The window closed; the pages that were committed stay.
        FencedError: The copy was given up.
    """
    try:
        with table_lock(attempt.replication, f"{attempt.table}#{number}", purpose="chunk"):
            with attempt.errors():
                chunk = read_chunk(attempt.replication, attempt.table, number)
            if chunk is None or chunk.is_done or chunk.shape != attempt.shape:
                return False
            _go_on(attempt, chunk, todo)
    except TableBusyError:
        return False
    return True


def _go_on(attempt: Attempt, chunk: Chunk, todo: Work) -> None:
    position, up_to = _from_text(chunk.position), _from_text(chunk.up_to)
    with closing(todo.pages(attempt, position, up_to)) as pages:
        for page in pages:
            chunk = _write(attempt, chunk, page, todo)


def _write(attempt: Attempt, chunk: Chunk, page: paging.Page, todo: Work) -> Chunk:
    stream = page.fetched.stream
    if not page.fetched.is_empty:
        todo.prepare(attempt)
    with attempt.transaction():
        written = Written(rows=0, bytes=0) if page.fetched.is_empty else todo.write(attempt, page)
        found = Moved(
            rows=written.rows,
            changed=written.changed,
            bytes=written.bytes,
            reads=1,
            seconds=stream.seconds,
            longest_seconds=stream.seconds,
            coercions=tuple((column, kind, count) for (column, kind), count in stream.coercions.items()),
        )
        after = _after(chunk, page.up_to(), found)
        advance_chunk(attempt.replication, chunk, after)
    attempt.count(stream)
    return after


def _after(chunk: Chunk, position: Key | None, found: Moved) -> Chunk:
    is_done = position is None
    return replace(
        chunk,
        position=chunk.up_to if is_done else _to_text(position),
        is_done=is_done,
        version=chunk.version + 1,
        moved=chunk.moved.plus(found),
    )


def chunk_rows(config: TableConfig) -> int:
    """Return about how many rows a range of a large table has; pure."""
    even = config.estimated_rows // _LEAST_CHUNKS
    return max(config.batch_size, min(even, config.batch_size * _READS_PER_CHUNK))


def _bounds(attempt: Attempt, rows: int) -> Iterator[Key]:
    after: Key | None = None
    while True:
        row = attempt.reader.row(queries.boundary(attempt.schema, after, rows))
        if row is None:
            return
        after = keys.from_row(attempt.schema, row)
        yield after


def _replica_bounds(attempt: Attempt, after: Key | None, rows: int) -> Iterator[Key]:
    while True:
        with attempt.errors():
            try:
                row = attempt.run(queries.boundary(attempt.schema, after, rows)).one_or_none()
            except UnicodeDecodeError:
                raise keys.key_is_no_text(attempt.table) from None
        if row is None:
            return
        after = keys.from_row(attempt.schema, row)
        yield after


def _open(attempt: Attempt, copy_id: str) -> list[Chunk]:
    return [chunk for chunk in _all(attempt, copy_id) if not chunk.is_done]


def _moved(attempt: Attempt, copy_id: str) -> Moved:
    total = Moved()
    for chunk in _all(attempt, copy_id):
        total = total.plus(chunk.moved)
    return total


def _all(attempt: Attempt, copy_id: str) -> tuple[Chunk, ...]:
    with attempt.errors():
        attempt.replication.rollback()  # a snapshot would go on showing what was
        return read_chunks(attempt.replication, attempt.table, copy_id)


def _is_there(attempt: Attempt) -> bool:
    with attempt.errors():
        database = attempt.replication.engine.url.database or ""
        return has_table(attempt.replication, database, "etl_chunk")


def _added(totals: ReadTotals, moved: Moved) -> ReadTotals:
    return ReadTotals(
        reads=totals.reads + moved.reads,
        rows=totals.rows + moved.rows,
        bytes=totals.bytes + moved.bytes,
        seconds=totals.seconds + moved.seconds,
        longest_seconds=max(totals.longest_seconds, moved.longest_seconds),
    )


def _to_text(key: Key | None) -> str | None:
    return None if key is None else json.dumps(keys.to_json(key))


def _from_text(text: str | None) -> Key | None:
    return None if text is None else keys.from_json(json.loads(text))
