"""Beat with nothing but the sweep, every five seconds, to count how often it fires.

celery -A ops.faults.ticking_beat beat
"""

from __future__ import annotations

from celery.schedules import schedule

from beat.app import app
from beat.schedule import beat_schedule

_sweep = beat_schedule()["sweep"]
app.conf.beat_schedule = {"sweep": {**_sweep, "schedule": schedule(5.0)}}

__all__ = ["app"]
