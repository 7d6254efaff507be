"""The servers of a benchmark: the sandbox's, with the memory that a dedicated host would give them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from psycopg2 import sql

from dental_etl.config import DictConfigProvider, Settings, load_settings
from dental_etl.sandbox import family, processes, servers
from dental_etl.sandbox.state import (
    ADMIN_USER,
    ANALYTICS_DATABASE,
    ANALYTICS_USER,
    LOOPBACK,
    Sandbox,
    Server,
    ServerName,
)
from dental_etl.schema_analysis import analyze
from ops.benchmarks.datasets import Dataset, build

_MEASURED = (ServerName.SOURCE, ServerName.REPLICATION, ServerName.ANALYTICS)
#: A server that uses less than this share of a core has nothing left to do.
_IDLE_SHARE = 0.05
_SETTLE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Laboratory:
    """Running servers with the tables to copy."""

    directory: Path
    sandbox: Sandbox
    settings: Settings

    @property
    def exchange(self) -> Path:
        """Folder that the servers themselves read and write."""
        return self.sandbox.source.directory.parent / "exchange"

    @property
    def tools(self) -> Path:
        """Folder of the other tools' environments."""
        return self.directory / "tools"

    def mysql(self, server: Server) -> Any:
        """Connect to a MariaDB server with every right."""
        return contextlib.closing(family.connect(server))

    @contextlib.contextmanager
    def postgres(self, database: str = ANALYTICS_DATABASE) -> Iterator[Any]:
        """Connect to PostgreSQL with every right; each statement commits."""
        connection = psycopg2.connect(
            host=LOOPBACK,
            port=self.sandbox.analytics.port,
            user=ADMIN_USER,
            password=self.sandbox.analytics.admin_password,
            dbname=database,
            options="-c timezone=UTC",
        )
        connection.autocommit = True
        with contextlib.closing(connection):
            yield connection

    def cpu_seconds(self) -> dict[ServerName, float]:
        """Return the processor time that each server has used since it was started."""
        return {server.name: _cpu_seconds(server) for server in self.sandbox.servers if _is_measured(server)}

    def settle(self) -> None:
        """Wait until no server works on what came before, 30 s at most."""
        with self.postgres() as connection, connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")
        deadline = time.monotonic() + _SETTLE_SECONDS
        before = sum(self.cpu_seconds().values())
        while time.monotonic() < deadline:
            time.sleep(0.5)
            now = sum(self.cpu_seconds().values())
            if now - before < 0.5 * _IDLE_SHARE:
                return
            before = now


@contextlib.contextmanager
def laboratory(
    directory: Path, tables: tuple[Dataset, ...], *, keep: bool, memory_mb: int
) -> Iterator[Laboratory]:
    """Start the servers, make the tables, analyse them.

    Args:
        directory: Everything is below it.
        tables: To make where they are not there yet.
        keep: Leave the tables for the next time; the servers are stopped either way.
        memory_mb: InnoDB buffer pool of each MariaDB server.
    """
    home = directory / "sandbox"
    try:
        sandbox = servers.up(home)
        lab = Laboratory(directory=directory, sandbox=sandbox, settings=settings_of(sandbox))
        _give_memory(lab, memory_mb)
        _make_exchange(lab)
        with lab.mysql(sandbox.source) as source:
            _forget_others(source, tables)
            for table in tables:
                build(source, table)
        forget_copies(lab)
        analyze(lab.settings, confirm_loss=True, now=datetime.now(UTC))
        yield lab
    finally:
        servers.down(home)
        if not keep:
            servers.destroy(home)


def settings_of(sandbox: Sandbox) -> Settings:
    """Return the settings that the product itself runs with."""
    return load_settings(
        DictConfigProvider({**sandbox.environment(), "PROJECT_ROOT": str(Path(__file__).parents[2])})
    )


def forget_copies(lab: Laboratory) -> None:
    """Begin with targets that have never seen a table; the checksums of an older one may fit by chance."""
    database = lab.settings.replication.database
    with lab.mysql(lab.sandbox.replication) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE `{database}`")
        cursor.execute(f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4")
    with lab.postgres() as connection, connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS raw, etl CASCADE")


def fresh_database(lab: Laboratory, name: str) -> None:
    """Give another tool an empty PostgreSQL database of its own."""
    with lab.postgres() as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        cursor.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(
                sql.Identifier(name), sql.Identifier(ANALYTICS_USER)
            )
        )


def _is_measured(server: Server) -> bool:
    return server.name in _MEASURED


def _cpu_seconds(server: Server) -> float:
    """Count the server's process, those it has now and, for PostgreSQL, those that have ended."""
    total = 0.0
    for process in processes.find(server.directory):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
            for child in process.children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    own = child.cpu_times()
                    total += own.user + own.system
    return total


def _give_memory(lab: Laboratory, memory_mb: int) -> None:
    for server in (lab.sandbox.source, lab.sandbox.replication):
        with lab.mysql(server) as connection, connection.cursor() as cursor:
            cursor.execute(f"SET GLOBAL innodb_buffer_pool_size = {memory_mb << 20}")
            cursor.execute("SET GLOBAL innodb_log_file_size = 2147483648")
            # Making the tables closes each of them. Beyond 400 the server forgets those, and with them when
            # they were written, which a clinic's server knows of the tables that it keeps open.
            cursor.execute("SET GLOBAL table_definition_cache = 2000")
            # Ours asks for UTC itself; some of the others would take the clinic's local time for it.
            cursor.execute("SET GLOBAL time_zone = '+00:00'")


def _make_exchange(lab: Laboratory) -> None:
    # Two accounts, mysql and postgres, meet in it; nothing but made-up rows is ever there.
    lab.exchange.mkdir(exist_ok=True)
    os.chmod(lab.exchange, 0o777)  # noqa: S103, PTH101  # see above


def _forget_others(source: Any, tables: tuple[Dataset, ...]) -> None:
    """Drop what an earlier benchmark left: the analysis would take it for tables to copy."""
    wanted = {table.table for table in tables}
    with source.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        for (name,) in cursor.fetchall():
            if name not in wanted:
                cursor.execute(f"DROP TABLE `{name}`")
