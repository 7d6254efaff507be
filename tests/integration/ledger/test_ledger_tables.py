"""Tables in the ledger: claimed, fenced, ended, found again when they were lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest
from ledger_rows import (
    NIGHT,
    NOW,
    active_run,
    claim,
    extracted,
    loaded,
    planned,
    status_of,
)
from sqlalchemy import Connection

from dental_etl.config import Settings
from dental_etl.connections import connect
from dental_etl.exceptions import FencedError
from dental_etl.run import (
    RunKind,
    RunStatus,
    Stage,
    TableStatus,
)
from dental_etl.tracking import ledger


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


def test_two_validations_at_once_say_the_same_about_new_tables(
    etl: Connection, sandbox_settings: Settings
) -> None:
    drifted = ledger.Drifted(added=(planned("referralcliniclink").config,), gone=frozenset({"oldtable"}))

    def replace_drifted() -> None:
        with connect(sandbox_settings.analytics) as connection:
            ledger.replace_drifted(connection, drifted, NOW)
            connection.commit()

    with ThreadPoolExecutor(max_workers=1) as other:
        ledger.replace_drifted(etl, drifted, NOW)
        second = other.submit(replace_drifted)
        wait([second], timeout=0.3)
        etl.commit()
        second.result()
    assert ledger.read_drifted(etl) == drifted
