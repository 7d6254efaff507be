"""What a night costs the source: counted in the ledger, told in the report, and bounded."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from dental_etl.config import Settings
from dental_etl.connections import connect
from dental_etl.exceptions import DeadlineError, TableBusyError
from dental_etl.extract.visiting import visit
from dental_etl.pipeline.account import RunAccount
from dental_etl.report import RunReport, to_text
from dental_etl.run import RunKind, SourceVisit, TableStatus
from dental_etl.sandbox.state import Sandbox
from dental_etl.tracking import ledger
from dental_etl.tracking.migrations import migrate
from tests.counting import counted
from tests.nights import Nights


@pytest.fixture
def nights(sandbox: Sandbox, sandbox_settings: Settings, tmp_path: Path) -> Nights:
    """Two tables of 2 MB each."""
    made = Nights(sandbox, sandbox_settings, tmp_path)
    for name in ("first", "second"):
        made.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, note varchar(1100)) ENGINE=MyISAM")
        made.execute(f"INSERT INTO {name} SELECT seq, REPEAT('x', 1000) FROM {counted(1, 2000)}")
    return made


@pytest.fixture
def bounded(nights: Nights) -> RunReport:
    """A night that may read 1 MB."""
    unbounded, nights.settings = nights.settings, replace(nights.settings, source_budget_mb=1)
    report = nights.play()
    nights.settings = unbounded
    return report


def test_a_night_tells_what_it_has_cost(nights: Nights) -> None:
    cost = nights.play().source_cost
    assert (cost.connections, cost.most_connections, cost.bytes_read > 4_000_000) == (2, 1, True)


def test_what_the_budget_does_not_allow_is_left_out(bounded: RunReport) -> None:
    left = [table for table in bounded.tables if table.status is TableStatus.NOT_RUN]
    assert [table.error_code for table in left] == ["E_SOURCE_BUDGET"]
    assert "SOURCE_BUDGET_MB" in (left[0].error_detail or "")


def test_the_budget_is_told_to_whoever_reads_the_message(bounded: RunReport) -> None:
    assert f"Not run: {bounded.left_out[0].table}." in to_text(bounded)


def test_what_was_left_out_comes_the_next_night(bounded: RunReport, nights: Nights) -> None:
    assert bounded.left_out
    assert nights.play().pipeline_success
    assert nights.differing_replicas() == []


_MB = 1024 * 1024


@pytest.fixture
def budget(analytics: Connection, sandbox_settings: Settings) -> Settings:
    """A run that may read 100 MB."""
    analytics.close()
    migrate(sandbox_settings.analytics)
    with connect(sandbox_settings.analytics) as connection:
        ledger.open_run(
            connection, run_id=_RUN_ID, kind=RunKind.RERUN, run_date=_NOW.date(), now=_NOW, deadline=None
        )
        connection.commit()
    return replace(sandbox_settings, source_budget_mb=100)


_RUN_ID, _NOW = "20260131T040000-abcdef", datetime(2026, 1, 31, 4, tzinfo=UTC)


def _reading(megabytes: int) -> SourceVisit:
    return SourceVisit(
        table="claim",
        began_at=_NOW,
        ended_at=_NOW,
        reads=1,
        bytes_read=megabytes * _MB,
        seconds=1.0,
        longest_read_seconds=1.0,
        pauses={},
    )


def test_what_owner_and_helper_read_counts_once_and_at_once(budget: Settings) -> None:
    owner, helper, third = (RunAccount(budget, _RUN_ID) for _ in range(3))
    with helper.kept():
        assert helper.bytes_left(_reading(30)) == 70 * _MB
        helper.visited(_reading(40))
    assert owner.bytes_left(_reading(20)) == 40 * _MB
    assert third.bytes_left(_reading(0)) == 40 * _MB


def test_a_visit_that_is_over_is_in_the_books_once(budget: Settings) -> None:
    account = RunAccount(budget, _RUN_ID)
    with account.kept():
        account.bytes_left(_reading(30))
        account.visited(_reading(40))
    with connect(budget.analytics) as connection:
        assert ledger.visits(connection, _RUN_ID) == (_reading(40),)


def test_what_a_killed_worker_has_read_stays_counted(budget: Settings) -> None:
    RunAccount(budget, _RUN_ID).bytes_left(_reading(30))
    assert RunAccount(budget, _RUN_ID).bytes_left(_reading(0)) == 70 * _MB


@pytest.fixture
def crowded(sandbox_settings: Settings, source_admin: Connection) -> Settings:
    """Two places at the source."""
    return replace(sandbox_settings, source_max_connections=2)


def test_never_more_readers_than_places(crowded: Settings) -> None:
    inside = threading.Semaphore(2)

    def read(_: int) -> bool:
        with visit(crowded, "visit", deadline=None, clock=lambda: datetime.now(UTC)) as (_source, reader):
            is_alone = inside.acquire(blocking=False)
            reader.row("SELECT SLEEP(0.1)")
            if is_alone:
                inside.release()
            return is_alone

    with ThreadPoolExecutor(max_workers=6) as pool:
        assert all(pool.map(read, range(6)))


def test_whoever_finds_no_place_in_time_comes_back_later(crowded: Settings) -> None:
    def now() -> datetime:
        return datetime.now(UTC)

    with (
        visit(crowded, "a", deadline=None, clock=now),
        visit(crowded, "b", deadline=None, clock=now),
        pytest.raises(TableBusyError),
        visit(crowded, "c", deadline=None, clock=now, patience_seconds=0.0),
    ):
        pass


def test_whoever_waits_for_a_place_leaves_when_the_window_closes(crowded: Settings) -> None:
    """Waiting means to ask again, and each question is a connection."""
    times = iter([_NOW, _NOW, _NOW + timedelta(hours=8)])
    with (
        visit(crowded, "a", deadline=None, clock=lambda: _NOW),
        visit(crowded, "b", deadline=None, clock=lambda: _NOW),
        pytest.raises(DeadlineError, match="waited for a place"),
        visit(crowded, "c", deadline=_NOW + timedelta(hours=8), clock=times.__next__),
    ):
        pass
