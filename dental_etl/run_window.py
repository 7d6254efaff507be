"""When the clinic's MySQL may be touched: is it open now, and when does it close?

Source: requirement "Nightly ETL + dbt run", business-hours guard: never from 06:00 to 20:59 Central.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dental_etl.exceptions import WindowClosedError

CENTRAL = ZoneInfo("America/Chicago")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockedHours:
    """Part of every local day in which the source may not be read."""

    #: First blocked minute, local.
    start: time
    #: First open minute again, local.
    end: time

    @classmethod
    def parse(cls, text: str) -> BlockedHours | None:
        """Read ``06:00-21:00``; an empty text means that no hour is blocked.

        Raises:
            ValueError: The text is not two times of one day in ascending order.
        """
        if not text.strip():
            return None
        start, _, end = text.partition("-")
        hours = cls(start=time.fromisoformat(start.strip()), end=time.fromisoformat(end.strip()))
        if hours.start >= hours.end:
            raise ValueError("the first time must be before the second, both on one day")
        return hours


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWindow:
    """The hours in which the source may be read, always judged in the clinic's local time."""

    blocked: BlockedHours | None
    zone: ZoneInfo = CENTRAL

    def is_open(self, now: datetime) -> bool:
        if self.blocked is None:
            return True
        local = now.astimezone(self.zone).time()
        return not self.blocked.start <= local < self.blocked.end

    def run_date(self, now: datetime) -> date:
        """Return the local date of the evening that the night of `now` began on.

        Before the blocked hours start it is still last evening's night.
        """
        local = now.astimezone(self.zone)
        start = self.blocked.start if self.blocked else time(6)
        return local.date() - timedelta(days=1) if local.time() < start else local.date()

    def opens_at(self, now: datetime) -> datetime:
        """Return when the source may be read next (UTC): now, while it may be read."""
        if self.blocked is None or self.is_open(now):
            return now
        today = now.astimezone(self.zone).date()
        return datetime.combine(today, self.blocked.end, self.zone).astimezone(UTC)

    def closes_at(self, now: datetime) -> datetime | None:
        """Return the instant (UTC) at which the source must be left alone; None if it never must.

        Computed from the local date, so the night is 8 hours long in spring and 10 in autumn.
        """
        if self.blocked is None:
            return None
        local = now.astimezone(self.zone)
        day = local.date() if local.time() < self.blocked.end else local.date() + timedelta(days=1)
        return datetime.combine(day, self.blocked.start, self.zone).astimezone(UTC)

    def require_open(self, now: datetime) -> None:
        """Pass inside the window.

        Raises:
            WindowClosedError: `now` is in the blocked hours; the message says when it opens.
        """
        if self.blocked is not None and not self.is_open(now):
            raise WindowClosedError(
                f"The clinic's server may not be read from {self.blocked.start:%H:%M} to {self.blocked.end:%H:%M} "
                f"{self.zone.key}; it is {now.astimezone(self.zone):%H:%M} there. Run it after {self.blocked.end:%H:%M}.",
            )
