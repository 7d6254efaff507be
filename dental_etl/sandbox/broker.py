"""The Redis server that carries the messages."""

from __future__ import annotations

import signal
import socket

from dental_etl.sandbox import processes
from dental_etl.sandbox.programs import program
from dental_etl.sandbox.state import LOOPBACK, Server, write_private

ACCOUNT = "redis"
STOP_SIGNAL = signal.SIGTERM

_CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir "{directory}"
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
save ""
set-proc-title no
"""


def prepare(server: Server, account: str | None) -> None:
    """Redis makes its own files; only the folder must be there."""
    processes.make_directory(server.data_directory, account)


def start(server: Server, account: str | None) -> None:
    configuration = server.directory / "redis.conf"
    text = _CONFIGURATION.format(
        host=LOOPBACK, port=server.port, password=server.password, directory=server.data_directory
    )
    write_private(configuration, text)
    processes.hand_over(configuration, account)
    processes.start_detached(
        [program("redis-server"), str(configuration)],
        account=account,
        cwd=server.data_directory,
        environment={},
        log=server.log_file,
    )


def is_ready(server: Server) -> bool:
    """Tell whether Redis knows our password and has read its files.

    Two commands of its protocol are enough; the library may not import a client for it.
    """
    try:
        with socket.create_connection((LOOPBACK, server.port), timeout=5) as connection:
            connection.sendall(f"AUTH {server.password}\r\nPING\r\n".encode("ascii"))
            answer = b""
            while answer.count(b"\r\n") < 2 and (received := connection.recv(256)):
                answer += received
    except OSError:
        return False
    return answer == b"+OK\r\n+PONG\r\n"


def settle(server: Server) -> None:
    """Nothing is left to do."""
