"""A table in pages of its primary key, each fetched and then handed over with the range that it covers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from dental_etl.extract import governor, keys, queries
from dental_etl.extract.attempt import Attempt
from dental_etl.extract.governor import Pace
from dental_etl.extract.keys import Key
from dental_etl.extract.queries import KeyRange
from dental_etl.extract.reading import FetchedPage


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows of one range of keys."""

    fetched: FetchedPage
    #: Last key of the range; None for the last page of the table.
    up_to: Key | None


def pages(attempt: Attempt, after: Key | None, pace: Pace, condition: str | None = None) -> Iterator[Page]:
    """Yield the table page by page, in key order.

    The caller uses each page up before it asks for the next; the deadline is checked before every read.

    Args:
        attempt: The table.
        after: Last key that is already done.
        pace: Size of the first page.
        condition: Which rows of a range to read; all of them by default.

    Raises:
        DeadlineError: The window closed.
    """
    while True:
        up_to = _boundary(attempt, after, pace.rows)
        started = time.monotonic()
        page = _page(attempt, KeyRange(after=after, up_to=up_to), condition)
        seconds = time.monotonic() - started
        yield page
        if up_to is None:
            return
        after = up_to
        stream = page.fetched.stream
        pace = pace.after(read_rows=stream.rows, read_bytes=stream.bytes, seconds=seconds)


def changed_pages(attempt: Attempt, after: Key | None, condition: str | None) -> Iterator[Page]:
    """Yield the rows that meet a condition: in one read where that is quick, else page by page.

    Args:
        attempt: The table.
        after: Last key that is already done.
        condition: Which rows; all by default.

    Raises:
        DeadlineError: The window closed.
    """
    config = attempt.plan.config
    if governor.fits_one_read(config, _examined_rows(attempt, after, condition)):
        yield _page(attempt, KeyRange(after=after), condition)
    else:
        yield from pages(attempt, after, governor.first_pace(config, is_scan=True), condition)


def _page(attempt: Attempt, key_range: KeyRange, condition: str | None) -> Page:
    sql = queries.page(attempt.schema, attempt.row_format.select_list, key_range, condition)
    return Page(fetched=attempt.reader.page(sql, attempt.row_format), up_to=key_range.up_to)


def _examined_rows(attempt: Attempt, after: Key | None, condition: str | None) -> int:
    row = attempt.reader.row(queries.explain(attempt.schema, KeyRange(after=after), condition))
    # No number means that the optimiser has already found that there is nothing to read.
    return int(row.rows or 0) if row is not None else 0


def _boundary(attempt: Attempt, after: Key | None, rows: int) -> Key | None:
    row = attempt.reader.row(queries.boundary(attempt.schema, after, rows))
    return None if row is None else keys.from_row(attempt.schema, row)
