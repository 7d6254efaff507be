"""What the ledger's results say about a table: how large, how long, how much of it changes; pure.

One night says little: a table is loaded beside a vacuum, or a hundred thousand rows are edited at once.
So every number is the median over the last results that did the same kind of work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from dental_etl.run import TableResult, TableStatus, Value

#: Results of one kind of work that count; older ones say how the table was, not how it is.
NIGHTS = 7
#: Below this many rows the time of a copy is that of its statements, whatever the rows.
_ROWS_THAT_TAKE_TIME = 10_000
#: Fewer rows than that say nothing about the size of a row.
_ROWS_THAT_SHOW_SIZE = 100
#: A read shorter than that says nothing about the pace of the source.
_SECONDS_THAT_SHOW_PACE = 0.5


class ExtractAction(StrEnum):
    """What an extract does to make the replica equal; as `TableResult.extract_action` has it."""

    #: Every row is read.
    WHOLE = "whole"
    #: Rows at or above the cursor are read, and what no stamp shows is found by comparing.
    CHANGES = "changes"
    #: Checksums are compared and only differing rows read: a table without a cursor.
    COMPARED = "compared"
    #: Nothing: the source has not written the table since it was proven.
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableHistory(Value):
    """The results of one table that loaded, newest first."""

    table: str
    results: tuple[TableResult, ...] = ()

    @property
    def rows(self) -> int | None:
        """Rows in raw after the newest load; None when that is not known."""
        return next((one.rows_total for one in self.results if one.rows_total is not None), None)

    @property
    def whole(self) -> tuple[TableResult, ...]:
        """The newest results that read every row."""
        return tuple(one for one in self.results if one.extract_action == ExtractAction.WHOLE)[:NIGHTS]

    @property
    def usual(self) -> tuple[TableResult, ...]:
        """The newest results of nights that brought changes only, or found none."""
        known = (one for one in self.results if one.extract_action is not None)
        return tuple(one for one in known if one.extract_action != ExtractAction.WHOLE)[:NIGHTS]

    @property
    def usual_seconds(self) -> float | None:
        return _median(_seconds, self.usual)

    @property
    def usual_rows(self) -> float | None:
        """Rows that a usual night reads."""
        return _median(lambda one: one.rows_read, self.usual)

    @property
    def usual_bytes(self) -> float | None:
        return _median(lambda one: one.bytes_read, self.usual)

    @property
    def changed_share(self) -> float | None:
        """Share of the rows that a usual night writes or deletes, 0 to 1."""
        return _median(
            lambda one: min(1.0, (one.rows_written + one.rows_deleted) / max(one.rows_total or 0, 1)),
            self.usual,
        )

    @property
    def row_bytes(self) -> float | None:
        """Bytes of a row as it travels."""
        telling = [one for one in self.results if one.rows_read >= _ROWS_THAT_SHOW_SIZE]
        return _median(lambda one: one.bytes_read / one.rows_read, telling[:NIGHTS])

    @property
    def source_rows_per_second(self) -> float | None:
        """Pace at which the source sends whole rows; None where no copy took long enough to say."""
        telling = [one for one in self.whole if one.source_seconds >= _SECONDS_THAT_SHOW_PACE]
        return _median(lambda one: one.rows_read / one.source_seconds, telling)

    def whole_seconds(self, rows: int) -> float | None:
        """Return what a copy of so many rows would take; None when no copy says anything about that.

        Args:
            rows: That the table has now; a copy of fewer rows took as much less.
        """
        if rows < _ROWS_THAT_TAKE_TIME:
            return _median(_seconds, [one for one in self.whole if one.rows_read < _ROWS_THAT_TAKE_TIME])
        telling = [one for one in self.whole if one.rows_read >= _ROWS_THAT_TAKE_TIME]
        return _median(lambda one: _seconds(one) * rows / one.rows_read, telling)


def histories(results: Iterable[TableResult]) -> Mapping[str, TableHistory]:
    """Group results by table; those that did not load, or do not say what they did, tell nothing.

    Args:
        results: Newest first.
    """
    by_table: dict[str, list[TableResult]] = defaultdict(list)
    for one in results:
        if one.status is TableStatus.LOADED:
            by_table[one.table].append(one)
    return {table: TableHistory(table=table, results=tuple(found)) for table, found in by_table.items()}


def _seconds(result: TableResult) -> float:
    return result.extract_seconds + result.load_seconds


def _median(of: Callable[[TableResult], float], results: Iterable[TableResult]) -> float | None:
    values = [of(one) for one in results]
    return median(values) if values else None
