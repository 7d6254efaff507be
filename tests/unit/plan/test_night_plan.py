"""All tables of a night: what they cost, their order, what fits into the window."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from dental_etl.config import TableConfig
from dental_etl.plan import (
    Basis,
    ExtractAction,
    Knowledge,
    Night,
    TableHistory,
    TablePlan,
    plan_night,
    timetable,
)
from dental_etl.run import Category, CopyStatus, RefreshMode
from tests.unit.plan.plan_cases import NOW, config, history, result

HOUR = 3600.0
COPIED = CopyStatus(table="patient", last_copied=NOW - timedelta(days=1), copy_status="success", generation=3)


def planned(
    table: TableConfig,
    seen: TableHistory | None = None,
    *,
    status: CopyStatus | None = COPIED,
    night: Night | None = None,
) -> TablePlan:
    known = Knowledge(
        statuses={table.table_name: status} if status else {},
        histories={table.table_name: seen} if seen else {},
    )
    return plan_night([table], known, night or Night(now=NOW))[0]


def night(seconds_left: float | None, workers: int = 1) -> Night:
    return Night(now=NOW, seconds_left=seconds_left, workers=workers)


def test_a_first_copy_is_estimated_by_the_analysis() -> None:
    expected = planned(config(minutes=2.0), status=None).estimate
    assert expected is not None
    assert (expected.basis, expected.seconds, expected.rows) == (Basis.ANALYSIS, 120.0, 50_000)


def test_a_usual_night_is_estimated_by_the_last_ones() -> None:
    expected = planned(config(minutes=2.0), history(result(read=70, seconds=3.0))).estimate
    assert expected is not None
    assert (expected.basis, expected.seconds, expected.rows) == (Basis.HISTORY, 3.0, 70)


def test_a_full_refresh_is_estimated_by_earlier_copies() -> None:
    seen = history(result(seconds=1.0), result(ExtractAction.WHOLE, read=25_000, seconds=40.0))
    expected = planned(config(), seen, night=replace(night(None), refresh=RefreshMode.FULL)).estimate
    assert expected is not None
    assert (expected.basis, expected.seconds) == (Basis.HISTORY, 80.0)


@pytest.mark.parametrize(
    ("status", "key", "action"),
    [
        pytest.param(None, ("PatNum",), ExtractAction.WHOLE, id="never-copied"),
        pytest.param(COPIED, ("PatNum",), ExtractAction.COMPARED, id="copied"),
        pytest.param(COPIED, (), ExtractAction.WHOLE, id="no-key"),
        pytest.param(replace(COPIED, checkpoint="{}"), ("PatNum",), ExtractAction.WHOLE, id="unfinished"),
    ],
)
def test_a_table_without_a_stamp_is_compared_once_it_was_copied(
    status: CopyStatus | None, key: tuple[str, ...], action: ExtractAction
) -> None:
    assert planned(config(primary_key=key), status=status).action is action


def many(minutes: Mapping[str, float], *, category: Category = Category.TINY) -> list[TableConfig]:
    return [config(name, minutes=each, category=category, primary_key=()) for name, each in minutes.items()]


def test_a_table_too_long_for_the_window_comes_last() -> None:
    tables = [*many({"huge": 120.0}, category=Category.LARGE), *many({"a": 1.0, "b": 1.0})]
    plans = plan_night(tables, Knowledge(), night(HOUR, workers=5))
    assert [plan.table for plan in plans] == ["a", "b", "huge"]
    (note,) = plans[-1].notes
    assert note.startswith(
        "about 2 h 00 min expected, 1 h 00 min left in the window: put last, so that the others arrive"
    )


@pytest.mark.parametrize(("key", "is_told"), [((), True), (("PatNum",), False)])
def test_a_table_that_begins_anew_every_night_says_what_to_do(key: tuple[str, ...], is_told: bool) -> None:  # noqa: FBT001  # a case
    table = config("huge", minutes=120.0, category=Category.TINY, primary_key=key)
    (plan,) = plan_night([table], Knowledge(), night(HOUR, workers=1))
    assert any("exclude: true" in note for note in plan.notes) is is_told


def test_a_table_that_fits_keeps_its_place() -> None:
    tables = [*many({"long": 59.0}, category=Category.LARGE), *many({"a": 1.0})]
    assert [plan.table for plan in plan_night(tables, Knowledge(), night(HOUR))] == ["long", "a"]


def test_a_copy_that_workers_can_share_is_cut_into_ranges() -> None:
    plan = planned(config(minutes=120.0), status=None, night=night(HOUR, workers=4))
    assert (plan.config.performance_category, plan.is_last) == (Category.LARGE, False)
    assert plan.notes[0].endswith("treated as large, so that idle workers share it in ranges")
    assert plan.expected_seconds == HOUR / 2


def test_a_worker_alone_shares_with_nobody() -> None:
    plan = planned(config(minutes=120.0), status=None, night=night(HOUR, workers=1))
    assert (plan.config.performance_category, plan.is_last) == (Category.SMALL, True)


def test_nothing_is_too_long_where_no_hour_is_blocked() -> None:
    assert planned(config(minutes=100_000.0), status=None, night=night(None)).notes == ()


def test_workers_take_the_next_table_when_they_are_free() -> None:
    plans = plan_night(many({"a": 3.0, "b": 1.0, "c": 1.0}), Knowledge(), night(HOUR, workers=2))
    table = timetable(plans, night(HOUR, workers=2))
    assert [(slot.table, slot.starts_seconds, slot.ends_seconds) for slot in table.slots] == [
        ("a", 0.0, 180.0),
        ("b", 0.0, 60.0),
        ("c", 60.0, 120.0),
    ]
    assert (table.seconds, table.left_out) == (180.0, ())


def test_what_ends_after_the_window_is_named() -> None:
    plans = plan_night(many({"a": 2.0, "b": 2.0, "c": 2.0}), Knowledge(), night(250.0))
    assert timetable(plans, night(250.0)).left_out == ("c",)


def test_a_shared_copy_occupies_every_worker() -> None:
    large = config("large", rows=2_000_000, minutes=4.0, category=Category.LARGE)
    plans = plan_night([large, *many({"a": 1.0})], Knowledge(), night(HOUR, workers=2))
    assert [slot.starts_seconds for slot in timetable(plans, night(HOUR, workers=2)).slots] == [0.0, 120.0]


def test_what_may_not_be_read_any_more_is_named() -> None:
    tables = [config("a", size_mb=3.0), config("b", size_mb=2.0), config("c", size_mb=1.0)]
    few = replace(night(HOUR), bytes_left=5 * 1024 * 1024)
    assert timetable(plan_night(tables, Knowledge(), few), few).beyond_budget == ("c",)


def test_a_whole_clinic_is_planned_at_once() -> None:
    """A plan of 436 tables with two weeks of history must not keep anybody waiting."""
    tables = [config(f"table{number}") for number in range(436)]
    seen = {one.table_name: history(*[result(), result(ExtractAction.WHOLE)] * 7) for one in tables}
    started = time.process_time()
    plans = plan_night(tables, Knowledge(histories=seen), night(HOUR, workers=5))
    timetable(plans, night(HOUR, workers=5))
    assert time.process_time() - started < 1.0
