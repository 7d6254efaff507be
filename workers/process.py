"""What this process was started with: its settings and its clock."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from dental_etl.config import Environment, FileConfigProvider, Settings, load_settings
from dental_etl.tracking.migrations import migrate

#: Fixes the time of a test environment, ISO 8601 with an offset; the guard is tested with it.
CLOCK_VARIABLE = "TEST_CLOCK"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process, read once."""
    return load_settings()


def now() -> datetime:
    """Return the time, aware, in UTC; only a test environment may have another one."""
    return _fixed_time() or datetime.now(UTC)


@lru_cache(maxsize=1)
def prepare_ledger() -> None:
    """Bring the ledger's schema up to date, once per process."""
    migrate(settings().analytics)


@lru_cache(maxsize=1)
def _fixed_time() -> datetime | None:
    if settings().environment is not Environment.TEST:
        return None
    text = FileConfigProvider().get(CLOCK_VARIABLE)
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
