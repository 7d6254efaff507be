"""A table in pages of its primary key, each fetched and then handed over with the range that it covers.

While the replica writes a page the next is read, so that neither server waits for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

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
    #: Gives the last key of the range once the rows are used up; None for the last page.
    up_to: Callable[[], Key | None]
    #: Tells whether the next page has arrived, so that nobody would wait for it.
    is_followed: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pages:
    """How a table is read page by page."""

    attempt: Attempt
    #: Which rows of a range to read; all of them when None.
    condition: str | None
    pace: Pace
    #: Last key that is wanted; None for the end of the table.
    within: Key | None

    def fetch(self, after: Key | None) -> Page:
        """Read the next page."""
        if self.condition is None and keys.is_number(self.attempt.schema):
            return _first_rows(self.attempt, KeyRange(after=after, up_to=self.within), self.pace.rows)
        up_to = _boundary(self.attempt, after, self.pace.rows, self.within)
        wanted = KeyRange(after=after, up_to=self.within if up_to is None else up_to)
        return replace(_page(self.attempt, wanted, self.condition), up_to=lambda: up_to)

    def paced(self, page: Page) -> _Pages:
        """Return how to go on after a page whose rows are used up or all here."""
        stream = page.fetched.stream
        pace = self.pace.after(
            read_rows=stream.rows,
            read_bytes=stream.bytes,
            seconds=stream.seconds,
            strain=self.attempt.reader.strain,
        )
        return replace(self, pace=pace)


def pages(
    attempt: Attempt,
    after: Key | None,
    pace: Pace,
    condition: str | None = None,
    *,
    within: Key | None = None,
) -> Generator[Page, None, None]:
    """Yield the table page by page, in key order.

    The caller uses each page up before it asks for the next, leaves the source alone meanwhile, and
    closes the iterator; the deadline is checked before every read.

    Args:
        attempt: The table.
        after: Last key that is already done.
        pace: Size of the first page.
        condition: Which rows of a range to read; all of them by default.
        within: Last key that is wanted; the end of the table by default.

    Raises:
        DeadlineError: The window closed.
    """
    todo = _Pages(attempt=attempt, condition=condition, pace=pace, within=within)
    with attempt.reader.ahead() as reader:
        pending: Future[Page] | None = reader.submit(todo.fetch, after)
        while pending is not None:
            page = pending.result()
            pending = None
            if page.fetched.is_complete:
                todo, pending = _go_on(reader, todo, page)
            yield replace(page, is_followed=_arrival(pending))
            if not page.fetched.is_complete:  # huge rows: until now the source was sending them
                todo, pending = _go_on(reader, todo, page)


def _arrival(pending: Future[Page] | None) -> Callable[[], bool]:
    """Tell of a read whether it is over; one that failed is for whoever asks for the next page."""
    return lambda: pending is not None and pending.done() and pending.exception() is None


def is_one_read(attempt: Attempt, after: Key | None, condition: str | None) -> bool:
    """Tell whether the rows beyond a key that meet a condition are found by one quick read."""
    examined = _examined_rows(attempt, after, condition)
    return governor.fits_one_read(attempt.plan.config, examined, attempt.reader.strain)


def only_page(attempt: Attempt, after: Key | None, condition: str | None) -> Generator[Page, None, None]:
    """Yield the rows beyond a key that meet a condition, in one read.

    Raises:
        DeadlineError: The window closed.
    """
    yield _page(attempt, KeyRange(after=after), condition)


def changed_pages(
    attempt: Attempt, after: Key | None, condition: str | None, *, within: Key | None = None
) -> Generator[Page, None, None]:
    """Yield the rows of a range that meet a condition, page by page; most rows are only looked at.

    Args:
        attempt: The table.
        after: Last key that is already done.
        condition: Which rows; all by default.
        within: Last key that is wanted; the end of the table by default.

    Raises:
        DeadlineError: The window closed.
    """
    pace = governor.first_pace(attempt.plan.config, is_scan=True, strain=attempt.reader.strain)
    yield from pages(attempt, after, pace, condition, within=within)


def _go_on(reader: ThreadPoolExecutor, todo: _Pages, page: Page) -> tuple[_Pages, Future[Page] | None]:
    """Begin to read what follows a page, if anything does."""
    after, todo = page.up_to(), todo.paced(page)
    return todo, None if after is None else reader.submit(todo.fetch, after)


def _page(attempt: Attempt, key_range: KeyRange, condition: str | None) -> Page:
    sql = queries.page(attempt.schema, attempt.row_format.select_list, key_range, condition)
    return Page(fetched=attempt.reader.page(sql, attempt.row_format), up_to=lambda: key_range.up_to)


def _first_rows(attempt: Attempt, key_range: KeyRange, rows: int) -> Page:
    """Read so many rows, and see in the last of them how far that came: no walk to find the end first."""
    sql = queries.first_rows(attempt.schema, attempt.row_format.select_list, key_range, rows)
    fetched = attempt.reader.page(sql, attempt.row_format)
    name = attempt.schema.primary_key[0]

    def up_to() -> Key | None:
        last = fetched.stream.last_values.get(name)
        return None if last is None or fetched.stream.rows < rows else (int(last),)

    return Page(fetched=fetched, up_to=up_to)


def _examined_rows(attempt: Attempt, after: Key | None, condition: str | None) -> int:
    row = attempt.reader.row(queries.explain(attempt.schema, KeyRange(after=after), condition))
    # No number means that the optimiser has already found that there is nothing to read.
    return int(row.rows or 0) if row is not None else 0


def _boundary(attempt: Attempt, after: Key | None, rows: int, within: Key | None) -> Key | None:
    row = attempt.reader.row(queries.boundary(attempt.schema, after, rows, within))
    return None if row is None else keys.from_row(attempt.schema, row)
