"""The fixtures of these tests: a table of visits, and the night that reads it."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count

import pytest
from sqlalchemy import Connection
from visits import (
    STAMPED,
    Night,
    copy_status,
    make_visits,
)

from dental_etl.config import Settings, TableConfig
from dental_etl.extract.replicator import extract_table
from dental_etl.plan import plan_table
from dental_etl.reconciliation.source import SourceProver
from dental_etl.run import ExtractResult, RefreshMode

_FENCES = count(1)


@pytest.fixture
def night(sandbox_settings: Settings, source_admin: Connection, replication: Connection) -> Night:
    """Extract `visit` and prove it, as a run would."""

    def run(
        config: TableConfig = STAMPED,
        refresh: RefreshMode = RefreshMode.INCREMENTAL,
        budget_seconds: float = 60.0,
    ) -> ExtractResult:
        source_admin.commit()
        fence = next(_FENCES)
        now = datetime.now(UTC)
        return extract_table(
            sandbox_settings,
            plan_table(config, copy_status(replication), refresh, now),
            run_id=f"run-{fence}",
            fence=fence,
            deadline=None,
            clock=lambda: datetime.now(UTC),
            prover=SourceProver(budget_seconds),
        )

    return run


@pytest.fixture
def visits(source_admin: Connection) -> Connection:
    """A source with 3,000 visits, all stamped long ago, so that no pass for changes sees an edit."""
    return make_visits(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq")
