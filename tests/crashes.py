"""A night that dies, or loses a session, at its n-th statement: seen on the real connections to the servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from unittest.mock import patch

from pymysql.connections import Connection

from dental_etl.extract.attempt import Progress

_SEND: Any = getattr(Connection, "_execute_command")  # noqa: B009  # everything that the driver ever sends passes here


class Killed(BaseException):
    """The process is gone: nothing of ours may catch this."""


def killed_after(batches: int | None) -> Callable[[Progress], None]:
    """Return what ends an extract after so many batches of it; never, for None."""
    seen = count(1)

    def see(_: Progress) -> None:
        if next(seen) == batches:
            raise Killed

    return see


@contextmanager
def process_dies_at(statement: int) -> Iterator[None]:
    """Let nothing reach the servers from the n-th statement on; unsent commits are lost, sessions end."""
    numbers = count(1)
    victims: list[Any] = []

    def send(connection: Any, command: int, sql: Any) -> None:
        if victims or next(numbers) >= statement:
            victims.append(connection)
            connection._force_close()  # the socket goes, as the kernel closes a dead process's
            raise Killed
        _SEND(connection, command, sql)

    with patch.object(Connection, "_execute_command", send):
        yield


@contextmanager
def session_ends_at(statement: int, kill: Callable[[int, int], None]) -> Iterator[None]:
    """Have the server end the session that sends the n-th statement, before it arrives.

    Args:
        statement: From 1.
        kill: Ends a session: port of the server, number of the session.
    """
    numbers = count(1)

    def send(connection: Any, command: int, sql: Any) -> None:
        if next(numbers) == statement:
            kill(connection.port, connection.thread_id())
        _SEND(connection, command, sql)

    with patch.object(Connection, "_execute_command", send):
        yield
