"""RedBeat, on time on the night the clocks go back.

RedBeat 2.4 adds the time that is left to the time of the last run, which mixes the wall clock with
elapsed time: on the autumn night 21:00 fires at 21:59. Here the time left is counted from now, in UTC.
Times of last runs are kept in UTC too: 01:30 by the clinic's clock happens twice in that night. And what
is due every so many seconds goes by elapsed time alone, where Celery would pause for the repeated hour.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from celery.schedules import schedstate, schedule
from redbeat.schedulers import RedBeatScheduler, RedBeatSchedulerEntry


class UtcDueEntry(RedBeatSchedulerEntry):
    """An entry whose next time is an instant, not a wall clock's reading."""

    def _default_now(self) -> datetime:
        now: datetime = super()._default_now()
        return now.astimezone(UTC)

    @property
    def due_at(self) -> datetime | None:
        """Return when the entry is due; None if it never is again."""
        now = self._default_now()
        if self.last_run_at is None:
            return now
        if self._interval is not None:
            return max(now, self._last_run() + self._interval)
        left = self.schedule.remaining_estimate(self.last_run_at)
        if left is None:
            return None
        return now if left.total_seconds() < 0 else now + left

    def is_due(self) -> Any:
        """Tell whether the entry is due, and after how many seconds to ask again."""
        if self._interval is None or self.last_run_at is None or not self.enabled:
            return super().is_due()
        left = (self._last_run() + self._interval - self._default_now()).total_seconds()
        return schedstate(is_due=left <= 0, next=left if left > 0 else self._interval.total_seconds())

    @property
    def _interval(self) -> timedelta | None:
        if not isinstance(self.schedule, schedule):
            return None
        every: timedelta = self.schedule.run_every  # type: ignore[attr-defined]  # the stubs leave it out
        return every

    def _last_run(self) -> datetime:
        last: datetime = self.last_run_at
        return last.astimezone(UTC)


class UtcRedBeatScheduler(RedBeatScheduler):
    """One beat at a time holds the lock in Redis; a standby takes over in about a minute."""

    Entry = UtcDueEntry
