"""Numbers and outcomes in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from dental_etl.report.contents import Outcome, RunReport, failed_nodes, held_back_nodes
from dental_etl.run import DbtStatus, RunKind, RunStatus
from dental_etl.run_window import CENTRAL


def count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(number: float) -> str:
    """Render bytes with decimal units: ``12.3 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def duration(seconds: float) -> str:
    """Render seconds so that the first digits matter: ``0.04 s``, ``12 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 0.995:
        return f"{seconds:.2f} s" if seconds >= 0.005 else "0 s"
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def clock(moment: datetime | None) -> str:
    """Render an instant in the clinic's time: ``21:00 CST``."""
    return "" if moment is None else f"{moment.astimezone(CENTRAL):%H:%M %Z}"


def day_and_clock(moment: datetime) -> str:
    return f"{moment.astimezone(CENTRAL):%Y-%m-%d %H:%M %Z}"


def listed(names: Sequence[str], limit: int) -> str:
    """Render the first names and how many more there are."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def shortened(text: str | None, limit: int) -> str:
    """Cut a text at a word, on one line."""
    line = " ".join((text or "").split())
    if len(line) <= limit:
        return line
    return f"{line[: limit - 1].rsplit(' ', 1)[0]}…"


_OUTCOMES = {
    Outcome.REFUSED: "Not run",
    Outcome.FAILED: "Failed",
    Outcome.INCOMPLETE: "Incomplete",
    Outcome.RUNNING: "Running",
    Outcome.TRANSFORM_FAILED: "dbt failed",
    Outcome.SUCCEEDED: "Succeeded",
}
_KINDS = {
    RunKind.NIGHTLY: "Nightly run",
    RunKind.RERUN: "Rerun",
    RunKind.MANUAL: "Manual run",
}
_REFUSALS = {
    "E_WINDOW": "the clinic's server may not be read at this hour",
    "E_VALIDATION": "the validation found problems",
    "E_CONFIG": "the configuration is not complete",
    "E_ENVIRONMENT": "the environment is not configured",
    "E_CONNECTION": "a database could not be reached",
    "E_SERVER_AWAY": "a database could not be reached",
    "E_SERVER_FULL": "all connections of a database were taken",
    "E_ACCESS": "a database refused the account",
    "E_DUPLICATE_RUN": "another run holds its place",
}


def outcome_word(report: RunReport) -> str:
    return _OUTCOMES[report.outcome]


def run_name(report: RunReport) -> str:
    return f"{_KINDS[report.header.kind]} of {report.header.run_date.isoformat()}"


_PAUSES = {
    "pace": "resting between reads",
    "busy": "while it was busy",
    "waiting": "while others waited for locks",
    "locked": "for tables that others had locked",
}


def paused(pauses: Mapping[str, float], causes: Iterable[str]) -> str:
    """Return how long the source was left alone and why: ``12 s while it was busy``; empty if it was not."""
    found = [(cause, pauses[cause]) for cause in causes if pauses.get(cause, 0.0) >= 1.0]
    return ", ".join(f"{duration(seconds)} {_PAUSES.get(cause, cause)}" for cause, seconds in found)


def headline(report: RunReport) -> str:
    """Return the one or two sentences that someone reads at six in the morning."""
    if report.outcome is Outcome.REFUSED:
        reason = _REFUSALS.get(report.header.refusal_code or "", "it was refused")
        return f"Not run: {reason}. No table was touched."
    if report.outcome is Outcome.RUNNING:
        done = len(report.tables) - len(report.unfinished)
        return f"Still running: {done} of {counted(len(report.tables), 'table')} finished."
    return f"{_tables_sentence(report)} {dbt_sentence(report)}".strip()


def _tables_sentence(report: RunReport) -> str:
    total = counted(len(report.tables), "table")
    if not report.tables:
        return "No table was planned."
    if report.pipeline_success:
        subject = "The table" if len(report.tables) == 1 else f"All {total}"
        return f"{subject} loaded in {duration(report.tables_seconds)}."
    parts = [
        f"{len(tables):,} {word}"
        for tables, word in ((report.failed, "failed"), (report.left_out, "had no turn"))
        if tables
    ]
    return f"Of {total}, {' and '.join(parts)}; {len(report.loaded):,} loaded."


def dbt_sentence(report: RunReport) -> str:
    """Return what dbt did, or why it did nothing; empty where nobody expects it."""
    dbt = report.dbt
    if dbt is None:
        return _undecided_dbt(report)
    if dbt.status is DbtStatus.SKIPPED:
        return f"dbt was skipped: {dbt.reason.rstrip('.') or 'no reason was recorded'}."
    held = len(held_back_nodes(dbt))
    behind = f", {held:,} held back" if held else ""
    if dbt.status is DbtStatus.SUCCESS:
        return f"dbt finished {counted(len(dbt.nodes) - held, 'node')} in {duration(dbt.seconds)}{behind}."
    nodes = counted(len(dbt.nodes), "node")
    return f"dbt failed: {len(failed_nodes(dbt)):,} of {nodes} failed{behind}."


def _undecided_dbt(report: RunReport) -> str:
    if report.outcome is Outcome.RUNNING:
        return "dbt follows when every table is loaded."
    if report.header.kind is not RunKind.NIGHTLY:
        return ""
    if not report.pipeline_success:
        return "dbt is skipped, so that nobody reads half a night."
    return "dbt had not started." if report.header.status is RunStatus.SUCCEEDED else "dbt follows."
