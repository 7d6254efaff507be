"""The ledger against a real PostgreSQL: races, fences, endings."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from dental_etl.config import Settings, TableConfig
from dental_etl.connections import connect
from dental_etl.exceptions import FencedError, RunRefusedError
from dental_etl.run import (
    Category,
    Coercion,
    DbtResult,
    DbtStatus,
    ExtractResult,
    Finding,
    LoadResult,
    NodeResult,
    NodeStatus,
    RefreshMode,
    RunKind,
    RunStatus,
    Severity,
    Stage,
    Strategy,
    TableStatus,
)
from dental_etl.tracking import ledger
from dental_etl.tracking.ledger.tables import SCHEMA, metadata
from dental_etl.tracking.migrations import migrate

NOW = datetime(2026, 1, 31, 3, tzinfo=UTC)
NIGHT = date(2026, 1, 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    config: TableConfig
    strategy: Strategy = Strategy.FULL_TABLE
    reason: str = "never copied"
    refresh: RefreshMode = RefreshMode.INCREMENTAL
    expected_seconds: float | None = 1.5
    notes: tuple[str, ...] = ()


def planned(name: str, category: Category = Category.TINY) -> Planned:
    return Planned(
        config=TableConfig(
            table_name=name,
            extraction_strategy=Strategy.FULL_TABLE,
            strategy_reason="no stamp",
            batch_size=1000,
            performance_category=category,
            processing_priority="low",
            estimated_rows=10,
            estimated_size_mb=0.1,
        )
    )


def extracted(table: str) -> ExtractResult:
    return ExtractResult(
        table=table,
        strategy=Strategy.FULL_TABLE,
        reason="never copied",
        generation=1,
        rows_read=10,
        rows_written=10,
        rows_deleted=0,
        bytes_read=1000,
        seconds=0.5,
        source_seconds=0.2,
        longest_read_seconds=0.1,
        reads=1,
        coercions=(Coercion(table=table, column="DateX", kind="zero_date", rows=2),),
        drift=("column A added",),
    )


def loaded(table: str) -> LoadResult:
    return LoadResult(
        table=table,
        action="full",
        generation=1,
        rows_written=10,
        rows_deleted=0,
        rows_total=10,
        bytes_written=1000,
        seconds=0.5,
        drift=("column B widened",),
    )


@pytest.fixture
def etl(analytics: Connection, sandbox_settings: Settings) -> Iterator[Connection]:
    analytics.close()
    migrate(sandbox_settings.analytics)
    with connect(sandbox_settings.analytics) as connection:
        yield connection


def open_nightly(connection: Connection, run_id: str, run_date: date = NIGHT) -> None:
    ledger.open_run(
        connection, run_id=run_id, kind=RunKind.NIGHTLY, run_date=run_date, now=NOW, deadline=None
    )


def active_run(connection: Connection, *tables: str, run_id: str = "r1") -> str:
    open_nightly(connection, run_id)
    ledger.plan_tables(connection, run_id, [planned(name) for name in tables], NOW)
    connection.commit()
    return run_id


def status_of(connection: Connection, run_id: str, table: str) -> TableStatus:
    return next(result.status for result in ledger.results(connection, run_id) if result.table == table)


def claim(connection: Connection, run_id: str, table: str, stage: Stage) -> ledger.Claim:
    taken = ledger.claim(connection, run_id, table, stage, NOW)
    assert taken is not None
    connection.commit()
    return taken


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


def test_planning_twice_changes_nothing(etl: Connection) -> None:
    run_id = active_run(etl, "patient")
    claim(etl, run_id, "patient", Stage.EXTRACT)
    ledger.plan_tables(etl, run_id, [planned("patient")], NOW)
    assert status_of(etl, run_id, "patient") is TableStatus.EXTRACTING


def test_a_table_goes_from_planned_to_loaded(etl: Connection) -> None:
    run_id = active_run(etl, "patient")
    ledger.finish_extract(etl, claim(etl, run_id, "patient", Stage.EXTRACT), extracted("patient"), NOW)
    ledger.finish_load(etl, claim(etl, run_id, "patient", Stage.LOAD), loaded("patient"), NOW)
    (result,) = ledger.results(etl, run_id)
    assert (result.status, result.attempts, result.rows_read, result.rows_total, result.drift) == (
        TableStatus.LOADED,
        2,
        10,
        10,
        ("column A added", "column B widened"),
    )


def test_a_phase_that_is_done_is_not_claimed_again(etl: Connection) -> None:
    run_id = active_run(etl, "patient")
    ledger.finish_extract(etl, claim(etl, run_id, "patient", Stage.EXTRACT), extracted("patient"), NOW)
    assert ledger.claim(etl, run_id, "patient", Stage.EXTRACT, NOW) is None


def test_a_load_cannot_be_claimed_before_its_extract(etl: Connection) -> None:
    run_id = active_run(etl, "patient")
    assert ledger.claim(etl, run_id, "patient", Stage.LOAD, NOW) is None


def test_a_message_of_a_run_that_ended_is_not_worked(etl: Connection) -> None:
    run_id = active_run(etl, "patient")
    ledger.close_run(etl, run_id, RunStatus.FAILED, NOW)
    assert ledger.claim(etl, run_id, "patient", Stage.EXTRACT, NOW) is None


def test_a_claim_carries_the_deadline_of_its_run(etl: Connection) -> None:
    ledger.open_run(
        etl, run_id="r1", kind=RunKind.RERUN, run_date=NIGHT, now=NOW, deadline=NOW + timedelta(hours=1)
    )
    ledger.plan_tables(etl, "r1", [planned("patient")], NOW)
    assert claim(etl, "r1", "patient", Stage.EXTRACT).deadline == NOW + timedelta(hours=1)


def test_an_older_attempt_is_fenced_off(etl: Connection) -> None:
    run_id = active_run(etl, "patient")
    older = claim(etl, run_id, "patient", Stage.EXTRACT)
    newer = claim(etl, run_id, "patient", Stage.EXTRACT)
    assert newer.fence > older.fence
    with pytest.raises(FencedError):
        ledger.finish_extract(etl, older, extracted("patient"), NOW)


def test_fences_rise_above_what_replication_has_seen(etl: Connection) -> None:
    """The analytics database was restored from a backup, the replication database was not."""
    run_id = active_run(etl, "patient")
    ledger.raise_fences(etl, above=1000)
    ledger.raise_fences(etl, above=10)
    assert claim(etl, run_id, "patient", Stage.EXTRACT).fence == 1001


def test_progress_shows_before_the_extract_ends(etl: Connection) -> None:
    run_id = active_run(etl, "patient")
    of_patient = claim(etl, run_id, "patient", Stage.EXTRACT)
    ledger.record_progress(etl, of_patient, rows=500, size=4000, seconds=2.5)
    (found,) = ledger.results(etl, run_id)
    assert (found.rows_read, found.bytes_read, found.extract_seconds) == (500, 4000, 2.5)


def test_progress_of_a_load_leaves_that_of_the_extract_alone(etl: Connection) -> None:
    run_id = active_run(etl, "patient")
    ledger.finish_extract(etl, claim(etl, run_id, "patient", Stage.EXTRACT), extracted("patient"), NOW)
    (before,) = ledger.results(etl, run_id)
    loading = claim(etl, run_id, "patient", Stage.LOAD)
    ledger.record_progress(etl, loading, rows=300, size=2000, seconds=1.5, expected_rows=900)
    (seen,) = ledger.results(etl, run_id)
    assert (seen.rows_loaded, seen.bytes_loaded, seen.rows_to_load) == (300, 2000, 900)
    assert (seen.rows_read, seen.bytes_read) == (before.rows_read, before.bytes_read)


def test_an_older_attempt_says_nothing_of_its_progress(etl: Connection) -> None:
    run_id = active_run(etl, "patient")
    older = claim(etl, run_id, "patient", Stage.EXTRACT)
    claim(etl, run_id, "patient", Stage.EXTRACT)
    ledger.record_progress(etl, older, rows=500, size=4000, seconds=2.5)
    assert ledger.results(etl, run_id)[0].rows_read == 0


def test_a_retry_waits_and_counts_its_error(etl: Connection) -> None:
    run_id = active_run(etl, "patient")
    claim(etl, run_id, "patient", Stage.EXTRACT)
    later = NOW + timedelta(minutes=5)
    ledger.retry_at(etl, run_id, "patient", Stage.EXTRACT, "E_CONNECTION", "lost", later)
    found = ledger.open_table(etl, run_id, "patient")
    assert found is not None
    assert (found.status, found.phase_failures, found.touched_at) == (TableStatus.PLANNED, 1, later)


def test_a_success_after_a_retry_leaves_no_error(etl: Connection) -> None:
    run_id = active_run(etl, "patient")
    ledger.retry_at(etl, run_id, "patient", Stage.EXTRACT, "E_CONNECTION", "lost", NOW)
    ledger.finish_extract(etl, claim(etl, run_id, "patient", Stage.EXTRACT), extracted("patient"), NOW)
    assert ledger.results(etl, run_id)[0].error_code is None


def test_the_run_is_complete_when_its_last_table_has_ended(etl: Connection) -> None:
    run_id = active_run(etl, "patient", "claim")
    ledger.fail(etl, run_id, "patient", Stage.EXTRACT, "E_DATA", "see the log", NOW)
    assert not ledger.finalise_once(etl, run_id, "chord", NOW)
    ledger.leave_out(etl, run_id, "claim", Stage.EXTRACT, "E_DEADLINE", "06:00", NOW)
    assert ledger.finalise_once(etl, run_id, "chord", NOW)


def test_one_of_many_finalisers_wins(etl: Connection, sandbox_settings: Settings) -> None:
    run_id = active_run(etl, "patient")
    ledger.fail(etl, run_id, "patient", Stage.EXTRACT, "E_DATA", "see the log", NOW)
    etl.commit()

    def finalise(number: int) -> bool:
        with connect(sandbox_settings.analytics) as connection:
            won = ledger.finalise_once(connection, run_id, f"f{number}", NOW)
            connection.commit()
            return won

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(finalise, range(6))) == 1


def test_waiting_tables_are_left_out_when_the_window_closes(etl: Connection) -> None:
    run_id = active_run(etl, "patient", "claim")
    claim(etl, run_id, "claim", Stage.EXTRACT)
    assert ledger.mark_not_run(etl, run_id, "E_DEADLINE", "too late", NOW) == 1
    assert status_of(etl, run_id, "patient") is TableStatus.NOT_RUN


def test_a_table_published_to_another_broker_epoch_is_stale_at_once(etl: Connection) -> None:
    run_id = active_run(etl, "patient", "claim")
    ledger.mark_published(etl, run_id, ["patient"], "epoch1", NOW)
    ledger.mark_published(etl, run_id, ["claim"], "epoch2", NOW)
    stale = ledger.stale_tables(etl, run_id, epoch="epoch2", before=NOW - timedelta(minutes=1))
    assert [one.table for one in stale] == ["patient"]


def test_a_table_that_nothing_touched_for_long_is_stale(etl: Connection) -> None:
    run_id = active_run(etl, "patient")
    ledger.mark_published(etl, run_id, ["patient"], "epoch", NOW)
    claim(etl, run_id, "patient", Stage.EXTRACT)
    stale = ledger.stale_tables(etl, run_id, epoch="epoch", before=NOW + timedelta(minutes=1))
    assert [(one.table, one.stage, one.is_waiting) for one in stale] == [("patient", Stage.EXTRACT, False)]


def test_a_table_in_its_pause_is_not_stale(etl: Connection) -> None:
    run_id = active_run(etl, "patient")
    ledger.mark_published(etl, run_id, ["patient"], "epoch", NOW)
    ledger.retry_at(
        etl, run_id, "patient", Stage.EXTRACT, "E_CONNECTION", "lost", NOW + timedelta(minutes=30)
    )
    assert ledger.stale_tables(etl, run_id, epoch="epoch", before=NOW + timedelta(minutes=20)) == ()


def test_a_run_whose_last_step_is_recent_is_not_silent(etl: Connection) -> None:
    run_id = active_run(etl)
    ledger.finalise_once(etl, run_id, "chord", NOW)
    ledger.mark_step(etl, run_id, "verify", NOW + timedelta(minutes=10))
    before = NOW + timedelta(minutes=5)
    assert ledger.silent_runs(etl, RunStatus.REPORTING, before) == ()
    assert len(ledger.silent_runs(etl, RunStatus.REPORTING, before + timedelta(hours=1))) == 1


def test_what_a_run_leaves_behind_comes_back_as_it_was(etl: Connection) -> None:
    run_id = active_run(etl, "patient")
    found = Finding(check="orphans", severity=Severity.WARNING, table="patient", message="3 rows")
    ledger.add_findings(etl, run_id, [found])
    ledger.add_findings(etl, run_id, [found])
    assert ledger.findings(etl, run_id) == (found,)


def test_coercions_of_both_phases_are_one_fact(etl: Connection) -> None:
    run_id = active_run(etl, "patient")
    coerced = Coercion(table="patient", column="Birthdate", kind="zero_date", rows=7)
    ledger.add_coercions(etl, run_id, [coerced], stage=Stage.EXTRACT)
    ledger.add_coercions(etl, run_id, [coerced], stage=Stage.LOAD)
    assert ledger.coercions(etl, run_id) == (coerced,)


def test_dbt_results_come_back_with_their_nodes(etl: Connection) -> None:
    run_id = active_run(etl)
    node = NodeResult(
        unique_id="model.a.b", resource_type="model", status=NodeStatus.SUCCESS, seconds=1.5, rows=3
    )
    result = DbtResult(status=DbtStatus.SUCCESS, reason="", seconds=2.0, nodes=(node,))
    ledger.record_node(etl, run_id, node)
    ledger.record_node(etl, run_id, node)
    ledger.record_dbt(etl, run_id, result)
    assert ledger.dbt_result(etl, run_id) == result


def test_a_run_says_a_title_once(etl: Connection) -> None:
    run_id = active_run(etl)
    for _ in range(2):
        ledger.add_notification(etl, run_id, Severity.CRITICAL, "Night failed", "body", NOW)
    assert len(ledger.due_notifications(etl, NOW, 10)) == 1


def test_a_message_that_was_not_sent_comes_back_later(etl: Connection) -> None:
    ledger.add_notification(etl, None, Severity.WARNING, "No run", "body", NOW)
    (due,) = ledger.due_notifications(etl, NOW, 10)
    ledger.notification_failed(etl, due.notification_id, "E_NOTIFY", NOW)
    assert ledger.due_notifications(etl, NOW, 10) == ()
    (again,) = ledger.due_notifications(etl, NOW + timedelta(minutes=2), 10)
    assert again.attempts == 1


def test_a_message_that_was_sent_is_not_due(etl: Connection) -> None:
    ledger.add_notification(etl, None, Severity.WARNING, "No run", "body", NOW)
    ledger.mark_notified(etl, ledger.due_notifications(etl, NOW, 10)[0].notification_id, NOW)
    assert ledger.due_notifications(etl, NOW + timedelta(days=1), 10) == ()


def test_two_senders_do_not_see_the_same_message(etl: Connection, sandbox_settings: Settings) -> None:
    ledger.add_notification(etl, None, Severity.WARNING, "No run", "body", NOW)
    etl.commit()
    assert len(ledger.due_notifications(etl, NOW, 10)) == 1
    with connect(sandbox_settings.analytics) as other:
        assert ledger.due_notifications(other, NOW, 10) == ()


def test_the_report_is_kept_with_its_run(etl: Connection) -> None:
    run_id = active_run(etl)
    ledger.save_report(etl, run_id, {"run_id": run_id}, "/reports/r1.html")
    assert (ledger.report_json(etl, run_id), ledger.run(etl, run_id).html_path) == (
        {"run_id": run_id},
        "/reports/r1.html",
    )
