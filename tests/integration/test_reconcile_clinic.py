"""A whole clinic after the roughest of days: every table of raw equals the source, value by value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection

from dental_etl import pipeline
from dental_etl.config import Settings
from dental_etl.report import RunReport
from dental_etl.sandbox import change, clinic
from dental_etl.sandbox.state import Sandbox
from dental_etl.schema_analysis import analyze
from dental_etl.tracking.migrations import migrate
from tests.comparison import differences

#: Minutes of its own; `make test-all` has it.
pytestmark = pytest.mark.slow

#: Left out by rule: a scratch copy without a key, named like a backup.
SCRATCH = frozenset({"tmp_patient_backup"})
Night = Callable[[], RunReport]


@pytest.fixture
def settings(sandbox_settings: Settings, tmp_path: Path) -> Settings:
    """The clinic's own files, so that nothing of the project is touched."""
    return replace(
        sandbox_settings, tables_file=tmp_path / "tables.yml", artifacts_url=str(tmp_path / "artifacts")
    )


@pytest.fixture
def night(
    sandbox: Sandbox,
    settings: Settings,
    source_admin: Connection,
    replication: Connection,
    analytics: Connection,
) -> Night:
    """A clinic of sixty patients, and its nights in this process."""
    for connection in (source_admin, replication, analytics):
        connection.rollback()
    clinic.create(sandbox, patients=60, seed=7, as_of=date(2026, 1, 31))
    migrate(settings.analytics)
    analyze(settings, now=datetime.now(UTC))
    return lambda: pipeline.run_here(
        settings, clock=lambda: datetime.now(UTC), wants_dbt=False, max_workers=2
    )


def test_rough_days_reach_raw(night: Night, sandbox: Sandbox, settings: Settings) -> None:
    night()
    for seed in (2, 3):
        change.change(sandbox, seed=seed, violence=change.Violence.FULL)
        assert differences(settings, leave_out=SCRATCH) != []
        report = night()
        assert [table.error_detail for table in report.failed] == []
        assert differences(settings, leave_out=SCRATCH) == []


def test_every_table_says_when_it_was_proven(night: Night) -> None:
    report = night()
    unproven = [table.table for table in report.tables if None in {table.proven_at, table.raw_proven_at}]
    assert unproven == []


def test_a_night_without_changes_writes_nothing(night: Night) -> None:
    night()
    report = night()
    assert {table.load_action for table in report.tables} == {"nothing"}
    assert (report.totals.rows_written, report.totals.rows_deleted) == (0, 0)
