"""Commands for the synthetic clinic: up, status, change, down, destroy."""

from __future__ import annotations

import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from dental_etl.cli import SANDBOX, console
from dental_etl.exceptions import SandboxError
from dental_etl.sandbox import change as days
from dental_etl.sandbox import clinic, servers, upgrade

Directory = Annotated[Path, typer.Option("--directory", help="Where the servers keep their data.")]
Seed = Annotated[int, typer.Option("--seed", help="The same seed makes the same rows.")]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(help="A clinic made of synthetic data, on private servers.", no_args_is_help=True)
    for command in (up, status, change, down, destroy):
        group.command()(command)
    app.add_typer(group, name="sandbox")


def up(
    *,
    patients: Annotated[int, typer.Option(min=1, max=50_000, help="Size of the clinic.")] = 2_000,
    seed: Seed = 1,
    directory: Directory = SANDBOX,
) -> None:
    """Start the servers; create and fill the clinic if there is none.

    The two MySQL databases are served by this machine's MariaDB. SANDBOX_SOURCE_SERVER and
    SANDBOX_REPLICATION_SERVER name another program when the sandbox is made: mysqld, its path, or a
    script of that name.
    """
    started = time.monotonic()
    sandbox = servers.up(directory)
    if not clinic.exists(sandbox):
        summary = clinic.create(sandbox, patients=patients, seed=seed, as_of=date.today())  # noqa: DTZ011  # the clinic's own calendar
        console.out.print(f"Created a clinic: {summary.tables} tables, {summary.rows:,} rows.")
    console.out.print(f"The sandbox is up after {time.monotonic() - started:.1f} s.")
    _print_status(directory)
    console.out.print(f"\nUse it: dental-etl --sandbox COMMAND, or: set -a; . {directory}/.env_test; set +a")


def status(*, directory: Directory = SANDBOX) -> None:
    """Show the servers, their ports and whether they answer."""
    _print_status(directory)


def change(
    *,
    seed: Seed = 1,
    full: Annotated[
        bool, typer.Option("--full", help="Also edits and deletes that leave no stamp anywhere.")
    ] = False,
    with_upgrade: Annotated[
        bool,
        typer.Option("--upgrade", help="Also an Open Dental upgrade: columns and tables that come and go."),
    ] = False,
    directory: Directory = SANDBOX,
) -> None:
    """Play a day at the clinic: inserts, edits, deletes."""
    violence = days.Violence.FULL if full else days.Violence.GENTLE
    if not servers.status(directory):
        raise SandboxError(f"There is no sandbox in {directory}. Make one with: dental-etl sandbox up")
    sandbox = servers.up(directory)
    if with_upgrade:
        for done in upgrade.upgrade(sandbox):
            console.out.print(f"  {done}", markup=False)
    print_change(days.change(sandbox, seed=seed, violence=violence))


def down(*, directory: Directory = SANDBOX) -> None:
    """Stop the servers; their data stays."""
    servers.down(directory)
    console.out.print("The sandbox is down.")


def destroy(*, directory: Directory = SANDBOX) -> None:
    """Stop the servers and delete the synthetic clinic."""
    servers.destroy(directory)
    console.out.print("The sandbox is gone.")


def print_change(summary: days.ChangeSummary) -> None:
    """Print what a day at the clinic changed, as counts."""
    rows: Counter[days.ChangeKind] = Counter()
    tables = Counter(one.kind for one in summary.changes)
    for one in summary.changes:
        rows[one.kind] += one.rows
    for kind in days.ChangeKind:
        if rows[kind]:
            name = kind.replace("_", " ")
            console.out.print(f"  {rows[kind]:>7,} rows {name} in {tables[kind]} tables", markup=False)


def _print_status(directory: Path) -> None:
    states = servers.status(directory)
    if not states:
        console.out.print(f"There is no sandbox in {directory}. Make one with: dental-etl sandbox up")
        return
    view = console.table("SERVER", "PROGRAM", "STATE", ">PORT", ">PID")
    for state in states:
        is_up = "running" if state.is_running else "stopped"
        view.add_row(state.name, state.kind.label, is_up, str(state.port), str(state.pid or "-"))
    console.out.print(view)
