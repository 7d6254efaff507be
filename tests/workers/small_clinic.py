"""A very small clinic, and workers as processes of their own that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import psutil
import redis
from celery import Celery
from sqlalchemy import Connection, text

from dental_etl.config import Settings
from dental_etl.connections import connect
from dental_etl.run import TableResult, TableStatus
from dental_etl.tracking import ledger
from dental_etl.tracking.run_row import RunRow

QUEUES = "control,large,extract,load,dbt"
TABLES = ("carrier", "claim", "patient", "procedurelog", "provider")
_PATIENCE_SECONDS = 90.0
T = TypeVar("T")


def until(look: Callable[[], T | None], what: str) -> T:
    """Look again and again until there is something to see."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        seen = look()
        if seen:
            return seen
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come about in {_PATIENCE_SECONDS:.0f} s")


@dataclass(kw_only=True)
class Worker:
    """A worker and the processes of its pool."""

    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """End all of its processes as a lost host would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass(kw_only=True)
class Clinic:
    """The settings of one test, and what can be asked about its runs."""

    settings: Settings
    environment: dict[str, str]
    directory: Path
    source: Connection
    started: list[Worker] = field(default_factory=list)
    swept_at: float = 0.0

    def worker(
        self,
        *,
        queues: str = QUEUES,
        processes: int = 2,
        environment: dict[str, str] | None = None,
        app: str = "workers.app",
    ) -> Worker:
        """Start a worker and wait until it takes messages."""
        command = ["-A", app, "worker", "-Q", queues]
        options = ["-c", str(processes), "-l", "INFO", "-n", f"w{len(self.started)}@test"]
        worker = self._celery([*command, *options, "--without-gossip", "--without-mingle"], environment or {})
        until(lambda: " ready." in worker.log.read_text(), f"a ready worker ({worker.log})")
        return worker

    def beat(self) -> Worker:
        """Start a beat; it is ended with the workers."""
        return self._celery(["-A", "beat.app", "beat", "-l", "INFO"], {})

    def _celery(self, arguments: list[str], environment: dict[str, str]) -> Worker:
        log = self.directory / f"worker{len(self.started)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", *arguments],
                env={**self.environment, **environment},
                cwd=self.directory,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        worker = Worker(process=process, log=log)
        self.started.append(worker)
        return worker

    def shell(self, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python as a person would in a shell."""
        return subprocess.run(
            [sys.executable, "-c", code],
            env={**self.environment, **environment},
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def enqueue(self, call: str, **environment: str) -> str:
        """Call something of `workers.enqueue` in a shell; return the run id that it printed."""
        done = self.shell(f"from workers import enqueue\nprint(enqueue.{call})", **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def sweep(self, stale_seconds: float = 1.0) -> None:
        """Send what beat sends every minute, once a second at most."""
        if time.monotonic() - self.swept_at > 1.0:
            self.swept_at = time.monotonic()
            self.send("etl.sweep", "control", stale_seconds=stale_seconds)

    def send(self, task: str, queue: str, *args: str, **kwargs: float) -> None:
        """Put one message into a queue."""
        app = Celery("test", broker=self.settings.broker_url, set_as_current=False)
        app.conf.broker_transport_options = {"global_keyprefix": "etl:"}
        app.send_task(task, args=args, kwargs=kwargs, queue=queue, ignore_result=True)
        app.close()

    def log(self) -> str:
        """Return what all workers have logged."""
        return "".join(worker.log.read_text() for worker in self.started)

    def forget(self) -> None:
        """Empty the broker as a failover without a replica would."""
        with redis.Redis.from_url(self.settings.broker_url) as client:
            client.flushall()

    @contextmanager
    def held_at_the_source(self, table: str) -> Iterator[None]:
        """Keep every reader of a table waiting."""
        self.source.exec_driver_sql(f"LOCK TABLES {table} WRITE")
        try:
            yield
        finally:
            if not self.source.invalidated:  # a server that went away holds no lock
                self.source.exec_driver_sql("UNLOCK TABLES")

    def await_reader(self, table: str) -> str:
        """Wait until somebody waits for a table at the source; return where from."""
        waiting = text(
            "SELECT host FROM information_schema.processlist "
            "WHERE state LIKE 'Waiting for table%' AND info LIKE :table ORDER BY id DESC LIMIT 1"
        )
        look = partial(self.source.execute, waiting, {"table": f"%{table}%"})
        return until(lambda: str(look().scalar() or ""), f"a reader of {table}")

    def kill_reader(self, table: str) -> None:
        """End the one process that waits for a table at the source, as the kernel would for want of memory."""
        until(partial(self._reader, table), f"the process of a reader of {table}").kill()

    def _reader(self, table: str) -> psutil.Process | None:
        """Return the process that waits; None for a session that the server keeps of one that was killed."""
        # Another process may have the same port on its way to another server.
        ends = (int(self.await_reader(table).rpartition(":")[2]), self.settings.source.port)
        processes = [p for w in self.started for p in psutil.Process(w.process.pid).children()]
        readers = [
            p
            for p in processes
            if any(c.raddr and (c.laddr.port, c.raddr.port) == ends for c in p.net_connections())
        ]
        return next(iter(readers), None)

    def extracting(self, run_id: str, table: str, *, attempt: int = 1, is_swept: bool = False) -> None:
        """Wait until a worker is at the table's extract, for the nth time."""

        def look() -> bool:
            if is_swept:
                self.sweep()
            result = self.results(run_id).get(table) if self.run(run_id) else None
            return bool(result and (result.status, result.attempts) == (TableStatus.EXTRACTING, attempt))

        until(look, f"attempt {attempt} of the extract of {table}")

    def run(self, run_id: str) -> RunRow | None:
        with connect(self.settings.analytics) as connection:
            return ledger.find_run(connection, run_id) if _has_ledger(connection) else None

    def runs(self) -> tuple[RunRow, ...]:
        with connect(self.settings.analytics) as connection:
            return ledger.runs(connection) if _has_ledger(connection) else ()

    def results(self, run_id: str) -> dict[str, TableResult]:
        with connect(self.settings.analytics) as connection:
            return {result.table: result for result in ledger.results(connection, run_id)}

    def ended(self, run_id: str, *, is_swept: bool = False) -> RunRow:
        """Wait for the run's end."""

        def look() -> RunRow | None:
            if is_swept:
                self.sweep()
            run = self.run(run_id)
            return run if run is not None and run.status.is_terminal else None

        return until(look, f"the end of run {run_id}")

    def count(self, table: str) -> int:
        """Return the rows that a table of raw has."""
        with connect(self.settings.analytics) as connection:
            counted: int = connection.execute(text(f'SELECT count(*) FROM raw."{table}"')).scalar_one()
            return counted

    def notifications(self, run_id: str) -> list[str]:
        """Return the titles of what was said about a run."""
        with connect(self.settings.analytics) as connection:
            titles = connection.execute(
                text("SELECT title FROM etl.notification WHERE run_id = :run_id ORDER BY notification_id"),
                {"run_id": run_id},
            )
            return list(titles.scalars())

    def steps(self, run_id: str) -> frozenset[str]:
        with connect(self.settings.analytics) as connection:
            return ledger.steps_done(connection, run_id)


def _has_ledger(connection: Connection) -> bool:
    return bool(connection.execute(text("SELECT to_regclass('etl.run_table')")).scalar())
