"""Which ranges of a table differ between source and replica, found with few and short reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from dental_etl.extract import governor, keys
from dental_etl.extract.attempt import Attempt
from dental_etl.extract.governor import Pace
from dental_etl.extract.keys import Key
from dental_etl.extract.queries import KeyRange
from dental_etl.reconciliation import ranges, slots
from dental_etl.reconciliation.ranges import Contents, Depth
from dental_etl.reconciliation.slots import Slot
from dental_etl.wire.reader import read_blocks
from dental_etl.wire.rows import Target

#: A table of so many rows is compared in one scan, a third of them where that locks the table: a quarter of a
#: second of the source's time, and half of what the rows cost in the order of the key.
WHOLE_ROWS = 100_000
_FIRST_ROWS, _MOST_ROWS = 10_000, 50_000
#: A table of so few rows is read as soon as it is known to differ: finding out where would cost more.
AT_ONCE_ROWS = 200
#: Rows that one read and one transaction repair, at most.
_MOST_LEAF_ROWS = 10_000
#: The servers sum up so few rows in less time than another thread of ours takes.
_ONE_BY_ONE_ROWS = 2_000
#: Cutting a range again and again, while rows come in, must end some time.
_MOST_CUTS = 8


_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One range as both servers see it."""

    key_range: KeyRange
    source: Contents
    replica: Contents
    #: Slots of the range that differ; None where it was not looked at by slots.
    slots: tuple[Slot, ...] | None = None
    #: As of which of the reader's moments the source was seen; None where it has none, or was not summed up.
    moment: int | None = None

    @property
    def is_equal(self) -> bool:
        return self.source == self.replica and not self.slots

    @property
    def rows(self) -> int:
        return max(self.source.rows, self.replica.rows)


def compare(attempt: Attempt, key_range: KeyRange, depth: Depth = Depth.ROWS) -> Compared:
    """Compare one range; one read of the source, refused after the deadline.

    Raises:
        DeadlineError: The window closed.
    """
    source, replica = _both(attempt, ranges.contents(attempt.schema, key_range, depth))
    return Compared(
        key_range=key_range,
        source=_contents(source[0]),
        replica=_contents(replica[0]),
        moment=_moment(attempt) if depth is Depth.ROWS else None,
    )


def compare_again(attempt: Attempt, before: Compared) -> Compared:
    """Compare a mended range; the source is only read again if it may say something else than before.

    Raises:
        DeadlineError: The window closed.
    """
    if before.moment is None or before.moment != _moment(attempt):
        return compare(attempt, before.key_range)
    with attempt.errors():
        replica = attempt.run(ranges.contents(attempt.schema, before.key_range)).one()
    return replace(before, replica=_contents(replica), slots=None)


def compare_all(attempt: Attempt, source_rows: int, replica_rows: int, *, is_changed: bool) -> Compared:
    """Compare a whole table of known counts; where it is known to differ, its rows are read once for it.

    Args:
        attempt: The table.
        source_rows: At the source.
        replica_rows: In the replica.
        is_changed: Whether something is likely to differ, whatever the counts say.
    """
    if not is_changed and source_rows == replica_rows:
        return compare(attempt, KeyRange())
    if source_rows > AT_ONCE_ROWS and keys.is_number(attempt.schema):
        return by_slots(attempt, KeyRange(), source_rows)
    if source_rows == replica_rows and source_rows > ranges.LEAF_ROWS:
        return compare(attempt, KeyRange())
    return Compared(
        key_range=KeyRange(),
        source=Contents(rows=source_rows, checksum=0),
        replica=Contents(rows=replica_rows, checksum=-1),
    )


def by_slots(attempt: Attempt, key_range: KeyRange, rows: int) -> Compared:
    """Compare one range of a whole-number key slot by slot of it; two reads of the source.

    Args:
        attempt: The table.
        key_range: Which rows.
        rows: How many these are at the source, about.

    Raises:
        DeadlineError: The window closed.
    """
    ends = attempt.reader.row(ranges.ends(attempt.schema, key_range))
    if ends is None or ends[0] is None:
        return compare(attempt, key_range)
    width = slots.width_of(int(ends[0]), int(ends[1]), rows)
    source, replica = _slots(attempt, ranges.slots(attempt.schema, key_range, width))
    differing = slots.differing(source, replica, key_range, width)
    source_rows = slots.rows_of(source)
    return Compared(
        key_range=key_range,
        source=Contents(rows=source_rows, checksum=0),
        replica=Contents(
            rows=source_rows + sum(one.replica.rows - one.source.rows for one in differing), checksum=0
        ),
        slots=tuple(differing),
        moment=_moment(attempt),
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


def steps(
    attempt: Attempt, after: Key | None, depth: Depth = Depth.ROWS, *, is_changed: bool = False
) -> Iterator[Compared]:
    """Compare a table range by range in the order of the key, each as large as 300 ms of the source allow.

    Args:
        attempt: The table.
        after: Last key that is done already.
        depth: What is compared.
        is_changed: Whether most ranges are likely to differ; all columns are then compared slot by slot.
    """
    is_by_slots = is_changed and depth is Depth.ROWS and keys.is_number(attempt.schema)
    pace = Pace(
        rows=_FIRST_ROWS >> attempt.reader.strain,
        batch_size=_MOST_ROWS,
        most_rows=_MOST_ROWS,
        aim_seconds=governor.aim_seconds(attempt.schema.engine),
    )
    while True:
        end = _source_key(attempt, KeyRange(after=after), pace.rows)
        before = attempt.reader.totals.seconds
        key_range = KeyRange(after=after, up_to=end)
        compared = (
            by_slots(attempt, key_range, pace.rows) if is_by_slots else compare(attempt, key_range, depth)
        )
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
    if compared.slots is not None:
        yield from _leaves(attempt, compared, compared.slots, cuts)
    elif compared.source.rows <= ranges.LEAF_ROWS or cuts >= _MOST_CUTS:
        yield compared
    elif keys.is_number(attempt.schema):
        yield from narrow(attempt, by_slots(attempt, compared.key_range, compared.source.rows), cuts + 1)
    else:
        for part in _parts(attempt, compared):
            found = compare(attempt, part)
            if not found.is_equal:
                yield from narrow(attempt, found, cuts + 1)


def _leaves(attempt: Attempt, compared: Compared, found: Sequence[Slot], cuts: int) -> Iterator[Compared]:
    """Gather slots into reads; one that holds a heap of keys is cut again."""
    heaps = [slot for slot in found if slot.source.rows > ranges.LEAF_ROWS]
    pace = governor.first_pace(attempt.plan.config, strain=attempt.reader.strain)
    most_rows = min(_MOST_LEAF_ROWS, max(ranges.LEAF_ROWS, pace.rows))
    for key_range, of in slots.leaves((slot for slot in found if slot not in heaps), most_rows):
        yield Compared(
            key_range=key_range,
            source=_total(slot.source for slot in of),
            replica=_total(slot.replica for slot in of),
            moment=compared.moment,
        )
    for heap in heaps:
        key_range = KeyRange(after=(heap.first - 1,), up_to=(heap.last,))
        one = Compared(key_range=key_range, source=heap.source, replica=heap.replica, moment=compared.moment)
        yield from narrow(attempt, one, cuts + 1)


def _total(contents: Iterable[Contents]) -> Contents:
    parts = list(contents)
    return Contents(rows=sum(one.rows for one in parts), checksum=sum(one.checksum for one in parts))


def _moment(attempt: Attempt) -> int | None:
    """Return the number of the moment as of which the source was read last; None where every read has its own."""
    return attempt.reader.moments if attempt.schema.is_transactional and attempt.reader.moments else None


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


def _slots(attempt: Attempt, statement: str) -> tuple[set[bytes], set[bytes]]:
    """Ask both servers for their slots; return the lines of the source and of the replica."""
    schema = attempt.schema

    def ask_source() -> bytes:
        return attempt.reader.lines(statement, ranges.slot_format(schema, Target.MYSQL))

    def ask_replica() -> bytes:
        wanted = ranges.slot_format(schema, Target.POSTGRES)
        with attempt.errors():
            return b"".join(read_blocks(attempt.replication, statement, None, wanted))

    source, replica = _at_once(attempt, ask_source, ask_replica)
    return set(source.splitlines()), set(replica.splitlines())


def _both(attempt: Attempt, statement: str) -> tuple[Sequence[Any], Sequence[Any]]:
    """Ask both servers the same; return the rows of the source and of the replica."""

    def ask_replica() -> Sequence[Any]:
        with attempt.errors():
            found: Sequence[Any] = attempt.run(statement).all()
        return found

    return _at_once(attempt, lambda: attempt.reader.rows(statement), ask_replica)


def _at_once(
    attempt: Attempt, ask_source: Callable[[], _Found], ask_replica: Callable[[], _Found]
) -> tuple[_Found, _Found]:
    """Ask both servers, at the same time where they have work to do."""
    if attempt.plan.config.estimated_rows <= _ONE_BY_ONE_ROWS:
        return ask_source(), ask_replica()
    with attempt.reader.ahead() as reader:
        source = reader.submit(ask_source)
        replica = ask_replica()
        return source.result(), replica


def _contents(row: Any) -> Contents:
    return Contents(rows=int(row[0]), checksum=int(row[1]))
