"""dbt's JSON lines as values, without the texts that may quote rows (pure)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dental_etl.run import NodeResult, NodeStatus

#: A node ended; dbt has one such event per kind of node (LogModelResult, LogTestResult, ...).
_RESULT = re.compile(r"Log\w+Result")
#: A node had no turn because something above it failed.
_HELD_BACK = frozenset({"SkippingDetails", "LogSkipBecauseError"})
_STATUSES = {
    "success": NodeStatus.SUCCESS,
    "pass": NodeStatus.SUCCESS,
    "no-op": NodeStatus.SUCCESS,
    "warn": NodeStatus.WARN,
    "fail": NodeStatus.FAIL,
    # dbt skips for one reason only here: a parent failed. Counting it as good would be a false green.
    "skipped": NodeStatus.UPSTREAM_FAILED,
}
_ERROR_CLASS = re.compile(r"\s*((?:[A-Z][A-Za-z]* )?(?:[A-Z][A-Za-z]*)?Error)\b")
_STRAY = re.compile(r"\b(Traceback|Usage|[A-Z][A-Za-z]*(?:Error|Exception|Warning))\b")
#: Errors of the server or the network that another attempt may not meet.
_TRANSIENT = re.compile(
    r"deadlock detected|could not serialize|lock timeout|lock not available|server closed the connection"
    r"|terminating connection|connection refused|could not connect|connection to server .* failed"
    r"|connection already closed|connection timed out|could not resize shared memory|too many clients"
    r"|the database system is (?:starting up|shutting down|in recovery)",
    re.IGNORECASE,
)
#: How warnings of the project's own macros begin; others may quote anything.
_OURS = "dental_etl: "
_LAST_NUMBER = re.compile(r"(\d+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class DbtEvent:
    #: dbt's name of the event: ``LogModelResult``, ``MainEncounteredError``, ...
    name: str
    data: dict[str, Any]


def parse(line: str) -> DbtEvent | None:
    """Return the event of a line; None when the line is not one of dbt's."""
    try:
        raw = json.loads(line)
        return DbtEvent(name=raw["info"]["name"], data=raw["data"])
    except (ValueError, TypeError, KeyError):
        return None


def node_result(event: DbtEvent) -> NodeResult | None:
    """Return how a node ended; None for every other event."""
    info = event.data.get("node_info") or {}
    is_held_back = event.name in _HELD_BACK
    if not info.get("unique_id") or not (is_held_back or _RESULT.fullmatch(event.name)):
        return None
    status = NodeStatus.UPSTREAM_FAILED if is_held_back else node_status(_status(event))
    return NodeResult(
        unique_id=info["unique_id"],
        resource_type=info.get("resource_type", ""),
        status=status,
        seconds=float(event.data.get("execution_time") or 0.0),
        started_at=_instant(info.get("node_started_at")),
        finished_at=_instant(info.get("node_finished_at")),
        rows=_rows(event),
    )


def node_status(text: str) -> NodeStatus:
    """Return our word for dbt's; what is unknown is an error, never a success."""
    return _STATUSES.get(text, NodeStatus.ERROR)


def fatal_error(event: DbtEvent) -> str | None:
    """Return the text with which dbt gave up as a whole; it may quote anything, so it must not travel."""
    return str(event.data.get("exc", "")) if event.name == "MainEncounteredError" else None


def project_warning(event: DbtEvent) -> str | None:
    """Return what a macro of the project warns of, in our own words; None for every other event."""
    text = str(event.data.get("msg", "")) if event.name == "JinjaLogWarning" else ""
    return text.removeprefix(_OURS) if text.startswith(_OURS) else None


def unmatched_criterion(event: DbtEvent) -> str | None:
    """Return what a person asked for and nothing answers to; None for every other event."""
    return str(event.data["spec_raw"]) if event.name == "NoNodesForSelectionCriteria" else None


def error_class(text: str) -> str:
    """Return the kind of an error (``Database Error``) from the beginning of its text, and nothing else."""
    found = _ERROR_CLASS.match(text)
    return found.group(1) if found else "Error"


def is_transient(text: str) -> bool:
    return _TRANSIENT.search(text) is not None


def stray_label(line: str) -> str:
    """Return what a line that is not JSON looks like (``Traceback``), without quoting it."""
    found = _STRAY.search(line)
    return found.group(1) if found else "text"


def _status(event: DbtEvent) -> str:
    """Unit tests have their status beside the node instead of in it."""
    inside = str(event.data["node_info"].get("node_status"))
    return str(event.data.get("status")) if inside in {"None", ""} else inside


def _rows(event: DbtEvent) -> int | None:
    """Rows that a model wrote (``SELECT 120``), or that a test found."""
    if "num_failures" in event.data:
        return int(event.data["num_failures"] or 0)
    found = _LAST_NUMBER.search(str(event.data.get("status", "")))
    return int(found.group(1)) if found else None


def _instant(text: str | None) -> datetime | None:
    """Read an instant; dbt writes UTC without saying so."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
