"""Copy the same tables in every way, in one run, and say what each took: ``python -m ops.benchmarks``."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.markdown import Markdown

from ops.benchmarks import hops, limits, peers
from ops.benchmarks.contestants import Contestant, Kind, NotInstallableError
from ops.benchmarks.datasets import Dataset, DatasetName, datasets
from ops.benchmarks.laboratory import Laboratory, laboratory
from ops.benchmarks.measure import ContestantError, measured
from ops.benchmarks.results import Measurement, Results, to_markdown

logger = logging.getLogger(__name__)
_FULL_ROWS = 1_000_000


def main(  # noqa: PLR0913  # one parameter for each option
    *,
    rows: Annotated[
        int, typer.Option(min=1000, help="Rows of the wide table; the narrow has twice as many.")
    ] = 100_000,
    full: Annotated[bool, typer.Option("--full", help="1 million and 2 million rows.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Every second one in reverse order.")] = 2,
    with_peers: Annotated[bool, typer.Option("--peers/--no-peers", help="Other tools too.")] = True,
    only: Annotated[list[str] | None, typer.Option(help="Contestants whose name contains this.")] = None,
    table: Annotated[list[DatasetName] | None, typer.Option(help="Only these tables.")] = None,
    engine: Annotated[str, typer.Option(help="InnoDB or MyISAM, at the source.")] = "InnoDB",
    memory_mb: Annotated[int, typer.Option(help="InnoDB buffer pool of each MariaDB server.")] = 1024,
    directory: Annotated[
        Path | None, typer.Option(help="Servers, tools and logs; default below /tmp.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the tables for the next time.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write FILE.md and FILE.json.")] = None,
) -> None:
    """Measure our hops beside the servers' own limits and beside other tools."""
    logging.basicConfig(level=logging.WARNING)
    console = Console()
    chosen = tuple(
        one for one in datasets(_FULL_ROWS if full else rows, engine) if table is None or one.name in table
    )
    wanted = [
        one
        for one in (*limits.contestants(), *hops.contestants(), *(peers.contestants() if with_peers else ()))
        if only is None or any(part in one.name for part in only)
    ]
    home = directory or Path(tempfile.gettempdir()) / "dental_etl_benchmark"
    home.mkdir(parents=True, exist_ok=True)
    load_average, begun_at = os.getloadavg()[0], datetime.now(UTC)
    console.print(f"Making the servers and {len(chosen)} tables in {home} ...")
    with laboratory(home, chosen, keep=keep, memory_mb=memory_mb) as lab:
        ready, skipped = _installed(lab, wanted)
        found = tuple(_measurements(lab, ready, chosen, rounds, skipped, console))
    results = Results(
        begun_at=begun_at,
        machine=_machine(),
        load_average=load_average,
        engine=engine,
        measurements=found,
        skipped=tuple(dict.fromkeys(skipped)),
    )
    _show(results, output, console)


def _installed(lab: Laboratory, wanted: Sequence[Contestant]) -> tuple[list[Contestant], list[str]]:
    ready, skipped = [], []
    for one in wanted:
        try:
            one.install(lab)
        except NotInstallableError as error:
            skipped.append(f"{one.name}: {error}")
        else:
            ready.append(one)
    return ready, skipped


def _measurements(
    lab: Laboratory,
    contestants: Sequence[Contestant],
    tables: Sequence[Dataset],
    rounds: int,
    skipped: list[str],
    console: Console,
) -> Iterator[Measurement]:
    """Measure every pair; the table with zero dates is for those who can copy it, the clean one for all.

    The servers' limits follow our own hops: what they fill is modelled on what ours made.
    """
    for number in range(1, rounds + 1):
        order = list(contestants) if number % 2 else list(reversed(contestants))
        for dataset in tables:
            for one in order:
                if not _is_wanted(one, dataset):
                    continue
                try:
                    yield _measure(lab, one, dataset, number, console)
                except ContestantError as error:
                    skipped.append(f"{one.name} on {dataset.table}: {error}")
                    console.print(f"[red]{skipped[-1]}")


def _is_wanted(one: Contestant, dataset: Dataset) -> bool:
    if dataset.name is DatasetName.WIDE:
        return one.takes_zero_dates
    return dataset.name is DatasetName.NARROW or one.kind is not Kind.LIMIT


def _measure(
    lab: Laboratory, one: Contestant, dataset: Dataset, number: int, console: Console
) -> Measurement:
    go = one.prepare(lab, dataset)
    lab.settle()
    cost = measured(lab, go)
    verdict = one.verify(lab, dataset) if one.verify else None
    found = Measurement(
        contestant=one.name,
        kind=one.kind,
        hop=one.hop,
        dataset=dataset.name,
        rows=dataset.rows,
        round=number,
        cost=cost,
        verdict=verdict,
    )
    console.print(
        f"{number} {dataset.table:13} {one.name:40} {found.seconds:7.2f} s  client {cost.client.cpu_seconds:6.2f}"
        f"  servers {cost.server_cpu_seconds:6.2f}  peak {cost.client.peak_mb:5.0f} MB"
        f"  others {cost.others_cores:.1f}  {verdict.detail if verdict else ''}"
    )
    return found


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GB"


def _show(results: Results, output: Path | None, console: Console) -> None:
    text = to_markdown(results)
    console.print(Markdown(text) if console.is_terminal else text)
    if output is not None:
        output.with_suffix(".md").write_text(text, encoding="utf-8")
        output.with_suffix(".json").write_text(json.dumps(results.to_json(), indent=1), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
