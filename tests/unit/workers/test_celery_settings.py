"""What Celery is told, and what of it anybody who looks at a worker may see."""

from __future__ import annotations

from pathlib import Path

from dental_etl.config import DictConfigProvider, load_settings
from dental_etl.sandbox.state import new_sandbox
from workers.celeryconfig import celery_settings

#: Celery masks the password in these when a worker shows its settings to Flower.
MASKED = {"broker_url", "result_backend"}


def test_no_setting_shows_the_broker_s_password(tmp_path: Path) -> None:
    sandbox = new_sandbox(tmp_path, tmp_path, [1, 2, 3, 4])
    settings = load_settings(DictConfigProvider({**sandbox.environment(), "PROJECT_ROOT": str(tmp_path)}))
    shown = {
        name for name, value in celery_settings(settings).items() if sandbox.broker.password in repr(value)
    }
    assert shown == MASKED
