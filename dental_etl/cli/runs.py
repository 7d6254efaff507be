"""Commands about runs: run, status, runs, report."""

from __future__ import annotations

from typing import Annotated

import typer

from dental_etl import pipeline, report
from dental_etl.cli import console, night_view
from dental_etl.config import Settings
from dental_etl.exceptions import ConfigurationError, RunNotFoundError
from dental_etl.report import Outcome, RunReport
from dental_etl.run import Category, RefreshMode, RunStatus
from dental_etl.tracking import ledger
from dental_etl.tracking.run_row import RunRow

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_to(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(status)
    app.command()(runs)
    app.command(name="report")(show_report)


def run(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every table of tables.yml.")] = False,
    table: Annotated[
        list[str] | None, typer.Option("--table", "-t", help="This table; may be repeated.")
    ] = None,
    category: Annotated[Category | None, typer.Option(help="The tables of one size.")] = None,
    force_full: Annotated[bool, typer.Option("--force-full", help="Read everything again.")] = False,
    confirm_deletes: Annotated[
        bool, typer.Option("--confirm-deletes", help="Tables may lose most of their rows.")
    ] = False,
    max_workers: Annotated[int, typer.Option(min=1, max=50, help="Large tables at a time.")] = 5,
    dbt: Annotated[bool | None, typer.Option("--dbt/--no-dbt", help="Default: only with --all.")] = None,
    as_json: Json = False,
) -> None:
    """Run tables in this process, no broker needed; refused while the clinic works (exit code 3)."""
    if sum((everything, bool(table), category is not None)) != 1:
        raise ConfigurationError("Say which tables: --all, or --table NAME (repeatable), or --category SIZE.")
    settings = console.settings()
    with night_view.Watching(settings) as watching:
        made = pipeline.run_here(
            settings,
            clock=console.now,
            names=table or (),
            category=category,
            refresh=RefreshMode.of(full=force_full, confirms_deletes=confirm_deletes),
            max_workers=max_workers,
            wants_dbt=everything if dbt is None else dbt,
            on_start=watching.start,
        )
    print_report(made, as_json=as_json)
    if made.outcome is not Outcome.SUCCEEDED:
        raise typer.Exit(1)


def status(
    run_id: Annotated[str | None, typer.Argument(help="Default: the newest run.")] = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it to its end.")] = False,
    as_json: Json = False,
) -> None:
    """Show where a run stands; with --watch, until it ends."""
    settings = console.settings()
    chosen = run_id or newest(settings)
    if watch and night_view.watch(settings, chosen) is not RunStatus.SUCCEEDED:
        raise typer.Exit(1)
    now = night_view.snapshot(settings, chosen)
    if as_json:
        console.print_json({"run": now.row.to_json(), "tables": [table.to_json() for table in now.tables]})
    elif not watch:
        console.out.print(night_view.view(now))


def runs(
    *, limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20, as_json: Json = False
) -> None:
    """List the newest runs."""
    with pipeline.ledger_transaction(console.settings()) as connection:
        found = ledger.runs(connection, limit)
    if as_json:
        console.print_json([row.to_json() for row in found])
        return
    view = console.table("RUN", "KIND", "NIGHT OF", "STATUS", "STARTED (UTC)", ">MINUTES", "CODE")
    for row in found:
        view.add_row(
            row.run_id,
            row.kind,
            str(row.run_date),
            row.status,
            f"{row.created_at:%Y-%m-%d %H:%M}",
            _minutes(row),
            row.error_code or "",
        )
    console.out.print(view)


def show_report(
    run_id: Annotated[str | None, typer.Argument(help="Default: the newest run.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Print the morning message of a run and where its HTML file lies."""
    settings = console.settings()
    made = pipeline.build_report(settings, run_id or newest(settings), console.now())
    print_report(made, as_json=as_json, page=pipeline.report_page(settings, made.header.run_id))


def print_report(made: RunReport, *, as_json: bool = False, page: str | None = None) -> None:
    """Print a report as JSON or as the morning message."""
    if as_json:
        console.print_json(report.to_json(made))
    else:
        console.out.print(report.to_text(made, page=page), end="", markup=False, soft_wrap=True)


def newest(settings: Settings) -> str:
    """Return the id of the newest run.

    Raises:
        RunNotFoundError: There has been none.
    """
    with pipeline.ledger_transaction(settings) as connection:
        found = ledger.runs(connection, 1)
    if not found:
        raise RunNotFoundError("There has been no run yet. Start one with `dental-etl run --all`.")
    return found[0].run_id


def _minutes(row: RunRow) -> str:
    if row.finished_at is None:
        return "-"
    return f"{(row.finished_at - row.created_at).total_seconds() / 60:.1f}"
