"""The PostgreSQL server that holds the warehouse."""

from __future__ import annotations

import signal
from contextlib import closing

import psycopg2
from psycopg2 import sql

from dental_etl.sandbox import processes
from dental_etl.sandbox.programs import program
from dental_etl.sandbox.state import (
    ADMIN_USER,
    ANALYTICS_DATABASE,
    ANALYTICS_USER,
    LOOPBACK,
    Server,
    write_private,
)

ACCOUNT = "postgres"
#: A fast shutdown: sessions are ended. SIGTERM would wait for the last client to go.
STOP_SIGNAL = signal.SIGINT

_OPTIONS = {
    "listen_addresses": LOOPBACK,
    # A socket's path may have about 107 bytes, and nobody needs one.
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "30min",
    "maintenance_work_mem": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def prepare(server: Server, account: str | None) -> None:
    """Make the data directory; passwords are demanded even on the loopback interface."""
    processes.make_directory(server.directory / "tmp", account)
    password = server.directory / "tmp" / "password"
    write_private(password, server.admin_password + "\n")
    processes.hand_over(password, account)
    command = [
        program("initdb"),
        "-D",
        str(server.data_directory),
        f"--username={ADMIN_USER}",
        f"--pwfile={password}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
    ]
    processes.run(command, account=account, cwd=server.directory, environment={}, log=server.log_file)
    password.unlink()


def start(server: Server, account: str | None) -> None:
    """Start the server; the lock file of one that was killed is removed first.

    It names a process id that may belong to somebody else by now, and PostgreSQL would then refuse.
    """
    (server.data_directory / "postmaster.pid").unlink(missing_ok=True)
    command = [program("postgres"), "-D", str(server.data_directory), "-p", str(server.port)]
    for name, value in _OPTIONS.items():
        command += ["-c", f"{name}={value}"]
    processes.start_detached(
        command, account=account, cwd=server.data_directory, environment={}, log=server.log_file
    )


def is_ready(server: Server) -> bool:
    """Tell whether our own account can work on the server."""
    try:
        _connect(server).close()
    except psycopg2.OperationalError:
        return False
    return True


def settle(server: Server) -> None:
    """Make the pipeline's account and its database, whichever is missing."""
    with closing(_connect(server)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (ANALYTICS_USER,))
        verb = sql.SQL("ALTER") if cursor.fetchone() else sql.SQL("CREATE")
        cursor.execute(
            sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
                verb, sql.Identifier(ANALYTICS_USER), sql.Literal(server.password)
            )
        )
        # PostgreSQL quotes the row that it refuses in its own log; we record the error's number.
        cursor.execute(
            sql.SQL("ALTER ROLE {} SET log_min_messages = 'fatal'").format(sql.Identifier(ANALYTICS_USER))
        )
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (ANALYTICS_DATABASE,))
        if not cursor.fetchone():
            cursor.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(ANALYTICS_DATABASE), sql.Identifier(ANALYTICS_USER)
                )
            )


def _connect(server: Server) -> psycopg2.extensions.connection:
    connection = psycopg2.connect(
        host=LOOPBACK,
        port=server.port,
        user=ADMIN_USER,
        password=server.admin_password,
        dbname="postgres",
        connect_timeout=5,
    )
    connection.autocommit = True
    return connection
