"""Night after night over the synthetic clinic, with a rough day before each: ``python -m ops.benchmarks.rough_nights``.

In the middle the clinic upgrades Open Dental. Every morning an independent reader compares source and raw.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import fmean
from typing import Annotated

import psutil
import typer
from rich.console import Console

from dental_etl import pipeline
from dental_etl.config import Settings
from dental_etl.report import RunReport
from dental_etl.sandbox import change, clinic, servers
from dental_etl.sandbox.change import Violence
from dental_etl.sandbox.state import Sandbox
from dental_etl.sandbox.upgrade import upgrade
from dental_etl.schema_analysis import analyze
from ops.benchmarks.laboratory import settings_of
from ops.faults.verdict import different_tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What the day changed, what the night cost, and what the morning found."""

    number: int
    #: Rows that the day changed; those of the first night are the whole clinic.
    rows_changed: int
    seconds: float
    #: Of this process.
    cpu_seconds: float
    source_seconds: float
    longest_read_seconds: float
    reads: int
    rows_read: int
    rows_written: int
    rows_deleted: int
    megabytes_read: float
    different_tables: int
    failed_tables: int


def main(
    *,
    nights: Annotated[int, typer.Option(min=1, help="After the first, which copies everything.")] = 20,
    patients: Annotated[int, typer.Option(min=10, help="Of the clinic.")] = 2000,
    directory: Annotated[Path | None, typer.Option(help="Of the servers; they are removed.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write FILE.md and FILE.json.")] = None,
) -> None:
    """Play them, and end with 1 if any morning differs."""
    console = Console(width=150)
    home = directory or Path(tempfile.gettempdir()) / "dental_etl_rough_nights"
    try:
        sandbox = servers.up(home)
        clinic.create(sandbox, patients=patients, seed=1, as_of=date(2026, 1, 30))
        settings = settings_of(sandbox)
        analyze(settings, now=datetime.now(UTC))
        played = []
        for night in _play(sandbox, settings, nights):
            played.append(night)
            console.print(_line(night), soft_wrap=True)
    finally:
        servers.destroy(home)
    text = to_markdown(played, patients)
    console.print(text, soft_wrap=True)
    if output is not None:
        output.with_suffix(".md").write_text(text, encoding="utf-8")
        output.with_suffix(".json").write_text(json.dumps([asdict(one) for one in played], indent=1), "utf-8")
    if any(one.different_tables or one.failed_tables for one in played):
        raise typer.Exit(1)


def _play(sandbox: Sandbox, settings: Settings, nights: int) -> Iterator[Night]:
    yield _night(settings, 0, rows_changed=0)
    for number in range(1, nights + 1):
        day = change.change(sandbox, seed=number, violence=Violence.FULL)
        if number == (nights + 1) // 2:
            upgrade(sandbox)
        yield _night(settings, number, rows_changed=day.rows)


def _night(settings: Settings, number: int, *, rows_changed: int) -> Night:
    process = psutil.Process()
    started, cpu = time.monotonic(), sum(process.cpu_times()[:2])
    report = pipeline.run_here(settings, clock=lambda: datetime.now(UTC), wants_dbt=False)
    seconds, spent = time.monotonic() - started, sum(process.cpu_times()[:2]) - cpu
    return _measured(report, number, rows_changed, seconds, spent, different_tables(settings))


def _measured(  # what one night is made of
    report: RunReport, number: int, rows_changed: int, seconds: float, cpu_seconds: float, different: int
) -> Night:
    tables = report.tables
    return Night(
        number=number,
        rows_changed=rows_changed,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        source_seconds=sum(table.source_seconds for table in tables),
        longest_read_seconds=max(table.longest_read_seconds for table in tables),
        reads=sum(table.reads for table in tables),
        rows_read=sum(table.rows_read for table in tables),
        rows_written=sum(table.rows_written for table in tables),
        rows_deleted=sum(table.rows_deleted for table in tables),
        megabytes_read=sum(table.bytes_read for table in tables) / 2**20,
        different_tables=different,
        failed_tables=len(report.failed) + len(report.left_out),
    )


def to_markdown(played: list[Night], patients: int) -> str:
    """Render the first night and the average of the others."""
    first, others = played[0], played[1:]
    equal = sum(not (one.different_tables or one.failed_tables) for one in played)
    lines = [
        f"# {len(others)} rough nights, {patients:,} patients, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "",
        f"Equal value by value on {equal} of {len(played)} mornings.",
        "",
        "| | first night | average of the others | worst |",
        "| --- | --- | --- | --- |",
    ]
    for name in asdict(first):
        if name in {"number", "different_tables", "failed_tables"}:
            continue
        values = [float(getattr(one, name)) for one in others]
        cells = (float(getattr(first, name)), fmean(values), max(values))
        lines.append(f"| {name.replace('_', ' ')} | {' | '.join(f'{cell:,.1f}' for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _line(night: Night) -> str:
    morning = "equal"
    if night.different_tables or night.failed_tables:
        morning = f"{night.different_tables} tables DIFFER, {night.failed_tables} failed"
    return (
        f"night {night.number:2}: {night.rows_changed:6,} rows changed; {night.seconds:6.1f} s, ours "
        f"{night.cpu_seconds:5.1f} CPU s, source {night.source_seconds:5.1f} s, {night.rows_read:8,} rows read, "
        f"{night.rows_written:7,} written, {night.rows_deleted:5,} deleted; {morning}"
    )


if __name__ == "__main__":
    typer.run(main)
