"""Commands about the models: dbt build, dbt freshness."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from dental_etl import transform
from dental_etl.cli import console
from dental_etl.run import DbtResult, DbtStatus, NodeResult, NodeStatus, new_run_id

_GOOD = {NodeStatus.SUCCESS, NodeStatus.WARN}


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(help="Build the dbt models over what has been loaded.", no_args_is_help=True)
    group.command()(build)
    app.add_typer(group, name="dbt")


def build(
    *,
    selector: Annotated[str | None, typer.Option(help="A selector of selectors.yml.")] = None,
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Today, as the models see it.")
    ] = None,
) -> None:
    """Build and test the models; exit code 1 when a node fails."""
    settings, now = console.settings(), console.now()
    day = as_of.date() if as_of else settings.window.run_date(now)
    result = transform.build(
        settings, run_id=new_run_id(now), as_of_date=day, record=_show_node, selector=selector
    )
    _show(result)
    if result.status is DbtStatus.FAILED:
        raise typer.Exit(1)


def _show_node(node: NodeResult) -> None:
    style = "" if node.status in _GOOD else "red"
    console.out.print(f"{node.status:<16}{node.seconds:7.2f} s  {node.unique_id}", style=style, markup=False)


def _show(result: DbtResult) -> None:
    reason = f": {result.reason}" if result.reason else ""
    console.out.print(f"dbt {result.status} after {result.seconds:.1f} s, {len(result.nodes)} nodes{reason}")
