"""A run, step by step: its beginning, its tables, its end; or all of it in this process."""

from dental_etl.pipeline.closing import (
    build_report,
    close_run,
    notify_run,
    report_page,
    report_run,
    verify_run,
)
from dental_etl.pipeline.deadline import end_lingering_readers, leave_out_waiting
from dental_etl.pipeline.local import finish, run_here
from dental_etl.pipeline.night import (
    choose,
    guard,
    look,
    open_nightly,
    open_rerun,
    plan_run,
    refuse,
    select,
    validate_run,
)
from dental_etl.pipeline.outage import answered, ask, note_full, notice, park_table
from dental_etl.pipeline.tables import (
    Clock,
    Helpers,
    end_table,
    extract_chunk_phase,
    extract_phase,
    ledger_transaction,
    load_chunk_phase,
    load_phase,
    run_table,
)
from dental_etl.pipeline.transforming import retry_transform, transform_run

__all__ = [
    "Clock",
    "Helpers",
    "answered",
    "ask",
    "build_report",
    "choose",
    "close_run",
    "end_lingering_readers",
    "end_table",
    "extract_chunk_phase",
    "extract_phase",
    "finish",
    "guard",
    "leave_out_waiting",
    "ledger_transaction",
    "load_chunk_phase",
    "load_phase",
    "look",
    "note_full",
    "notice",
    "notify_run",
    "open_nightly",
    "open_rerun",
    "park_table",
    "plan_run",
    "refuse",
    "report_page",
    "report_run",
    "retry_transform",
    "run_here",
    "run_table",
    "select",
    "transform_run",
    "validate_run",
    "verify_run",
]
