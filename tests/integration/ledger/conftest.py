"""The fixture of these tests: an empty ledger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from dental_etl.config import Settings
from dental_etl.connections import connect
from dental_etl.tracking.migrations import migrate


@pytest.fixture
def etl(analytics: Connection, sandbox_settings: Settings) -> Iterator[Connection]:
    analytics.close()
    migrate(sandbox_settings.analytics)
    with connect(sandbox_settings.analytics) as connection:
        yield connection
