"""Run the servers' programs: as an unprivileged user, detached, found again by their data."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from dental_etl.exceptions import SandboxError

_STOP_SECONDS = 30.0
_PREPARE_SECONDS = 120.0
#: What a server's process may be called, while starting it is still the shell.
_PROGRAMS = ("mariadbd", "mysqld", "mariadb-install", "postgres", "initdb", "redis-server", "sh")
#: `sh` starts the server and ends, so that the server is nobody's child: it never becomes a zombie
#: of a long-lived caller, and Python does not mourn it at exit.
_DETACH = 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 &'


def server_account(preferred: str) -> str | None:
    """Return the user that a server runs as; None means ourselves.

    MariaDB and PostgreSQL refuse to run as root.
    """
    if os.geteuid() != 0:
        return None
    for name in (preferred, "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise SandboxError(f"There is neither a user {preferred} nor nobody to run a server as; create one.")


def hand_over(path: Path, account: str | None) -> None:
    """Give a file or folder to the server's user."""
    if account is not None:
        shutil.chown(path, user=account, group=pwd.getpwnam(account).pw_gid)


def make_directory(path: Path, account: str | None) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    hand_over(path, account)


def run(
    command: Sequence[str], *, account: str | None, cwd: Path, environment: dict[str, str], log: Path
) -> None:
    """Run a program to its end, its output in `log`.

    Raises:
        SandboxError: It failed or took too long; the message names the log.
    """
    with log.open("ab") as output:
        try:
            done = subprocess.run(
                command,
                cwd=cwd,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_PREPARE_SECONDS,
                check=False,
                start_new_session=True,
                **_identity(account),
            )
        except subprocess.TimeoutExpired:
            raise SandboxError(f"{command[0]} did not end in {_PREPARE_SECONDS:.0f} s; see {log}.") from None
    if done.returncode != 0:
        raise SandboxError(f"{command[0]} failed with exit code {done.returncode}; see {log}.")


def start_detached(
    command: Sequence[str], *, account: str | None, cwd: Path, environment: dict[str, str], log: Path
) -> None:
    """Start a server that outlives us and does not hear the terminal's Ctrl-C."""
    log.touch(mode=0o600)
    hand_over(log, account)
    subprocess.run(
        ["/bin/sh", "-c", _DETACH, "sh", str(log), *command],
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        check=True,
        start_new_session=True,
        **_identity(account),
    )


def find(directory: Path) -> list[psutil.Process]:
    """Return the processes that serve this server's folder, or were preparing it.

    They are known by program and data directory, so that no pid file can be stale and name a
    stranger. PostgreSQL's helpers rename themselves; they end with their parent.
    """
    data = f"{directory}{os.sep}data"
    marks = {data, f"--datadir={data}", f"{directory}{os.sep}redis.conf"}
    return [process for process in psutil.process_iter(["name"]) if _is_ours(process, marks)]


def stop(directory: Path, stop_signal: signal.Signals) -> None:
    """End every process of a server, first politely, after 30 s by force."""
    for number in (stop_signal, signal.SIGKILL):
        for process in find(directory):
            _signal(process, number)
        if _are_gone(directory):
            return


def kill(directory: Path) -> None:
    """End what an interrupted start left behind; there is nothing to save."""
    stop(directory, signal.SIGKILL)


def _are_gone(directory: Path) -> bool:
    """Wait until no process is found; one that is dead but not yet buried counts as gone."""
    deadline = time.monotonic() + _STOP_SECONDS
    while find(directory):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _is_ours(process: psutil.Process, marks: set[str]) -> bool:
    try:
        return process.info["name"].startswith(_PROGRAMS) and not marks.isdisjoint(process.cmdline())
    except (psutil.Error, AttributeError):  # gone meanwhile, or nameless because it is somebody else's
        return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _identity(account: str | None) -> dict[str, Any]:
    if account is None:
        return {}
    entry = pwd.getpwnam(account)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
