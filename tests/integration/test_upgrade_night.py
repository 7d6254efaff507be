"""An upgrade of Open Dental between two nights: nobody does anything, and raw equals the source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection

from dental_etl import pipeline
from dental_etl.config import Settings
from dental_etl.report import Outcome, RunReport
from dental_etl.sandbox import change, clinic
from dental_etl.sandbox.state import Sandbox
from dental_etl.sandbox.upgrade import upgrade
from dental_etl.schema_analysis import analyze
from dental_etl.tracking.migrations import migrate
from tests.comparison import Difference, differences

#: Two nights of a whole clinic; `make test-all` has it.
pytestmark = pytest.mark.slow

#: Left out by rule: a scratch copy without a key, named like a backup.
_SCRATCH = frozenset({"tmp_patient_backup"})
_VIEW = """
    DO $$ DECLARE name text; BEGIN
        CREATE SCHEMA staging;
        FOR name IN SELECT relname FROM pg_class
                    WHERE relnamespace = 'raw'::regnamespace AND relkind = 'r' AND relname NOT LIKE 'etl%' LOOP
            EXECUTE format('CREATE VIEW staging.%I AS SELECT * FROM raw.%I', 'stg_' || name, name);
        END LOOP;
    END $$
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The night after the upgrade."""

    report: RunReport
    differing: list[Difference]
    lost_views: int


@pytest.fixture
def story(
    sandbox: Sandbox,
    sandbox_settings: Settings,
    tmp_path: Path,
    source_admin: Connection,
    replication: Connection,
    analytics: Connection,
) -> Story:
    """A clinic of sixty patients with a view on each of its tables, upgraded and then used for a day."""
    for connection in (source_admin, replication, analytics):
        connection.rollback()
    settings = replace(
        sandbox_settings, tables_file=tmp_path / "tables.yml", artifacts_url=str(tmp_path / "artifacts")
    )
    clinic.create(sandbox, patients=60, seed=7, as_of=date(2026, 1, 31))
    migrate(settings.analytics)
    analyze(settings, now=datetime.now(UTC))
    _night(settings)
    analytics.exec_driver_sql(_VIEW, execution_options={"no_parameters": True})
    analytics.commit()
    views = _views(analytics)
    upgrade(sandbox)
    change.change(sandbox, seed=2, violence=change.Violence.FULL)
    report = _night(settings)
    return Story(
        report=report,
        differing=differences(settings, leave_out=_SCRATCH),
        lost_views=views - _views(analytics),
    )


def _night(settings: Settings) -> RunReport:
    return pipeline.run_here(settings, clock=lambda: datetime.now(UTC), wants_dbt=False, max_workers=2)


def _views(analytics: Connection) -> int:
    found: int = analytics.exec_driver_sql(
        "SELECT count(*) FROM pg_views WHERE schemaname = 'staging'"
    ).scalar_one()
    analytics.rollback()
    return found


def test_the_night_after_an_upgrade_needs_nobody(story: Story) -> None:
    assert (story.report.outcome, story.differing, story.lost_views) == (Outcome.SUCCEEDED, [], 0)
    drifted = {table.table for table in story.report.drifted}
    assert {"patient", "appointment", "recall", "labcase", "provider", "eroutinglog"} <= drifted
    gone = [one.table for one in story.report.findings if "no longer in the source" in one.message]
    assert gone == ["usergroup"]
