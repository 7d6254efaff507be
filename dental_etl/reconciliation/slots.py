"""Which rows of a range differ, slot by slot of its key, where the key is one whole number.

A clinic's changes lie all over a table. Cutting a range in halves then finds a difference in every part,
and ends with reading all of it. One pass, grouped by slots of a few rows, names those that differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from dental_etl.extract import keys
from dental_etl.extract.queries import KeyRange
from dental_etl.reconciliation.ranges import Contents

#: Rows of a slot, on average: one changed row in a hundred makes one slot in seven differ.
SLOT_ROWS = 16
#: Places in the key that one statement asks for; the optimiser looks into the index for each.
_MOST_PARTS = 1000
_NOTHING = Contents(rows=0, checksum=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One slot as both servers see it."""

    #: Lowest and highest key that it can hold.
    first: int
    last: int
    source: Contents
    replica: Contents

    @property
    def rows(self) -> int:
        return max(self.source.rows, self.replica.rows)


def width_of(lowest: int, highest: int, rows: int) -> int:
    """Return how many keys a slot spans, so that it holds `SLOT_ROWS` of so many rows on average."""
    return max(1, (highest - lowest + 1) * SLOT_ROWS // max(rows, 1))


def differing(
    source: AbstractSet[bytes], replica: AbstractSet[bytes], key_range: KeyRange, width: int
) -> list[Slot]:
    """Return the slots that differ, in the order of their keys.

    Args:
        source: What the source says of each slot, a line each, as `ranges.slots` selects them.
        replica: The same of the replica.
        key_range: Whose slots they are; they end where it ends.
        width: Keys of a slot.
    """
    theirs, ours = dict(map(_parsed, source - replica)), dict(map(_parsed, replica - source))
    return [
        _slot(number, width, key_range, theirs.get(number, _NOTHING), ours.get(number, _NOTHING))
        for number in sorted(ours.keys() | theirs.keys())
    ]


def rows_of(found: Iterable[bytes]) -> int:
    """Return the rows of all slots."""
    return sum(int(one.split(b",")[1]) for one in found)


def leaves(slots: Iterable[Slot], most_rows: int) -> Iterator[tuple[KeyRange, list[Slot]]]:
    """Gather slots into what one read brings.

    Args:
        slots: In the order of their keys.
        most_rows: That one read may bring.
    """
    gathered: list[Slot] = []
    rows = 0
    for slot in slots:
        if gathered and (rows + slot.rows > most_rows or len(gathered) >= _MOST_PARTS):
            yield _leaf(gathered), gathered
            gathered, rows = [], 0
        gathered.append(slot)
        rows += slot.rows
    if gathered:
        yield _leaf(gathered), gathered


def _parsed(line: bytes) -> tuple[int, Contents]:
    number, rows, checksum = line.split(b",")
    return int(number), Contents(rows=int(rows), checksum=int(checksum))


def _slot(number: int, width: int, key_range: KeyRange, source: Contents, replica: Contents) -> Slot:
    first, last = keys.slot_ends(number, width)
    if key_range.after is not None:
        first = max(first, int(key_range.after[0]) + 1)
    if key_range.up_to is not None:
        last = min(last, int(key_range.up_to[0]))
    return Slot(first=first, last=last, source=source, replica=replica)


def _leaf(slots: list[Slot]) -> KeyRange:
    """Name the slots' keys, those that touch as one, so that the server looks at their part of the index only."""
    parts: list[tuple[int, int]] = []
    for slot in slots:
        first = slot.first
        if parts and parts[-1][1] + 1 == first:
            first = parts.pop()[0]
        parts.append((first, slot.last))
    return KeyRange(after=(parts[0][0] - 1,), up_to=(parts[-1][1],), parts=tuple(parts))
