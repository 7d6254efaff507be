"""Runs, tables and results as the tests of the ledger write them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import Connection

from dental_etl.config import TableConfig
from dental_etl.run import (
    Category,
    Coercion,
    ExtractResult,
    LoadResult,
    RefreshMode,
    RunKind,
    Stage,
    Strategy,
    TableStatus,
)
from dental_etl.tracking import ledger

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
