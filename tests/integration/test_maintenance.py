"""Tidying, against real servers: what is old goes, what a run may need stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from dental_etl.config import Settings
from dental_etl.connections import connect
from dental_etl.maintenance import (
    MaintenanceResult,
    drop_leftovers,
    maintain,
    prune_artifacts,
    prune_ledger,
    prune_proofs,
    vacuum,
)
from dental_etl.run import RunKind, RunStatus, Severity
from dental_etl.tracking import ledger, status
from dental_etl.tracking.locks import table_lock
from dental_etl.tracking.migrations import migrate
from dental_etl.tracking.proofs import ProofStatus, ensure_proofs, proven_tables, record_proof
from dental_etl.wire import names

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
#: The project's own, of the synthetic clinic.
_TABLES = "dental_etl/config/tables.yml"
#: Every table that exists is older than this.
AT_ONCE = timedelta(seconds=-60)


@pytest.fixture
def etl(analytics: Connection, sandbox_settings: Settings) -> Iterator[Connection]:
    analytics.close()
    migrate(sandbox_settings.analytics)
    with connect(sandbox_settings.analytics) as connection:
        connection.execute(text("CREATE SCHEMA raw"))
        connection.commit()
        yield connection


def run(etl: Connection, run_id: str, age_days: int, *, ended: bool = True) -> None:
    opened_at = NOW - timedelta(days=age_days)
    ledger.open_run(
        etl,
        run_id=run_id,
        kind=RunKind.RERUN,
        run_date=date(2026, 1, 30),
        now=opened_at,
        deadline=None,
    )
    ledger.add_notification(etl, run_id, Severity.CRITICAL, "Night failed", "body", opened_at)
    if ended:
        ledger.close_run(etl, run_id, RunStatus.FAILED, opened_at)
    etl.commit()


def shadow(replication: Connection, table: str) -> str:
    status.ensure_copy_status(replication)
    name = names.shadow_table(table)
    replication.exec_driver_sql(f"CREATE TABLE {names.mysql(name)} (id bigint PRIMARY KEY)")
    return name


def tables_in(replication: Connection) -> set[str]:
    replication.rollback()
    rows = replication.execute(
        text("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
    )
    return {str(name) for (name,) in rows} - {"etl_copy_status"}


def test_old_runs_go_with_all_that_hangs_on_them(etl: Connection, sandbox_settings: Settings) -> None:
    run(etl, "old", age_days=401)
    run(etl, "young", age_days=399)
    assert prune_ledger(sandbox_settings, NOW - timedelta(days=400)) == 1
    assert [message.run_id for message in ledger.due_notifications(etl, NOW)] == ["young"]


def test_an_old_run_that_never_ended_stays_visible(etl: Connection, sandbox_settings: Settings) -> None:
    run(etl, "stuck", age_days=500, ended=False)
    assert prune_ledger(sandbox_settings, NOW) == 0


def test_a_shadow_that_nothing_leads_to_is_dropped(
    replication: Connection, sandbox_settings: Settings
) -> None:
    shadow(replication, "patient")
    assert drop_leftovers(sandbox_settings, AT_ONCE) == 1
    assert tables_in(replication) == set()


def test_a_young_shadow_stays(replication: Connection, sandbox_settings: Settings) -> None:
    name = shadow(replication, "patient")
    drop_leftovers(sandbox_settings, timedelta(days=3))
    assert tables_in(replication) == {name}


@pytest.mark.parametrize("table", ["patient", "a_table_whose_name_is_so_long_that_its_shadow_must_be_hashed"])
def test_a_shadow_with_a_checkpoint_stays(
    replication: Connection, sandbox_settings: Settings, table: str
) -> None:
    name = shadow(replication, table)
    status.take_fence(replication, table, 1)
    status.record_batch(replication, table, 1, status.CopiedBatch(checkpoint="{}"))
    replication.commit()
    drop_leftovers(sandbox_settings, AT_ONCE)
    assert tables_in(replication) == {name}


def test_a_shadow_of_a_locked_table_stays(replication: Connection, sandbox_settings: Settings) -> None:
    name = shadow(replication, "patient")
    with table_lock(replication, "patient"):
        drop_leftovers(sandbox_settings, AT_ONCE)
    assert tables_in(replication) == {name}


def test_a_table_of_the_clinic_is_never_a_leftover(
    replication: Connection, sandbox_settings: Settings
) -> None:
    replication.exec_driver_sql("CREATE TABLE `etl_shadowless` (id bigint PRIMARY KEY)")
    drop_leftovers(sandbox_settings, AT_ONCE)
    assert tables_in(replication) == {"etl_shadowless"}


def test_changed_tables_are_vacuumed(etl: Connection, sandbox_settings: Settings) -> None:
    etl.exec_driver_sql('CREATE TABLE raw."Odd%%Name" AS SELECT generate_series(1, 100) AS id')
    etl.exec_driver_sql('DELETE FROM raw."Odd%%Name"')
    etl.exec_driver_sql("SELECT pg_stat_force_next_flush()")
    etl.commit()
    vacuum(sandbox_settings)
    statement = text("SELECT vacuum_count, analyze_count FROM pg_stat_user_tables WHERE relname = 'Odd%Name'")
    assert tuple(etl.execute(statement).one()) == (1, 1)


def test_folders_of_old_runs_are_removed_and_nothing_else(sandbox_settings: Settings, tmp_path: Path) -> None:
    for name in ("20250101T030000-1f9c2a", "20260130T030000-1f9c2a", "keep-me", "20250101T030000"):
        (tmp_path / name).mkdir()
        (tmp_path / "dbt" / name).mkdir(parents=True)
    settings = replace(sandbox_settings, artifacts_url=str(tmp_path))
    assert prune_artifacts(settings, NOW - timedelta(days=90)) == 2
    kept = {"20260130T030000-1f9c2a", "keep-me", "20250101T030000"}
    assert {path.name for path in tmp_path.iterdir()} == {*kept, "dbt"}
    assert {path.name for path in (tmp_path / "dbt").iterdir()} == kept


def test_a_tidy_house_is_left_alone(
    etl: Connection, replication: Connection, sandbox_settings: Settings, tmp_path: Path
) -> None:
    settings = replace(sandbox_settings, artifacts_url=str(tmp_path / "missing"))
    vacuum(settings)
    assert replace(maintain(settings, NOW), tables_vacuumed=0) == MaintenanceResult(
        runs_pruned=0, leftovers_dropped=0, tables_vacuumed=0, artifacts_removed=0, proofs_pruned=0
    )


def test_proofs_of_tables_that_are_not_copied_any_more_are_forgotten(
    etl: Connection, replication: Connection, sandbox_settings: Settings
) -> None:
    settings = replace(sandbox_settings, tables_file=Path(__file__).parents[2] / _TABLES)
    ensure_proofs(replication)
    for table in ("patient", "long_gone"):
        record_proof(replication, ProofStatus(table=table, proven_at=NOW))
    replication.commit()
    assert prune_proofs(settings) == 1
    assert proven_tables(replication) == ("patient",)
