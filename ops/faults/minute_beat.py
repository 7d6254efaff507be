"""Beat with nothing but the sweep, as often as in production: ``celery -A ops.faults.minute_beat beat``."""

from __future__ import annotations

from beat.app import app
from beat.schedule import beat_schedule

app.conf.beat_schedule = {"sweep": beat_schedule()["sweep"]}

__all__ = ["app"]
