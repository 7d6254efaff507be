"""Start, stop and describe the four servers of a sandbox.

A sandbox is repaired by starting it: a server that was killed is started again, a data directory
that was left half-made is made anew, a port that was taken meanwhile is replaced.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from signal import Signals

from dental_etl.exceptions import SandboxError
from dental_etl.sandbox import broker, choice, family, mariadb, mysql, postgres, processes, programs, state
from dental_etl.sandbox.ports import free_ports, is_free
from dental_etl.sandbox.state import Kind, Sandbox, Server, ServerName, ServerStatus

logger = logging.getLogger(__name__)

_READY_SECONDS = 90.0
_ATTEMPTS = 3
#: Written when a data directory is complete.
_READY_MARK = "ready"

#: Files of the sandbox and of what was tried on it.
_TRIED = (
    state.state_file(Path()).name,
    state.environment_file(Path()).name,
    "tables*.yml",
    "notifications.jsonl",
    "stack.jsonl",
    "flower*",
    "demo.lock",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    """How one kind of server is prepared, started, asked and stopped."""

    #: User to run as when we are root.
    account: str
    #: How it is told to stop.
    stop_signal: Signals
    prepare: Callable[[Server, str | None], None]
    start: Callable[[Server, str | None], None]
    is_ready: Callable[[Server], bool]
    settle: Callable[[Server], None]


_PROGRAMS = {
    Kind.MARIADB: _Program(
        account=family.ACCOUNT,
        stop_signal=family.STOP_SIGNAL,
        prepare=mariadb.prepare,
        start=mariadb.start,
        is_ready=family.is_ready,
        settle=mariadb.settle,
    ),
    Kind.MYSQL: _Program(
        account=family.ACCOUNT,
        stop_signal=family.STOP_SIGNAL,
        prepare=mysql.prepare,
        start=mysql.start,
        is_ready=family.is_ready,
        settle=mysql.settle,
    ),
    Kind.POSTGRES: _Program(
        account=postgres.ACCOUNT,
        stop_signal=postgres.STOP_SIGNAL,
        prepare=postgres.prepare,
        start=postgres.start,
        is_ready=postgres.is_ready,
        settle=postgres.settle,
    ),
    Kind.REDIS: _Program(
        account=broker.ACCOUNT,
        stop_signal=broker.STOP_SIGNAL,
        prepare=broker.prepare,
        start=broker.start,
        is_ready=broker.is_ready,
        settle=broker.settle,
    ),
}


def up(directory: Path) -> Sandbox:
    """Start what is not running; make what is not there. May be called at any time.

    Args:
        directory: Of the sandbox, usually ``.sandbox`` in the project.

    Raises:
        SandboxError: A program is missing, a server did not start, or the environment names another
            kind of server than the one that made the data.
    """
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    with _locked(directory):
        saved = state.load(directory)
        sandbox = choice.check(saved) if saved else choice.choose(_new(directory))
        programs.ensure_installed([server.kind for server in sandbox.servers])
        state.save(sandbox)
        with ThreadPoolExecutor(max_workers=len(ServerName)) as pool:
            sandbox = state.with_servers(sandbox, list(pool.map(_ensure_running, sandbox.servers)))
        state.save(sandbox)
    return sandbox


def find(directory: Path) -> Sandbox:
    """Return the sandbox of a directory, running or not.

    Raises:
        SandboxError: There is none.
    """
    sandbox = state.load(directory.resolve())
    if sandbox is None:
        raise SandboxError(f"There is no sandbox in {directory}. Make one with `dental-etl sandbox up`.")
    return sandbox


def down(directory: Path) -> None:
    """Stop the servers and keep their data; nothing happens where nothing runs."""
    directory = directory.resolve()
    if not directory.is_dir():
        return
    with _locked(directory):
        _stop_all(directory)


def status(directory: Path) -> tuple[ServerStatus, ...]:
    """Return what can be seen of each server; empty when there is no sandbox."""
    sandbox = state.load(directory.resolve())
    return tuple(_status(server) for server in sandbox.servers) if sandbox else ()


def destroy(directory: Path) -> None:
    """Stop the servers and delete what the sandbox, and trying the product on it, made."""
    directory = directory.resolve()
    if not directory.is_dir():
        return
    with _locked(directory):
        sandbox = state.load(directory)
        _stop_all(directory)
        made = {server.directory.parent for server in sandbox.servers} if sandbox else set()
        for folder in (*made, *(directory / name for name in ("artifacts", "changelogs", "logs"))):
            if folder.exists():
                shutil.rmtree(folder)
        for pattern in _TRIED:
            for path in directory.glob(pattern):
                path.unlink()
        _lock_file(directory).unlink(missing_ok=True)
    if not any(directory.iterdir()):
        directory.rmdir()


def _new(directory: Path) -> Sandbox:
    """Lay out a new sandbox; data of one whose passwords are lost cannot be used and is removed."""
    folder = _servers_directory(directory)
    for name in ServerName:
        processes.kill(folder / name.value)
        shutil.rmtree(folder / name.value, ignore_errors=True)
    return state.new_sandbox(directory, folder, free_ports(len(ServerName)))


def _servers_directory(directory: Path) -> Path:
    """Return a folder that the servers' users can reach: below the sandbox, else below /var/tmp."""
    own = directory / "servers"
    if _is_reachable(directory):
        own.mkdir(mode=0o711, exist_ok=True)
        return own
    key = hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]
    elsewhere = Path("/var/tmp") / f"dental_etl-sandbox-{os.geteuid()}-{key}"  # noqa: S108  # owner and mode are checked below
    elsewhere.mkdir(mode=0o711, exist_ok=True)
    if elsewhere.is_symlink() or elsewhere.stat().st_uid != os.geteuid():
        raise SandboxError(f"{elsewhere} belongs to somebody else; remove it or choose another directory.")
    return elsewhere


def _is_reachable(directory: Path) -> bool:
    """Tell whether other users may pass through every folder on the way; only root must care."""
    if os.geteuid() != 0:
        return True
    return all(folder.stat().st_mode & 0o001 for folder in (directory, *directory.parents))


def _ensure_running(server: Server) -> Server:
    if processes.find(server.directory) and _becomes_ready(server):
        _PROGRAMS[server.kind].settle(server)
        return server
    for _ in range(_ATTEMPTS):
        processes.stop(server.directory, _PROGRAMS[server.kind].stop_signal)
        if not is_free(server.port):
            server = replace(server, port=free_ports(1)[0])
        if _start(server):
            return server
    raise SandboxError(f"The {server.name} server of the sandbox did not start; see {server.log_file}.")


def _start(server: Server) -> bool:
    started = time.monotonic()
    kind = _PROGRAMS[server.kind]
    account = processes.server_account(kind.account)
    if not (server.directory / _READY_MARK).exists():
        _prepare(server, kind, account)
    kind.start(server, account)
    if not _becomes_ready(server):
        return False
    kind.settle(server)
    logger.info(
        "Started the %s server of the sandbox on port %s",
        server.name,
        server.port,
        extra={"action": "sandbox_server_up", "seconds": round(time.monotonic() - started, 1)},
    )
    return True


def _prepare(server: Server, kind: _Program, account: str | None) -> None:
    shutil.rmtree(server.directory, ignore_errors=True)
    processes.make_directory(server.directory, account)
    kind.prepare(server, account)
    (server.directory / _READY_MARK).touch()


def _becomes_ready(server: Server) -> bool:
    """Wait until the server answers; stop waiting when its process is gone."""
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if _PROGRAMS[server.kind].is_ready(server):
            return True
        if not processes.find(server.directory):
            return False
        time.sleep(0.1)
    return False


def _stop_all(directory: Path) -> None:
    sandbox = state.load(directory)
    if sandbox is None:
        return
    with ThreadPoolExecutor(max_workers=len(ServerName)) as pool:
        list(pool.map(_stop, sandbox.servers))


def _stop(server: Server) -> None:
    processes.stop(server.directory, _PROGRAMS[server.kind].stop_signal)


def _status(server: Server) -> ServerStatus:
    found = processes.find(server.directory)
    return ServerStatus(
        name=server.name,
        kind=server.kind,
        is_running=bool(found) and _PROGRAMS[server.kind].is_ready(server),
        port=server.port,
        pid=found[0].pid if found else None,
        directory=server.directory,
    )


def _lock_file(directory: Path) -> Path:
    return directory / "lock"


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Let one process at a time change the servers; the others wait."""
    with _lock_file(directory).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
