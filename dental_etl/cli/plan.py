"""The command that shows a run before it is begun."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.text import Text

from dental_etl.cli import console
from dental_etl.exceptions import ConfigurationError
from dental_etl.pipeline.outlook import Outlook, look_ahead
from dental_etl.plan import Basis, TablePlan
from dental_etl.report import wording
from dental_etl.run import Category, RefreshMode

_NAME, _INDENT = 28, "  "


def add_to(app: typer.Typer) -> None:
    app.command()(plan)


def plan(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Every table of tables.yml: the default.")
    ] = False,
    table: Annotated[
        list[str] | None, typer.Option("--table", "-t", help="This table; may be repeated.")
    ] = None,
    category: Annotated[Category | None, typer.Option(help="The tables of one size.")] = None,
    force_full: Annotated[
        bool, typer.Option("--force-full", help="As if everything were read again.")
    ] = False,
    max_workers: Annotated[
        int | None, typer.Option(min=1, max=50, help="Default: SOURCE_MAX_CONNECTIONS.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a run would do now or tonight, why, how long, and whether it fits; begins nothing.

    By day the clinic's server is not asked: tables.yml and the last nights answer.
    """
    if sum((everything, bool(table), category is not None)) > 1:
        raise ConfigurationError("Say which tables: --all, or --table NAME (repeatable), or --category SIZE.")
    seen = look_ahead(
        console.settings(),
        console.now(),
        names=table or (),
        category=category,
        refresh=RefreshMode.FULL if force_full else RefreshMode.INCREMENTAL,
        workers=max_workers,
    )
    if as_json:
        console.print_json(seen.to_json())
        return
    console.out.print(Text("\n").join(_lines(seen)), soft_wrap=True)


def _lines(seen: Outlook) -> Iterator[Text]:
    if not seen.plans:
        yield Text("No table answers to that.")
        return
    yield Text(_columns("TABLE", "SIZE", "EXTRACT", "ROWS", "BYTES", "TIME"), style="bold")
    for one in seen.plans:
        yield Text(_figures(one))
        yield from _folded(_why(seen, one), _INDENT, "dim")
    yield Text()
    for sentence in _summary(seen):
        yield from _folded(sentence)


def _columns(name: str, category: str, action: str, rows: str, size: str, time: str) -> str:
    return f"{name:<{_NAME}} {category:<6} {action:<9} {rows:>12} {size:>8} {time:>11}"


def _figures(plan: TablePlan) -> str:
    estimate = plan.estimate
    if estimate is None:
        return _columns(plan.table, plan.config.performance_category, plan.action, "", "", "")
    guessed = "~" if estimate.basis is Basis.ANALYSIS else ""
    return _columns(
        plan.table,
        plan.config.performance_category,
        plan.action,
        wording.count(estimate.rows),
        wording.size(estimate.bytes),
        guessed + wording.duration(estimate.seconds),
    )


def _folded(text: str, indent: str = "", style: str = "") -> Iterator[Text]:
    """Fold at words on a terminal; what reads a pipe wants whole lines."""
    if not console.out.is_terminal:
        yield Text(indent + text)
        return
    for line in textwrap.wrap(
        text, max(console.out.width, 40), initial_indent=indent, subsequent_indent=indent
    ):
        yield Text(line, style=style)


def _why(seen: Outlook, plan: TablePlan) -> str:
    config = plan.config
    parts = [f"{plan.strategy}: {plan.reason}"]
    if config.primary_incremental_column is not None:
        is_key = config.primary_incremental_column in config.primary_key
        overlap = "" if is_key else f" less {config.overlap_minutes} min"
        parts.append(f"cursor {config.primary_incremental_column}{overlap}")
    if seen.would_resume(plan):
        parts.append("has a checkpoint")
    if seen.ranges(plan) > 1:
        parts.append(f"{seen.ranges(plan)} ranges")
    parts += [f"compared {config.reconcile}", *plan.notes]
    return "; ".join(parts)


def _summary(seen: Outlook) -> Iterator[str]:
    estimates = [plan.estimate for plan in seen.plans if plan.estimate is not None]
    rows, size = sum(one.rows for one in estimates), sum(one.bytes for one in estimates)
    readers = wording.counted(seen.night.workers, "table")
    yield (
        f"{wording.counted(len(seen.plans), 'table')}: {wording.counted(rows, 'row')} to read "
        f"({wording.size(size)}), about {wording.duration(seen.timetable.seconds)} with {readers} at a time."
    )
    guessed = sum(one.basis is Basis.ANALYSIS for one in estimates)
    if guessed:
        yield f"~ marks what is estimated from the analysis ({guessed} of {len(estimates)}); else medians of nights."
    yield _window(seen)
    over = seen.timetable.beyond_budget
    if over:
        yield f"SOURCE_BUDGET_MB leaves out {wording.counted(len(over), 'table')}: {wording.listed(over, 8)}."
    yield from _source(seen)
    yield from seen.warnings


def _window(seen: Outlook) -> str:
    if seen.closes_at is None:
        return "No hour is blocked: the run may begin now and take as long as it takes."
    span = f"{wording.day_and_clock(seen.begins_at)} to {wording.clock(seen.closes_at)}"
    left = wording.duration(seen.night.seconds_left or 0.0)
    if not seen.timetable.left_out:
        return f"Window: {span}, {left}. Everything fits."
    names = wording.listed(seen.timetable.left_out, 8)
    count = wording.counted(len(seen.timetable.left_out), "table")
    return f"Window: {span}, {left}. {count} would not end in time: {names}."


def _source(seen: Outlook) -> Iterator[str]:
    look = seen.source
    if not look.is_asked:
        yield "Sizes are those of tables.yml and the last loads: by day the clinic's server is not asked."
    elif look.error_code is not None:
        yield f"The source did not answer ({look.error_code}): sizes are those of tables.yml and the last loads."
    if look.new_tables:
        names = wording.listed(look.new_tables, 8)
        yield f"New at the source, copied with safe defaults: {names}. Run `dental-etl analyze` to review them."
    if look.dropped_tables:
        yield f"No longer at the source, raw keeps its rows: {wording.listed(look.dropped_tables, 8)}."
