"""What the sandbox's MariaDB and MySQL servers have in common: accounts, options, sessions."""

from __future__ import annotations

import signal
from collections.abc import Sequence

import pymysql

from dental_etl.sandbox import processes
from dental_etl.sandbox.state import (
    ADMIN_USER,
    LOOPBACK,
    REPLICATION_DATABASE,
    REPLICATION_USER,
    SOURCE_DATABASE,
    SOURCE_USER,
    Server,
    ServerName,
    write_private,
)

ACCOUNT = "mysql"
STOP_SIGNAL = signal.SIGTERM
#: Of the redo log, by the server's work; each family has an option of its own for it.
LOG_SIZES = {ServerName.SOURCE: "32M", ServerName.REPLICATION: "512M"}

_EVERY_SERVER = (
    "--skip-log-bin",
    "--skip-name-resolve",
    "--local-infile=ON",
    "--max-allowed-packet=256M",
    "--performance-schema=OFF",
    "--innodb-flush-log-at-trx-commit=2",
)
_OPTIONS = {
    # As Open Dental sets a server up: MyISAM, and no strictness about dates.
    ServerName.SOURCE: (
        "--default-storage-engine=MyISAM",
        "--sql-mode=",
        "--key-buffer-size=64M",
        "--innodb-buffer-pool-size=64M",
    ),
    ServerName.REPLICATION: (
        "--innodb-autoinc-lock-mode=2",
        "--innodb-buffer-pool-size=256M",
    ),
}
_CHARACTERS = ("character-set", "collation")
#: A clinic's server runs in the clinic's time, which TIMESTAMP columns must survive.
_TIME_ZONES = {ServerName.SOURCE: "America/Chicago", ServerName.REPLICATION: "UTC"}

#: MySQL 8.0 and earlier read one line of the file as one statement.
_ACCOUNT = (
    "CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{password}';\n"
    "ALTER USER {account} IDENTIFIED BY '{password}';\n"
)
_DATABASE = "CREATE DATABASE IF NOT EXISTS {} CHARACTER SET {};\n"
_SOURCE_RIGHTS = (
    f"GRANT PROCESS ON *.* TO {{account}};\nGRANT SELECT, SHOW VIEW ON {SOURCE_DATABASE}.* TO {{account}};\n"
)
_REPLICATION_RIGHTS = f"GRANT ALL ON {REPLICATION_DATABASE}.* TO {{account}};\n"
_DATABASES = {ServerName.SOURCE: SOURCE_DATABASE, ServerName.REPLICATION: REPLICATION_DATABASE}
_USERS = {
    ServerName.SOURCE: (SOURCE_USER, _SOURCE_RIGHTS),
    ServerName.REPLICATION: (REPLICATION_USER, _REPLICATION_RIGHTS),
}
_ADMIN_RIGHTS = "GRANT ALL ON *.* TO {account} WITH GRANT OPTION;\n"


def start(  # what the families say in their own ways
    server: Server,
    program: str,
    account: str | None,
    *,
    clinic_characters: Sequence[str],
    options: Sequence[str],
    statements: str = "",
) -> None:
    """Start the server; it makes its accounts and database from a file, on every start the same.

    The socket's path is relative to the data directory: the system allows about 107 bytes for it,
    which a deep project folder exceeds.

    Args:
        server: Which.
        program: Path of what serves it.
        account: User to run it as; None for ourselves.
        clinic_characters: The family's name for utf8 of three bytes and, unless it is the default,
            of the collation; Open Dental's tables are made so.
        options: More of the program's own.
        statements: More for the file, one to a line.
    """
    accounts = server.directory / "accounts.sql"
    characters = clinic_characters if server.name is ServerName.SOURCE else ("utf8mb4",)
    write_private(accounts, _accounts(server, characters) + statements)
    processes.hand_over(accounts, account)
    command = [
        program,
        "--no-defaults",
        f"--datadir={server.data_directory}",
        f"--tmpdir={server.directory / 'tmp'}",
        "--socket=server.sock",
        "--pid-file=server.pid",
        f"--bind-address={LOOPBACK}",
        f"--port={server.port}",
        f"--init-file={accounts}",
        *(f"--{what}-server={name}" for what, name in zip(_CHARACTERS, characters, strict=False)),
        *_EVERY_SERVER,
        *_OPTIONS[server.name],
        *options,
    ]
    processes.start_detached(
        command,
        account=account,
        cwd=server.data_directory,
        environment={"TZ": _TIME_ZONES[server.name]},
        log=server.log_file,
    )


def is_ready(server: Server) -> bool:
    """Tell whether our own account can work on the server."""
    try:
        connect(server).close()
    except pymysql.MySQLError:
        return False
    return True


def connect(server: Server) -> pymysql.Connection[pymysql.cursors.Cursor]:
    """Connect as the sandbox's own account: UTC, nothing strict, files of ours may be loaded."""
    return pymysql.connect(
        host=LOOPBACK,
        port=server.port,
        user=ADMIN_USER,
        password=server.admin_password,
        database=_DATABASES[server.name],
        charset="utf8mb4",
        local_infile=True,
        autocommit=True,
        connect_timeout=5,
        init_command="SET time_zone='+00:00', sql_mode=''",
    )


def _accounts(server: Server, characters: Sequence[str]) -> str:
    user, rights = _USERS[server.name]
    return (
        _DATABASE.format(_DATABASES[server.name], " COLLATE ".join(characters))
        + _account(user, server.password, rights)
        + _account(ADMIN_USER, server.admin_password, _ADMIN_RIGHTS)
    )


def _account(user: str, password: str, rights: str) -> str:
    return (_ACCOUNT + rights).format(account=f"'{user}'@'{LOOPBACK}'", password=password)
