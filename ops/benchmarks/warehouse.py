"""What ``dbt build`` takes for clinics of several sizes: ``python -m ops.benchmarks.warehouse``."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown
from sqlalchemy import text

from dental_etl import pipeline, transform
from dental_etl.config import DictConfigProvider, Settings, load_settings
from dental_etl.connections import connect
from dental_etl.run import DbtResult, NodeResult, new_run_id
from dental_etl.sandbox import clinic, servers
from dental_etl.schema_analysis import analyze
from dental_etl.tracking.migrations import migrate

#: No node may take longer, whatever the size.
_SLOW_SECONDS = 10.0
_SHOWN = 10
_ROOT = Path(__file__).parents[2]
_AS_OF = date(2026, 11, 20)
_RAW_MB = text(
    "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) / 1024.0 / 1024.0 FROM pg_class"
    " WHERE relnamespace = CAST('raw' AS regnamespace) AND relkind = 'r'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A second build over one clinic: relations exist, the project is parsed."""

    patients: int
    raw_rows: int
    raw_mb: float
    #: First builds parse the project and have no statistics.
    first_seconds: float
    result: DbtResult

    @property
    def seconds_by_node(self) -> Mapping[str, float]:
        return {_name(node): node.seconds for node in self.result.nodes}


def main(
    *,
    patients: Annotated[
        list[int] | None, typer.Option(help="A size; may be repeated, smallest first.")
    ] = None,
    directory: Annotated[Path, typer.Option(help="Of the sandboxes.")] = Path(".sandbox-warehouse"),
    output: Annotated[Path | None, typer.Option(help="Write this Markdown file too.")] = None,
) -> None:
    """Load synthetic clinics and build the models over each, twice; print the second."""
    load_average = os.getloadavg()[0]
    builds = [_measure(directory / str(size), size) for size in patients or (2_000, 20_000)]
    said = "\n".join(_report(builds, load_average))
    console = Console()
    console.print(Markdown(said) if console.is_terminal else said, soft_wrap=not console.is_terminal)
    if output is not None:
        output.write_text(said + "\n", encoding="utf-8")
    if any(build.result.reason for build in builds):
        raise typer.Exit(1)


def _measure(directory: Path, patients: int) -> Build:
    with _loaded_clinic(directory, patients) as (settings, raw_rows):
        first, second = (_build(settings) for _ in range(2))
        with connect(settings.analytics) as connection:
            raw_mb = float(connection.execute(_RAW_MB).scalar_one())
    return Build(
        patients=patients, raw_rows=raw_rows, raw_mb=raw_mb, first_seconds=first.seconds, result=second
    )


@contextmanager
def _loaded_clinic(directory: Path, patients: int) -> Iterator[tuple[Settings, int]]:
    """Yield the settings of a sandbox whose raw is loaded, and the rows in it."""
    sandbox = servers.up(directory)
    try:
        settings = load_settings(DictConfigProvider({**sandbox.environment(), "PROJECT_ROOT": str(_ROOT)}))
        settings = replace(settings, artifacts_url=str(sandbox.directory / "artifacts"))
        migrate(settings.analytics)
        made = clinic.create(sandbox, patients=patients, as_of=_AS_OF)
        analyze(settings, now=datetime.now(UTC))
        pipeline.run_here(settings, clock=lambda: datetime.now(UTC), wants_dbt=False)
        yield settings, made.rows
    finally:
        servers.destroy(directory)


def _build(settings: Settings) -> DbtResult:
    run_id = new_run_id(datetime.now(UTC))
    begun = time.monotonic()
    result = transform.build(settings, run_id=run_id, as_of_date=_AS_OF, record=_ignore)
    return replace(result, seconds=time.monotonic() - begun)


def _report(builds: Sequence[Build], load_average: float) -> Iterator[str]:
    yield f"# dbt build, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n"
    yield f"{os.cpu_count()} cores, load average {load_average:.1f} before. Second builds of the whole project.\n"
    yield "| patients | rows of raw | MB of raw | first build, s | build, s | nodes | above 10 s | failed |"
    yield "|---:|---:|---:|---:|---:|---:|---|---|"
    for build in builds:
        slow = [name for name, seconds in build.seconds_by_node.items() if seconds > _SLOW_SECONDS]
        yield (
            f"| {build.patients:,} | {build.raw_rows:,} | {build.raw_mb:,.0f} | {build.first_seconds:.1f} "
            f"| {build.result.seconds:.1f} | {len(build.result.nodes)} | {', '.join(sorted(slow)) or 'none'} "
            f"| {build.result.reason or 'none'} |"
        )
    yield from _nodes(builds)


def _nodes(builds: Sequence[Build]) -> Iterator[str]:
    """Say how the slowest nodes of the largest clinic grew: what grows faster than the rows is not linear."""
    first, last = builds[0], builds[-1]
    growth = last.raw_rows / first.raw_rows
    yield f"\nRows grew {growth:.1f} times. The slowest nodes of the largest clinic:\n"
    yield f"| node | s with {first.patients:,} | s with {last.patients:,} | times |"
    yield "|---|---:|---:|---:|"
    slowest = sorted(last.seconds_by_node.items(), key=lambda node: -node[1])[:_SHOWN]
    for name, seconds in slowest:
        before = first.seconds_by_node.get(name, 0.0)
        times = f"{seconds / before:.1f}" if before else "-"
        yield f"| {name} | {before:.2f} | {seconds:.2f} | {times} |"


def _name(node: NodeResult) -> str:
    return node.unique_id.split(".", 2)[-1] if node.resource_type == "model" else node.unique_id


def _ignore(_node: NodeResult) -> None:
    """Record nothing; the result has them all."""


if __name__ == "__main__":
    typer.run(main)
