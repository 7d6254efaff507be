"""What a sandbox is: four servers, their ports and passwords, and the variables that lead to them."""

from __future__ import annotations

import json
import os
import secrets
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

SOURCE_DATABASE = "opendental_test"
SOURCE_USER = "analytics_readonly"
REPLICATION_DATABASE = "opendental_replication_test"
REPLICATION_USER = "replication_writer"
ANALYTICS_DATABASE = "opendental_analytics_test"
ANALYTICS_USER = "analytics_owner"
#: The sandbox's own account on the databases; no part of the pipeline knows its password.
ADMIN_USER = "sandbox_admin"

LOOPBACK = "127.0.0.1"


class ServerName(StrEnum):
    #: MariaDB or MySQL with MyISAM tables, as it stands in a clinic.
    SOURCE = "source"
    #: MariaDB or MySQL of our own, InnoDB.
    REPLICATION = "replication"
    #: PostgreSQL.
    ANALYTICS = "analytics"
    #: Redis, which carries the messages.
    BROKER = "broker"


class Kind(StrEnum):
    """What serves; the data of one kind are of no use to another."""

    MARIADB = "mariadb"
    MYSQL = "mysql"
    POSTGRES = "postgres"
    REDIS = "redis"

    @property
    def label(self) -> str:
        """As people write it."""
        return {"mariadb": "MariaDB", "mysql": "MySQL", "postgres": "PostgreSQL", "redis": "Redis"}[
            self.value
        ]


#: What serves where nobody chose.
KINDS = {
    ServerName.SOURCE: Kind.MARIADB,
    ServerName.REPLICATION: Kind.MARIADB,
    ServerName.ANALYTICS: Kind.POSTGRES,
    ServerName.BROKER: Kind.REDIS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One private server and everything needed to start it and to reach it."""

    name: ServerName
    #: Holds its data, log, temporary files and socket, and nothing else.
    directory: Path
    port: int
    #: Of the account that the pipeline uses.
    password: str = field(repr=False)
    #: Of the account that the sandbox uses itself.
    admin_password: str = field(repr=False)
    kind: Kind
    #: Path of its program; None for the one that is found on this machine.
    program: str | None = None

    @property
    def data_directory(self) -> Path:
        return self.directory / "data"

    @property
    def log_file(self) -> Path:
        return self.directory / "server.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """What can be seen of one server from outside."""

    name: ServerName
    kind: Kind
    #: A process of ours answers on the port.
    is_running: bool
    port: int
    pid: int | None
    directory: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A clinic on a desk: the source, the replica, the warehouse and the broker."""

    #: Holds the state, the variables, tables.yml and the artifacts.
    directory: Path
    source: Server
    replication: Server
    analytics: Server
    broker: Server

    @property
    def servers(self) -> tuple[Server, ...]:
        return (self.source, self.replication, self.analytics, self.broker)

    def describe(self) -> str:
        """Say what serves: ``two MariaDB, PostgreSQL, Redis``."""
        times = Counter(server.kind.label for server in self.servers)
        return ", ".join(label if count == 1 else f"two {label}" for label, count in times.items())

    def environment(self) -> dict[str, str]:
        """Return the variables that `Settings` reads, to run the pipeline against this sandbox."""
        messages = (self.directory / "notifications.jsonl").as_uri()
        broker = f"redis://:{self.broker.password}@{LOOPBACK}:{self.broker.port}"
        return {
            "ETL_ENVIRONMENT": "test",
            **_database("OPENDENTAL_SOURCE", self.source, SOURCE_DATABASE, SOURCE_USER),
            **_database("MYSQL_REPLICATION", self.replication, REPLICATION_DATABASE, REPLICATION_USER),
            **_database("POSTGRES_ANALYTICS", self.analytics, ANALYTICS_DATABASE, ANALYTICS_USER),
            "TEST_POSTGRES_ANALYTICS_SCHEMA": "raw",
            "TEST_CELERY_BROKER_URL": f"{broker}/0",
            "TEST_CELERY_RESULT_BACKEND": f"{broker}/1",
            "TEST_BLOCKED_HOURS": "",
            "TEST_TABLES_FILE": str(self.directory / "tables.yml"),
            "TEST_ARTIFACTS_URL": str(self.directory / "artifacts"),
            **dict.fromkeys(("TEST_NOTIFY_CRITICAL", "TEST_NOTIFY_WARNING", "TEST_NOTIFY_INFO"), messages),
            "DBT_TARGET": "local",
        }


def _database(prefix: str, server: Server, database: str, user: str) -> dict[str, str]:
    return {
        f"TEST_{prefix}_HOST": LOOPBACK,
        f"TEST_{prefix}_PORT": str(server.port),
        f"TEST_{prefix}_DB": database,
        f"TEST_{prefix}_USER": user,
        f"TEST_{prefix}_PASSWORD": server.password,
    }


def new_sandbox(directory: Path, servers_directory: Path, ports: list[int]) -> Sandbox:
    """Return a sandbox with passwords of its own.

    Args:
        directory: Where its state is kept.
        servers_directory: Where the servers keep their files.
        ports: One free port per server.
    """
    servers = {
        name.value: Server(
            name=name,
            directory=servers_directory / name.value,
            port=port,
            password=secrets.token_hex(16),
            admin_password=secrets.token_hex(16),
            kind=KINDS[name],
        )
        for name, port in zip(ServerName, ports, strict=True)
    }
    return Sandbox(directory=directory, **servers)


def with_servers(sandbox: Sandbox, servers: list[Server]) -> Sandbox:
    """Return the sandbox with other servers, for instance on other ports."""
    return Sandbox(directory=sandbox.directory, **{server.name.value: server for server in servers})


def state_file(directory: Path) -> Path:
    return directory / "sandbox.json"


def environment_file(directory: Path) -> Path:
    return directory / ".env_test"


def save(sandbox: Sandbox) -> None:
    """Write the state and the variables; both hold passwords, so only the owner may read them."""
    state = {
        server.name.value: {
            "directory": str(server.directory),
            "port": server.port,
            "password": server.password,
            "admin_password": server.admin_password,
            "kind": server.kind,
            "program": server.program,
        }
        for server in sandbox.servers
    }
    write_private(state_file(sandbox.directory), json.dumps(state, indent=2) + "\n")
    lines = (f"{name}={value}\n" for name, value in sandbox.environment().items())
    write_private(environment_file(sandbox.directory), "".join(lines))


def load(directory: Path) -> Sandbox | None:
    """Return the sandbox that was saved here; None if there is none, or only half of one."""
    try:
        state = json.loads(state_file(directory).read_text(encoding="utf-8"))
        return Sandbox(directory=directory, **{name.value: _server(name, state) for name in ServerName})
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return None


def _server(name: ServerName, state: dict[str, Any]) -> Server:
    raw = state[name.value]
    return Server(
        name=name,
        directory=Path(raw["directory"]),
        port=int(raw["port"]),
        password=raw["password"],
        admin_password=raw["admin_password"],
        kind=Kind(raw.get("kind", KINDS[name])),
        program=raw.get("program"),
    )


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, complete or not at all."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
