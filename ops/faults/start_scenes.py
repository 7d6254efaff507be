"""Faults of starting: too often, by two beats at once, too late."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from datetime import time as time_of_day

from dental_etl.connections import connect
from dental_etl.run import RunStatus
from dental_etl.run_window import CENTRAL
from dental_etl.tracking import ledger
from dental_etl.tracking.run_row import RunRow
from ops.faults.theatre import HOSTS, Night, Theatre, require, until
from workers.routing import Queue

_STARTS = 6
#: A tick every five seconds: RedBeat's lock is a minute old at most when its holder dies.
_TAKEOVER_SECONDS = 90.0
_TICKS_SECONDS = 30.0
_LATE, _NOON = time_of_day(21, 7), time_of_day(12)


def six_starts_at_once(theatre: Theatre) -> None:
    """Four for one night, two for another: one runs, five are refused."""
    first, other = theatre.next_date(), theatre.next_date()
    days = [first, first, other, first, other, first]
    with ThreadPoolExecutor(_STARTS) as pool:
        list(pool.map(lambda day: _start(theatre, day), days))
    (run,) = until(lambda: _runs(theatre), "a run")
    Night(theatre=theatre, run_id=run.run_id).end()
    until(
        lambda: theatre.log("steering").count("No run was started") == _STARTS - 1,
        "five refused starts",
    )
    require(that=len(_runs(theatre)) == 1, otherwise="more than one run was opened")


def two_beats(theatre: Theatre) -> None:
    """One fires; when it is killed, the other takes over in 90 s; the night is recovered by its sweeps."""
    names = ("beat-one", "beat-two")
    beats = {name: theatre.start_beat(name, "ops.faults.ticking_beat") for name in names}
    leader = until(lambda: _leader(theatre, names), "a beat that holds the lock")
    follower = next(name for name in names if name != leader)
    night = theatre.start_night()
    before, started = _ticks(theatre, leader), time.monotonic()
    time.sleep(_TICKS_SECONDS)
    fired = _ticks(theatre, leader) - before
    expected = (time.monotonic() - started) / 5.0
    require(that=abs(fired - expected) <= 2, otherwise=f"{fired} ticks instead of {expected:.0f}")
    require(that=_ticks(theatre, follower) == 0, otherwise="both beats fired")
    process = beats[leader].find()
    if process is None:
        raise AssertionError("the leading beat has gone by itself")
    process.kill()
    until(lambda: _ticks(theatre, follower) > 0, "a tick of the other beat", _TAKEOVER_SECONDS)
    night.end(is_swept=False)
    theatre.stop_process(beats[follower])


def beat_down_at_nine(theatre: Theatre) -> None:
    """Tomorrow at noon the returning beat starts nothing; at 21:07 it starts the night, once."""
    tomorrow = datetime.now(CENTRAL).date() + timedelta(days=1)
    with _at(theatre, tomorrow, _NOON):
        beat = theatre.start_beat("beat-noon", "ops.faults.late_beat")
        until(
            lambda: theatre.log("steering").count("Task etl.ensure_nightly") > 4, "ticks at noon"
        )  # two lines each
        theatre.stop_process(beat)
        require(that=not _runs(theatre), otherwise="a night was started outside the window")
    with _at(theatre, tomorrow, _LATE):
        beat = theatre.start_beat("beat-late", "ops.faults.late_beat")
        (run,) = until(lambda: _runs(theatre), "the late night")
        Night(theatre=theatre, run_id=run.run_id).end()
        seen = theatre.log("steering").count("Task etl.ensure_nightly")
        until(
            lambda: theatre.log("steering").count("Task etl.ensure_nightly") > seen + 4,
            "ticks after the night",
        )
        theatre.stop_process(beat)
        require(that=len(_runs(theatre)) == 1, otherwise="the night was started twice")
        require(that=run.run_date == tomorrow, otherwise="the late night has another date")


@contextmanager
def _at(theatre: Theatre, day: date, clock: time_of_day) -> Iterator[None]:
    """Let every host live at a fixed time, in a clinic with opening hours."""
    now = datetime.combine(day, clock, CENTRAL)
    variables = {"TEST_BLOCKED_HOURS": "06:00-21:00", "TEST_CLOCK": now.isoformat()}
    for name in HOSTS:
        theatre.lose_host(name)
        theatre.start_host(name, environment=variables, wait=False)
    for name in HOSTS:
        theatre.await_ready(name)
    yield
    for name in HOSTS:
        theatre.lose_host(name)
    theatre.fill_hosts()


def _start(theatre: Theatre, day: date) -> None:
    theatre.send("etl.start_nightly", Queue.CONTROL, run_date=day.isoformat())


def _runs(theatre: Theatre) -> tuple[RunRow, ...]:
    with connect(theatre.settings.analytics) as connection:
        return tuple(run for run in ledger.runs(connection) if run.status is not RunStatus.REFUSED)


def _leader(theatre: Theatre, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if "Acquired lock" in theatre.log(name)), None)


def _ticks(theatre: Theatre, name: str) -> int:
    return theatre.log(name).count("Sending due task sweep")
