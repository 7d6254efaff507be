"""A connection that is lost while rows are read is a lost connection, and nothing else."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pymysql
import pytest
from sqlalchemy import Connection

from dental_etl.config import DatabaseSettings, Role, Settings
from dental_etl.connections import connect, database_errors, driver_connection, translate
from dental_etl.exceptions import DatabaseConnectionError
from dental_etl.wire import packets
from dental_etl.wire.packets import PublicCursor
from tests.counting import counted

_ROWS = f"SELECT REPEAT('x', 1000) FROM {counted(1, 1000000)}"


def test_the_public_cursor_says_that_the_connection_was_lost(
    source_admin: Connection, sandbox_settings: Settings
) -> None:
    with connect(sandbox_settings.source, is_dedicated=True) as connection:
        driver = driver_connection(connection)
        rows = PublicCursor.field_rows(driver, _ROWS, 1)
        next(rows)
        source_admin.exec_driver_sql(f"KILL CONNECTION {driver.thread_id()}")
        with pytest.raises(pymysql.OperationalError):
            deque(rows, maxlen=0)


@pytest.fixture
def breaking_line(sandbox_settings: Settings) -> Iterator[DatabaseSettings]:
    """A way to the source that is reset after a megabyte, as a router does that forgets its connections."""
    source = sandbox_settings.source
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_carry_a_megabyte, args=(listening, (source.host, source.port)))
        thread.start()
        yield replace(source, port=listening.getsockname()[1])
        thread.join()


def _carry_a_megabyte(listening: socket.socket, server: tuple[str, int]) -> None:
    near, _ = listening.accept()
    with near, socket.create_connection(server) as far:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close by a reset
        carried = 0
        while carried < 1_000_000:
            for ready in select.select([near, far], [], [])[0]:
                data = ready.recv(65_536)
                (far if ready is near else near).sendall(data)
                carried += len(data)


@pytest.mark.parametrize("rows_of", [PublicCursor.field_rows, packets.field_rows])
def test_a_line_that_is_reset_was_lost(breaking_line: DatabaseSettings, rows_of: Callable[..., Any]) -> None:
    with (
        pytest.raises(DatabaseConnectionError),
        database_errors(Role.SOURCE),
        connect(breaking_line, is_dedicated=True) as connection,
    ):
        deque(rows_of(driver_connection(connection), _ROWS, 1), maxlen=0)


@pytest.mark.parametrize("role", [Role.SOURCE, Role.REPLICATION])
def test_a_server_that_vanishes_is_noticed_within_a_minute(sandbox_settings: Settings, role: Role) -> None:
    database = {Role.SOURCE: sandbox_settings.source, Role.REPLICATION: sandbox_settings.replication}[role]
    with connect(database, is_dedicated=True) as connection:
        line = driver_connection(connection)._sock
        seconds = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) + line.getsockopt(
            socket.IPPROTO_TCP, socket.TCP_KEEPINTVL
        ) * line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
    assert seconds <= 60


def test_postgresql_notices_within_a_minute_that_a_host_vanished(sandbox_settings: Settings) -> None:
    """Else its locks would keep the host's tables from everybody for two hours."""
    with connect(sandbox_settings.analytics) as connection:
        idle, interval, probes = (
            int(connection.exec_driver_sql(f"SHOW tcp_keepalives_{name}").scalar_one())
            for name in ("idle", "interval", "count")
        )
    assert 0 < idle + interval * probes <= 60


def test_a_connection_that_the_driver_has_closed_was_lost() -> None:
    assert isinstance(translate(pymysql.InterfaceError(0, ""), Role.REPLICATION), DatabaseConnectionError)


def test_a_full_disk_is_named() -> None:
    error = pymysql.OperationalError(1114, "The table is full")
    assert "disk is full" in str(translate(error, Role.REPLICATION, table="patient"))
