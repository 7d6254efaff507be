"""The vocabulary of a run: what travels between stages, the ledger, Celery and the report.

Everything here is a frozen value. ``to_json`` gives a dictionary of plain JSON types,
``from_json`` reads it back; nothing in them is ever a value of a patient's row.
"""

from dental_etl.run.findings import Finding
from dental_etl.run.run_results import DbtResult, DbtStatus, NodeResult, NodeStatus, RunHeader
from dental_etl.run.states import (
    Category,
    RefreshMode,
    RunId,
    RunKind,
    RunStatus,
    Severity,
    Stage,
    Strategy,
    TableStatus,
    new_run_id,
)
from dental_etl.run.table_results import (
    ALL_TABLES,
    Coercion,
    CopyStatus,
    Cursor,
    ExtractResult,
    LoadResult,
    LoadStatus,
    SourceVisit,
    TableResult,
)
from dental_etl.run.values import Value

__all__ = [
    "ALL_TABLES",
    "Category",
    "Coercion",
    "CopyStatus",
    "Cursor",
    "DbtResult",
    "DbtStatus",
    "ExtractResult",
    "Finding",
    "LoadResult",
    "LoadStatus",
    "NodeResult",
    "NodeStatus",
    "RefreshMode",
    "RunHeader",
    "RunId",
    "RunKind",
    "RunStatus",
    "Severity",
    "SourceVisit",
    "Stage",
    "Strategy",
    "TableResult",
    "TableStatus",
    "Value",
    "new_run_id",
]
