"""Commands that need the broker or start workers: enqueue, doctor, resume, demo."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from dental_etl import pipeline
from dental_etl.cli import SANDBOX, console, night_view, setup
from dental_etl.run import Category, RefreshMode, RunStatus

Full = Annotated[bool, typer.Option("--force-full", help="Read everything again.")]
Confirm = Annotated[bool, typer.Option("--confirm-deletes", help="Tables may lose most of their rows.")]
Dbt = Annotated[bool, typer.Option("--dbt", help="Build the models afterwards.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Follow the run to its end.")]

enqueue = typer.Typer(help="Start runs through Celery; each prints its run id.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.add_typer(enqueue, name="enqueue")
    app.command()(doctor)
    app.command()(resume)
    app.command()(demo)


@enqueue.command()
def nightly(
    *,
    date: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The night it stands for; test environments only."),
    ] = None,
) -> None:
    """Start tonight's run, as beat does at 21:00."""
    from workers import enqueue as publish

    pipeline.guard(console.settings(), console.now())
    _started(publish.nightly(run_date=date.date() if date else None), watch=False)


@enqueue.command()
def table(
    names: Annotated[list[str], typer.Argument(help="Tables, as tables.yml spells them.")],
    *,
    force_full: Full = False,
    confirm_deletes: Confirm = False,
    dbt: Dbt = False,
    watch: Watch = False,
) -> None:
    """Rerun tables; one that is being worked is waited for."""
    from workers import enqueue as publish

    refresh = RefreshMode.of(full=force_full, confirms_deletes=confirm_deletes)
    _started(publish.tables(names, refresh=refresh, wants_dbt=dbt), watch=watch)


@enqueue.command()
def category(
    name: Annotated[Category, typer.Argument(help="Size.")],
    *,
    force_full: Full = False,
    confirm_deletes: Confirm = False,
    dbt: Dbt = False,
    watch: Watch = False,
) -> None:
    """Rerun all tables of a size."""
    from workers import enqueue as publish

    refresh = RefreshMode.of(full=force_full, confirms_deletes=confirm_deletes)
    _started(publish.category(name, refresh=refresh, wants_dbt=dbt), watch=watch)


@enqueue.command()
def failed(
    *,
    run_id: Annotated[str, typer.Option("--run", help="As `dental-etl runs` lists it.")],
    force_full: Full = False,
    confirm_deletes: Confirm = False,
    dbt: Dbt = False,
    watch: Watch = False,
) -> None:
    """Rerun the tables of a run that failed or had no turn."""
    from workers import enqueue as publish

    asked = RefreshMode.of(full=force_full, confirms_deletes=confirm_deletes)
    refresh = None if asked is RefreshMode.INCREMENTAL else asked
    _started(publish.failed(run_id, refresh=refresh, wants_dbt=dbt), watch=watch)


def resume(run_id: Annotated[str, typer.Argument(help="As `dental-etl runs` lists it.")]) -> None:
    """Publish again what is open in a run; needs neither beat nor what Redis has lost."""
    from workers import enqueue as publish

    publish.resume(run_id)
    console.out.print(f"Run {run_id} goes on; follow it with: dental-etl status {run_id} --watch")


def doctor(*, as_json: setup.Json = False) -> None:
    """Look at all that a night stands on: databases, ledger, Redis, workers, beat, dbt; exit code 1 if ill."""
    from workers.doctor import examine

    findings = examine(console.settings(), console.now())
    setup.print_findings(findings, as_json=as_json)
    setup.end(findings)


def demo(
    *,
    patients: Annotated[
        int, typer.Option(min=1, max=50_000, help="Size of the clinic, when it is made.")
    ] = 2_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same clinic and days.")] = 1,
    stop: Annotated[bool, typer.Option("--stop", help="Stop everything that a demo started.")] = False,
    directory: Annotated[Path, typer.Option(help="Where the servers keep their data.")] = SANDBOX,
) -> None:
    """Play the next night on a synthetic clinic: servers, workers, beat, Flower, dbt."""
    from workers import demo as play

    if stop:
        play.stop(directory)
        console.out.print("Everything is stopped. `make demo` plays the next night.")
        return
    if play.play(directory, patients=patients, seed=seed) is not RunStatus.SUCCEEDED:
        raise typer.Exit(1)


def _started(run_id: str, *, watch: bool) -> None:
    console.out.print(run_id)
    if (
        watch
        and night_view.watch(console.settings(), run_id, terminal=console.err) is not RunStatus.SUCCEEDED
    ):
        raise typer.Exit(1)
