"""What earlier results say about a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dental_etl.plan import NIGHTS, ExtractAction, histories
from dental_etl.run import TableStatus
from tests.unit.plan.plan_cases import history, result

WHOLE = ExtractAction.WHOLE


def test_one_slow_night_does_not_poison_the_estimate() -> None:
    nights = [result(seconds=seconds) for seconds in (2.0, 900.0, 2.2, 1.8, 2.1)]
    assert history(*nights).usual_seconds == 2.1


def test_nights_beyond_the_newest_do_not_count() -> None:
    nights = [result(seconds=1.0)] * NIGHTS + [result(seconds=50.0)] * 20
    assert history(*nights).usual_seconds == 1.0


def test_whole_copies_are_no_usual_nights() -> None:
    seen = history(result(WHOLE, read=50_000, seconds=60.0), result(seconds=2.0))
    assert (seen.usual_seconds, seen.whole_seconds(50_000)) == (2.0, 60.0)


def test_an_unchanged_night_is_a_usual_night() -> None:
    seen = history(result(ExtractAction.UNCHANGED, read=0, size=0, written=0, seconds=0.1))
    assert (seen.usual_seconds, seen.usual_rows, seen.changed_share) == (0.1, 0, 0.0)


@pytest.mark.parametrize(
    ("rows", "copied", "seconds"),
    [
        pytest.param(100_000, 50_000, 20.0, id="twice-the-rows-take-twice-as-long"),
        pytest.param(25_000, 50_000, 5.0, id="half-the-rows"),
        pytest.param(500, 300, 10.0, id="few-rows-take-their-statements-time"),
        pytest.param(1_000_000, 300, None, id="few-rows-say-nothing-about-many"),
        pytest.param(300, 1_000_000, None, id="many-rows-say-nothing-about-few"),
    ],
)
def test_a_copy_takes_as_long_as_the_last_ones_by_row(rows: int, copied: int, seconds: float | None) -> None:
    assert history(result(WHOLE, read=copied, seconds=10.0)).whole_seconds(rows) == seconds


def test_a_mass_update_does_not_poison_the_change_rate() -> None:
    nights = [result(written=written) for written in (500, 50_000, 400, 500, 600)]
    assert history(*nights).changed_share == 0.01


def test_nothing_is_known_about_a_table_without_results() -> None:
    seen = history()
    assert (seen.rows, seen.usual_seconds, seen.row_bytes, seen.whole_seconds(10)) == (None, None, None, None)


def test_few_rows_say_nothing_about_the_size_of_a_row() -> None:
    assert history(result(read=3, size=90_000), result(read=1000, size=400_000)).row_bytes == 400


def test_a_short_copy_says_nothing_about_the_pace_of_the_source() -> None:
    seen = history(
        result(WHOLE, read=100, source_seconds=0.01), result(WHOLE, read=100_000, source_seconds=5.0)
    )
    assert seen.source_rows_per_second == 20_000


def test_failed_tables_are_no_history() -> None:
    found = histories([replace(result(), status=TableStatus.FAILED), result(table="claim", seconds=3.0)])
    assert [(name, one.usual_seconds) for name, one in found.items()] == [("claim", 3.0)]
