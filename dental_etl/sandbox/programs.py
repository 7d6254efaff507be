"""Find the servers' programs on this machine, and install them where we may."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path

from dental_etl.exceptions import SandboxError
from dental_etl.sandbox.state import Kind

logger = logging.getLogger(__name__)

_PACKAGES = ("mariadb-server", "postgresql", "redis-server")
_OLDEST_POSTGRES = 15
_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/opt/homebrew/bin", "/usr/local/bin")
_POSTGRES_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
_POLICY = Path("/usr/sbin/policy-rc.d")
_NEEDED = {
    Kind.MARIADB: ("mariadbd", "mariadb-install-db"),
    Kind.MYSQL: (),  # somebody said where it is
    Kind.POSTGRES: ("postgres", "initdb"),
    Kind.REDIS: ("redis-server",),
}


def program(name: str) -> str:
    """Return the path of a server's program.

    Raises:
        SandboxError: It is not installed; the message names the command that installs it.
    """
    path = _path(name)
    if path is None:
        raise SandboxError(
            f"{name} is not installed, which the sandbox needs. Run as root: "
            f"apt-get update && apt-get install -y --no-install-recommends {' '.join(_PACKAGES)}"
        )
    return path


def ensure_installed(kinds: Collection[Kind]) -> None:
    """Install what these servers miss when we are root on a Debian system, else say what to install.

    Raises:
        SandboxError: Something is missing, and installing it is not ours to do or failed.
    """
    if _missing(kinds) and os.geteuid() == 0 and shutil.which("apt-get"):
        _install()
    for name in _missing(kinds):
        program(name)


def _missing(kinds: Collection[Kind]) -> list[str]:
    return [name for kind in sorted(set(kinds)) for name in _NEEDED[kind] if _path(name) is None]


def _path(name: str) -> str | None:
    return _postgres_program(name) if name in {"postgres", "initdb"} else _plain_program(name)


def _plain_program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(_FOLDERS))


def _postgres_program(name: str) -> str | None:
    """Return the newest version's program; distributions keep them out of PATH."""
    folders = [str(path) for pattern in _POSTGRES_FOLDERS for path in Path("/").glob(pattern[1:])]
    found = [path for path in (shutil.which(name, path=folder) for folder in folders) if path]
    found += [path for path in (shutil.which(name),) if path]
    versions = [(version, path) for path in found if (version := _version(path)) >= _OLDEST_POSTGRES]
    return max(versions, key=itemgetter(0))[1] if versions else None


def _version(path: str) -> int:
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"(\d+)[.\s]", answer + " ")
    return int(match.group(1)) if match else 0


def _install() -> None:
    logger.info(
        "Installing %s", " ".join(_PACKAGES), extra={"action": "sandbox_install", "packages": _PACKAGES}
    )
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    commands = (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", *_PACKAGES])
    with _services_stay_down():
        for command in commands:
            done = subprocess.run(
                command, env=environment, capture_output=True, check=False, stdin=subprocess.DEVNULL
            )
            if done.returncode != 0:
                raise SandboxError(
                    f"{' '.join(command)} failed with exit code {done.returncode}. "
                    f"Run it by hand to see why, then try again."
                )


@contextmanager
def _services_stay_down() -> Iterator[None]:
    """Keep the packages from starting servers on the standard ports.

    Debian asks policy-rc.d before it starts a service; one that is already there is somebody's
    decision and stays.
    """
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)
