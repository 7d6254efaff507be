"""Commands about the models: dbt build, retry, freshness, docs, dictionary."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from dental_etl import pipeline, transform
from dental_etl.cli import console
from dental_etl.config import Settings
from dental_etl.run import DbtResult, DbtStatus, NodeResult, NodeStatus, new_run_id
from dental_etl.transform import environment, selection, state

_GOOD = {NodeStatus.SUCCESS, NodeStatus.WARN}
_DICTIONARY = Path("docs") / "data_dictionary.md"

AsOf = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Today, as the models see it.")]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(help="Build the dbt models over what has been loaded.", no_args_is_help=True)
    for command in (build, retry, freshness, docs, dictionary):
        group.command()(command)
    app.add_typer(group, name="dbt")


def build(
    *,
    selector: Annotated[str | None, typer.Option(help="A selector of selectors.yml.")] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(help="Models in dbt's own words: NAME, +NAME, tag:TAG; may be repeated."),
    ] = None,
    modified: Annotated[
        bool, typer.Option("--state", help="Only what the code changed since the last green build.")
    ] = False,
    catch_up: Annotated[
        bool, typer.Option("--catch-up", help="Only what stands on tables loaded since the last green build.")
    ] = False,
    as_of: AsOf = None,
) -> None:
    """Build and test the models; exit code 1 when a node fails, 2 when nothing answers to the selection.

    Such a build belongs to no run: its nodes are shown here and kept with the artifacts, and neither a report
    nor Flower lists them. `enqueue table NAME --dbt` and `run --table NAME --dbt` build in a run of their own.
    """
    settings, now = console.settings(), console.now()
    result = transform.build(
        settings,
        run_id=new_run_id(now),
        as_of_date=_day(settings, now, as_of),
        record=_show_node,
        selection=_selection(settings, selector, select or (), is_changed=modified, is_fresher=catch_up),
    )
    _end(result)


def retry(
    run: Annotated[str | None, typer.Argument(help="Run whose build failed; default the newest.")] = None,
) -> None:
    """Build again what failed in a build, and what was held back below; exit code 1 when a node fails.

    A run's report then says what the retry did.
    """
    _end(pipeline.retry_transform(console.settings(), run, clock=console.now, on_node=_show_node))


def freshness(*, as_of: AsOf = None) -> None:
    """Ask every source table when it was loaded last; exit code 1 when one is stale."""
    settings, now = console.settings(), console.now()
    result = transform.freshness(
        settings, run_id=new_run_id(now), as_of_date=_day(settings, now, as_of), record=_show_node
    )
    stale = [node for node in result.nodes if node.status is not NodeStatus.SUCCESS]
    _show(result)
    if stale:
        raise typer.Exit(1)


def docs(*, as_of: AsOf = None) -> None:
    """Write the catalogue of models as one page and print where it is."""
    settings, now = console.settings(), console.now()
    result = transform.docs(settings, run_id=new_run_id(now), as_of_date=_day(settings, now, as_of))
    console.out.print(f"{result.artifacts}/docs/static_index.html", markup=False, soft_wrap=True)


def dictionary(
    *, path: Annotated[Path | None, typer.Option(help=f"Default {_DICTIONARY} of the project.")] = None
) -> None:
    """Write the data dictionary of the dbt project; needs no database."""
    settings, now = console.settings(), console.now()
    page = transform.data_dictionary(settings, run_id=new_run_id(now), as_of_date=_day(settings, now, None))
    target = path or settings.project_root / _DICTIONARY
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")
    console.out.print(f"Wrote {target}", markup=False, soft_wrap=True)


def _day(settings: Settings, now: datetime, as_of: datetime | None) -> date:
    return as_of.date() if as_of else settings.window.run_date(now)


def _selection(
    settings: Settings, name: str | None, criteria: Sequence[str], *, is_changed: bool, is_fresher: bool
) -> selection.Selection | None:
    if sum((name is not None, bool(criteria), is_changed, is_fresher)) > 1:
        raise typer.BadParameter("Give one of --selector, --select, --state and --catch-up.")
    if is_changed:
        return selection.changed_code(state.last_success(settings))
    if is_fresher:
        return selection.new_rows(state.last_success(settings))
    if criteria:
        return selection.models(criteria)
    if name is None:
        return None
    environment.require_selector(settings.dbt_project_dir, name)
    return selection.selector(name)


def _show_node(node: NodeResult) -> None:
    style = "" if node.status in _GOOD else "red"
    console.out.print(f"{node.status:<16}{node.seconds:7.2f} s  {node.unique_id}", style=style, markup=False)


def _show(result: DbtResult) -> None:
    reason = f": {result.reason}" if result.reason else ""
    console.out.print(f"dbt {result.status} after {result.seconds:.1f} s, {len(result.nodes)} nodes{reason}")


def _end(result: DbtResult) -> None:
    _show(result)
    if result.status is DbtStatus.FAILED:
        raise typer.Exit(1)
