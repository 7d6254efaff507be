"""How a table is treated where its history knows better than tables.yml."""

from __future__ import annotations

import pytest

from dental_etl.plan import ExtractAction, as_planned
from dental_etl.plan.treatment import treatment
from dental_etl.run import Category
from tests.unit.plan.plan_cases import config, history, result

WHOLE = ExtractAction.WHOLE


@pytest.mark.parametrize(
    ("told", "rows", "real"),
    [
        pytest.param(Category.SMALL, 1_500_000, Category.LARGE, id="grew-to-large"),
        pytest.param(Category.TINY, 10_000, Category.SMALL, id="grew-to-the-bound"),
        pytest.param(Category.TINY, 9_999, Category.TINY, id="just-below"),
        pytest.param(Category.LARGE, 2_000, Category.LARGE, id="shrank"),
        pytest.param(Category.SMALL, None, Category.SMALL, id="not-known"),
    ],
)
def test_a_table_is_treated_by_its_real_size(told: Category, rows: int | None, real: Category) -> None:
    treated = treatment(config(category=told), history(result(read=5, total=rows)))
    assert treated.config.performance_category is real
    assert bool(treated.notes) is (told is not real)


def test_the_reason_names_both_sizes() -> None:
    treated = treatment(config(category=Category.MEDIUM), history(result(read=5, total=1_200_000)))
    assert treated.notes == ("treated as large: 1,200,000 rows by the last load, tables.yml says medium",)


def test_the_newest_load_knows_the_rows() -> None:
    treated = treatment(
        config(rows=1000, size_mb=2.0), history(result(read=5, total=3000), result(total=2000))
    )
    assert (treated.config.estimated_rows, treated.config.estimated_size_mb) == (3000, 6.0)


@pytest.mark.parametrize(
    ("batch_size", "row_bytes", "pace", "after"),
    [
        pytest.param(10_000, 8000, None, 1049, id="wide-rows-in-smaller-reads"),
        pytest.param(10_000, 200, None, 41_943, id="narrow-rows-in-larger-reads"),
        pytest.param(10_000, 800, None, 10_000, id="about-right-stays"),
        pytest.param(10_000, 1_000_000, None, 500, id="never-below-the-least"),
        pytest.param(10_000, 20, None, 100_000, id="never-above-the-most"),
        pytest.param(10_000, 800, 5_000, 1500, id="a-slow-source-is-read-for-300-ms"),
        pytest.param(10_000, 800, 900_000, 10_000, id="a-quick-source-is-bounded-by-bytes"),
    ],
)
def test_reads_are_cut_by_real_rows(batch_size: int, row_bytes: int, pace: int | None, after: int) -> None:
    seconds = 0.1 if pace is None else 20_000 / pace if 20_000 / pace >= 0.5 else 0.6
    read = 20_000 if pace is None or 20_000 / pace >= 0.5 else int(pace * 0.6)
    copied = result(WHOLE, read=read, size=read * row_bytes, source_seconds=seconds)
    assert treatment(config(batch_size=batch_size), history(copied)).config.batch_size == after


def test_one_odd_night_does_not_change_the_reads() -> None:
    nights = [result(read=1000, size=1000 * width) for width in (800, 90_000, 820, 790, 810)]
    assert treatment(config(), history(*nights)).config.batch_size == 10_000


def test_the_owners_choice_stays() -> None:
    seen = history(result(WHOLE, read=100_000, size=900_000_000, total=5_000_000))
    treated = treatment(config(), seen, owners={"batch_size", "performance_category"})
    assert (treated.config.batch_size, treated.config.performance_category, treated.notes) == (
        10_000,
        Category.SMALL,
        (),
    )


def test_a_first_night_follows_the_analysis() -> None:
    assert treatment(config(), history()).config == config()


def test_a_phase_works_with_what_was_planned() -> None:
    planned = as_planned(config(rows=100), category=Category.LARGE, batch_size=700, rows=200)
    assert (planned.performance_category, planned.batch_size, planned.estimated_rows) == (
        Category.LARGE,
        700,
        200,
    )


def test_a_run_of_an_older_version_works_with_the_file() -> None:
    assert as_planned(config(), category=Category.SMALL, batch_size=None, rows=None) == config()
