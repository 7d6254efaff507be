"""When the night is due, on a simulated clock; the autumn and spring nights of Chicago in 2026."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from celery import Celery
from celery.schedules import crontab

from beat.scheduler import UtcDueEntry

CHICAGO = ZoneInfo("America/Chicago")


@pytest.fixture
def app() -> Celery:
    app = Celery("schedule", set_as_current=False)
    app.conf.update(
        timezone="America/Chicago",
        enable_utc=True,
        redbeat_redis_url="redis://127.0.0.1:1/0",
        redbeat_redis_options={"socket_keepalive": True},
    )
    return app


def local(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=CHICAGO)


@pytest.mark.parametrize(
    ("last_run", "now", "due"),
    [
        pytest.param(local(7, 1, 21), local(7, 2, 12), local(7, 2, 21), id="summer"),
        pytest.param(local(10, 31, 21), local(11, 1, 12), local(11, 1, 21), id="the day the clocks go back"),
        pytest.param(local(10, 31, 21), local(11, 1, 0, 30), local(11, 1, 21), id="asked before the change"),
        pytest.param(local(3, 7, 21), local(3, 8, 12), local(3, 8, 21), id="the day the clocks go forward"),
        pytest.param(local(7, 1, 21), local(7, 2, 22), local(7, 2, 22), id="missed: due at once"),
    ],
)
def test_the_night_is_due_at_nine_local_time(
    app: Celery, last_run: datetime, now: datetime, due: datetime
) -> None:
    entry = UtcDueEntry(
        name="nightly",
        task="etl.start_nightly",
        schedule=crontab(hour="21", minute="0", nowfun=lambda: now, app=app),
        app=app,
    )
    entry.last_run_at = last_run
    assert entry.due_at is not None
    assert entry.due_at.astimezone(UTC) == due.astimezone(UTC)
