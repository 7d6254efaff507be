"""The beginning of a run, step by step: open, guard, validate, plan. Nothing here reads the source's rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from dental_etl import notify, preflight
from dental_etl.config import Settings, TableConfig, Tables
from dental_etl.exceptions import ETLPipelineError, ValidationError
from dental_etl.pipeline import outage, unchanged
from dental_etl.pipeline.planning import night_at, read_knowledge
from dental_etl.pipeline.tables import Clock, ledger_transaction
from dental_etl.plan import TablePlan, plan_night
from dental_etl.run import Category, Finding, RefreshMode, RunKind, Severity
from dental_etl.tracking import ledger
from dental_etl.tracking.configured import configured_tables, read_drifted
from dental_etl.tracking.migrations import migrate


def open_nightly(settings: Settings, run_id: str, run_date: date | None, now: datetime) -> None:
    """Write the run's row, so that everything later has a place to report to.

    Args:
        settings: Where.
        run_id: Of the new run.
        run_date: The night it stands for; default tonight.
        now: Aware.

    Raises:
        RunRefusedError: A nightly run is active, or this night has had its run.
    """
    _open(settings, run_id, RunKind.NIGHTLY, run_date, now, RefreshMode.INCREMENTAL, wants_dbt=True)


def open_rerun(
    settings: Settings,
    run_id: str,
    kind: RunKind,
    now: datetime,
    *,
    refresh: RefreshMode = RefreshMode.INCREMENTAL,
    wants_dbt: bool = False,
) -> None:
    """Write the row of a run that a person asked for."""
    _open(settings, run_id, kind, None, now, refresh, wants_dbt=wants_dbt)


def guard(settings: Settings, now: datetime) -> None:
    """Pass only while the clinic's server may be read.

    Source: requirement "Nightly ETL + dbt run", step 0; holds for scheduled and manual runs.

    Raises:
        WindowClosedError: It is the clinic's day.
    """
    settings.window.require_open(now)


def look(settings: Settings, now: datetime) -> tuple[Finding, ...]:
    """Look at everything that a night needs, without touching anything; a critical finding stops a night."""
    return preflight.validate(settings, now) + notify.unusable_channels(settings)


def validate_run(settings: Settings, run_id: str, now: datetime) -> None:
    """Check configuration and connections; what is found goes to the ledger.

    Raises:
        ValidationError: Something critical: no table may be touched.
    """
    inspection = preflight.inspect(settings, now)
    found = inspection.findings + notify.unusable_channels(settings)
    with ledger_transaction(settings) as connection:
        ledger.add_findings(connection, run_id, found)
        if inspection.drifted is not None:
            ledger.replace_drifted(connection, inspection.drifted, now)
    critical = [
        f"{finding.check}: {finding.message}" for finding in found if finding.severity is Severity.CRITICAL
    ]
    if critical:
        if any(finding.check == "connection" for finding in found):
            outage.notice_all(settings, run_id, now)
        raise ValidationError(critical, subject="Validation")
    outage.answered(settings, now)


def plan_run(
    settings: Settings,
    run_id: str,
    clock: Clock,
    *,
    names: Iterable[str] = (),
    category: Category | None = None,
    refresh: RefreshMode = RefreshMode.INCREMENTAL,
    workers: int | None = None,
) -> tuple[TablePlan, ...]:
    """Plan the run's tables, make the run active, and return what has a turn, in the order of publication.

    A new table is among them as an analysis would treat it. One that the source no longer has is left
    out, unless it was named: its rows stay in raw, and validation has said so. Tables that one look finds
    unchanged end here, unless they were named: who names a table wants it looked at for itself.

    Args:
        settings: Where.
        run_id: An opened run.
        clock: Gives the time, aware.
        names: Only these tables; all when empty.
        category: Only tables of this category.
        refresh: What was asked for.
        workers: That read tables at the same time; default as many as there are places at the source.

    Raises:
        ConfigurationError: A name is not in tables.yml.
    """
    chosen, now = tuple(names), clock()
    configs = choose(settings, names=chosen, category=category)
    known = read_knowledge(settings, now)
    plans = plan_night(configs, known, night_at(settings, now, refresh=refresh, workers=workers))
    highest = max((one.fence for one in known.statuses.values()), default=0)
    found = unchanged.look(settings, run_id, () if chosen else plans, clock)
    with ledger_transaction(settings) as connection:
        ledger.raise_fences(connection, above=highest)
        ledger.plan_tables(connection, run_id, plans, clock())
        unchanged.end(connection, settings, run_id, found, clock())
        # Not what this look ended, nor, where the plan is delivered again, what the first one did.
        left = ledger.open_tables(connection, run_id)
    return tuple(plan for plan in plans if plan.table in left)


def choose(
    settings: Settings, *, names: Iterable[str] = (), category: Category | None = None
) -> tuple[TableConfig, ...]:
    """Return what `select` does, without tables that the source had lost at the last look and nobody named.

    Raises:
        ConfigurationError: Nobody knows a name.
    """
    chosen = tuple(names)
    configs = select(configured_tables(settings), names=chosen, category=category)
    gone = frozenset[str]() if chosen else read_drifted(settings).gone
    return tuple(config for config in configs if config.table_name not in gone)


def select(
    tables: Tables, *, names: Iterable[str] = (), category: Category | None = None
) -> tuple[TableConfig, ...]:
    """Return the named tables, or those of a category, or all.

    Raises:
        ConfigurationError: A name is not in tables.yml.
    """
    chosen = [tables.get(name) for name in dict.fromkeys(names)] or list(tables)
    return tuple(table for table in chosen if category is None or table.performance_category is category)


def refuse(settings: Settings, run_id: str, error: ETLPipelineError, now: datetime) -> bool:
    """End a run that must not start, and put the notification into the outbox.

    Returns:
        False when the run was past its beginning already.
    """
    with ledger_transaction(settings) as connection:
        is_refused = ledger.refuse_run(connection, run_id, error.code, str(error), now)
        if is_refused:
            ledger.add_notification(
                connection,
                run_id,
                Severity.CRITICAL,
                f"dental_etl: run {run_id} was not run",
                str(error),
                now,
            )
    return is_refused


def _open(
    settings: Settings,
    run_id: str,
    kind: RunKind,
    run_date: date | None,
    now: datetime,
    refresh: RefreshMode,
    *,
    wants_dbt: bool,
) -> None:
    migrate(settings.analytics)
    with ledger_transaction(settings) as connection:
        ledger.open_run(
            connection,
            run_id=run_id,
            kind=kind,
            run_date=run_date or settings.window.run_date(now),
            now=now,
            deadline=settings.window.closes_at(now),
            refresh=refresh,
            wants_dbt=wants_dbt,
        )
