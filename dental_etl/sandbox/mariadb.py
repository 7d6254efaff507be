"""The two MariaDB servers: the clinic's with MyISAM tables, and ours for the replica."""

from __future__ import annotations

import signal
from collections.abc import Sequence

import pymysql

from dental_etl.sandbox import processes
from dental_etl.sandbox.programs import program
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

_EVERY_SERVER = (
    "--skip-log-bin",
    "--skip-name-resolve",
    "--local-infile=ON",
    "--max-allowed-packet=256M",
    "--performance-schema=OFF",
    "--innodb-flush-log-at-trx-commit=2",
)
_OPTIONS = {
    # As Open Dental sets a server up: MyISAM, utf8, and no strictness about dates.
    ServerName.SOURCE: (
        "--default-storage-engine=MyISAM",
        "--sql-mode=",
        "--character-set-server=utf8",
        "--collation-server=utf8_general_ci",
        "--key-buffer-size=64M",
        "--innodb-buffer-pool-size=64M",
        "--innodb-log-file-size=32M",
    ),
    ServerName.REPLICATION: (
        "--character-set-server=utf8mb4",
        "--innodb-autoinc-lock-mode=2",
        "--innodb-log-file-size=512M",
        "--innodb-buffer-pool-size=256M",
    ),
}
#: A clinic's server runs in the clinic's time, which TIMESTAMP columns must survive.
_TIME_ZONES = {ServerName.SOURCE: "America/Chicago", ServerName.REPLICATION: "UTC"}

_SOURCE_ACCOUNTS = (
    f"CREATE DATABASE IF NOT EXISTS {SOURCE_DATABASE} CHARACTER SET utf8 COLLATE utf8_general_ci;\n"
    f"CREATE OR REPLACE USER '{SOURCE_USER}'@'{LOOPBACK}' IDENTIFIED BY '%s';\n"
    f"GRANT PROCESS ON *.* TO '{SOURCE_USER}'@'{LOOPBACK}';\n"
    f"GRANT SELECT, SHOW VIEW ON {SOURCE_DATABASE}.* TO '{SOURCE_USER}'@'{LOOPBACK}';\n"
)
_REPLICATION_ACCOUNTS = (
    f"CREATE DATABASE IF NOT EXISTS {REPLICATION_DATABASE} CHARACTER SET utf8mb4;\n"
    f"CREATE OR REPLACE USER '{REPLICATION_USER}'@'{LOOPBACK}' IDENTIFIED BY '%s';\n"
    f"GRANT ALL ON {REPLICATION_DATABASE}.* TO '{REPLICATION_USER}'@'{LOOPBACK}';\n"
)
_ADMIN_ACCOUNT = (
    f"CREATE OR REPLACE USER '{ADMIN_USER}'@'{LOOPBACK}' IDENTIFIED BY '%s';\n"
    f"GRANT ALL ON *.* TO '{ADMIN_USER}'@'{LOOPBACK}' WITH GRANT OPTION;\n"
)


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
    """Start the server; it makes its accounts and database from a file, on every start the same.

    The socket's path is relative to the data directory: the system allows about 107 bytes for it,
    which a deep project folder exceeds.

    Args:
        server: Which.
        account: User to run it as; None for ourselves.
        options: More of the program's own.
    """
    accounts = server.directory / "accounts.sql"
    write_private(accounts, _accounts(server))
    processes.hand_over(accounts, account)
    command = [
        program("mariadbd"),
        "--no-defaults",
        f"--datadir={server.data_directory}",
        f"--tmpdir={server.directory / 'tmp'}",
        "--socket=server.sock",
        "--pid-file=server.pid",
        f"--bind-address={LOOPBACK}",
        f"--port={server.port}",
        f"--init-file={accounts}",
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


def settle(server: Server) -> None:
    """Nothing is left to do: the accounts were made on the way up."""


def connect(server: Server) -> pymysql.Connection[pymysql.cursors.Cursor]:
    """Connect as the sandbox's own account: UTC, nothing strict, files of ours may be loaded."""
    return pymysql.connect(
        host=LOOPBACK,
        port=server.port,
        user=ADMIN_USER,
        password=server.admin_password,
        database=SOURCE_DATABASE if server.name is ServerName.SOURCE else REPLICATION_DATABASE,
        charset="utf8mb4",
        local_infile=True,
        autocommit=True,
        connect_timeout=5,
        init_command="SET time_zone='+00:00', sql_mode=''",
    )


def _accounts(server: Server) -> str:
    own = _SOURCE_ACCOUNTS if server.name is ServerName.SOURCE else _REPLICATION_ACCOUNTS
    return own % server.password + _ADMIN_ACCOUNT % server.admin_password
