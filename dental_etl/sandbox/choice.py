"""Which program serves a database of the sandbox: the machine's MariaDB, or one that the environment names."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from dental_etl.exceptions import SandboxError
from dental_etl.sandbox.state import Kind, Sandbox, Server, ServerName, with_servers

#: Each names a path, or a program that is found in PATH.
VARIABLES = {
    ServerName.SOURCE: "SANDBOX_SOURCE_SERVER",
    ServerName.REPLICATION: "SANDBOX_REPLICATION_SERVER",
}
#: A server's process is known by its program, which a script must be named like; what a server brings along
#: (mysqldump, mysqld_safe, mariadbd-multi) is none.
_NAMES = ("mariadbd", "mysqld")
_SERVER = re.compile(rf"(?!.*(?:safe|multi))(?:{'|'.join(_NAMES)})(?:[-.\d].*)?")


def choose(new: Sandbox) -> Sandbox:
    """Return a sandbox without data, served by what the environment names.

    Raises:
        SandboxError: A variable does not name a server's program.
    """
    return with_servers(new, [_chosen(server) or server for server in new.servers])


def check(sandbox: Sandbox) -> Sandbox:
    """Return a sandbox with data; another version of the same kind may serve them from now on.

    Where the environment names nothing, a server stays what it is.

    Raises:
        SandboxError: The data were made by another kind of server than the environment names.
    """
    servers = [_chosen(server) or server for server in sandbox.servers]
    for before, now in zip(sandbox.servers, servers, strict=True):
        if before.kind is not now.kind:
            raise SandboxError(
                f"{VARIABLES[now.name]} names {now.kind}, and the {now.name} server of the sandbox in "
                f"{sandbox.directory} was made by {before.kind}. Choose another --directory, or delete this "
                f"sandbox with: dental-etl sandbox destroy --directory {shlex.quote(str(sandbox.directory))}"
            )
    return with_servers(sandbox, servers)


def _chosen(server: Server) -> Server | None:
    variable = VARIABLES.get(server.name)
    named = os.environ.get(variable, "") if variable else ""
    if not variable or not named:
        return None
    path = shutil.which(named)
    if path is None or not _SERVER.fullmatch(Path(path).name):
        raise SandboxError(
            f"{variable} is {named}, which is no program named {' or '.join(_NAMES)}. Name a server's program, "
            f"or a script of such a name that ends in `exec`."
        )
    return replace(server, kind=_kind(path), program=str(Path(path).absolute()))


def _kind(path: str) -> Kind:
    """Ask the program; MariaDB's is called mysqld, too, in places."""
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    if not re.search(r"\bVer +\d", answer):
        raise SandboxError(f"{path} --version does not answer as MariaDB or MySQL do.")
    return Kind.MARIADB if "MariaDB" in answer else Kind.MYSQL
