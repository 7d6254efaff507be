"""What a terminal shows of a run that works."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from rich.console import Console

from dental_etl.cli.night_view import Snapshot, view
from dental_etl.config import Role
from dental_etl.run import Category, RunKind, RunStatus, Strategy, TableResult, TableStatus
from dental_etl.tracking import ledger
from dental_etl.tracking.run_row import RunRow

NOW = datetime(2026, 1, 31, 4, tzinfo=UTC)
ROW = RunRow(
    run_id="r1", kind=RunKind.NIGHTLY, run_date=date(2026, 1, 30), status=RunStatus.ACTIVE, created_at=NOW
)
HALF = TableResult(
    run_id="r1",
    table="procedurelog",
    category=Category.LARGE,
    status=TableStatus.EXTRACTING,
    strategy=Strategy.FULL_TABLE,
    rows_expected=3_000_000,
    rows_read=1_000_000,
    bytes_read=257_000_000,
    extract_seconds=10.0,
)


AWAY = ledger.Outage(server=Role.SOURCE, began_at=NOW, run_id="r1", asked=2, ask_at=NOW)


def _shown(table: TableResult, *, away: tuple[ledger.Outage, ...] = ()) -> str:
    terminal = Console(file=io.StringIO(), width=160)
    terminal.print(view(Snapshot(row=ROW, tables=(table,), nodes=(), at=NOW, away=away)))
    written = terminal.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


@pytest.mark.parametrize("fact", ["1,000,000", "257.0", "100,000", "0:20"])
def test_a_table_at_work_shows_rows_bytes_pace_and_time_left(fact: str) -> None:
    assert fact in _shown(HALF)


@pytest.mark.parametrize("fact", ["750,000", "192.0", "150,000", "0:15"])
def test_a_load_at_work_shows_its_own_rows_bytes_pace_and_time_left(fact: str) -> None:
    loading = replace(
        HALF,
        status=TableStatus.LOADING,
        rows_read=3_000_000,
        rows_loaded=750_000,
        bytes_loaded=192_000_000,
        rows_to_load=3_000_000,
        load_seconds=5.0,
    )
    assert fact in _shown(loading)


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(replace(HALF, status=TableStatus.LOADING), id="the extract has ended"),
        pytest.param(replace(HALF, rows_expected=10), id="more rows than expected"),
        pytest.param(replace(HALF, rows_read=0, extract_seconds=0.0), id="nothing read yet"),
    ],
)
def test_no_time_is_told_that_is_not_known(table: TableResult) -> None:
    assert "0:20" not in _shown(table)


def test_a_run_that_waits_for_a_server_says_so() -> None:
    assert "waiting for the source database, away since 04:00 UTC" in _shown(HALF, away=(AWAY,))
