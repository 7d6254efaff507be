"""Reads of the source: each one takes its turn, is bounded in time, counted, and refused after the deadline.

A transactional table is read as of one moment, however many reads that takes: else money that is moved
between two rows while we read would be counted twice, or not at all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, text

from dental_etl.config import Role
from dental_etl.connections import database_errors, driver_connection
from dental_etl.exceptions import (
    DatabaseConnectionError,
    DatabaseQueryError,
    DatabaseTransactionError,
    DataExtractionError,
    DeadlineError,
    LockWaitError,
    SourceBudgetError,
)
from dental_etl.extract.governor import Cause, Debt, Limits
from dental_etl.extract.keys import key_is_no_text
from dental_etl.extract.watching import lock_wait_seconds, profile_reads, watch_of
from dental_etl.wire.reader import BlockStream, read_blocks
from dental_etl.wire.rows import RowFormat

#: No page may keep a MyISAM table locked for longer, whatever the plan says.
PAGE_SECONDS = 120.0
#: A table without a key is one single read.
TABLE_SECONDS = 3600.0
#: One moment keeps old rows alive at the source, as a backup does; a longer read goes on at a later one.
MOMENT_SECONDS = 1800.0
_BEGIN_MOMENT = (
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
    "SAVEPOINT etl_moment",
)
#: Keeps the moment and gives back the table's metadata lock, for which an ALTER of the clinic would wait,
#: and everybody else behind it.
_LET_GO = "ROLLBACK TO SAVEPOINT etl_moment"
#: A read that others' locks keep waiting gives up its place in the queue after that long, and comes back.
LOCK_WAIT_SECONDS = 20
#: So long a table that others have locked is waited for; its task then comes back later.
LOCKED_SECONDS = 300.0
#: A read that took longer may have waited for locks: that is not the source's work, nor for want of smaller reads.
_ASKED_SECONDS = 0.02
_HOLD_SECONDS, LOCKED_PAUSE_SECONDS = 0.25, 2.0
#: A page is fetched ahead of its LOAD up to this size, so that the source never waits for the replica.
_AHEAD_BYTES = 16 * 1024 * 1024
# MariaDB counts seconds, MySQL milliseconds; servers before either have no limit to set.
_TIMEOUT_UNITS = {"max_statement_time": 1.0, "max_execution_time": 1000.0}
# Values are in the text of our statements, so a percent sign is only a percent sign.
_AS_IT_IS = {"no_parameters": True}
_CREATED = text(
    "SELECT CAST(create_time AS CHAR) FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND table_name = :table"
)
_FIND_TIMEOUT = text("SHOW VARIABLES WHERE Variable_name IN ('max_statement_time', 'max_execution_time')")


@dataclass(slots=True, kw_only=True)
class ReadTotals:
    """What an extract has cost the source so far."""

    reads: int = 0
    rows: int = 0
    bytes: int = 0
    seconds: float = 0.0
    longest_seconds: float = 0.0
    #: Seconds in which the source was left alone, by cause.
    pauses: dict[Cause, float] = field(default_factory=dict)

    def paused(self, cause: Cause, seconds: float) -> None:
        self.pauses[cause] = self.pauses.get(cause, 0.0) + seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPage:
    """Rows of one read; the first 16 MB of them are already here."""

    blocks: Iterable[bytes]
    #: Counters of the rows; complete once `blocks` is used up.
    stream: BlockStream
    is_empty: bool
    #: Whether all of its rows are here, so that the source may be asked for the next.
    is_complete: bool


_Read = TypeVar("_Read")


class SourceReader:
    """Reads one table from the source through one connection, and leaves the source its rest.

    Args:
        connection: Source, dedicated and used for nothing else.
        table: The Open Dental table.
        deadline: When the source must be left alone; None if never.
        clock: Returns the current time, aware.
        limits: How much of the source may be taken.
        bytes_left: Returns how many bytes of rows may still be read; any number by default.
    """

    def __init__(
        self,
        connection: Connection,
        table: str,
        deadline: datetime | None,
        clock: Callable[[], datetime],
        *,
        limits: Limits | None = None,
        bytes_left: Callable[[], float] = lambda: float("inf"),
    ) -> None:
        self._connection = connection
        self._table = table
        self._deadline = deadline
        self._clock = clock
        self._limits = limits or Limits()
        self._bytes_left = bytes_left
        self._watch = watch_of(connection)
        self._debt = Debt()
        self._last_read_at = time.monotonic()
        self._given_up = threading.Event()
        self._timeout: str | None = None
        self._timeout_seconds = 0.0
        self._tells_waits = False
        self._moment_ends: float | None = None
        self._waits_for_locks = True
        self._created: list[str] = []
        #: Of the table, whoever else reads it with us.
        self.totals = ReadTotals()
        #: Of this reader alone.
        self.cost = ReadTotals()
        #: As of how many moments rows were read; 0 where each read is of its own.
        self.moments = 0

    @property
    def strain(self) -> int:
        """Level of the source's strain as it was last seen; 0 when it is calm."""
        return self._watch.current.level

    def prepare(self) -> None:
        """Set up the session, and find out how this server limits a statement; no table is touched."""
        with database_errors(Role.SOURCE, table=self._table, stage="extract"):
            # Nothing of what we ask is one transaction, unless `hold_moment` makes it one.
            driver_connection(self._connection).autocommit(True)  # noqa: FBT003  # the driver's own signature
            self._connection.exec_driver_sql(f"SET SESSION lock_wait_timeout = {LOCK_WAIT_SECONDS}")
            found = [str(row[0]) for row in self._connection.execute(_FIND_TIMEOUT)]
        self._timeout = found[0] if found else None
        self._tells_waits = profile_reads(self._connection)

    def wait_for_no_lock(self) -> None:
        """From now on fail at once where others hold a lock: many tables are asked about, none is read."""
        with database_errors(Role.SOURCE, table=self._table, stage="extract"):
            self._connection.exec_driver_sql("SET SESSION lock_wait_timeout = 1")
        self._waits_for_locks = False

    def hold_moment(self) -> None:
        """Read from now on as of this moment; for tables whose engine is transactional.

        After `MOMENT_SECONDS` a read begins a new moment, which `moments` counts.
        """
        self._created = self._created_at()
        with database_errors(Role.SOURCE, table=self._table, stage="extract"):
            for statement in _BEGIN_MOMENT:
                self._connection.exec_driver_sql(statement)
        self._moment_ends = time.monotonic() + MOMENT_SECONDS
        self.moments += 1

    def require_same_table(self) -> None:
        """Pass if the table is the one that was there when the moment began; asked before rows are deleted.

        Of a table that was made before the moment, filled after it and then renamed into the place of ours,
        the moment shows no rows, and the server says nothing.

        Raises:
            DatabaseTransactionError: It is another one; a new attempt reads it.
            DeadlineError: The window closed.
        """
        if self._moment_ends is None:
            return
        self._seconds_left()
        if self._created_now() != self._created:
            raise DatabaseTransactionError(
                f"Table {self._table} was altered or replaced at the source while it was read; nothing was "
                f"deleted. It is read again.",
                table=self._table,
                stage="extract",
            )

    def _created_now(self) -> list[str]:
        """Return `_created_at` as it is outside of the moment.

        MySQL 8 keeps its catalog in tables of InnoDB, so there a moment shows it as it was, too. A second
        session looks past it, for an instant.
        """
        if getattr(self._connection.dialect, "is_mariadb", False):
            return self._created_at()
        with (
            database_errors(Role.SOURCE, table=self._table, stage="extract"),
            self._connection.engine.connect() as passing,
        ):
            return _created(passing, self._table)

    def _created_at(self) -> list[str]:
        with database_errors(Role.SOURCE, table=self._table, stage="extract"):
            return _created(self._connection, self._table)

    @contextmanager
    def ahead(self) -> Iterator[ThreadPoolExecutor]:
        """Read in a thread of its own; when the caller fails, its last read does not wait for its turn."""
        try:
            with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as reader:
                try:
                    yield reader
                except BaseException:
                    self._given_up.set()
                    raise
        finally:
            self._given_up.clear()

    def row(self, sql: str) -> Any | None:
        """Return the only row of a statement, or None."""
        return next(iter(self.rows(sql)), None)

    def rows(self, sql: str) -> Sequence[Any]:
        """Return the rows of a statement that has few, as the driver gives them."""
        return self._patiently(lambda: self._rows(sql))

    def _rows(self, sql: str) -> Sequence[Any]:
        with self._limited(PAGE_SECONDS):
            started = time.monotonic()
            with database_errors(Role.SOURCE, table=self._table, stage="extract"):
                found = self._all(sql)
            seconds = time.monotonic() - started
            self._count(seconds - self._waited(seconds))
        return found

    def _all(self, sql: str) -> Sequence[Any]:
        try:
            return self._connection.exec_driver_sql(sql, execution_options=_AS_IT_IS).all()
        except UnicodeDecodeError:
            raise key_is_no_text(self._table) from None

    def lines(self, sql: str, row_format: RowFormat) -> bytes:
        """Return the answer to a statement that tells about rows, a line each; no row of the table is read."""
        return self._patiently(lambda: self._lines(sql, row_format))

    def _lines(self, sql: str, row_format: RowFormat) -> bytes:
        with self._limited(PAGE_SECONDS):
            stream = read_blocks(self._connection, sql, None, row_format)
            found = b"".join(stream)
            self._count(stream.seconds)
        return found

    def page(self, sql: str, row_format: RowFormat) -> FetchedPage:
        """Read a page; its rows then wait here, not at the source."""
        return self._patiently(lambda: self._fetch(sql, row_format, PAGE_SECONDS))

    def whole_table(self, sql: str, row_format: RowFormat) -> FetchedPage:
        """Read a table in one statement, for tables without a key to page by."""
        return self._patiently(lambda: self._fetch(sql, row_format, TABLE_SECONDS))

    def _fetch(self, sql: str, row_format: RowFormat, limit_seconds: float) -> FetchedPage:
        if self._bytes_left() <= 0:
            raise SourceBudgetError(
                f"The run has read what SOURCE_BUDGET_MB allows; the rest of table {self._table} waits for "
                f"the next night.",
                table=self._table,
                stage="extract",
            )
        stream = read_blocks(self._connection, sql, None, row_format)
        blocks = self._counted(stream, limit_seconds)
        ahead: list[bytes] = []
        size = 0
        for block in blocks:
            ahead.append(block)
            size += len(block)
            if size >= _AHEAD_BYTES:
                break
        is_complete = size < _AHEAD_BYTES
        rest = iter(()) if is_complete else blocks
        return FetchedPage(
            blocks=_joined(ahead, rest), stream=stream, is_empty=not ahead, is_complete=is_complete
        )

    def _counted(self, stream: BlockStream, limit_seconds: float) -> Iterator[bytes]:
        with self._limited(limit_seconds):
            yield from stream
            stream.seconds -= self._waited(stream.seconds)
            self._count(stream.seconds)
        for totals in (self.totals, self.cost):
            totals.rows += stream.rows
            totals.bytes += stream.bytes

    def _count(self, seconds: float) -> None:
        for totals in (self.totals, self.cost):
            totals.reads += 1
            totals.seconds += seconds
            totals.longest_seconds = max(totals.longest_seconds, seconds)
        self._debt = self._debt.read(seconds, self._watch.current.rest_ratio(self._limits))
        self._last_read_at = time.monotonic()

    def _waited(self, seconds: float) -> float:
        """Return how much of a read's time others' locks took; one moment waits for none."""
        if not self._tells_waits or self._moment_ends is not None or seconds < _ASKED_SECONDS:
            return 0.0
        waited = min(lock_wait_seconds(self._connection), seconds)
        if waited:
            self.cost.paused(Cause.LOCKED, waited)
        return waited

    def _take_turn(self) -> None:
        """Rest for the last read, look at the source, and wait while it asks for it."""
        self._debt = self._debt.idle(time.monotonic() - self._last_read_at)
        self._pause(self._debt.due_seconds, self._watch.current.cause)
        strain = self._watch.strain(self._connection, self._limits)
        while strain.must_hold:
            self._pause(_HOLD_SECONDS, strain.cause)
            strain = self._watch.strain(self._connection, self._limits)

    def _pause(self, seconds: float, cause: Cause) -> None:
        """Leave the source alone, at most until the deadline."""
        seconds = min(seconds, self._seconds_left())
        if seconds > 0:
            self._given_up.wait(seconds)
            self.cost.paused(cause, seconds)
            self._debt = self._debt.idle(seconds)

    def _patiently(self, read: Callable[[], _Read]) -> _Read:
        """Read; where a lock of others stands in the way, leave the queue and come back."""
        until = time.monotonic() + (LOCKED_SECONDS if self._waits_for_locks else 0.0)
        while True:
            started = time.monotonic()
            try:
                return read()
            except LockWaitError:
                self.cost.paused(Cause.LOCKED, time.monotonic() - started)
                if self._given_up.is_set() or time.monotonic() >= until:
                    raise
            self._pause(LOCKED_PAUSE_SECONDS, Cause.LOCKED)

    @contextmanager
    def _limited(self, limit_seconds: float) -> Iterator[None]:
        """Refuse to read after the deadline, and have the server itself stop a read that reaches it."""
        self._take_turn()
        seconds = min(limit_seconds, self._seconds_left())
        self._limit_statements(seconds)
        started = time.monotonic()
        if self._moment_ends is not None and started >= self._moment_ends:
            self.hold_moment()
        try:
            yield
            self._let_go()
        except (DatabaseQueryError, DatabaseConnectionError) as error:
            # At the deadline the server ends the statement, and whoever enforces it may end the session.
            if self._deadline is not None and self._clock() >= self._deadline:
                raise self._too_late() from None
            is_quick = time.monotonic() - started < seconds * 0.95
            if is_quick or isinstance(error, DatabaseConnectionError):
                raise
            raise DataExtractionError(
                f"A read of table {self._table} was stopped by the source after {seconds:.0f} seconds. "
                f"Lower its batch_size in tables.overrides.yml, and see what else kept the server busy.",
                table=self._table,
                stage="extract",
            ) from None

    def _let_go(self) -> None:
        if self._moment_ends is not None:
            with database_errors(Role.SOURCE, table=self._table, stage="extract"):
                self._connection.exec_driver_sql(_LET_GO)

    def _seconds_left(self) -> float:
        if self._deadline is None:
            return float("inf")
        left = (self._deadline - self._clock()).total_seconds()
        if left <= 0:
            raise self._too_late()
        return left

    def _limit_statements(self, seconds: float) -> None:
        # Within the last minutes the limit shrinks with every read; before that it is set once.
        if self._timeout is None or seconds == self._timeout_seconds:
            return
        value = max(seconds, 0.05) * _TIMEOUT_UNITS[self._timeout]
        with database_errors(Role.SOURCE, table=self._table, stage="extract"):
            number = f"{value:.3f}" if self._timeout == "max_statement_time" else f"{value:.0f}"
            self._connection.exec_driver_sql(f"SET SESSION {self._timeout} = {number}")
        self._timeout_seconds = seconds

    def _too_late(self) -> DeadlineError:
        return DeadlineError(
            f"The window closed while table {self._table} was being read. What was copied stays; the next "
            f"night goes on from there.",
            table=self._table,
            stage="extract",
        )


def _joined(ahead: Iterable[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from ahead
    yield from rest


def _created(connection: Connection, table: str) -> list[str]:
    """Return when a table was made, and others whose names differ from its in case only."""
    return sorted(map(str, connection.execute(_CREATED, {"table": table}).scalars()))
