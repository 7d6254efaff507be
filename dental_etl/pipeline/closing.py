"""The end of a run, step by step: verify, report, notify, close. Every step may be repeated."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from pathlib import Path

from dental_etl import notify, quality, report
from dental_etl.config import Settings
from dental_etl.exceptions import ArtifactsError, ConfigurationError
from dental_etl.pipeline import proving
from dental_etl.pipeline.tables import Clock, ledger_transaction
from dental_etl.report import RunReport
from dental_etl.run import (
    DbtStatus,
    Finding,
    RunStatus,
    Severity,
    TableStatus,
)
from dental_etl.store import open_store
from dental_etl.tracking import ledger
from dental_etl.tracking.configured import configured_tables

logger = logging.getLogger(__name__)


def verify_run(settings: Settings, run_id: str, *, clock: Clock) -> None:
    """Check what was loaded, and prove it where the load has not; findings never stop the run."""
    with ledger_transaction(settings) as connection:
        loaded = {r.table for r in ledger.results(connection, run_id) if r.status is TableStatus.LOADED}
    try:
        configs = [table for table in configured_tables(settings) if table.table_name in loaded]
        found = quality.verify(settings, configs, run_id)
        found += proving.prove_loaded(settings, configs, run_id, clock=clock)
    except ConfigurationError as error:  # tables.yml went away while the run was working
        found = (Finding(check="tables_yml", severity=Severity.WARNING, table=None, message=str(error)),)
    with ledger_transaction(settings) as connection:
        ledger.add_findings(connection, run_id, found)


def report_run(settings: Settings, run_id: str, now: datetime) -> RunReport:
    """Build the report from the ledger, write its files, keep it with the run.

    Called again after dbt, the files then say what dbt did.
    """
    made = build_report(settings, run_id, now)
    page = _write_files(settings, made)
    with ledger_transaction(settings) as connection:
        ledger.save_report(connection, run_id, report.to_json(made), page)
        if page is None:
            ledger.add_findings(connection, run_id, [_UNWRITTEN])
    return made


#: A report is not lost with its files: it is built from the ledger whenever somebody asks.
_UNWRITTEN = Finding(
    check="artifacts",
    severity=Severity.WARNING,
    table=None,
    message="The report's files could not be written; see ARTIFACTS_URL. `dental-etl report` shows it all the same.",
)


def _write_files(settings: Settings, made: RunReport) -> str | None:
    """Write both files and return where the page is found, None when it could not be put there."""
    run_id, store = made.header.run_id, open_store(settings)
    files = {"report.json": json.dumps(report.to_json(made), indent=2), "report.html": report.to_html(made)}
    try:
        folder = settings.artifacts_folder / run_id
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _replace(folder / name, content)
            store.publish(f"{run_id}/{name}")
    except (OSError, ArtifactsError) as error:
        logger.error(  # noqa: TRY400  # the sentence says it all
            "The report's files could not be written: %s",
            error,
            extra={"action": "report_unwritten", "run_id": run_id},
        )
        return None
    return store.location(f"{run_id}/report.html")


def report_page(settings: Settings, run_id: str) -> str | None:
    """Return where the HTML page of a run's report is found; None when there is none, or none any more.

    Raises:
        RunNotFoundError: There is no such run.
    """
    with ledger_transaction(settings) as connection:
        page = ledger.run(connection, run_id).html_path
    return page if page and ("://" in page or Path(page).exists()) else None


def build_report(settings: Settings, run_id: str, now: datetime) -> RunReport:
    """Build the report of a run as the ledger has it now; writes nothing.

    Raises:
        RunNotFoundError: There is no such run.
    """
    with ledger_transaction(settings) as connection:
        return report.build(
            ledger.run(connection, run_id).header(settings.environment),
            ledger.results(connection, run_id),
            generated_at=now,
            findings=ledger.findings(connection, run_id),
            coercions=ledger.coercions(connection, run_id),
            dbt=ledger.dbt_result(connection, run_id),
            visits=ledger.visits(connection, run_id),
        )


def notify_run(settings: Settings, run_id: str, now: datetime) -> None:
    """Put the morning message into the outbox and send what is due; an unsent message waits for the sweep."""
    made = build_report(settings, run_id, now)
    page = report_page(settings, run_id)
    with ledger_transaction(settings) as connection:
        body = report.to_text(made, page=page)
        ledger.add_notification(connection, run_id, made.severity, report.to_title(made), body, now)
    notify.deliver_due(settings, now)


def close_run(settings: Settings, run_id: str, now: datetime) -> RunStatus:
    """Give the run its last status and bring the report's files up to date."""
    made = build_report(settings, run_id, now)
    is_good = made.pipeline_success and (made.dbt is None or made.dbt.status is not DbtStatus.FAILED)
    with ledger_transaction(settings) as connection:
        ledger.close_run(connection, run_id, RunStatus.SUCCEEDED if is_good else RunStatus.FAILED, now)
        last = ledger.run(connection, run_id).status
    report_run(settings, run_id, now)
    return last


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
