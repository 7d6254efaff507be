"""Slots of a key: every key falls into one, and what differs is gathered into few reads."""

from __future__ import annotations

import pytest

from dental_etl.extract.keys import slot_ends
from dental_etl.extract.queries import KeyRange
from dental_etl.reconciliation.ranges import Contents
from dental_etl.reconciliation.slots import Slot, differing, leaves, width_of

ONE, TWO, NOTHING = (Contents(rows=rows, checksum=rows * 7) for rows in (1, 2, 0))


def _slot(key: int, width: int) -> int:
    """Divide as MySQL does: towards zero."""
    return abs(key) // width * (1 if key >= 0 else -1)


@pytest.mark.parametrize("width", [1, 2, 7, 16])
def test_every_key_lies_within_the_ends_of_its_slot(width: int) -> None:
    for key in range(-50, 51):
        lowest, highest = slot_ends(_slot(key, width), width)
        assert lowest <= key <= highest
        assert _slot(lowest, width) == _slot(highest, width) == _slot(key, width)


@pytest.mark.parametrize(
    ("lowest", "highest", "rows", "width"),
    [
        pytest.param(1, 1600, 1600, 16, id="dense"),
        pytest.param(1, 16000, 1600, 160, id="every-tenth"),
        pytest.param(5, 5, 1, 16, id="one-row"),
        pytest.param(-(2**63), 2**64, 100, (2**64 + 2**63 + 1) * 16 // 100, id="as-wide-as-it-gets"),
        pytest.param(1, 10, 1000, 1, id="never-nothing"),
    ],
)
def test_slots_hold_few_rows_on_average(lowest: int, highest: int, rows: int, width: int) -> None:
    assert width_of(lowest, highest, rows) == width


def test_slots_of_one_side_only_differ() -> None:
    found = differing(
        {b"1,1,7", b"2,2,14", b"3,1,7"}, {b"2,2,14", b"3,2,14", b"4,1,7"}, KeyRange(up_to=(45,)), 10
    )
    assert found == [
        Slot(first=10, last=19, source=ONE, replica=NOTHING),
        Slot(first=30, last=39, source=ONE, replica=TWO),
        Slot(first=40, last=45, source=NOTHING, replica=ONE),
    ]


def test_leaves_are_bounded_in_rows_and_name_touching_slots_as_one() -> None:
    slots = [
        Slot(first=first, last=first + 9, source=TWO, replica=NOTHING) for first in (-10, 0, 10, 40, 50, 60)
    ]
    assert [leaf for leaf, _ in leaves(slots, 8)] == [
        KeyRange(after=(-11,), up_to=(49,), parts=((-10, 19), (40, 49))),
        KeyRange(after=(49,), up_to=(69,), parts=((50, 69),)),
    ]


def test_leaves_are_bounded_in_places() -> None:
    slots = [Slot(first=2 * key, last=2 * key, source=ONE, replica=NOTHING) for key in range(2500)]
    assert [len(leaf.parts) for leaf, _ in leaves(slots, 10_000)] == [1000, 1000, 500]
