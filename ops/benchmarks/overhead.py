"""What a table costs that has next to nothing in it: ``python -m ops.benchmarks.overhead``.

A clinic of several hundred small tables is played for some nights in one process, the way ``dental-etl
run --all`` works: the first night copies, the others find nothing changed. Counted are our processor time,
our memory, and what the servers themselves say of connections and statements.
"""

from __future__ import annotations

import logging
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from dental_etl import pipeline
from dental_etl.connections import connect
from dental_etl.sandbox.state import Server, ServerName
from dental_etl.tracking.migrations import migrate
from ops.benchmarks import resources
from ops.benchmarks.datasets import Dataset, Shape
from ops.benchmarks.laboratory import Laboratory, laboratory

_MYSQL_COUNTERS = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Connections', 'Questions')"
_POSTGRES_COUNTERS = (
    "SELECT sessions, xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
)
#: PostgreSQL's sessions report what they did when they become idle, and at most once a second.
_REPORT_SECONDS = 1.5
_MEMORY_BUDGET_MB = 64.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What a server has counted since it was started."""

    connections: int
    #: Statements at MariaDB, transactions at PostgreSQL.
    statements: int

    def since(self, before: Counters) -> Counters:
        return Counters(
            connections=self.connections - before.connections, statements=self.statements - before.statements
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What one night over all tables took."""

    seconds: float
    cpu_seconds: float
    server_cpu_seconds: dict[ServerName, float]
    counters: dict[ServerName, Counters]
    #: Most memory above what the process had before its first night.
    peak_mb: float
    #: What of it was still there after the night.
    kept_mb: float


def main(
    *,
    tables: Annotated[int, typer.Option(min=1, help="How many.")] = 436,
    rows: Annotated[int, typer.Option(min=1, help="Of each table.")] = 20,
    nights: Annotated[
        int, typer.Option(min=1, help="The first copies; nothing changes before the others.")
    ] = 3,
    engine: Annotated[str, typer.Option(help="InnoDB or MyISAM, at the source.")] = "MyISAM",
    directory: Annotated[
        Path | None, typer.Option(help="Servers; default below the temporary folder.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the source's tables for the next time.")] = False,
) -> None:
    """Play nights over small tables and print what one table costs."""
    logging.basicConfig(level=logging.ERROR)
    home = directory or Path(tempfile.gettempdir()) / "dental_etl_overhead"
    home.mkdir(parents=True, exist_ok=True)
    with laboratory(home, _datasets(tables, rows, engine), keep=keep, memory_mb=256) as lab:
        measured = _nights(lab, nights)
    _print(measured, tables)


def _datasets(tables: int, rows: int, engine: str) -> tuple[Dataset, ...]:
    shapes = (Shape.CLEAN, Shape.NARROW, Shape.NARROW)
    return tuple(
        Dataset(table=f"small{number:03}", shape=shapes[number % len(shapes)], rows=rows, engine=engine)
        for number in range(tables)
    )


def _nights(lab: Laboratory, count: int) -> list[Night]:
    _warm_up(lab)
    idle_mb = resources.status_mb("VmRSS")
    return [_night(lab, idle_mb) for _ in range(count)]


def _warm_up(lab: Laboratory) -> None:
    """Do what a worker has done before its first message."""
    migrate(lab.settings.analytics)
    for database in (lab.settings.source, lab.settings.replication, lab.settings.analytics):
        with connect(database):
            pass


def _night(lab: Laboratory, idle_mb: float) -> Night:
    lab.settle()
    counters, servers = _counters(lab), lab.cpu_seconds()
    resources.forget_peak()
    started, cpu = time.monotonic(), _cpu_seconds()
    report = pipeline.run_here(lab.settings, clock=lambda: datetime.now(UTC), wants_dbt=False)
    seconds, cpu = time.monotonic() - started, _cpu_seconds() - cpu
    if not report.pipeline_success:
        raise SystemExit("the night failed; the run's report says why")
    servers_after = lab.cpu_seconds()
    time.sleep(_REPORT_SECONDS)
    return Night(
        seconds=seconds,
        cpu_seconds=cpu,
        server_cpu_seconds={name: servers_after[name] - servers[name] for name in servers},
        counters={name: after.since(counters[name]) for name, after in _counters(lab).items()},
        peak_mb=resources.status_mb("VmHWM") - idle_mb,
        kept_mb=resources.status_mb("VmRSS") - idle_mb,
    )


def _counters(lab: Laboratory) -> dict[ServerName, Counters]:
    with lab.postgres() as connection, connection.cursor() as cursor:
        cursor.execute(_POSTGRES_COUNTERS)
        sessions, transactions = cursor.fetchone()
    return {
        ServerName.SOURCE: _mysql_counters(lab, lab.sandbox.source),
        ServerName.REPLICATION: _mysql_counters(lab, lab.sandbox.replication),
        ServerName.ANALYTICS: Counters(connections=sessions, statements=transactions),
    }


def _mysql_counters(lab: Laboratory, server: Server) -> Counters:
    with lab.mysql(server) as connection, connection.cursor() as cursor:
        cursor.execute(_MYSQL_COUNTERS)
        found = {str(name): int(value) for name, value in cursor.fetchall()}
    return Counters(connections=found["Connections"], statements=found["Questions"])


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _print(nights: list[Night], tables: int) -> None:
    names = ["first night", *(f"nothing changed ({number})" for number in range(1, len(nights)))]
    view = Table(f"{tables} small tables, per table", *names)

    def add(what: str, cell: Callable[[Night], Any]) -> None:
        view.add_row(what, *(str(cell(night)) for night in nights))

    add("wall, ms", lambda night: f"{1000 * night.seconds / tables:.1f}")
    add("our processor time, ms", lambda night: f"{1000 * night.cpu_seconds / tables:.1f}")
    for name in (ServerName.SOURCE, ServerName.REPLICATION, ServerName.ANALYTICS):
        unit = "transactions" if name is ServerName.ANALYTICS else "statements"
        _add_server(add, name, unit, tables)
    add("most memory above idle, MB in all", lambda night: f"{night.peak_mb:.0f}")
    add("kept afterwards, MB in all", lambda night: f"{night.kept_mb:.0f}")
    Console().print(view)
    worst = max(night.peak_mb for night in nights)
    verdict = "met" if worst <= _MEMORY_BUDGET_MB else "MISSED"
    Console().print(f"Memory: {worst:.0f} MB of {_MEMORY_BUDGET_MB:.0f} MB above idle, {verdict}.")


def _add_server(
    add: Callable[[str, Callable[[Night], Any]], None], name: ServerName, unit: str, tables: int
) -> None:
    add(f"{name}: processor time, ms", lambda night: f"{1000 * night.server_cpu_seconds[name] / tables:.1f}")
    add(f"{name}: connections", lambda night: f"{night.counters[name].connections / tables:.1f}")
    add(f"{name}: {unit}", lambda night: f"{night.counters[name].statements / tables:.1f}")


if __name__ == "__main__":
    typer.run(main)
