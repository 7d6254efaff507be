"""A MySQL server of the sandbox, version 5.7 or later."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress

import pymysql

from dental_etl.exceptions import SandboxError
from dental_etl.sandbox import family, processes
from dental_etl.sandbox.state import Server, ServerName

#: The collation is utf8_general_ci by default, which later versions call otherwise.
_CLINIC_CHARACTERS = ("utf8mb3",)
#: A server may not know what is loose, and then only remarks on it.
_OPTIONS = (
    # A second protocol, on a port that every server would take.
    "--loose-mysqlx=OFF",
    # By default a folder of the installation, which must be there; MariaDB has no such limit.
    "--secure-file-priv=",
)
#: The installation leaves an administrator without a password; the sandbox has an account of its own.
_LOCK_ROOT = "ALTER USER IF EXISTS 'root'@'localhost' ACCOUNT LOCK;\n"
_NO_SUCH_FUNCTION = 1305


def prepare(server: Server, account: str | None) -> None:
    """Make the data directory."""
    processes.make_directory(server.directory / "tmp", account)
    command = [
        _program(server),
        "--no-defaults",
        "--initialize-insecure",
        f"--datadir={server.data_directory}",
        f"--tmpdir={server.directory / 'tmp'}",
        "--secure-file-priv=",
    ]
    processes.run(command, account=account, cwd=server.directory, environment={}, log=server.log_file)


def start(server: Server, account: str | None, options: Sequence[str] = ()) -> None:
    """Start the server.

    Args:
        server: Which.
        account: User to run it as; None for ourselves.
        options: More of the program's own.
    """
    size = family.LOG_SIZES[server.name]
    logs = (f"--loose-innodb-redo-log-capacity={size}", f"--loose-innodb-log-file-size={size}")
    family.start(
        server,
        _program(server),
        account,
        clinic_characters=_CLINIC_CHARACTERS,
        options=(*logs, *_OPTIONS, *options),
        statements=_LOCK_ROOT,
    )


def settle(server: Server) -> None:
    """Give the replica's server MD5, which is a component from MySQL 9.6 on.

    The clinic's server stays as a clinic has it.
    """
    if server.name is ServerName.SOURCE:
        return
    with closing(family.connect(server)) as connection, connection.cursor() as cursor:
        try:
            cursor.execute("SELECT MD5('')")
        except pymysql.MySQLError as error:
            if error.args[0] != _NO_SUCH_FUNCTION:
                raise
            # A server that was built without it is left as it is; `dental-etl validate` says what it lacks.
            with suppress(pymysql.MySQLError):
                cursor.execute("INSTALL COMPONENT 'file://component_classic_hashing'")


def _program(server: Server) -> str:
    if server.program is None:
        raise SandboxError(
            f"Nothing says which program serves {server.name}; its sandbox.json was changed by hand."
        )
    return server.program
