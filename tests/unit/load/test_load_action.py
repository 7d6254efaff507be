from __future__ import annotations

from dataclasses import replace

import pytest

from dental_etl.load.action import Action, Facts, choose_action, is_refresh_cheaper
from dental_etl.run import CopyStatus, LoadStatus, RefreshMode

_LOADED_AT_5 = LoadStatus(table="patient", loaded_generation=5)
_BOTH_AT_5 = Facts(
    copied=CopyStatus(table="patient", generation=5, full_generation=2),
    loaded=_LOADED_AT_5,
    refresh=RefreshMode.INCREMENTAL,
    needs_full=False,
    needs_change=False,
    has_changes=True,
)
_COPIED_TO_7 = replace(_BOTH_AT_5, copied=CopyStatus(table="patient", generation=7, full_generation=2))


def test_an_equal_generation_needs_nothing() -> None:
    assert choose_action(_BOTH_AT_5) is Action.NOTHING


def test_a_newer_generation_needs_its_changes() -> None:
    assert choose_action(_COPIED_TO_7) is Action.CHANGES


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(replace(_BOTH_AT_5, loaded=None), id="never loaded"),
        pytest.param(
            replace(_BOTH_AT_5, loaded=LoadStatus(table="patient")), id="first load was not finished"
        ),
        pytest.param(replace(_BOTH_AT_5, refresh=RefreshMode.FULL), id="asked for"),
        pytest.param(replace(_BOTH_AT_5, needs_full=True, needs_change=True), id="a column was added"),
        pytest.param(replace(_COPIED_TO_7, has_changes=False), id="no key to find rows by"),
        pytest.param(
            replace(_BOTH_AT_5, copied=CopyStatus(table="patient", generation=7, full_generation=6)),
            id="replica was rewritten since",
        ),
        pytest.param(
            replace(_BOTH_AT_5, copied=CopyStatus(table="patient", generation=1, full_generation=1)),
            id="replication database was made anew",
        ),
    ],
)
def test_these_need_every_row(facts: Facts) -> None:
    assert choose_action(facts) is Action.FULL


def test_a_widened_column_is_altered_although_no_row_changed() -> None:
    assert choose_action(replace(_BOTH_AT_5, needs_change=True)) is Action.CHANGES


@pytest.mark.parametrize(
    ("changed", "total", "expected"),
    [
        (10_000, 10_000, False),
        (10_001, 10_001, True),
        (250_000, 1_000_000, False),
        (250_001, 1_000_000, True),
    ],
)
def test_many_changes_are_cheaper_as_a_refresh(changed: int, total: int, *, expected: bool) -> None:
    assert is_refresh_cheaper(changed, total) is expected
