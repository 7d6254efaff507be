"""Where the faults are played: a small clinic on slow lines, hosts with workers, a broker; all of it real."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from signal import SIGKILL, Signals
from typing import Any, TypeVar

import psutil
import redis
from celery import Celery
from sqlalchemy import text

from dental_etl.config import DictConfigProvider, Settings, load_settings
from dental_etl.connections import connect
from dental_etl.run import Stage, TableResult, TableStatus, new_run_id
from dental_etl.sandbox import clinic, family, processes, servers
from dental_etl.sandbox.state import REPLICATION_DATABASE, Sandbox, Server, ServerName
from dental_etl.schema_analysis import analyze
from dental_etl.tracking import ledger
from dental_etl.tracking.locks import LOCK_NAME, advisory_key
from dental_etl.tracking.migrations import migrate
from dental_etl.tracking.run_row import RunRow
from ops.faults import verdict
from ops.faults.line import Line
from workers import stack
from workers.celeryconfig import KEY_PREFIX
from workers.routing import Queue

ROOT = Path(__file__).parents[2]
FIRST_NIGHT = date(2026, 1, 30)
#: The first table to be read, and nearly the largest in bytes.
LONG_TABLE = "claimproc"
#: Of the long table, which has ten times as many.
_BATCH_ROWS = 200
#: A table of average size then takes a second, the largest about five.
SPEED = 100_000.0
#: The largest table then takes minutes.
CRAWL = 3_000.0
_PATIENTS = 150
_PATIENCE_SECONDS = 240.0
#: The sweep of these nights, instead of once a minute with a patience of a minute.
SWEEP_SECONDS = 2.0
STALE_SECONDS = 5.0
#: Which queues a host serves, and with how many processes.
HOSTS: Mapping[str, tuple[tuple[Queue, ...], int]] = {
    "steering": ((Queue.CONTROL, Queue.DBT), 2),
    "reading": ((Queue.EXTRACT, Queue.LARGE), 3),
    "writing": ((Queue.LOAD,), 2),
}
_LOCK_HOLDER = (
    "SELECT SUBSTRING_INDEX(host, ':', -1) FROM information_schema.processlist "
    f"WHERE id = IS_USED_LOCK({LOCK_NAME})"
)
_LOAD_HOLDER = text(
    "SELECT client_port FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted "
    "AND classid = (:key >> 32) & 4294967295 AND objid = :key & 4294967295"
)
T = TypeVar("T")


class BrokenPromiseError(Exception):
    """A fault did not end as it should; the message says what was expected."""


class NotPlayableError(Exception):
    """The scene needs something that this machine does not allow; the message says what."""


def require(*, that: bool, otherwise: str) -> None:
    if not that:
        raise BrokenPromiseError(otherwise)


def until(look: Callable[[], T | None], what: str, seconds: float = _PATIENCE_SECONDS) -> T:
    """Look again and again until there is something to see."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(0.1)
    raise BrokenPromiseError(f"{what} did not come about in {seconds:.0f} s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """One nightly run on the stage."""

    theatre: Theatre
    run_id: str

    def row(self) -> RunRow | None:
        with connect(self.theatre.settings.analytics) as connection:
            return ledger.find_run(connection, self.run_id)

    def results(self) -> dict[str, TableResult]:
        with connect(self.theatre.settings.analytics) as connection:
            return {result.table: result for result in ledger.results(connection, self.run_id)}

    def table(self, name: str) -> TableResult:
        return self.results()[name]

    def await_table(self, name: str, stage: Stage = Stage.EXTRACT) -> psutil.Process:
        """Wait until a worker is in the middle of a table; return the worker's process."""
        wanted = TableStatus.EXTRACTING if stage is Stage.EXTRACT else TableStatus.LOADING

        def look() -> psutil.Process | None:
            result = self.results().get(name)
            if result is None or result.status is not wanted:
                return None
            is_begun = stage is Stage.LOAD or self.theatre.has_checkpoint(name)
            return self.theatre.holder(name, stage) if is_begun else None

        return until(look, f"the middle of the {stage} of {name}")

    def end(self, *, is_swept: bool = True) -> RunRow:
        """Let the lines be fast and wait for the run's end, with sweeps."""
        self.theatre.speed(None)
        swept_at = 0.0

        def look() -> RunRow | None:
            nonlocal swept_at
            if is_swept and time.monotonic() - swept_at > SWEEP_SECONDS:
                swept_at = time.monotonic()
                self.theatre.send("etl.sweep", Queue.CONTROL, stale_seconds=STALE_SECONDS)
            self.theatre.require_hosts()
            row = self.row()
            return row if row is not None and row.status.is_terminal else None

        return until(look, f"the end of run {self.run_id}")


class Theatre:
    """A clinic, its replica and warehouse, a broker and three hosts; faults are done to them by name."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.sandbox: Sandbox = servers.up(self.directory)
        if not clinic.exists(self.sandbox):
            clinic.create(self.sandbox, patients=_PATIENTS, seed=3, as_of=FIRST_NIGHT)
        self.source_line = Line(self.sandbox.source.port)
        self.replication_line = Line(self.sandbox.replication.port)
        variables = {
            **self.sandbox.environment(),
            "PROJECT_ROOT": str(ROOT),
            "HOME": str(self.directory),
            "DBT_EXECUTABLE": str(self.directory / "no-dbt-here"),
        }
        self.settings: Settings = load_settings(DictConfigProvider(variables))
        self.environment = {
            **variables,
            "TEST_OPENDENTAL_SOURCE_PORT": str(self.source_line.port),
            "TEST_MYSQL_REPLICATION_PORT": str(self.replication_line.port),
        }
        analyze(self.settings, now=datetime.now(UTC))
        overrides = self.settings.tables_file.with_name("tables.overrides.yml")
        overrides.write_text(f"tables:\n  {LONG_TABLE}: {{batch_size: {_BATCH_ROWS}}}\n", encoding="utf-8")
        self._nights = 0
        #: Hosts that a scene took away.
        self._lost: set[str] = set()
        #: What a scene has to tell beside its verdict.
        self.notes: list[str] = []

    def close(self) -> None:
        stack.stop(self.directory)
        self.source_line.close()
        self.replication_line.close()

    def raise_curtain(self) -> None:
        """Begin a scene: every server up, replica, warehouse, ledger and broker empty, every host alive."""
        self.revive()
        self.notes.clear()
        self.speed(SPEED)
        with self.redis() as client:
            client.flushall()
        self._empty_replication()
        with connect(self.settings.analytics) as warehouse:
            for schema in ("raw", "etl", "faults"):
                warehouse.exec_driver_sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
            warehouse.commit()
        migrate(self.settings.analytics)
        verdict.watch(self.settings)
        self.fill_hosts()

    def _empty_replication(self) -> None:
        folder = self.sandbox.replication.data_directory / REPLICATION_DATABASE
        with closing(family.connect(self.sandbox.replication)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
            for (name,) in cursor.fetchall():
                cursor.execute(f"DROP TABLE `{name}`")
            for orphan in folder.glob("*.ibd"):  # of a server that aborted for want of room
                orphan.unlink()
            cursor.execute(f"DROP DATABASE IF EXISTS {REPLICATION_DATABASE}")
            cursor.execute(f"CREATE DATABASE {REPLICATION_DATABASE} CHARACTER SET utf8mb4")

    def speed(self, bytes_per_second: float | None) -> None:
        self.source_line.speed = bytes_per_second
        self.replication_line.speed = bytes_per_second

    # Runs

    def start_night(self) -> Night:
        """Send the message that beat sends at 21:00, for the next night of the calendar."""
        run_id = new_run_id(datetime.now(UTC))
        self.send("etl.start_nightly", Queue.CONTROL, run_id=run_id, run_date=self.next_date().isoformat())
        return Night(theatre=self, run_id=run_id)

    def next_date(self) -> date:
        self._nights += 1
        return FIRST_NIGHT + timedelta(days=self._nights)

    def send(self, task: str, queue: Queue, *args: str, **kwargs: Any) -> None:
        """Put one message into a queue; does nothing while the broker is away, as beat would."""
        app = Celery("faults", broker=self.settings.broker_url, set_as_current=False)
        app.conf.broker_transport_options = {"global_keyprefix": KEY_PREFIX, "socket_timeout": 2}
        app.conf.task_publish_retry = False
        try:
            app.send_task(task, args=args, kwargs=kwargs, queue=queue.value, ignore_result=True)
        except app.connection_for_write().connection_errors:
            return
        finally:
            app.close()

    # Hosts

    def fill_hosts(self) -> None:
        """Start every host that is not there, and wait until it takes messages."""
        alive = {process.name for process in stack.processes(self.directory) if process.find()}
        for name in HOSTS.keys() - alive:
            self.start_host(name, wait=False)
        for name in HOSTS.keys() - alive:
            self.await_ready(name)

    def start_host(
        self,
        name: str,
        *,
        app: str = "workers.app",
        environment: Mapping[str, str] | None = None,
        wait: bool = True,
    ) -> stack.Process:
        stack.log(self.directory, name).unlink(missing_ok=True)
        self._lost.discard(name)
        queues, count = HOSTS[name]
        arguments = stack.worker_arguments(queues, processes=count, node=name, app=app)
        variables = {**self.environment, **(environment or {})}
        process = stack.start_one(self.directory, variables, name=name, arguments=arguments)
        if wait:
            self.await_ready(name)
        return process

    def start_beat(self, name: str, app: str) -> stack.Process:
        stack.log(self.directory, name).unlink(missing_ok=True)
        arguments = ["-A", app, "beat", "--loglevel", "DEBUG"]
        return stack.start_one(self.directory, self.environment, name=name, arguments=arguments)

    def stop_process(self, started: stack.Process) -> None:
        process = started.find()
        if process is not None:
            process.terminate()
            process.wait(30)

    def await_ready(self, name: str) -> None:
        until(lambda: " ready." in self.log(name), f"a ready host {name}", 90.0)

    def log(self, name: str) -> str:
        path = stack.log(self.directory, name)
        return path.read_text(errors="replace") if path.exists() else ""

    def host(self, name: str) -> psutil.Process:
        found = [p.find() for p in stack.processes(self.directory) if p.name == name]
        return next(process for process in reversed(found) if process is not None)

    def lose_host(self, name: str) -> None:
        """End a host's processes at once, as a lost machine does; its connections end with it."""
        self._lost.add(name)
        parent = self.host(name)
        family = [parent, *parent.children(recursive=True)]
        for process in family:
            process.kill()
        psutil.wait_procs(family, timeout=30)

    def require_hosts(self) -> None:
        """Pass while every host that was started last under its name is alive, and no scene ended it."""
        last = {process.name: process for process in stack.processes(self.directory)}
        for name in HOSTS.keys() - self._lost:
            require(
                that=name in last and last[name].find() is not None,
                otherwise=f"the host {name} died by itself; see {stack.log(self.directory, name)}",
            )

    def strays(self) -> list[psutil.Process]:
        """Return the processes with our settings that belong to no living host."""
        parents = [found for process in stack.processes(self.directory) if (found := process.find())]
        known = {os.getpid(), *(p.pid for p in parents)}
        known |= {child.pid for parent in parents for child in parent.children(recursive=True)}
        return [process for process in self._ours() if process.pid not in known]

    def _ours(self) -> list[psutil.Process]:
        mark = self.environment["TEST_TABLES_FILE"]
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("TEST_TABLES_FILE") == mark and process.status() != "zombie":
                    found.append(process)
            except psutil.Error:
                continue  # gone meanwhile, or somebody else's
        return found

    def holder(self, table: str, stage: Stage) -> psutil.Process | None:
        """Return the worker's process that holds a table's lock."""
        port = self._extract_port(table) if stage is Stage.EXTRACT else self._load_port(table)
        if port is None:
            return None
        workers = (child for name in HOSTS for child in self.host(name).children(recursive=True))
        return next((worker for worker in workers if _has_port(worker, port)), None)

    def _extract_port(self, table: str) -> int | None:
        with closing(family.connect(self.sandbox.replication)) as connection, connection.cursor() as cursor:
            cursor.execute(_LOCK_HOLDER, {"name": f"extract.{table}"})
            row = cursor.fetchone()
        return self.replication_line.clients.get(int(row[0])) if row else None

    def _load_port(self, table: str) -> int | None:
        with connect(self.settings.analytics) as connection:
            key = advisory_key(f"load:{table}")
            port: int | None = connection.execute(_LOAD_HOLDER, {"key": key}).scalar()
            return port

    def has_checkpoint(self, table: str) -> bool:
        """Tell whether some of the table's batches are committed, and not all."""
        with closing(family.connect(self.sandbox.replication)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT checkpoint FROM etl_copy_status WHERE table_name = %s", (table,))
            row = cursor.fetchone()
        return bool(row and row[0] and json.loads(row[0])["position"])

    # Servers

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.settings.broker_url)

    def server(self, name: ServerName) -> Server:
        return next(server for server in self.sandbox.servers if server.name is name)

    def stop_server(self, name: ServerName, number: Signals = SIGKILL) -> None:
        processes.stop(self.server(name).directory, number)

    def signal_server(self, name: ServerName, number: Signals) -> None:
        for process in processes.find(self.server(name).directory):
            process.send_signal(number)

    def forget_broker_data(self) -> None:
        """Delete what a stopped Redis would read at its start."""
        for path in self.sandbox.broker.data_directory.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def revive(self) -> None:
        """Start the servers that do not run, on the ports that everybody knows."""
        again = servers.up(self.directory)
        require(
            that=[s.port for s in again.servers] == [s.port for s in self.sandbox.servers],
            otherwise="a server's port was taken by somebody else meanwhile",
        )


def _has_port(process: psutil.Process, port: int) -> bool:
    try:
        return any(one.laddr and one.laddr.port == port for one in process.net_connections())
    except psutil.NoSuchProcess:
        return False
