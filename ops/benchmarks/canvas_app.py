"""The workers' app with tables that have nothing to do: ``celery -A ops.benchmarks.canvas_app worker``.

``CANVAS_WORK=nothing`` leaves the messages alone; ``ledger`` also locks, claims and commits every phase.
"""

from __future__ import annotations

import os
from typing import Any

from dental_etl import pipeline
from dental_etl.pipeline import tables
from dental_etl.run import ExtractResult, LoadResult, RunStatus, Strategy
from dental_etl.tracking import ledger
from workers.app import app


def _nothing(*_args: Any, **_options: Any) -> None:
    """Take the place of a phase."""


def _complete(connection: Any, run_id: str, _by: str, now: Any) -> bool:
    """End the tables, which nobody claimed; what follows them is not asked for."""
    ledger.close_run(connection, run_id, RunStatus.SUCCEEDED, now)
    return False


def _no_rows_extracted(_settings: Any, plan: Any, **_options: Any) -> ExtractResult:
    return ExtractResult(
        table=plan.table,
        strategy=Strategy.INCREMENTAL,
        reason="benchmark",
        generation=1,
        rows_read=0,
        rows_written=0,
        rows_deleted=0,
        bytes_read=0,
        seconds=0.0,
        source_seconds=0.0,
        longest_read_seconds=0.0,
        reads=0,
    )


def _no_rows_loaded(settings: Any, config: Any, *, before_commit: Any, **_options: Any) -> LoadResult:
    result = LoadResult(
        table=config.table_name,
        action="nothing",
        generation=1,
        rows_written=0,
        rows_deleted=0,
        rows_total=0,
        bytes_written=0,
        seconds=0.0,
    )
    with pipeline.ledger_transaction(settings) as connection:
        before_commit(connection, result)
    return result


_INSTEAD: dict[Any, dict[str, Any]] = (
    {
        tables: {
            "extract_table": _no_rows_extracted,
            "load_table": _no_rows_loaded,
            "load_table_chunked": _no_rows_loaded,
        }
    }
    if os.environ.get("CANVAS_WORK") == "ledger"
    else {
        pipeline: {"extract_phase": _nothing, "load_phase": _nothing},
        ledger: {"finalise_once": _complete},
    }
)
for _module, _functions in _INSTEAD.items():
    for _name, _function in _functions.items():
        getattr(_module, _name)  # fails when it is called something else by now
        setattr(_module, _name, _function)

__all__ = ["app"]
