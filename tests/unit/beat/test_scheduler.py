"""When the night is due, on a simulated clock; the autumn and spring nights of Chicago in 2026."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from celery import Celery
from celery.schedules import crontab, schedule
from redbeat.decoder import RedBeatJSONEncoder
from two_years import CHICAGO, firings, schedule_app

from beat.scheduler import UtcDueEntry


@pytest.fixture
def app() -> Celery:
    return schedule_app()


def local(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=CHICAGO)


@pytest.mark.parametrize(
    ("last_run", "now", "due"),
    [
        pytest.param(local(7, 1, 21), local(7, 2, 12), local(7, 2, 21), id="summer"),
        pytest.param(local(10, 31, 21), local(11, 1, 12), local(11, 1, 21), id="the day the clocks go back"),
        pytest.param(local(10, 31, 21), local(11, 1, 0, 30), local(11, 1, 21), id="asked before the change"),
        pytest.param(local(3, 7, 21), local(3, 8, 12), local(3, 8, 21), id="the day the clocks go forward"),
        pytest.param(local(7, 1, 21), local(7, 2, 22), local(7, 2, 22), id="missed: due at once"),
    ],
)
def test_the_night_is_due_at_nine_local_time(
    app: Celery, last_run: datetime, now: datetime, due: datetime
) -> None:
    entry = UtcDueEntry(
        name="nightly",
        task="etl.start_nightly",
        schedule=crontab(hour="21", minute="0", nowfun=lambda: now, app=app),
        app=app,
    )
    entry.last_run_at = last_run
    assert entry.due_at is not None
    assert entry.due_at.astimezone(UTC) == due.astimezone(UTC)


@pytest.mark.parametrize(
    "minutes_past", [pytest.param(0, id="first 01:30"), pytest.param(60, id="second 01:30")]
)
def test_a_last_run_in_the_repeated_hour_is_stored_as_an_instant(app: Celery, minutes_past: int) -> None:
    """RedBeat stores a local time without saying which of the two it was."""
    now = datetime(2026, 11, 1, 6, 30, tzinfo=UTC) + timedelta(minutes=minutes_past)
    entry = UtcDueEntry(
        name="sweep",
        task="etl.sweep",
        schedule=schedule(60, nowfun=lambda: now.astimezone(CHICAGO), app=app),
        app=app,
    )
    stored = json.dumps({"last_run_at": entry._default_now()}, cls=RedBeatJSONEncoder)  # what it stores
    entry.last_run_at = entry.decode_meta(stored)["last_run_at"]
    assert (entry.due_at, entry.is_due().is_due) == (now + timedelta(minutes=1), False)


def test_two_years_have_a_night_every_evening_at_nine() -> None:
    fired = firings(crontab(hour="21", minute="0"), date(2026, 1, 1), days=730)
    evenings = [date(2026, 1, 1) + timedelta(days=day) for day in range(730)]
    assert [(at.date(), at.hour, at.minute, at.second) for at in fired] == [(d, 21, 0, 0) for d in evenings]


def test_two_years_have_a_sunday_at_two_every_week() -> None:
    """On the spring Sunday there is no 02:00; the same instant is called 03:00 then."""
    fired = firings(crontab(day_of_week="0", hour="2", minute="0"), date(2026, 1, 1), days=730)
    assert [at.date() for at in fired] == [date(2026, 1, 4) + timedelta(weeks=week) for week in range(104)]
    assert {at.hour for at in fired} == {2, 3}
