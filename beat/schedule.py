"""The schedule as data. Times are Central, whatever the season; every entry has a queue and an expiry.

A message that nobody took before its expiry is dropped: the next tick, or `ensure_nightly`, comes anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from celery.schedules import BaseSchedule, crontab, schedule

from workers.routing import Queue, TaskName, task_queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the schedule."""

    #: Name under which beat keeps its last run; renaming it starts it anew.
    name: str
    task: TaskName
    #: A time in America/Chicago, or an interval.
    when: BaseSchedule
    #: A message that waited longer is dropped, seconds.
    expires_seconds: int

    @property
    def queue(self) -> Queue:
        return task_queue(self.task)


ENTRIES = (
    Entry(
        name="nightly",
        task=TaskName.START_NIGHTLY,
        when=crontab(hour="21", minute="0"),
        expires_seconds=300,
    ),
    # Twice: by the clock of the worker that takes the first, the window may still be open.
    Entry(
        name="enforce-deadline",
        task=TaskName.ENFORCE_DEADLINE,
        when=crontab(hour="6", minute="0,2"),
        expires_seconds=3600,
    ),
    # Saturday's night is under way then: it works on our own databases only, and waits for no run.
    Entry(
        name="maintain",
        task=TaskName.MAINTAIN,
        when=crontab(day_of_week="0", hour="2", minute="0"),
        expires_seconds=4 * 3600,
    ),
    # Intervals: every minute of the wall clock would leave out the hour that the autumn night has twice.
    # Catches up on 21:00 when beat, the broker or the control worker was not there. By day it only looks at the
    # clock: whoever takes it decides by the window, so one that waited in its queue does no harm either.
    Entry(name="ensure-nightly", task=TaskName.ENSURE_NIGHTLY, when=schedule(300), expires_seconds=240),
    Entry(name="sweep", task=TaskName.SWEEP, when=schedule(60), expires_seconds=55),
    Entry(name="deliver-notifications", task=TaskName.DELIVER, when=schedule(60), expires_seconds=55),
)


def beat_schedule() -> dict[str, dict[str, Any]]:
    """Return the entries as Celery's ``beat_schedule``; the same in every environment."""
    return {
        entry.name: {
            "task": entry.task.value,
            "schedule": entry.when,
            "options": {"queue": entry.queue.value, "expires": entry.expires_seconds},
        }
        for entry in ENTRIES
    }
