"""What a run will do to one table, and why; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dental_etl.config import TableConfig
from dental_etl.plan.estimate import Estimate
from dental_etl.plan.history import ExtractAction
from dental_etl.run import Category, CopyStatus, RefreshMode, Strategy, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePlan(Value):
    """One table of a run: what extract will do, decided before anything is read."""

    config: TableConfig
    #: The strategy of this run: ``full_table`` copies everything, whatever the table's own strategy is.
    strategy: Strategy
    #: Why, in words for the report.
    reason: str
    #: What was asked for.
    refresh: RefreshMode
    #: How the extract will go about it, as far as that can be told without the source.
    action: ExtractAction = ExtractAction.WHOLE
    #: None where nobody asked for one.
    estimate: Estimate | None = None
    #: What differs from tables.yml in this run, and why, in words; mostly empty.
    notes: tuple[str, ...] = ()
    #: Whether every other table goes first.
    is_last: bool = False

    @property
    def expected_seconds(self) -> float | None:
        return None if self.estimate is None else self.estimate.seconds

    @property
    def table(self) -> str:
        return self.config.table_name

    @property
    def is_shared(self) -> bool:
        """Whether idle workers help with it, range by range."""
        is_large = self.config.performance_category is Category.LARGE
        return is_large and self.action is ExtractAction.WHOLE and bool(self.config.primary_key)

    @property
    def is_full_copy(self) -> bool:
        return self.strategy is Strategy.FULL_TABLE


def plan_table(
    config: TableConfig, status: CopyStatus | None, refresh: RefreshMode, now: datetime
) -> TablePlan:
    """Decide how a table is extracted in this run.

    Args:
        config: The table's configuration, the owner's overrides applied.
        status: Where its extract stands; None when it was never copied.
        refresh: What was asked for.
        now: Aware.
    """
    why_full = _why_full(config, status, refresh, now)
    if why_full is not None:
        return TablePlan(
            config=config,
            strategy=Strategy.FULL_TABLE,
            reason=why_full,
            refresh=refresh,
            action=_action(config, status, refresh),
        )
    return TablePlan(
        config=config,
        strategy=config.extraction_strategy,
        reason=_why_changes(config, status, now),
        refresh=refresh,
        action=ExtractAction.CHANGES,
    )


def _action(config: TableConfig, status: CopyStatus | None, refresh: RefreshMode) -> ExtractAction:
    """Say whether a table without a cursor is compared instead of read: it was copied, and has a key."""
    is_compared = (
        config.extraction_strategy is Strategy.FULL_TABLE
        and not refresh.is_full
        and bool(config.primary_key)
        and status is not None
        and status.last_copied is not None
        and status.checkpoint is None
    )
    return ExtractAction.COMPARED if is_compared else ExtractAction.WHOLE


def _why_full(
    config: TableConfig, status: CopyStatus | None, refresh: RefreshMode, now: datetime
) -> str | None:
    """Return why everything has to be read, or None when the changes are enough."""
    if refresh.is_full:
        return "full refresh asked for"
    if status is None or status.last_copied is None:
        return _first_copy(config, status)
    if config.extraction_strategy is Strategy.FULL_TABLE:
        return _resumed(config, status, config.strategy_reason)
    if _is_unfinished_full_copy(status):
        return _resumed(config, status, "full copy")
    return _why_not_from_cursor(config, status)


def _first_copy(config: TableConfig, status: CopyStatus | None) -> str:
    if status is None or status.checkpoint is None:
        return "never copied"
    if not config.primary_key:
        return "never copied to its end: without a primary key it begins anew"
    return "never copied to its end: the first copy goes on where it stopped"


def _resumed(config: TableConfig, status: CopyStatus, reason: str) -> str:
    if status.checkpoint is None or not config.primary_key:
        return reason
    return f"{reason}; goes on where the last attempt stopped"


def _is_unfinished_full_copy(status: CopyStatus) -> bool:
    """Say whether a shadow table waits to be finished: its rows are worth more than the old replica."""
    return status.checkpoint is not None and status.strategy == Strategy.FULL_TABLE


def _why_not_from_cursor(config: TableConfig, status: CopyStatus) -> str | None:
    if status.cursor is None or status.cursor.value is None:
        return "no cursor was committed yet"
    if status.cursor.column != config.primary_incremental_column:
        return (
            f"the cursor column changed from {status.cursor.column} to {config.primary_incremental_column}, "
            f"so the committed cursor says nothing"
        )
    return None


def is_gap_too_long(config: TableConfig, last_copied: datetime | None, now: datetime) -> bool:
    """Tell whether a table was left alone for so long that every row of it must be compared again."""
    return last_copied is not None and now - last_copied > timedelta(days=config.time_gap_threshold_days)


def _why_changes(config: TableConfig, status: CopyStatus | None, now: datetime) -> str:
    since = status.last_copied if status else None
    if since is None:
        return f"changes: {config.strategy_reason}"
    reason = f"changes since {since.astimezone(UTC):%Y-%m-%d %H:%M} UTC: {config.strategy_reason}"
    if not is_gap_too_long(config, since, now):
        return reason
    return (
        f"{reason}; last copied {(now - since).days} days ago, more than the "
        f"{config.time_gap_threshold_days} days of time_gap_threshold_days, so every row is compared"
    )
