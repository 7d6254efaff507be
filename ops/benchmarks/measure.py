"""What a copy costs: time, our processor time and memory, the servers' processor time, the neighbours'."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

from dental_etl.connections import engine
from dental_etl.sandbox.state import ServerName
from ops.benchmarks.laboratory import Laboratory

_MB = 1024 * 1024
_SAMPLE_SECONDS = 0.05
_LOOK_SECONDS = 0.1


class ContestantError(Exception):
    """A contestant ended with an error; the message says where its output is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCost:
    """What the copying process itself took."""

    wall_seconds: float
    cpu_seconds: float = 0.0
    #: Above what the process needs when idle, of the larger one, for ours; of everything it started, for others.
    peak_mb: float = 0.0
    #: Time until the program could begin; part of `wall_seconds`.
    start_seconds: float = 0.0
    #: At the source; of whole nights only.
    rows_read: int = 0
    bytes_read: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one copy of one table took, everywhere."""

    client: ClientCost
    source_cpu_seconds: float
    replication_cpu_seconds: float
    analytics_cpu_seconds: float
    #: Cores that processes outside of the benchmark kept busy meanwhile.
    others_cores: float
    #: Most connections that the copying account held at the source.
    source_connections: int = 0

    @property
    def server_cpu_seconds(self) -> float:
        return self.source_cpu_seconds + self.replication_cpu_seconds + self.analytics_cpu_seconds

    @property
    def all_cpu_seconds(self) -> float:
        return self.server_cpu_seconds + self.client.cpu_seconds

    @property
    def busiest_cpu_seconds(self) -> float:
        """Processor time of whoever works most: what is left of a hop where everybody has a core."""
        return max(
            self.client.cpu_seconds,
            self.source_cpu_seconds,
            self.replication_cpu_seconds,
            self.analytics_cpu_seconds,
        )


def measured(lab: Laboratory, work: Callable[[], ClientCost]) -> Cost:
    """Do the work and count what it took."""
    servers, machine, started = lab.cpu_seconds(), _machine_seconds(), time.monotonic()
    with _SourceConnections(lab) as connections:
        client = work()
    wall, after = time.monotonic() - started, lab.cpu_seconds()
    spent = {name: after[name] - servers[name] for name in after}
    others = _machine_seconds() - machine - sum(spent.values()) - client.cpu_seconds
    return Cost(
        client=client,
        source_cpu_seconds=spent[ServerName.SOURCE],
        replication_cpu_seconds=spent[ServerName.REPLICATION],
        analytics_cpu_seconds=spent[ServerName.ANALYTICS],
        others_cores=max(others, 0.0) / wall,
        source_connections=connections.most,
    )


def statement(work: Callable[[], Any]) -> ClientCost:
    """Measure work that a server does alone."""
    started = time.monotonic()
    work()
    return ClientCost(wall_seconds=time.monotonic() - started)


def commands(
    steps: Sequence[Sequence[str]], *, log: Path, environment: dict[str, str], start_seconds: float = 0.0
) -> ClientCost:
    """Run programs one after another; count all that they start.

    Raises:
        ContestantError: One of them failed.
    """
    wall = cpu = peak = 0.0
    for step in steps:
        cost = _command(step, log, environment)
        wall, cpu, peak = wall + cost.wall_seconds, cpu + cost.cpu_seconds, max(peak, cost.peak_mb)
    return ClientCost(wall_seconds=wall, cpu_seconds=cpu, peak_mb=peak, start_seconds=start_seconds)


class Worker:
    """Our own process, started and warm before the clock runs, as a worker is.

    Args:
        arguments: Of `ops.benchmarks.ours`.
        log: Where its messages go.
    """

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        self._log = log
        with log.open("ab") as messages:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ops.benchmarks.ours", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                text=True,
                cwd=Path(__file__).parents[2],
            )
        self._answer()

    def work(self) -> ClientCost:
        """Let it work.

        Raises:
            ContestantError: It failed.
        """
        assert self._process.stdin is not None  # noqa: S101  # opened above
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        answer = json.loads(self._answer())
        self._process.wait()
        return ClientCost(**answer)

    def _answer(self) -> str:
        assert self._process.stdout is not None  # noqa: S101  # opened above
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise ContestantError(f"our own process ended with {self._process.returncode}; see {self._log}")
        return line


def _command(step: Sequence[str], log: Path, environment: dict[str, str]) -> ClientCost:
    started = time.monotonic()
    with log.open("ab") as output:
        process = psutil.Popen(
            list(step),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | environment,
        )
        peak = _Peak(process)
        _pid, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        peak.stop()
    code = os.waitstatus_to_exitcode(status)
    if code:
        raise ContestantError(f"{Path(step[0]).name} ended with {code}; see {log}")
    return ClientCost(wall_seconds=wall, cpu_seconds=usage.ru_utime + usage.ru_stime, peak_mb=peak.mb)


class _SourceConnections:
    """Counts, ten times a second, the connections of the product's account at the source."""

    def __init__(self, lab: Laboratory) -> None:
        self._lab = lab
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.most = 0

    def __enter__(self) -> Self:
        engine(self._lab.settings.source).dispose()  # those of the benchmark's own process
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        with self._lab.mysql(self._lab.sandbox.source) as connection, connection.cursor() as cursor:
            while not self._is_over.wait(_LOOK_SECONDS):
                cursor.execute(
                    "SELECT COUNT(*) FROM information_schema.processlist WHERE user = %s",
                    (self._lab.settings.source.user,),
                )
                self.most = max(self.most, int(cursor.fetchone()[0]))


class _Peak:
    """The most memory that a process and its children held together."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._is_over = threading.Event()
        self.mb = 0.0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_over.wait(_SAMPLE_SECONDS):
            try:
                tree = [self._process, *self._process.children(recursive=True)]
                self.mb = max(self.mb, sum(one.memory_info().rss for one in tree) / _MB)
            except psutil.Error:  # one of them has just ended; the next look is in a moment
                continue


def _machine_seconds() -> float:
    """Return the processor time that anything on this machine has used."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)
