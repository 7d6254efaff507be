"""Which rows of a differing range differ, slot by slot of its key, where the key is one whole number.

A clinic's changes lie all over a table. Cutting a range in halves then finds a difference in every part,
and ends with reading all of it. One more pass, grouped by slots of a few rows, names those that differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dental_etl.extract import keys
from dental_etl.extract.queries import KeyRange
from dental_etl.reconciliation.ranges import Contents

#: Rows of a slot, on average: one changed row in a hundred makes one slot in seven differ.
SLOT_ROWS = 16
#: Rows that one read and one transaction repair.
_LEAF_ROWS = 10_000
_NOTHING = Contents(rows=0, checksum=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One slot as both servers see it."""

    number: int
    source: Contents
    replica: Contents

    @property
    def rows(self) -> int:
        return max(self.source.rows, self.replica.rows)


def width_of(lowest: int, highest: int, rows: int) -> int:
    """Return how many keys a slot spans, so that it holds `SLOT_ROWS` of so many rows on average."""
    return max(1, (highest - lowest + 1) * SLOT_ROWS // max(rows, 1))


def differing(source: Iterable[tuple[int, Contents]], replica: Iterable[tuple[int, Contents]]) -> list[Slot]:
    """Return the slots that differ, in the order of their keys."""
    ours, theirs = dict(replica), dict(source)
    found = (
        Slot(number=number, source=theirs.get(number, _NOTHING), replica=ours.get(number, _NOTHING))
        for number in sorted(ours.keys() | theirs.keys())
    )
    return [slot for slot in found if slot.source != slot.replica]


def leaves(key_range: KeyRange, slots: Iterable[Slot], width: int) -> Iterator[tuple[KeyRange, list[Slot]]]:
    """Gather slots into what one read brings."""
    gathered: list[Slot] = []
    rows = 0
    for slot in slots:
        if gathered and rows + slot.rows > _LEAF_ROWS:
            yield _leaf(key_range, gathered, width), gathered
            gathered, rows = [], 0
        gathered.append(slot)
        rows += slot.rows
    if gathered:
        yield _leaf(key_range, gathered, width), gathered


def _leaf(key_range: KeyRange, slots: list[Slot], width: int) -> KeyRange:
    """Bound the slots by keys too, so that the server looks at their part of the index only."""
    before = keys.slot_ends(slots[0].number, width)[0] - 1
    up_to = keys.slot_ends(slots[-1].number, width)[1]
    if key_range.after is not None:
        before = max(before, int(key_range.after[0]))
    if key_range.up_to is not None:
        up_to = min(up_to, int(key_range.up_to[0]))
    return KeyRange(after=(before,), up_to=(up_to,), width=width, slots=tuple(slot.number for slot in slots))
