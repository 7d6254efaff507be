"""The morning message: the report in at most fifteen lines of plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dental_etl.report.advice import next_steps
from dental_etl.report.contents import STRAIN, Outcome, RunReport, failed_nodes, left_out_models
from dental_etl.report.wording import (
    clock,
    count,
    counted,
    duration,
    headline,
    listed,
    outcome_word,
    paused,
    run_name,
    shortened,
    size,
)
from dental_etl.run import DbtResult, Severity, TableResult

_FAILED_SHOWN = 3
_COMMANDS_SHOWN = 2
_DETAIL_LENGTH = 160


def to_title(report: RunReport) -> str:
    """Return the subject line: ``[Failed] dental_etl production: Nightly run of 2026-11-19``."""
    environment = f" {report.header.environment}" if report.header.environment else ""
    return f"[{outcome_word(report)}] dental_etl{environment}: {run_name(report)}"


def to_text(report: RunReport, *, page: str | None = None) -> str:
    """Return the message's body; names, counts and times only.

    Args:
        report: What happened.
        page: Where the HTML file lies, said in the last line.
    """
    return "\n".join((*_lines(report), *_footer(report, page))) + "\n"


def _lines(report: RunReport) -> Iterator[str]:
    yield headline(report)
    if report.outcome is not Outcome.REFUSED:
        yield _volume(report)
        yield _source(report)
    yield from _failures(report)
    yield from _exceptions(report)
    yield from _next(report)


def _volume(report: RunReport) -> str:
    totals, header = report.totals, report.header
    start, end = clock(header.started_at), clock(header.finished_at or report.generated_at)
    when = start if start == end else f"{start} to {end}"
    retried = f", {counted(totals.retries, 'retry', 'retries')}" if totals.retries else ""
    return (
        f"{when}: {count(totals.rows_read)} rows read, "
        f"{count(totals.rows_written)} written, {count(totals.rows_deleted)} deleted, "
        f"{size(totals.bytes_read)}{retried}."
    )


def _source(report: RunReport) -> str:
    cost = report.source_cost
    longest = ""
    if cost.longest_read_table:
        longest = f", longest {duration(cost.longest_read_seconds)} ({cost.longest_read_table})"
    most = f", {counted(cost.most_connections, 'connection')} at most" if cost.most_connections else ""
    others = paused(cost.pauses, STRAIN)
    pauses = f"; paused {others}" if others else ""
    slow = " It was busy for much of the time, so it was read slowly." if cost.was_busy else ""
    reads = f"{counted(cost.reads, 'read')}, {duration(cost.seconds)}"
    return f"Source: {reads}{longest}{most}{pauses}.{slow}{_unchanged(report)}"


def _unchanged(report: RunReport) -> str:
    if not report.unchanged:
        return ""
    tables = counted(len(report.unchanged), "table was", "tables were")
    return f" {tables} unchanged and not read; to know that took {duration(report.unchanged_seconds)} of it."


def _failures(report: RunReport) -> Iterator[str]:
    for table in report.failed[:_FAILED_SHOWN]:
        yield _failure(table)
    if len(report.failed) > _FAILED_SHOWN:
        yield f"Failed too: {listed([t.table for t in report.failed[_FAILED_SHOWN:]], 8)}."
    if report.left_out:
        yield f"Not run: {listed([t.table for t in report.left_out], 8)}."


def _failure(table: TableResult) -> str:
    detail = shortened(table.error_detail, _DETAIL_LENGTH)
    where = f" in {table.error_stage}" if table.error_stage else ""
    return f"Failed: {table.table}{where} ({table.error_code or 'no code'}) {detail}".rstrip()


def _exceptions(report: RunReport) -> Iterator[str]:
    if report.coercions:
        yield f"Values that PostgreSQL cannot hold: {_coercions(report)}."
    if report.drifted:
        yield f"Schema changed: {listed([table.table for table in report.drifted], 6)}."
    treated = [table.table for table in report.tables if table.notes]
    if treated:
        yield f"Treated by their last nights, not by tables.yml: {listed(treated, 6)}."
    loud = [finding for finding in report.findings if finding.severity is not Severity.INFORMATION]
    if loud:
        subject = f"{loud[0].table}: " if loud[0].table else ""
        yield (
            f"{counted(len(loud), 'finding')}, first: {subject}{shortened(loud[0].message, _DETAIL_LENGTH)}"
        )
    if report.dbt is not None and failed_nodes(report.dbt):
        yield f"dbt failed nodes: {_nodes(report.dbt)}."
    if report.dbt is not None and (held := left_out_models(report.dbt)):
        yield f"Models held back for want of a table: {listed(held, 6)}."


def _coercions(report: RunReport) -> str:
    rows: Counter[str] = Counter()
    for coercion in report.coercions:
        rows[coercion.kind] += coercion.rows
    return ", ".join(f"{count(number)} {kind}" for kind, number in rows.most_common(4))


def _nodes(dbt: DbtResult) -> str:
    return listed([node.unique_id for node in failed_nodes(dbt)], 3)


def _next(report: RunReport) -> Iterator[str]:
    if report.outcome is Outcome.REFUSED and report.header.refusal_detail:
        yield shortened(report.header.refusal_detail, 2 * _DETAIL_LENGTH)
    commands = [command for step in next_steps(report) for command in step.commands]
    for command in commands[:_COMMANDS_SHOWN]:
        yield f"Next: {command}"


def _footer(report: RunReport, page: str | None) -> Iterator[str]:
    yield f"Run {report.header.run_id}{f', report {page}' if page else ''}"
