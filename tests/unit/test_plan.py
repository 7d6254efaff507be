"""What a run does to a table, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dental_etl.config import TableConfig
from dental_etl.plan import TablePlan, order, plan_table
from dental_etl.run import Category, CopyStatus, Cursor, RefreshMode, Strategy

NOW = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)
LAST_NIGHT = NOW - timedelta(days=1)

STAMPED = TableConfig(
    table_name="patient",
    extraction_strategy=Strategy.INCREMENTAL,
    strategy_reason="DateTStamp is moved by the server",
    incremental_columns=("DateTStamp",),
    primary_incremental_column="DateTStamp",
    batch_size=5000,
    performance_category=Category.SMALL,
    processing_priority="high",
    estimated_rows=35_000,
    estimated_size_mb=18.0,
    primary_key=("PatNum",),
)
WHOLE = replace(
    STAMPED,
    table_name="sheetfield",
    extraction_strategy=Strategy.FULL_TABLE,
    strategy_reason="no change stamp",
    incremental_columns=(),
    primary_incremental_column=None,
)
KEYLESS = replace(WHOLE, primary_key=())
CHUNKED = replace(STAMPED, extraction_strategy=Strategy.INCREMENTAL_CHUNKED)
COPIED = CopyStatus(
    table="patient",
    last_copied=LAST_NIGHT,
    cursor=Cursor(column="DateTStamp", value="2026-01-30 20:00:00"),
    copy_status="success",
    generation=4,
    strategy="incremental",
)
FIRST_COPY_STOPPED = CopyStatus(table="patient", checkpoint="{}", strategy="full_table")


@pytest.mark.parametrize(
    ("config", "status", "refresh", "strategy", "reason"),
    [
        pytest.param(STAMPED, None, RefreshMode.INCREMENTAL, "full_table", "never copied", id="new"),
        pytest.param(
            STAMPED, FIRST_COPY_STOPPED, RefreshMode.INCREMENTAL, "full_table", "goes on where", id="first-stopped"
        ),
        pytest.param(
            KEYLESS, FIRST_COPY_STOPPED, RefreshMode.INCREMENTAL, "full_table", "begins anew", id="keyless-stopped"
        ),
        pytest.param(STAMPED, COPIED, RefreshMode.INCREMENTAL, "incremental", "DateTStamp", id="changes"),
        pytest.param(CHUNKED, COPIED, RefreshMode.INCREMENTAL, "incremental_chunked", "changes", id="chunked"),
        pytest.param(STAMPED, COPIED, RefreshMode.FULL, "full_table", "asked for", id="full-asked"),
        pytest.param(WHOLE, COPIED, RefreshMode.INCREMENTAL, "full_table", "no change stamp", id="unstamped"),
        pytest.param(
            STAMPED,
            replace(COPIED, checkpoint="{}", strategy="full_table"),
            RefreshMode.INCREMENTAL,
            "full_table",
            "goes on where",
            id="full-refresh-stopped",
        ),
        pytest.param(
            STAMPED, replace(COPIED, checkpoint="{}"), RefreshMode.INCREMENTAL, "incremental", "changes",
            id="changes-stopped",
        ),
        pytest.param(
            STAMPED,
            replace(COPIED, cursor=Cursor(column="DateTStamp")),
            RefreshMode.INCREMENTAL,
            "full_table",
            "no cursor",
            id="no-cursor",
        ),
        pytest.param(
            STAMPED,
            replace(COPIED, cursor=Cursor(column="PatNum", value="7")),
            RefreshMode.INCREMENTAL,
            "full_table",
            "changed from PatNum to DateTStamp",
            id="other-cursor",
        ),
        pytest.param(
            STAMPED,
            replace(COPIED, last_copied=NOW - timedelta(days=31)),
            RefreshMode.INCREMENTAL,
            "incremental",
            "last copied 31 days ago, more than the 30 days of time_gap_threshold_days, so every row is compared",
            id="gap-too-long",
        ),
        pytest.param(
            STAMPED,
            replace(COPIED, last_copied=NOW - timedelta(days=30)),
            RefreshMode.INCREMENTAL,
            "incremental",
            "changes",
            id="gap-just-allowed",
        ),
        pytest.param(
            STAMPED,
            replace(COPIED, copy_status="failed"),
            RefreshMode.INCREMENTAL,
            "incremental",
            "changes",
            id="failed-night-keeps-its-cursor",
        ),
    ],
)  # fmt: skip
def test_strategy_of_a_run_and_its_reason(
    config: TableConfig, status: CopyStatus | None, refresh: RefreshMode, strategy: str, reason: str
) -> None:
    plan = plan_table(config, status, refresh, NOW)
    assert (plan.strategy, reason in plan.reason) == (strategy, True), plan.reason


def test_reason_never_shows_the_cursor_value() -> None:
    assert "2026-01-30 20:00" not in plan_table(STAMPED, COPIED, RefreshMode.INCREMENTAL, NOW).reason


def test_a_plan_survives_json() -> None:
    plan = plan_table(STAMPED, COPIED, RefreshMode.INCREMENTAL, NOW)
    assert TablePlan.from_json(plan.to_json()) == plan


def _plan(name: str, category: Category, priority: str = "high", size_mb: float = 1.0) -> TablePlan:
    config = replace(
        WHOLE,
        table_name=name,
        performance_category=category,
        processing_priority=priority,
        estimated_size_mb=size_mb,
    )
    return plan_table(config, None, RefreshMode.INCREMENTAL, NOW)


def test_order_is_category_then_priority_then_size_then_name() -> None:
    plans = [
        _plan("b_tiny", Category.TINY),
        _plan("a_tiny", Category.TINY),
        _plan("small", Category.SMALL),
        _plan("low_but_larger", Category.MEDIUM, "low", 90.0),
        _plan("high_small", Category.MEDIUM, "high", 5.0),
        _plan("high_larger", Category.MEDIUM, "high", 50.0),
        _plan("large", Category.LARGE, "low"),
    ]
    assert [plan.table for plan in order(plans)] == [
        "large", "high_larger", "high_small", "low_but_larger", "small", "a_tiny", "b_tiny",
    ]  # fmt: skip
