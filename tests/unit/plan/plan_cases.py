"""Tables, results and nights that the tests of planning share."""

from __future__ import annotations

from datetime import UTC, datetime

from dental_etl.config import TableConfig
from dental_etl.plan import ExtractAction, TableHistory
from dental_etl.run import Category, Strategy, TableResult, TableStatus

#: 21:00 at the clinic.
NOW = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)


def config(
    name: str = "patient",
    *,
    rows: int = 50_000,
    size_mb: float = 20.0,
    minutes: float = 0.1,
    batch_size: int = 10_000,
    category: Category = Category.SMALL,
    primary_key: tuple[str, ...] = ("PatNum",),
) -> TableConfig:
    return TableConfig(
        table_name=name,
        extraction_strategy=Strategy.FULL_TABLE,
        strategy_reason="no column that the server itself moves when a row changes",
        batch_size=batch_size,
        performance_category=category,
        processing_priority="medium",
        estimated_rows=rows,
        estimated_size_mb=size_mb,
        estimated_processing_time_minutes=minutes,
        primary_key=primary_key,
    )


def result(
    action: ExtractAction = ExtractAction.COMPARED,
    *,
    table: str = "patient",
    read: int = 100,
    size: int = 40_000,
    written: int = 10,
    total: int | None = 50_000,
    seconds: float = 2.0,
    source_seconds: float = 0.1,
) -> TableResult:
    return TableResult(
        run_id="20260130T030000-aaaaaa",
        table=table,
        category=Category.SMALL,
        status=TableStatus.LOADED,
        extract_action=action,
        rows_read=read,
        bytes_read=size,
        rows_written=written,
        rows_total=total,
        extract_seconds=seconds / 2,
        load_seconds=seconds / 2,
        source_seconds=source_seconds,
    )


def history(*results: TableResult) -> TableHistory:
    return TableHistory(table="patient", results=results)
