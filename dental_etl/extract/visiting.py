"""A visit to the source: a place there, a reader for one table, and the account of what it has cost."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from dental_etl.config import Settings
from dental_etl.connections import connect
from dental_etl.exceptions import DeadlineError, ServerFullError, TableBusyError
from dental_etl.extract.governor import Limits
from dental_etl.extract.reading import SourceReader
from dental_etl.run import SourceVisit
from dental_etl.tracking.locks import source_slot

#: Longest wait for a place at the source.
PATIENCE_SECONDS = 300.0
#: Pauses between two questions for one grow from the first to the second: each is a connection.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.4, 8.0


class Account(Protocol):
    """Who keeps the books of a run's visits."""

    def bytes_left(self, so_far: SourceVisit) -> float:
        """Return the bytes of rows that the run may still read; infinite without a budget.

        Args:
            so_far: What the visit that asks has cost until now.
        """

    def visited(self, visit: SourceVisit) -> None:
        """Take note of a visit that is over, however it ended."""


class NoAccount:
    """For visits that belong to no run: no budget, no books."""

    def bytes_left(self, so_far: SourceVisit) -> float:
        return float("inf")

    def visited(self, visit: SourceVisit) -> None:
        """Forget it."""


@contextmanager
def visit(  # where, what, until when, and at whose cost
    settings: Settings,
    table: str,
    *,
    deadline: datetime | None,
    clock: Callable[[], datetime],
    account: Account | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Iterator[tuple[Connection, SourceReader]]:
    """Open the source in one of the places that we may hold there, ready to read one table.

    Args:
        settings: The source, and the number of places.
        table: What will be read.
        deadline: When the source must be left alone; None if never.
        clock: Returns the current time, aware.
        account: Told what the visit has cost, when it ends.
        patience_seconds: Longest wait for a place.

    Raises:
        DeadlineError: The source must be left alone; it was not connected to.
        TableBusyError: No place became free in time.
        ServerFullError: The server itself had none for us.
        DatabaseError: By the server's error number.
    """
    books = account or NoAccount()
    with _place(settings, patience_seconds, lambda: _require_time(table, deadline, clock)) as source:
        began_at = clock()

        def so_far() -> SourceVisit:
            return _account_of(table, reader, began_at, clock())

        reader = SourceReader(
            source,
            table,
            deadline,
            clock,
            limits=Limits.of(settings),
            bytes_left=lambda: books.bytes_left(so_far()),
        )
        try:
            reader.prepare()
            yield source, reader
        finally:
            books.visited(so_far())


def _require_time(table: str, deadline: datetime | None, clock: Callable[[], datetime]) -> None:
    if deadline is not None and clock() >= deadline:
        raise DeadlineError(
            f"The window closed while table {table} waited for a place at the source; the next night reads it.",
            table=table,
            stage="extract",
        )


@contextmanager
def _place(
    settings: Settings, patience_seconds: float, require_time: Callable[[], None]
) -> Iterator[Connection]:
    """Wait for a place without a connection: who waits at the source would be one more session there."""
    until, pause_seconds = time.monotonic() + patience_seconds, _FIRST_PAUSE_SECONDS
    while True:
        require_time()
        with ExitStack() as stack:
            try:
                source = stack.enter_context(connect(settings.source, is_dedicated=True))
                stack.enter_context(source_slot(source, settings.source_max_connections))
            except (TableBusyError, ServerFullError):
                if time.monotonic() >= until:
                    raise
            else:
                yield source
                return
        time.sleep(random.uniform(0.5, 1.0) * pause_seconds)  # noqa: S311  # so that not all ask at once
        pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)


def _account_of(table: str, reader: SourceReader, began_at: datetime, ended_at: datetime) -> SourceVisit:
    cost = reader.cost
    return SourceVisit(
        table=table,
        began_at=began_at,
        ended_at=ended_at,
        reads=cost.reads,
        bytes_read=cost.bytes,
        seconds=cost.seconds,
        longest_read_seconds=cost.longest_seconds,
        pauses={str(cause): seconds for cause, seconds in cost.pauses.items()},
    )
