"""A simulated clock, moved from one firing of an entry to the next by the scheduler's own reckoning."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from celery import Celery
from celery.schedules import BaseSchedule

from beat.scheduler import UtcDueEntry

CHICAGO = ZoneInfo("America/Chicago")


@dataclass(slots=True)
class _Clock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now


def schedule_app() -> Celery:
    """Return an app with beat's settings and a Redis that nobody asks."""
    app = Celery("schedule", set_as_current=False)
    app.conf.update(
        timezone="America/Chicago",
        enable_utc=True,
        redbeat_redis_url="redis://127.0.0.1:1/0",
        redbeat_redis_options={"socket_keepalive": True},
    )
    return app


def firings(when: BaseSchedule, start: date, *, days: int) -> list[datetime]:
    """Return when an entry fires, local, from a day's noon on, for so many days."""
    clock = _Clock(datetime.combine(start, time(12), CHICAGO).astimezone(UTC))
    end = datetime.combine(start + timedelta(days=days), time(12), CHICAGO).astimezone(UTC)
    app = schedule_app()
    schedule = copy.copy(when)
    schedule.nowfun, schedule.app = clock, app  # type: ignore[attr-defined]  # the stubs spell it otherwise
    entry = UtcDueEntry(name="simulated", task="none", schedule=schedule, app=app)
    entry.last_run_at = clock.now
    fired: list[datetime] = []
    while (due := entry.due_at) is not None and due < end:
        clock.now = due.astimezone(UTC)
        assert entry.is_due().is_due
        entry.last_run_at = clock.now
        fired.append(clock.now.astimezone(CHICAGO))
    return fired
