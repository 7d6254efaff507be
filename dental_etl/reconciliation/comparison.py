"""Which ranges of a table differ between source and replica, found with few and short reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dental_etl.extract import governor, keys
from dental_etl.extract.attempt import Attempt
from dental_etl.extract.governor import Pace
from dental_etl.extract.keys import Key
from dental_etl.extract.queries import KeyRange
from dental_etl.reconciliation import ranges, slots
from dental_etl.reconciliation.ranges import Contents, Depth
from dental_etl.reconciliation.slots import Slot

#: A table of so many rows is compared in one scan, a third of them where that locks the table: a quarter of a
#: second of the source's time, and half of what the rows cost in the order of the key.
WHOLE_ROWS = 100_000
_FIRST_ROWS, _MOST_ROWS = 10_000, 50_000
#: Cutting a range again and again, while rows come in, must end some time.
_MOST_CUTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One range as both servers see it."""

    key_range: KeyRange
    source: Contents
    replica: Contents

    @property
    def is_equal(self) -> bool:
        return self.source == self.replica

    @property
    def rows(self) -> int:
        return max(self.source.rows, self.replica.rows)


def compare(attempt: Attempt, key_range: KeyRange, depth: Depth = Depth.ROWS) -> Compared:
    """Compare one range; one read of the source, refused after the deadline.

    Raises:
        DeadlineError: The window closed.
    """
    source, replica = _both(attempt, ranges.contents(attempt.schema, key_range, depth))
    return Compared(key_range=key_range, source=_contents(source[0]), replica=_contents(replica[0]))


def compare_all(attempt: Attempt, source_rows: int, replica_rows: int) -> Compared:
    """Compare a whole table of known counts; where these tell that it differs, its rows are not read for it."""
    if source_rows == replica_rows:
        return compare(attempt, KeyRange())
    return Compared(
        key_range=KeyRange(),
        source=Contents(rows=source_rows, checksum=0),
        replica=Contents(rows=replica_rows, checksum=0),
    )


def row_counts(attempt: Attempt) -> tuple[int, int]:
    """Return the number of rows of the source and of the replica."""
    source, replica = _both(attempt, ranges.count(attempt.schema))
    return int(source[0][0]), int(replica[0][0])


def fits_one_scan(attempt: Attempt, rows: int) -> bool:
    """Tell whether a whole table may be compared in one read."""
    strain = attempt.reader.strain
    most_rows = WHOLE_ROWS * governor.share(attempt.schema.engine, strain)
    return rows <= most_rows and governor.fits_one_read(attempt.plan.config, rows, strain)


def steps(attempt: Attempt, after: Key | None, depth: Depth = Depth.ROWS) -> Iterator[Compared]:
    """Compare a table range by range in the order of the key, each as large as 300 ms of the source allow.

    Args:
        attempt: The table.
        after: Last key that is done already.
        depth: What is compared.
    """
    pace = Pace(
        rows=_FIRST_ROWS >> attempt.reader.strain,
        batch_size=_MOST_ROWS,
        most_rows=_MOST_ROWS,
        aim_seconds=governor.aim_seconds(attempt.schema.engine),
    )
    while True:
        end = _source_key(attempt, KeyRange(after=after), pace.rows)
        before = attempt.reader.totals.seconds
        compared = compare(attempt, KeyRange(after=after, up_to=end), depth)
        seconds = attempt.reader.totals.seconds - before
        yield compared
        if end is None:
            return
        after = end
        pace = pace.after(
            read_rows=compared.source.rows, read_bytes=0, seconds=seconds, strain=attempt.reader.strain
        )


def narrow(attempt: Attempt, compared: Compared, cuts: int = 0) -> Iterator[Compared]:
    """Cut a range that differs until the source's rows in what differs are few enough to be read."""
    if compared.source.rows <= ranges.LEAF_ROWS or cuts >= _MOST_CUTS:
        yield compared
        return
    by_slots = _narrow_by_slots(attempt, compared)
    if by_slots is not None:
        yield from by_slots
        return
    for part in _parts(attempt, compared):
        found = compare(attempt, part)
        if not found.is_equal:
            yield from narrow(attempt, found, cuts + 1)


def _narrow_by_slots(attempt: Attempt, compared: Compared) -> list[Compared] | None:
    """Return what differs by slots of the key; None where the key has none, or lies in few heaps."""
    if not keys.is_number(attempt.schema):
        return None
    key_range = compared.key_range
    ends = attempt.reader.row(ranges.ends(attempt.schema, key_range))
    if ends is None or ends[0] is None:
        return None
    width = slots.width_of(int(ends[0]), int(ends[1]), compared.source.rows)
    source, replica = _both(attempt, ranges.slots(attempt.schema, key_range, width))
    found = slots.differing(map(_slot, source), map(_slot, replica))
    if any(slot.source.rows > ranges.LEAF_ROWS for slot in found):
        return None
    return [_leaf(leaf, of) for leaf, of in slots.leaves(key_range, found, width)]


def _leaf(key_range: KeyRange, of: Sequence[Slot]) -> Compared:
    def total(contents: Iterable[Contents]) -> Contents:
        parts = list(contents)
        return Contents(rows=sum(one.rows for one in parts), checksum=sum(one.checksum for one in parts))

    return Compared(
        key_range=key_range,
        source=total(slot.source for slot in of),
        replica=total(slot.replica for slot in of),
    )


def _slot(row: Any) -> tuple[int, Contents]:
    return int(row[0]), Contents(rows=int(row[1]), checksum=int(row[2]))


def _parts(attempt: Attempt, compared: Compared) -> Iterator[KeyRange]:
    rows = max(compared.source.rows // ranges.PARTS, ranges.LEAF_ROWS // 2)
    left = compared.key_range
    while (end := _source_key(attempt, left, rows)) is not None:
        yield ranges.first_part(left, end)
        left = ranges.rest(left, end)
    yield left


def _source_key(attempt: Attempt, key_range: KeyRange, rows: int) -> Key | None:
    row = attempt.reader.row(ranges.boundary(attempt.schema, key_range, rows))
    return None if row is None else keys.from_row(attempt.schema, row)


def _both(attempt: Attempt, statement: str) -> tuple[Sequence[Any], Sequence[Any]]:
    """Ask both servers the same at the same time; return the rows of the source and of the replica."""
    with attempt.reader.ahead() as reader:
        source = reader.submit(attempt.reader.rows, statement)
        with attempt.errors():
            replica = attempt.run(statement).all()
        return source.result(), replica


def _contents(row: Any) -> Contents:
    return Contents(rows=int(row[0]), checksum=int(row[1]))
