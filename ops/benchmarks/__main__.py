"""Copy the same tables in every way, in one run, and say what each took: ``python -m ops.benchmarks``."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.markdown import Markdown

from ops.benchmarks import clinic as clinics
from ops.benchmarks import datasets
from ops.benchmarks.contestants import Contestant
from ops.benchmarks.datasets import Dataset, Shape
from ops.benchmarks.laboratory import laboratory
from ops.benchmarks.results import Results, to_markdown
from ops.benchmarks.trials import Trials, everybody

_FULL_ROWS = 1_000_000
#: Rows of the whole clinic for each row of the wide table.
_CLINIC_FACTOR = 5


def main(  # noqa: PLR0913  # one parameter for each option
    *,
    rows: Annotated[int, typer.Option(min=1000, help="Of the wide table; the narrow has twice as many.")] = (
        100_000
    ),
    full: Annotated[bool, typer.Option("--full", help="1 million and 2 million rows.")] = False,
    clinic: Annotated[
        bool, typer.Option("--clinic", help="Instead: 436 tables, 5 rows for each one.")
    ] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Every second one in reverse order.")] = 2,
    with_peers: Annotated[bool, typer.Option("--peers/--no-peers", help="Other tools too.")] = True,
    only: Annotated[list[str] | None, typer.Option(help="Contestants whose name contains this.")] = None,
    table: Annotated[list[Shape] | None, typer.Option(help="Only these tables.")] = None,
    engine: Annotated[str, typer.Option(help="InnoDB or MyISAM, at the source.")] = "InnoDB",
    memory_mb: Annotated[int, typer.Option(help="InnoDB buffer pool of each MariaDB server.")] = 1024,
    directory: Annotated[
        Path | None, typer.Option(help="Servers, tools and logs; default below the temporary folder.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the source's tables for the next time.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write FILE.md and FILE.json.")] = None,
) -> None:
    """Measure our hops beside the servers' own limits and beside other tools."""
    logging.basicConfig(level=logging.WARNING)
    console = Console()
    wide_rows = _FULL_ROWS if full else rows
    copied: tuple[Dataset, ...]
    contestants: tuple[Contestant, ...]
    if clinic:
        tables = datasets.clinic(_CLINIC_FACTOR * wide_rows, engine)
        copied, contestants = (clinics.all_of(tables),), (clinics.contestant(tables),)
    else:
        tables = tuple(one for one in datasets.datasets(wide_rows, engine) if not table or one.shape in table)
        copied, contestants = tables, everybody(with_peers=with_peers)
    home = directory or Path(tempfile.gettempdir()) / "dental_etl_benchmark"
    home.mkdir(parents=True, exist_ok=True)
    load_average, begun_at = os.getloadavg()[0], datetime.now(UTC)
    console.print(f"Making the servers and {len(tables)} tables in {home} ...")
    with laboratory(home, tables, keep=keep, memory_mb=memory_mb) as lab:
        trials = Trials(lab=lab, rounds=rounds, console=console)
        chosen = [one for one in contestants if not only or any(part in one.name for part in only)]
        measurements = tuple(trials.run(chosen, copied))
    results = Results(
        begun_at=begun_at,
        machine=_machine(),
        load_average=load_average,
        engine=engine,
        measurements=measurements,
        skipped=tuple(trials.skipped),
    )
    _show(results, output, console)


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GB"


def _show(results: Results, output: Path | None, console: Console) -> None:
    text = to_markdown(results)
    console.print(Markdown(text) if console.is_terminal else text, soft_wrap=not console.is_terminal)
    if output is not None:
        output.with_suffix(".md").write_text(text, encoding="utf-8")
        output.with_suffix(".json").write_text(json.dumps(results.to_json(), indent=1), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
