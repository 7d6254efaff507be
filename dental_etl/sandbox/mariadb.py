"""A MariaDB server of the sandbox."""

from __future__ import annotations

from collections.abc import Sequence

from dental_etl.sandbox import family, processes
from dental_etl.sandbox.programs import program
from dental_etl.sandbox.state import Server

#: The collation has another default from MariaDB 11.5 on.
_CLINIC_CHARACTERS = ("utf8", "utf8_general_ci")


def prepare(server: Server, account: str | None) -> None:
    """Make the data directory.

    Each server has a temporary folder of its own: two installations at once in a shared one
    destroy each other's files.
    """
    processes.make_directory(server.directory / "tmp", account)
    command = [
        program("mariadb-install-db"),
        "--no-defaults",
        f"--datadir={server.data_directory}",
        f"--tmpdir={server.directory / 'tmp'}",
        "--auth-root-authentication-method=socket",
        "--skip-test-db",
        "--skip-name-resolve",
    ]
    processes.run(
        command,
        account=account,
        cwd=server.directory,
        environment={"TMPDIR": str(server.directory / "tmp")},
        log=server.log_file,
    )


def start(server: Server, account: str | None, options: Sequence[str] = ()) -> None:
    """Start the server.

    Args:
        server: Which.
        account: User to run it as; None for ourselves.
        options: More of the program's own.
    """
    family.start(
        server,
        server.program or program("mariadbd"),
        account,
        clinic_characters=_CLINIC_CHARACTERS,
        options=(f"--innodb-log-file-size={family.LOG_SIZES[server.name]}", *options),
    )


def settle(server: Server) -> None:
    """Nothing is left to do: the accounts were made on the way up."""
