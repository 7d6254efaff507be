"""The workers' app with the schedule: ``celery -A beat.app beat``."""

from __future__ import annotations

from beat.schedule import beat_schedule
from workers.app import app
from workers.process import settings

app.conf.update(
    beat_schedule=beat_schedule(settings().environment),
    beat_scheduler="beat.scheduler:UtcRedBeatScheduler",
)

__all__ = ["app"]
