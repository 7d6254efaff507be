"""What the canvas itself costs, with 436 tables that have nothing to do: ``python -m ops.benchmarks.canvas``."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import redis
import typer
from rich.console import Console
from rich.table import Table

from dental_etl.config import DictConfigProvider, Settings, load_settings, read_tables
from dental_etl.config.tables import Tables
from dental_etl.config.tables_file import write_tables
from dental_etl.connections import connect
from dental_etl.run import Category, RunKind, RunStatus, new_run_id
from dental_etl.sandbox import clinic, servers
from dental_etl.schema_analysis import analyze
from dental_etl.tracking import ledger
from dental_etl.tracking.migrations import migrate
from workers import stack
from workers.routing import Queue

_LONGEST_SECONDS = 300.0
_ROOT = Path(__file__).parents[2]
_HOSTS = {
    "canvas-steering": ([Queue.CONTROL, Queue.DBT], 1),
    "canvas-reading": ([Queue.LARGE, Queue.EXTRACT], 2),
    "canvas-writing": ([Queue.LOAD], 2),
}
#: As in a clinic: a few large tables, most of them tiny.
_SHARES = ((6, Category.LARGE), (46, Category.MEDIUM), (146, Category.SMALL))
_WORK = {"nothing": "messages alone", "ledger": "with locks, claims and commits"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one night without work took."""

    work: str
    tables: int
    #: Until every message was with the broker.
    publish_seconds: float
    #: From the first message until the last table had ended.
    seconds: float
    #: Of the workers; what others do on this machine does not count.
    cpu_seconds: float
    redis_commands: int
    redis_peak_mb: float
    keys_left: int


def main(
    *,
    tables: Annotated[int, typer.Option(min=1, help="How many.")] = 436,
    rounds: Annotated[int, typer.Option(min=1, help="The best of so many counts.")] = 3,
    only: Annotated[str, typer.Option(help="`nothing` or `ledger`; both when empty.")] = "",
    directory: Annotated[Path, typer.Option(help="Of the sandbox.")] = Path(".sandbox-canvas"),
) -> None:
    """Play nights without work and print what they cost."""
    sandbox = servers.up(directory)
    directory = sandbox.directory
    try:
        variables = {**sandbox.environment(), "PROJECT_ROOT": str(_ROOT)}
        os.environ.update(variables)
        settings = load_settings(DictConfigProvider(variables))
        migrate(settings.analytics)
        clinic.create(sandbox, patients=10, as_of=date(2026, 1, 30))
        analyze(settings, now=datetime.now(UTC))
        _multiply_tables(settings.tables_file, tables)
        costs = [_best(directory, settings, variables, work, rounds) for work in _WORK if only in {"", work}]
    finally:
        stack.stop(directory)
        servers.destroy(directory)
    gc.collect()  # what Celery keeps of a published chord complains when the interpreter takes it down
    _print(costs)


def _best(directory: Path, settings: Settings, variables: dict[str, str], work: str, rounds: int) -> Cost:
    stack.stop(directory)
    for name, (queues, count) in _HOSTS.items():
        arguments = stack.worker_arguments(
            queues, processes=count, node=name, app="ops.benchmarks.canvas_app"
        )
        stack.log(directory, name).unlink(missing_ok=True)
        stack.start_one(directory, {**variables, "CANVAS_WORK": work}, name=name, arguments=arguments)
    _await(lambda: all(" ready." in _log(directory, name) for name in _HOSTS))
    return min((_night(directory, settings, work) for _ in range(rounds)), key=lambda cost: cost.seconds)


def _night(directory: Path, settings: Settings, work: str) -> Cost:
    from workers import nights

    run_id = _open(settings)
    client = redis.Redis.from_url(settings.broker_url)
    client.config_resetstat()
    before: Any = client.info()
    cpu, started = _cpu_seconds(directory), time.monotonic()
    nights.plan(run_id)
    published = time.monotonic() - started
    _await(lambda: _is_complete(settings, run_id))
    seconds = time.monotonic() - started
    after: Any = client.info()
    cost = Cost(
        work=work,
        tables=len(read_tables(settings.tables_file)),
        publish_seconds=published,
        seconds=seconds,
        cpu_seconds=_cpu_seconds(directory) - cpu,
        redis_commands=after["total_commands_processed"],
        redis_peak_mb=(after["used_memory_peak"] - before["used_memory"]) / 1024**2,
        keys_left=sum(int(count["keys"]) for name, count in after.items() if name.startswith("db"))
        - sum(int(count["keys"]) for name, count in before.items() if name.startswith("db")),
    )
    with connect(settings.analytics) as connection:
        ledger.close_run(connection, run_id, RunStatus.SUCCEEDED, datetime.now(UTC))
        connection.commit()
    return cost


def _open(settings: Settings) -> str:
    """Open a run as a person's rerun of everything: it may be repeated at any time."""
    import workers.app  # noqa: F401  # makes it the current app

    run_id = new_run_id(datetime.now(UTC))
    with connect(settings.analytics) as connection:
        ledger.open_run(
            connection,
            run_id=run_id,
            kind=RunKind.RERUN,
            run_date=date(2026, 1, 30),
            now=datetime.now(UTC),
            deadline=None,
            wants_dbt=False,
        )
        connection.commit()
    return run_id


def _multiply_tables(path: Path, count: int) -> None:
    """Let tables.yml list so many tables, in all sizes, made from those that it has."""
    known = read_tables(path)
    models = list(known)
    tables = {
        name: replace(models[number % len(models)], table_name=name, performance_category=_category(number))
        for number, name in enumerate(f"table{number:04}" for number in range(count))
    }
    write_tables(Tables(metadata=known.metadata, by_name=tables), path)


def _category(number: int) -> Category:
    return next((category for below, category in _SHARES if number < below), Category.TINY)


def _is_complete(settings: Settings, run_id: str) -> bool:
    with connect(settings.analytics) as connection:
        return ledger.run(connection, run_id).status is not RunStatus.ACTIVE


def _cpu_seconds(directory: Path) -> float:
    """Return what the workers took, with their children that have ended."""
    parents = [found for one in stack.processes(directory) if (found := one.find())]
    family = [process for parent in parents for process in (parent, *parent.children())]
    return sum(sum(process.cpu_times()[:4]) for process in family)


def _log(directory: Path, name: str) -> str:
    path = stack.log(directory, name)
    return path.read_text(errors="replace") if path.exists() else ""


def _await(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing came about in {_LONGEST_SECONDS:.0f} s; see the logs")
        time.sleep(0.05)


def _print(costs: list[Cost]) -> None:
    table = Table("436 tables".replace("436", str(costs[0].tables)), *(_WORK[cost.work] for cost in costs))
    rows = {
        "published after, s": [f"{cost.publish_seconds:.1f}" for cost in costs],
        "every table ended after, s": [f"{cost.seconds:.1f}" for cost in costs],
        "per table, ms": [f"{1000 * cost.seconds / cost.tables:.1f}" for cost in costs],
        "processor time of the workers, s": [f"{cost.cpu_seconds:.1f}" for cost in costs],
        "Redis commands": [f"{cost.redis_commands:,}" for cost in costs],
        "Redis memory at its peak, MB": [f"{cost.redis_peak_mb:.1f}" for cost in costs],
        "keys left in Redis": [str(cost.keys_left) for cost in costs],
    }
    for name, cells in rows.items():
        table.add_row(name, *cells)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
