"""Beat with the clinic's schedule, back after it missed 21:00: ``celery -A ops.faults.late_beat beat``.

The tick that catches up comes every three seconds instead of every five minutes; 21:00 itself never.
"""

from __future__ import annotations

from celery.schedules import schedule

from beat.app import app
from beat.schedule import beat_schedule

_entries = beat_schedule()
del _entries["nightly"]
_entries["ensure-nightly"]["schedule"] = schedule(3.0)
app.conf.beat_schedule = _entries

__all__ = ["app"]
