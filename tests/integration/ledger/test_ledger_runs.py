"""Runs in the ledger: one active night, one per date, whoever asks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from ledger_rows import (
    NIGHT,
    NOW,
    active_run,
    open_nightly,
)
from sqlalchemy import Connection

from dental_etl.config import Settings
from dental_etl.connections import connect
from dental_etl.exceptions import RunRefusedError
from dental_etl.run import (
    Category,
    RefreshMode,
    RunKind,
    RunStatus,
)
from dental_etl.tracking import ledger
from dental_etl.tracking.ledger.tables import SCHEMA, metadata
from dental_etl.tracking.migrations import migrate


def test_the_migrations_build_what_the_metadata_says(etl: Connection) -> None:
    options = {
        "include_schemas": True,
        "version_table_schema": SCHEMA,
        "include_name": lambda name, kind, _parents: kind != "schema" or name == SCHEMA,
    }
    assert compare_metadata(MigrationContext.configure(etl, opts=options), metadata) == []


def test_several_processes_may_migrate_at_once(analytics: Connection, sandbox_settings: Settings) -> None:
    analytics.close()
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(migrate, sandbox_settings.analytics) for _ in range(4)]:
            future.result()
    with connect(sandbox_settings.analytics) as connection:
        assert ledger.runs(connection) == ()


def test_of_six_runs_that_start_together_one_is_opened(etl: Connection, sandbox_settings: Settings) -> None:
    def start(number: int) -> str:
        with connect(sandbox_settings.analytics) as connection:
            try:
                open_nightly(connection, f"r{number}", NIGHT + timedelta(days=number % 2))
            except RunRefusedError:
                return "refused"
            connection.commit()
            return "opened"

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(start, range(6)))
    assert sorted(outcomes) == ["opened", *["refused"] * 5]


def test_a_night_has_one_run(etl: Connection) -> None:
    open_nightly(etl, "r1")
    ledger.close_run(etl, "r1", RunStatus.FAILED, NOW)
    with pytest.raises(RunRefusedError, match="has had its run"):
        open_nightly(etl, "r2")


def test_a_refused_run_leaves_its_night_free(etl: Connection) -> None:
    open_nightly(etl, "r1")
    assert ledger.refuse_run(etl, "r1", "E_WINDOW", "closed", NOW)
    open_nightly(etl, "r2")
    assert [run.status for run in ledger.runs(etl)] == [RunStatus.STARTING, RunStatus.REFUSED]


def test_opening_a_run_twice_under_one_id_is_no_error(etl: Connection) -> None:
    open_nightly(etl, "r1")
    open_nightly(etl, "r1")
    assert len(ledger.runs(etl)) == 1


def test_reruns_do_not_take_the_nightly_place(etl: Connection) -> None:
    open_nightly(etl, "r1")
    for run_id in ("r2", "r3"):
        ledger.open_run(
            etl, run_id=run_id, kind=RunKind.RERUN, run_date=NIGHT, now=NOW, deadline=None, wants_dbt=False
        )
    assert len(ledger.active_runs(etl)) == 3


def test_a_rerun_remembers_its_tables(etl: Connection) -> None:
    ledger.open_run(
        etl,
        run_id="r1",
        kind=RunKind.RERUN,
        run_date=NIGHT,
        now=NOW,
        deadline=None,
        refresh=RefreshMode.FULL,
    )
    ledger.select_tables(etl, "r1", ["patient"], Category.LARGE)
    run = ledger.run(etl, "r1")
    assert (run.selected_tables, run.selected_category, run.refresh) == (
        ("patient",),
        Category.LARGE,
        RefreshMode.FULL,
    )


def test_a_night_knows_its_refused_runs_too(etl: Connection) -> None:
    open_nightly(etl, "r1")
    ledger.refuse_run(etl, "r1", "E_WINDOW", "closed", NOW)
    assert [run.run_id for run in ledger.nightly_runs(etl, NIGHT)] == ["r1"]


def test_a_run_that_was_planned_cannot_be_refused(etl: Connection) -> None:
    run_id = active_run(etl, "patient")
    assert not ledger.refuse_run(etl, run_id, "E_WINDOW", "closed", NOW)
