"""dbt in a run: whether it may follow, what it did, and doing again what it left undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dental_etl import transform
from dental_etl.config import Settings
from dental_etl.pipeline.closing import build_report, report_run
from dental_etl.pipeline.tables import Clock, ledger_transaction
from dental_etl.report import RunReport
from dental_etl.run import DbtResult, DbtStatus, Finding, NodeResult, Severity
from dental_etl.store import is_bucket
from dental_etl.tracking import ledger
from dental_etl.tracking.run_row import RunRow
from dental_etl.transform import selection

#: Told every node as it ends, beside the ledger.
OnNode = Callable[[NodeResult], None]


_UNPUBLISHED = Finding(
    check="artifacts",
    severity=Severity.WARNING,
    table=None,
    message="dbt's artifacts could not be put into the bucket of ARTIFACTS_URL; they are on the host that built. "
    "See `dental-etl validate`.",
)


def _nobody(_node: NodeResult) -> None:
    """Tell nobody."""


def transform_run(settings: Settings, run_id: str, *, clock: Clock, on_node: OnNode = _nobody) -> DbtResult:
    """Build the dbt models if the night was good; otherwise record why not.

    With DBT_GATE=lineage a night with failed tables builds the models that stand on none of them.

    Raises:
        TransformError: dbt could not run at all.
    """
    made = build_report(settings, run_id, clock())
    with ledger_transaction(settings) as connection:
        row = ledger.run(connection, run_id)
    reason = _why_not_transform(settings, made, row)
    result = _skipped(reason) if reason else _transform(settings, row, _missing_tables(made), on_node)
    with ledger_transaction(settings) as connection:
        ledger.record_dbt(connection, run_id, result)
        if is_bucket(settings) and result.artifacts and "://" not in result.artifacts:
            ledger.add_findings(connection, run_id, [_UNPUBLISHED])
        if result.status is DbtStatus.FAILED:
            title = f"dental_etl: dbt failed in run {run_id}"
            ledger.add_notification(connection, run_id, Severity.CRITICAL, title, result.reason, clock())
    return result


def retry_transform(
    settings: Settings, run_id: str | None, *, clock: Clock, on_node: OnNode = _nobody
) -> DbtResult:
    """Build what the dbt of a run left undone, then bring the run's ledger and report up to date.

    Args:
        settings: Where.
        run_id: Run whose build failed; None for the newest that did. A build made by hand is in no run,
            and is only built.
        clock: Gives the time, aware.
        on_node: Told every node as it ends.

    Raises:
        TransformError: Nothing is left to do, the project has changed, or dbt could not run at all.
        TableBusyError: Another process is building in this database.
    """
    unfinished = transform.unfinished_run(settings, run_id)
    with ledger_transaction(settings) as connection:
        is_known = ledger.find_run(connection, unfinished) is not None
    record = _recorder(settings, unfinished, on_node) if is_known else on_node
    result = transform.retry(settings, run_id=unfinished, record=record)
    if is_known:
        _mend(settings, unfinished, result, clock)
    return result


def _mend(settings: Settings, run_id: str, result: DbtResult, clock: Clock) -> None:
    with ledger_transaction(settings) as connection:
        before = ledger.dbt_result(connection, run_id)
        seconds = result.seconds + (before.seconds if before else 0.0)
        ledger.record_dbt(connection, run_id, replace(result, seconds=seconds))
    made = build_report(settings, run_id, clock())
    if made.pipeline_success and result.status is DbtStatus.SUCCESS:
        with ledger_transaction(settings) as connection:
            ledger.mend_run(connection, run_id)
    report_run(settings, run_id, clock())


def _why_not_transform(settings: Settings, made: RunReport, row: RunRow) -> str:
    if not row.wants_dbt:
        return "not asked for: a rerun of tables leaves the models to the next night or to `dental-etl dbt build`"
    if made.pipeline_success:
        return ""
    names = _missing_tables(made)
    if settings.dbt_gate == "lineage" and made.loaded and names:
        return ""
    return (
        f"{len(names)} table(s) did not arrive: {', '.join(names[:10])}{', ...' if len(names) > 10 else ''}"
    )


def _missing_tables(made: RunReport) -> tuple[str, ...]:
    return tuple(table.table for table in (*made.failed, *made.left_out))


def _skipped(reason: str) -> DbtResult:
    return DbtResult(status=DbtStatus.SKIPPED, reason=reason, seconds=0.0)


def _transform(
    settings: Settings, row: RunRow, missing_tables: tuple[str, ...], on_node: OnNode
) -> DbtResult:
    return transform.build(
        settings,
        run_id=row.run_id,
        as_of_date=row.run_date,
        record=_recorder(settings, row.run_id, on_node),
        selection=selection.without(missing_tables) if missing_tables else None,
    )


def _recorder(settings: Settings, run_id: str, on_node: OnNode) -> OnNode:
    """Write every node to the ledger as it ends: what is written survives a killed worker."""

    def record(node: NodeResult) -> None:
        with ledger_transaction(settings) as connection:
            ledger.record_node(connection, run_id, node)
        on_node(node)

    return record
