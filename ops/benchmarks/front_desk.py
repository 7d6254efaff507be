"""Whether a busy front desk feels us: ``python -m ops.benchmarks.front_desk``.

Processes play the clinic's computers on MyISAM tables. Their statements are timed while nothing else
happens, beside our nights, beside a copy with one read per table, and beside processes that only use up
what processor time the machine has: what is worse beside us than beside those is locks, not processors.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console

from dental_etl.connections import connect
from dental_etl.run import RunKind, SourceVisit
from dental_etl.sandbox import processes
from dental_etl.sandbox.state import ADMIN_USER, LOOPBACK
from dental_etl.tracking import ledger
from ops.benchmarks.datasets import Dataset, Shape
from ops.benchmarks.desk_results import Condition, DeskResults, Played, to_markdown
from ops.benchmarks.laboratory import Laboratory, forget_copies, laboratory
from ops.benchmarks.measure import Worker
from ops.benchmarks.ours import ALL

_ROOT = Path(__file__).parents[2]
#: Rows of each table for every row of the largest.
_TABLES = {"procedurelog": 1.0, "appointment": 0.3, "patient": 0.1}
_LOCK_WAITS = "SHOW GLOBAL STATUS LIKE 'Table_locks_waited'"
_COPY = "copied"
#: What a copy with one read per table does, as many are done by hand.
_DUMP = (
    "set -o pipefail; mariadb-dump --no-defaults --protocol=tcp --host={host} --port={port} --user={user}"
    " --skip-lock-tables --quick {database} {tables}"
    " | MYSQL_PWD=$TARGET_PWD mariadb --no-defaults --protocol=tcp --host={target_host} --port={target_port} --user={target_user}"
    " {copy}"
)


def main(  # one parameter for each option
    *,
    rows: Annotated[int, typer.Option(min=1000, help="Of the largest of three tables.")] = 100_000,
    seconds: Annotated[float, typer.Option(min=1, help="Of the rounds beside nothing of ours.")] = 15.0,
    rounds: Annotated[int, typer.Option(min=1, help="Every second one in reverse order.")] = 2,
    desks: Annotated[int, typer.Option(min=1, help="Computers at the front desk.")] = 4,
    period_ms: Annotated[int, typer.Option(min=1, help="From one statement of a desk to its next.")] = 25,
    niceness: Annotated[
        int, typer.Option(help="Of everything that stands elsewhere in real life: us, and our databases.")
    ] = 10,
    directory: Annotated[
        Path | None, typer.Option(help="Servers and logs; default below the temporary folder.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write FILE.md and FILE.json.")] = None,
) -> None:
    """Measure the front desk's waiting, alone and beside copies of its tables."""
    console = Console()
    tables = tuple(
        Dataset(table=name, shape=Shape.CLEAN, rows=max(1000, int(rows * share)), engine="MyISAM")
        for name, share in _TABLES.items()
    )
    home = directory or Path(tempfile.gettempdir()) / "dental_etl_front_desk"
    home.mkdir(parents=True, exist_ok=True)
    load_average, begun_at = os.getloadavg()[0], datetime.now(UTC)
    with laboratory(home, tables, keep=False, memory_mb=256) as lab:
        _step_back(lab, niceness)
        with _front_desk(lab, tables, desks, period_ms) as desk:
            os.nice(niceness)  # whatever is started from here on, but not the desks
            stage = _Stage(lab=lab, tables=tables, seconds=seconds)
            played = []
            for number in range(1, rounds + 1):
                order = list(Condition) if number % 2 else _reversed()
                played += [stage.play(desk, condition, number) for condition in order]
                console.print(f"Round {number} of {rounds} is done")
    results = DeskResults(
        begun_at=begun_at,
        machine=f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GB",
        load_average=load_average,
        tables={table.table: table.rows for table in tables},
        desks=desks,
        period_ms=period_ms,
        played=tuple(played),
    )
    text = to_markdown(results)
    console.print(text, soft_wrap=True, markup=False)
    if output is not None:
        output.with_suffix(".md").write_text(text, encoding="utf-8")
        output.with_suffix(".json").write_text(json.dumps(results.to_json(), indent=1), encoding="utf-8")


def _reversed() -> list[Condition]:
    """A night of changes follows a first night, whatever the order of the rest."""
    order: list[Condition] = [one for one in reversed(Condition) if one is not Condition.CHANGES]
    order.insert(order.index(Condition.FIRST) + 1, Condition.CHANGES)
    return order


class _FrontDesk:
    """All desks, which begin and end together."""

    def __init__(self, desks: list[subprocess.Popen[str]]) -> None:
        self._desks = desks
        for desk in desks:
            self._answer(desk)

    def during(self, work: Callable[[], object]) -> list[tuple[str, float]]:
        """Return the kind and the seconds of every statement that was planned while the work was done."""
        self._tell()
        work()
        self._tell()
        return [(kind, took) for desk in self._desks for kind, took in json.loads(self._answer(desk))]

    def _tell(self) -> None:
        for desk in self._desks:
            assert desk.stdin is not None  # noqa: S101  # opened below
            desk.stdin.write("\n")
            desk.stdin.flush()

    @staticmethod
    def _answer(desk: subprocess.Popen[str]) -> str:
        assert desk.stdout is not None  # noqa: S101  # opened below
        line = desk.stdout.readline()
        if not line:
            raise SystemExit("a desk has ended; its error stands above")
        return line


@contextlib.contextmanager
def _front_desk(
    lab: Laboratory, tables: tuple[Dataset, ...], desks: int, period_ms: int
) -> Iterator[_FrontDesk]:
    named = [f"{table.table}:{table.rows}" for table in tables]
    command = [sys.executable, "-m", "ops.benchmarks.desk_client", str(lab.sandbox.directory)]
    started = [
        subprocess.Popen(
            [*command, str(seed), str(period_ms), *named],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )
        for seed in range(desks)
    ]
    try:
        yield _FrontDesk(started)
    finally:
        for desk in started:
            desk.kill()
            desk.communicate()


class _Stage:
    """Plays the front desk under one condition after the other."""

    def __init__(self, *, lab: Laboratory, tables: tuple[Dataset, ...], seconds: float) -> None:
        self._lab = lab
        self._tables = tables
        self._seconds = seconds

    def play(self, desk: _FrontDesk, condition: Condition, number: int) -> Played:
        work = self._prepared(condition)
        self._lab.settle()
        waits, cpu, started = self._lock_waits(), self._lab.cpu_seconds(), time.monotonic()
        statements = desk.during(work)
        seconds, after = time.monotonic() - started, self._lab.cpu_seconds()
        visits = self._visits() if condition in {Condition.FIRST, Condition.CHANGES} else ()
        return Played(
            condition=condition,
            round=number,
            seconds=seconds,
            lock_waits=self._lock_waits() - waits,
            server_cpu_seconds=sum(after.values()) - sum(cpu.values()),
            source_seconds=sum(visit.seconds for visit in visits),
            longest_read_seconds=max((visit.longest_read_seconds for visit in visits), default=0.0),
            paused_seconds=sum(sum(visit.pauses.values()) for visit in visits),
            statements=tuple(statements),
        )

    def _prepared(self, condition: Condition) -> Callable[[], object]:
        if condition is Condition.ALONE:
            return lambda: time.sleep(self._seconds)
        if condition is Condition.PROCESSORS:
            return lambda: _burn(self._seconds)
        if condition is Condition.DUMP:
            return self._dump()
        if condition is Condition.FIRST:
            forget_copies(self._lab)
        return Worker([str(self._lab.sandbox.directory), ALL], self._lab.directory / "dental_etl.log").work

    def _dump(self) -> Callable[[], object]:
        with self._lab.mysql(self._lab.sandbox.replication) as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {_COPY}")
            cursor.execute(f"CREATE DATABASE {_COPY}")
        source, target = self._lab.settings.source, self._lab.sandbox.replication
        command = _DUMP.format(
            host=source.host,
            port=source.port,
            user=source.user,
            database=source.database,
            tables=" ".join(table.table for table in self._tables),
            target_host=LOOPBACK,
            target_port=target.port,
            target_user=ADMIN_USER,
            copy=_COPY,
        )
        environment = os.environ | {"MYSQL_PWD": source.password, "TARGET_PWD": target.admin_password}
        return lambda: subprocess.run(["/bin/bash", "-c", command], env=environment, check=True)

    def _visits(self) -> tuple[SourceVisit, ...]:
        with connect(self._lab.settings.analytics) as connection:
            newest = next(run for run in ledger.runs(connection, limit=1) if run.kind is RunKind.MANUAL)
            return ledger.visits(connection, newest.run_id)

    def _lock_waits(self) -> int:
        with self._lab.mysql(self._lab.sandbox.source) as connection, connection.cursor() as cursor:
            cursor.execute(_LOCK_WAITS)
            return int(cursor.fetchone()[1])


def _burn(seconds: float) -> None:
    """Keep every core busy with nothing, as politely as our own processes are."""
    code = f"import time\nend = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"
    burners = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(os.cpu_count() or 1)]
    for burner in burners:
        burner.wait()


def _step_back(lab: Laboratory, niceness: int) -> None:
    """Give way to the source and the desks: in real life our databases stand on other machines."""
    for server in (lab.sandbox.replication, lab.sandbox.analytics):
        for process in processes.find(server.directory):
            for one in (process, *process.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.nice(niceness)


if __name__ == "__main__":
    typer.run(main)
