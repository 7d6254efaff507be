"""The window is judged in the clinic's local time, on ordinary and on daylight saving nights."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from dental_etl.exceptions import WindowClosedError
from dental_etl.run_window import CENTRAL, BlockedHours, RunWindow

WINDOW = RunWindow(blocked=BlockedHours.parse("06:00-21:00"))


def central(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CENTRAL)


@pytest.mark.parametrize(
    ("local", "is_open"),
    [
        pytest.param("2026-01-15T20:59:59", False, id="last second of the blocked hours"),
        pytest.param("2026-01-15T21:00:00", True, id="opens at nine in the evening"),
        pytest.param("2026-01-16T00:00:00", True, id="midnight"),
        pytest.param("2026-01-16T05:59:59", True, id="last second of the night"),
        pytest.param("2026-01-16T06:00:00", False, id="closes at six"),
        pytest.param("2026-01-16T12:00:00", False, id="noon"),
    ],
)
def test_window_is_open_from_nine_to_six(local: str, is_open: bool) -> None:  # noqa: FBT001  # a parametrised expectation
    assert WINDOW.is_open(central(local)) is is_open


@pytest.mark.parametrize(
    ("start", "hours"),
    [
        pytest.param("2026-01-15T21:00", 9, id="ordinary night"),
        pytest.param("2026-03-07T21:00", 8, id="spring forward"),
        pytest.param("2026-10-31T21:00", 10, id="fall back"),
    ],
)
def test_night_ends_at_six_local_whatever_the_clocks_do(start: str, hours: int) -> None:
    now = central(start).astimezone(UTC)

    closes_at = WINDOW.closes_at(now)

    assert closes_at is not None
    assert (closes_at - now).total_seconds() == hours * 3600


@pytest.mark.parametrize(
    ("local", "opens"),
    [
        pytest.param("2026-01-15T06:00", "2026-01-15T21:00", id="morning"),
        pytest.param("2026-01-15T20:59", "2026-01-15T21:00", id="just before"),
        pytest.param("2026-01-15T21:00", "2026-01-15T21:00", id="open now"),
        pytest.param("2026-01-16T03:00", "2026-01-16T03:00", id="in the night"),
        pytest.param("2026-03-08T12:00", "2026-03-08T21:00", id="the day the clocks went forward"),
        pytest.param("2026-11-01T12:00", "2026-11-01T21:00", id="the day the clocks went back"),
    ],
)
def test_the_next_night_begins_at_nine_or_has_begun(local: str, opens: str) -> None:
    assert WINDOW.opens_at(central(local)) == central(opens)


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        pytest.param("2026-01-15T21:00", date(2026, 1, 15), id="evening"),
        pytest.param(
            "2026-01-16T05:59", date(2026, 1, 15), id="after midnight is still last evening's night"
        ),
        pytest.param("2026-01-16T06:00", date(2026, 1, 16), id="morning"),
    ],
)
def test_night_belongs_to_the_evening_it_began_on(local: str, expected: date) -> None:
    assert WINDOW.run_date(central(local)) == expected


def test_closed_window_says_when_it_opens() -> None:
    with pytest.raises(WindowClosedError, match=r"06:00 to 21:00 America/Chicago; it is 10:30 there"):
        WINDOW.require_open(central("2026-01-15T10:30"))


def test_window_without_blocked_hours_never_closes() -> None:
    window = RunWindow(blocked=BlockedHours.parse(""))

    assert window.is_open(central("2026-01-15T12:00"))
    assert window.closes_at(central("2026-01-15T12:00")) is None


@pytest.mark.parametrize("text", ["21:00-06:00", "six to nine", "06:00", "06:00-06:00"])
def test_nonsense_hours_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        BlockedHours.parse(text)
