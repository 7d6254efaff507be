"""A whole run in this process, without a broker: the same phases, locks and ledger as the workers'."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from dental_etl.config import Settings
from dental_etl.exceptions import ETLPipelineError, ServerAwayError, ServerFullError
from dental_etl.pipeline import closing, night, transforming
from dental_etl.pipeline.tables import (
    Clock,
    extract_chunk_phase,
    ledger_transaction,
    load_chunk_phase,
    run_table,
)
from dental_etl.plan import TablePlan
from dental_etl.report import RunReport
from dental_etl.run import Category, RefreshMode, RunKind, Stage, new_run_id
from dental_etl.tracking import ledger
from dental_etl.tracking.configured import configured_tables

logger = logging.getLogger(__name__)


def run_here(
    settings: Settings,
    *,
    clock: Clock,
    names: Iterable[str] = (),
    category: Category | None = None,
    refresh: RefreshMode = RefreshMode.INCREMENTAL,
    max_workers: int = 5,
    wants_dbt: bool = True,
    on_start: Callable[[str], None] | None = None,
) -> RunReport:
    """Run tables from guard to report.

    Args:
        settings: Where.
        clock: Gives the time, aware.
        names: Only these tables; all when empty.
        category: Only tables of this category.
        refresh: What was asked for.
        max_workers: Large tables, or key ranges of one, at a time; smaller tables follow one after
            another. The places at the source bound it in any case.
            Source: requirement "ETL pipeline architecture", priority processor.
        wants_dbt: Build the models when every table arrived.
        on_start: Told the run's id as soon as it exists.

    Raises:
        WindowClosedError: It is the clinic's day; nothing has touched the source.
        ValidationError: Configuration or connections are not in order.
        ConfigurationError: A table is unknown.
    """
    run_id = new_run_id(clock())
    night.guard(settings, clock())
    chosen = tuple(names)
    night.select(configured_tables(settings), names=chosen, category=category)
    night.open_rerun(settings, run_id, RunKind.MANUAL, clock(), refresh=refresh, wants_dbt=wants_dbt)
    if on_start is not None:
        on_start(run_id)
    try:
        night.validate_run(settings, run_id, clock())
        plans = night.plan_run(
            settings,
            run_id,
            clock,
            names=chosen,
            category=category,
            refresh=refresh,
            workers=max_workers,
        )
    except ETLPipelineError as error:
        night.refuse(settings, run_id, error, clock())
        raise
    _work(settings, run_id, plans, max_workers, clock)
    return finish(settings, run_id, clock=clock, by="command line")


def finish(settings: Settings, run_id: str, *, clock: Clock, by: str) -> RunReport:
    """Do everything that follows the last table; repeating it changes nothing."""
    with ledger_transaction(settings) as connection:
        ledger.finalise_once(connection, run_id, by, clock())
    closing.verify_run(settings, run_id, clock=clock)
    closing.report_run(settings, run_id, clock())
    closing.notify_run(settings, run_id, clock())
    transforming.transform_run(settings, run_id, clock=clock)
    closing.close_run(settings, run_id, clock())
    return closing.build_report(settings, run_id, clock())


def _work(
    settings: Settings, run_id: str, plans: tuple[TablePlan, ...], max_workers: int, clock: Clock
) -> None:
    for is_last in (False, True):
        _work_together(settings, run_id, [p for p in plans if p.is_last is is_last], max_workers, clock)


def _work_together(
    settings: Settings, run_id: str, plans: Sequence[TablePlan], max_workers: int, clock: Clock
) -> None:
    large = [plan for plan in plans if plan.config.performance_category is Category.LARGE]
    gone = _Gone(settings, run_id, clock)
    with ThreadPoolExecutor(max_workers=max_workers, thread_name_prefix="table") as pool:

        def run_large(plan: TablePlan) -> None:
            if gone.leaves_out(plan.table):
                return

            def call(work: Callable[[int], int], numbers: Sequence[int]) -> None:
                for number in numbers:
                    pool.submit(_help, plan.table, number, work)

            extract = partial(extract_chunk_phase, settings, run_id, plan.table, clock=clock)
            load = partial(load_chunk_phase, settings, run_id, plan.table)
            # A helper comes when no large table waits for a thread any more.
            is_shared = max_workers > 1
            error = run_table(
                settings,
                run_id,
                plan.table,
                clock=clock,
                extract_helpers=partial(call, extract) if is_shared else None,
                load_helpers=partial(call, load) if is_shared else None,
            )
            gone.notice(error)

        for done in [pool.submit(run_large, plan) for plan in large]:
            done.result()
    for plan in plans:
        if plan not in large and not gone.leaves_out(plan.table):
            gone.notice(run_table(settings, run_id, plan.table, clock=clock))


class _Gone:
    """A person waits for this run: what follows a server that went away, or stayed full, is left out."""

    def __init__(self, settings: Settings, run_id: str, clock: Clock) -> None:
        self._settings = settings
        self._run_id = run_id
        self._clock = clock
        self._error: ServerAwayError | ServerFullError | None = None

    def notice(self, error: BaseException | None) -> None:
        """Remember how a table failed, if that will be the next one's fate as well."""
        if isinstance(error, ServerAwayError | ServerFullError):
            self._error = error

    def leaves_out(self, table: str) -> bool:
        """End a table without trying it, once a server took no connection at any attempt."""
        if self._error is None:
            return False
        code, detail = self._error.code, f"Not tried after an earlier table's end: {self._error}"
        with ledger_transaction(self._settings) as connection:
            ledger.leave_out(connection, self._run_id, table, Stage.EXTRACT, code, detail, self._clock())
        return True


def _help(table: str, number: int, work: Callable[[int], int]) -> None:
    """Work one key range of a large table; what is left undone, the thread of the table does."""
    try:
        work(number)
    except ETLPipelineError as error:
        logger.info("Range %s of %s is left to the thread of the table: %s", number, table, error.code)
