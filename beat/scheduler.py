"""RedBeat, on time on the night the clocks go back.

RedBeat 2.4 adds the time that is left to the time of the last run, which mixes the wall clock with
elapsed time: on the autumn night 21:00 fires at 21:59. Here the time left is counted from now, in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime

from redbeat.schedulers import RedBeatScheduler, RedBeatSchedulerEntry


class UtcDueEntry(RedBeatSchedulerEntry):
    """An entry whose next time is an instant, not a wall clock's reading."""

    @property
    def due_at(self) -> datetime | None:
        """Return when the entry is due; None if it never is again."""
        now: datetime = self._default_now()
        if self.last_run_at is None:
            return now
        left = self.schedule.remaining_estimate(self.last_run_at)
        if left is None:
            return None
        return now if left.total_seconds() < 0 else now.astimezone(UTC) + left


class UtcRedBeatScheduler(RedBeatScheduler):
    """One beat at a time holds the lock in Redis; a standby takes over in about a minute."""

    Entry = UtcDueEntry
