from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from two_years import CHICAGO, firings

from beat.schedule import ENTRIES, Entry, beat_schedule
from dental_etl.run_window import BlockedHours, RunWindow
from workers.routing import Queue, TaskName

WINDOW = RunWindow(blocked=BlockedHours.parse("06:00-21:00"))
#: What may fire by day: none of them reads a table of the clinic.
WITHOUT_SOURCE = {
    TaskName.ENSURE_NIGHTLY,  # by day it asks nobody
    TaskName.SWEEP,
    TaskName.ENFORCE_DEADLINE,
    TaskName.DELIVER,
    TaskName.MAINTAIN,
}
READING = [pytest.param(entry, id=entry.name) for entry in ENTRIES if entry.task not in WITHOUT_SOURCE]
#: Each begins a stretch of days with winter time, a change of the clocks, and summer time, or the reverse.
STRETCHES = [
    pytest.param(date(2026, 3, 5), id="spring"),
    pytest.param(date(2026, 10, 29), id="autumn"),
    pytest.param(date(2027, 3, 11), id="next spring"),
    pytest.param(date(2027, 11, 4), id="next autumn"),
]
#: Minutes from one look to the next.
SUPERVISION = [
    pytest.param(entry, minutes, id=entry.name)
    for entry in ENTRIES
    for task, minutes in ((TaskName.SWEEP, 1), (TaskName.DELIVER, 1), (TaskName.ENSURE_NIGHTLY, 5))
    if entry.task is task
]


def test_every_entry_has_a_queue_and_an_expiry() -> None:
    options = [entry["options"] for entry in beat_schedule().values()]
    assert all(option["queue"] in set(Queue) and option["expires"] > 0 for option in options)


def test_names_are_used_once() -> None:
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)


def test_the_night_starts_at_nine_in_the_evening() -> None:
    (nightly,) = [entry for entry in ENTRIES if entry.task is TaskName.START_NIGHTLY]
    when: Any = nightly.when
    assert (when.hour, when.minute) == ({21}, {0})


def test_every_environment_has_every_entry() -> None:
    assert set(beat_schedule()) == {
        "nightly",
        "ensure-nightly",
        "enforce-deadline",
        "maintain",
        "sweep",
        "deliver-notifications",
    }


def test_a_repeated_message_expires_before_the_next_one() -> None:
    sweeps = [entry for entry in ENTRIES if entry.task in {TaskName.SWEEP, TaskName.DELIVER}]
    assert all(entry.expires_seconds < 60 for entry in sweeps)


@pytest.mark.parametrize("start", STRETCHES)
@pytest.mark.parametrize("entry", READING)
def test_source_work_is_scheduled_inside_the_window_only(entry: Entry, start: date) -> None:
    fired = firings(entry.when, start, days=7)
    assert fired
    assert [at for at in fired if not WINDOW.is_open(at)] == []


@pytest.mark.parametrize("start", STRETCHES)
@pytest.mark.parametrize("entry", READING)
def test_source_work_that_waited_until_its_expiry_is_inside_the_window(entry: Entry, start: date) -> None:
    expiries = [at + timedelta(seconds=entry.expires_seconds) for at in firings(entry.when, start, days=7)]
    assert [at for at in expiries if not WINDOW.is_open(at)] == []


@pytest.mark.parametrize("start", STRETCHES)
@pytest.mark.parametrize(("entry", "minutes"), SUPERVISION)
def test_supervision_does_not_pause_when_the_clocks_change(entry: Entry, minutes: int, start: date) -> None:
    fired = [at.astimezone(UTC) for at in firings(entry.when, start, days=4)]
    assert {later - at for at, later in pairwise(fired)} == {timedelta(minutes=minutes)}


def test_two_years_of_deadlines_are_enforced_when_the_window_closes() -> None:
    (entry,) = [one for one in ENTRIES if one.task is TaskName.ENFORCE_DEADLINE]
    fired = firings(entry.when, date(2026, 1, 1), days=730)
    assert {(at.hour, at.minute) for at in fired} == {(6, 0), (6, 2)}
    assert len(fired) == 2 * 730


@pytest.mark.parametrize("start", STRETCHES)
def test_the_deadline_is_enforced_when_the_window_has_closed(start: date) -> None:
    (entry,) = [one for one in ENTRIES if one.task is TaskName.ENFORCE_DEADLINE]
    fired = firings(entry.when, start, days=7)
    closed = [WINDOW.closes_at(at - timedelta(hours=1)) for at in fired]
    late = [at.astimezone(UTC) - closed_at for at, closed_at in zip(fired, closed, strict=True) if closed_at]
    assert late == [timedelta(0), timedelta(minutes=2)] * 7


def test_maintenance_is_due_on_sundays_at_two() -> None:
    (entry,) = [one for one in ENTRIES if one.task is TaskName.MAINTAIN]
    fired = firings(entry.when, date(2026, 6, 1), days=14)
    assert fired == [datetime(2026, 6, day, 2, tzinfo=CHICAGO) for day in (7, 14)]
