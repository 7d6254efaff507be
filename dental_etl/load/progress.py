"""How far a load is, told while it runs to whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import Connection

from dental_etl.wire.reader import BlockStream
from dental_etl.wire.rows import RowFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadProgress:
    """What a load has copied so far, helpers included."""

    rows: int
    bytes: int
    #: Rows that it will have copied at its end; None while nobody knows.
    expected_rows: int | None


#: Called after every block of about 64 KiB, so it should look at the clock first.
Watcher = Callable[[LoadProgress], None]


class Watch:
    """Counts the rows of a load over all the queries that they come from.

    Args:
        watcher: Who is told; None for nobody.
    """

    def __init__(self, watcher: Watcher | None) -> None:
        self._watcher = watcher
        self._rows = 0
        self._bytes = 0
        self._expected_rows: int | None = None

    def expect(self, rows: int) -> None:
        """Say how many rows the load will copy."""
        self._expected_rows = rows

    def settle(self, *, rows: int, size: int) -> None:
        """Say what is done for good, whoever did it; streams count on from here."""
        self._rows, self._bytes = rows, size
        self.tell(0, 0)

    def tell(self, rows: int, size: int) -> None:
        """Tell of rows beyond what is settled."""
        if self._watcher is not None:
            self._watcher(
                LoadProgress(
                    rows=self._rows + rows, bytes=self._bytes + size, expected_rows=self._expected_rows
                )
            )


class WatchedStream(BlockStream):
    """Rows of one query; every block is told of."""

    def __init__(self, connection: Connection, sql: str, row_format: RowFormat, watch: Watch) -> None:
        super().__init__(connection, sql, row_format)
        self._watch = watch

    def __iter__(self) -> Iterator[bytes]:
        with closing(self._plain_blocks()) as blocks:
            for block in blocks:
                self._watch.tell(self.rows, self.bytes)
                yield block

    def _plain_blocks(self) -> Generator[bytes, None, None]:
        yield from super().__iter__()
