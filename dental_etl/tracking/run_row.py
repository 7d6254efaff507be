"""One row of ``etl.run`` as a value; pure, so that the report may use it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from dental_etl.run import Category, RefreshMode, RunHeader, RunKind, RunStatus, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow(Value):
    """One run, as the ledger knows it."""

    run_id: str
    kind: RunKind
    #: Local date of the evening that the night began on.
    run_date: date
    status: RunStatus
    #: When the row was written, before guard and validation.
    created_at: datetime
    #: The source must be left alone from then on; None if no hour is blocked.
    deadline: datetime | None = None
    #: Whether dbt follows; a rerun of some tables leaves it out unless asked.
    wants_dbt: bool = True
    #: What was asked of it.
    refresh: RefreshMode = RefreshMode.INCREMENTAL
    #: Tables that a rerun is for; empty means all, unless a category is given.
    selected_tables: tuple[str, ...] = ()
    selected_category: Category | None = None
    #: When its tables were planned.
    started_at: datetime | None = None
    #: When its last table ended.
    reporting_at: datetime | None = None
    finished_at: datetime | None = None
    #: Who noticed that the last table had ended: ``chord``, ``errback``, ``sweep``, ...
    finalised_by: str | None = None
    #: Why it was refused, or why it ended without a report.
    error_code: str | None = None
    error_detail: str | None = None
    #: The HTML report.
    html_path: str | None = None

    def header(self, environment: str) -> RunHeader:
        """Return what the report says about the run itself."""
        return RunHeader(
            run_id=self.run_id,
            kind=self.kind,
            run_date=self.run_date,
            status=self.status,
            started_at=self.created_at,
            finished_at=self.finished_at,
            deadline_at=self.deadline,
            environment=environment,
            refusal_code=self.error_code,
            refusal_detail=self.error_detail,
        )
