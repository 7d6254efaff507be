"""The workers' app with the schedule: ``celery -A beat.app beat``."""

from __future__ import annotations

from beat.schedule import beat_schedule
from workers.app import app
from workers.process import settings

app.conf.update(
    beat_schedule=beat_schedule(),
    beat_scheduler="beat.scheduler:UtcRedBeatScheduler",
    # Here and not in the workers' settings: Flower shows those, and masks the password in Celery's own only.
    redbeat_redis_url=settings().broker_url,
)

__all__ = ["app"]
