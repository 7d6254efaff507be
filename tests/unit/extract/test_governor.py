from __future__ import annotations

from dataclasses import replace

import pytest

from dental_etl.config import TableConfig
from dental_etl.extract.governor import AIM_BYTES, Pace, first_pace, fits_one_read
from dental_etl.run import Category, Strategy

PACE = Pace(rows=1000, batch_size=8000, most_rows=8000)
CONFIG = TableConfig(
    table_name="t",
    extraction_strategy=Strategy.FULL_TABLE,
    strategy_reason="test",
    batch_size=50_000,
    performance_category=Category.TINY,
    processing_priority="low",
    estimated_rows=1_000_000,
    estimated_size_mb=300.0,
)


@pytest.mark.parametrize(
    ("read_bytes", "seconds", "rows"),
    [
        pytest.param(1000, 0.5, 500, id="too-slow"),
        pytest.param(AIM_BYTES + 1, 0.01, 500, id="too-much"),
        pytest.param(1000, 0.01, 2000, id="easy"),
        pytest.param(1000, 0.2, 1000, id="about-right"),
    ],
)
def test_the_next_read_follows_the_last(read_bytes: int, seconds: float, rows: int) -> None:
    assert PACE.after(read_rows=1000, read_bytes=read_bytes, seconds=seconds).rows == rows


def test_a_read_never_covers_more_than_its_bound() -> None:
    assert replace(PACE, rows=5000).after(read_rows=1, read_bytes=1, seconds=0.0).rows == 8000


def test_a_read_never_covers_less_than_its_bound() -> None:
    assert replace(PACE, rows=150).after(read_rows=150, read_bytes=1, seconds=9.0).rows == 100


def test_a_mass_update_ends_reads_beyond_the_batch_size() -> None:
    scanning = Pace(rows=4000, batch_size=1000, most_rows=4000)
    after = scanning.after(read_rows=3000, read_bytes=1, seconds=0.0)
    assert (after.rows, after.most_rows) == (1000, 1000)


def test_the_first_read_brings_about_eight_megabytes() -> None:
    assert first_pace(CONFIG).rows == 26_666


def test_the_batch_size_bounds_the_first_read() -> None:
    assert first_pace(replace(CONFIG, batch_size=500)).rows == 500


def test_a_pass_for_changes_may_look_at_more_rows_than_it_brings() -> None:
    assert first_pace(CONFIG, is_scan=True).most_rows == 200_000


def test_a_batch_size_below_the_least_is_kept() -> None:
    assert first_pace(replace(CONFIG, batch_size=10)).rows == 10


def test_a_table_of_unknown_size_starts_carefully() -> None:
    assert first_pace(replace(CONFIG, estimated_rows=0, estimated_size_mb=0.0)).rows == 8192


@pytest.mark.parametrize(("rows", "expected"), [(0, True), (200_000, True), (250_000, False)])
def test_a_pass_over_little_is_one_read(rows: int, expected: bool) -> None:  # noqa: FBT001  # a case's value
    assert fits_one_read(CONFIG, rows) is expected
