from __future__ import annotations

from dataclasses import replace

import pytest

from dental_etl.config import TableConfig
from dental_etl.extract.governor import (
    AIM_SECONDS_LOCKING,
    MOST_STRAIN,
    Cause,
    Debt,
    Limits,
    Look,
    Pace,
    Strain,
    first_pace,
    fits_one_read,
)
from dental_etl.plan import AIM_BYTES, AIM_SECONDS
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
    engine="InnoDB",
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


def test_a_read_far_beyond_its_aim_is_followed_by_one_as_much_smaller() -> None:
    assert replace(PACE, rows=8000).after(read_rows=1, read_bytes=1, seconds=2.4).rows == 1000


def test_a_strained_source_halves_the_aim_by_every_level() -> None:
    assert [PACE.after(read_rows=1, read_bytes=1, seconds=0.14, strain=level).rows for level in range(4)] == [
        1000,
        1000,
        500,
        250,
    ]


@pytest.mark.parametrize(
    ("engine", "seconds"),
    [
        pytest.param("InnoDB", AIM_SECONDS, id="locks-rows"),
        pytest.param("MyISAM", AIM_SECONDS_LOCKING, id="locks-tables"),
        pytest.param("", AIM_SECONDS_LOCKING, id="unknown"),
    ],
)
def test_reads_that_lock_a_table_are_shorter(engine: str, seconds: float) -> None:
    pace = first_pace(replace(CONFIG, engine=engine))
    assert (pace.aim_seconds, pace.rows) == (seconds, int(26_666.7 * seconds / AIM_SECONDS))


def test_the_first_read_of_a_table_is_smaller_at_a_strained_source() -> None:
    assert first_pace(CONFIG, strain=3).rows == 26_666 // 8


def test_a_strained_source_is_scanned_in_one_read_only_if_that_is_short() -> None:
    assert [fits_one_read(CONFIG, 200_000, strain) for strain in (0, 1)] == [True, False]


LIMITS = Limits(rest_percent=25, busy_threads=4)
CALM = Look(others_running=2, waiting=0, lock_waits=100)
BUSY = replace(CALM, others_running=5)
SWAMPED = replace(CALM, others_running=9)
BLOCKED = replace(CALM, waiting=1)
WAITED = replace(CALM, lock_waits=101)


def _strain(*looks: Look, seconds: float = 1.0) -> Strain:
    strain = Strain()
    for look in looks:
        strain = strain.after(look, seconds=seconds, limits=LIMITS)
    return strain


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param([CALM], (0, Cause.PACE, False), id="calm"),
        pytest.param([WAITED], (0, Cause.PACE, False), id="waits-before-we-came-count-for-nothing"),
        pytest.param([CALM, WAITED], (2, Cause.WAITING, False), id="somebody-had-waited"),
        pytest.param([CALM, BLOCKED], (2, Cause.WAITING, True), id="somebody-waits"),
        pytest.param([BUSY], (1, Cause.BUSY, False), id="busy"),
        pytest.param([SWAMPED], (2, Cause.BUSY, True), id="very-busy"),
        pytest.param([BUSY] * 9, (MOST_STRAIN, Cause.BUSY, False), id="busy-all-night"),
        pytest.param([BLOCKED, CALM], (1, Cause.WAITING, False), id="calm-again"),
        pytest.param([BLOCKED, CALM, CALM], (0, Cause.PACE, False), id="calm-for-long"),
        pytest.param([CALM, replace(CALM, lock_waits=0)], (0, Cause.PACE, False), id="server-restarted"),
    ],
)
def test_what_the_source_says_decides_its_strain(
    looks: list[Look], expected: tuple[int, Cause, bool]
) -> None:
    strain = _strain(*looks)
    assert (strain.level, strain.cause, strain.must_hold) == expected


def test_who_waited_by_day_slows_no_night() -> None:
    """A worker's process outlives the day; the server counts the clinic's own waits."""
    last_night = _strain(CALM)
    tonight = last_night.after(replace(CALM, lock_waits=90_000), seconds=15 * 3600.0, limits=LIMITS)
    assert (tonight.level, tonight.lock_waits) == (0, 90_000)


def test_nobody_is_waited_for_all_night() -> None:
    assert [_strain(*[BLOCKED] * looks).must_hold for looks in (1, 5, 6, 60)] == [True, True, False, False]


def test_a_calm_moment_gives_the_patience_back() -> None:
    assert _strain(*[BLOCKED] * 60, CALM, BLOCKED).must_hold


def test_a_source_that_is_busy_all_night_is_read_a_fifth_of_the_time() -> None:
    ratio = _strain(*[BLOCKED] * 60).rest_ratio(LIMITS)
    assert 1 / (1 + ratio) == pytest.approx(0.2)


def test_a_calm_source_rests_as_the_settings_say() -> None:
    assert _strain(CALM).rest_ratio(LIMITS) == 0.25


def test_a_rest_is_never_shorter_than_the_settings_say() -> None:
    assert _strain(BUSY).rest_ratio(replace(LIMITS, rest_percent=900)) == 9.0


def test_time_spent_on_the_replica_counts_as_rest() -> None:
    assert Debt().read(0.4, 0.25).idle(0.07).due_seconds == pytest.approx(0.03)


def test_short_rests_are_saved_up() -> None:
    once = Debt().read(0.02, 0.25)
    assert [once.due_seconds, once.read(0.02, 0.25).due_seconds] == pytest.approx([0.0, 0.01])


def test_a_rest_ends_however_long_the_read_was() -> None:
    assert Debt().read(3600.0, 4.0).due_seconds == 10.0
