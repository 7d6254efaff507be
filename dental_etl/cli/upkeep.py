"""Commands that keep the house in order."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from dental_etl import maintenance
from dental_etl.cli import console
from dental_etl.tracking.migrations import migrate

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_to(app: typer.Typer) -> None:
    app.command()(maintain)


def maintain(*, as_json: Json = False) -> None:
    """Prune history, drop leftovers of broken copies, refresh statistics; never touches the source."""
    settings = console.settings()
    migrate(settings.analytics)
    done = maintenance.maintain(settings, console.now())
    if as_json:
        console.print_json(asdict(done))
        return
    view = console.table("TIDIED", ">COUNT")
    view.add_row("Runs pruned from the ledger", str(done.runs_pruned))
    view.add_row("Leftovers of broken copies dropped", str(done.leftovers_dropped))
    view.add_row("Tables vacuumed and analysed", str(done.tables_vacuumed))
    view.add_row("Proofs of tables that are not copied any more", str(done.proofs_pruned))
    view.add_row("Folders of old runs removed", str(done.artifacts_removed))
    console.out.print(view)
