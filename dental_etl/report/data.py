"""The report as plain JSON types, with keys that stay."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

from dental_etl.report.advice import next_steps
from dental_etl.report.contents import RunReport, retries, rows_per_second, slowest_nodes
from dental_etl.report.wording import headline
from dental_etl.run import DbtResult, TableResult, TableStatus

#: Raised when a key changes its meaning or goes; new keys do not raise it.
FORMAT_VERSION = 1


def to_json(report: RunReport) -> dict[str, Any]:
    """Return the whole report as a dictionary that ``json.dumps`` takes; times are ISO 8601 in UTC."""
    return {
        "format_version": FORMAT_VERSION,
        "generated_at": report.generated_at.isoformat(),
        "run": report.header.to_json(),
        "outcome": report.outcome.value,
        "severity": report.severity.value,
        "pipeline_success": report.pipeline_success,
        "headline": headline(report),
        "seconds": round(report.seconds, 3),
        "counts": _counts(report),
        "unchanged": {
            "tables": len(report.unchanged),
            "source_seconds": round(report.unchanged_seconds, 3),
        },
        "totals": dataclasses.asdict(report.totals),
        "source_cost": dataclasses.asdict(report.source_cost),
        "next_steps": [{"why": s.why, "commands": list(s.commands)} for s in next_steps(report)],
        "tables": [_table(table) for table in report.tables],
        "coercions": [coercion.to_json() for coercion in report.coercions],
        "findings": [finding.to_json() for finding in report.findings],
        "drift": {table.table: list(table.drift) for table in report.drifted},
        "dbt": None if report.dbt is None else _dbt(report.dbt),
    }


def _counts(report: RunReport) -> dict[str, int]:
    counts = Counter(table.status for table in report.tables)
    return {status.value: counts[status] for status in TableStatus}


def _table(table: TableResult) -> dict[str, Any]:
    rate = rows_per_second(table)
    return {
        **table.to_json(),
        "retries": retries(table),
        "rows_per_second": None if rate is None else round(rate, 1),
    }


def _dbt(dbt: DbtResult) -> dict[str, Any]:
    return {
        **dbt.to_json(),
        "counts": dict(sorted(Counter(node.status.value for node in dbt.nodes).items())),
        "slowest": [node.unique_id for node in slowest_nodes(dbt)],
    }
