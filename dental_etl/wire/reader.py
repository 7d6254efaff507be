"""Rows of a MySQL query as blocks of text that LOAD DATA or COPY takes as they are."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection

from dental_etl.config import Role
from dental_etl.connections import database_errors
from dental_etl.exceptions import DatabaseConnectionError, DatabaseError, DataExtractionError
from dental_etl.wire import packets
from dental_etl.wire.blocks import BlockEncoder, looks_like_framing, row_too_long
from dental_etl.wire.names import literal
from dental_etl.wire.rows import FIELD_END, NULL, RowFormat, Target


class BlockStream:
    """The rows of one query; iterate once, then read the counters.

    The query is sent at the first step. A stream that is given up half way closes its connection,
    because the rest of the answer would otherwise have to be read; SQLAlchemy then asks for a
    rollback before the connection is used again.

    Attributes:
        rows: Rows so far.
        bytes: Bytes of the blocks so far.
        seconds: Time spent waiting for the server and making blocks; not what the consumer took.
        longest_seconds: Longest wait for one block.
    """

    def __init__(self, connection: Connection, sql: str, row_format: RowFormat) -> None:
        self._connection = connection
        self._sql = sql
        self._format = row_format
        self._encoder = BlockEncoder(row_format)
        self._last: bytes | None = None
        self.rows = 0
        self.bytes = 0
        self.seconds = 0.0
        self.longest_seconds = 0.0

    @property
    def coercions(self) -> dict[tuple[str, str], int]:
        """Rows by column and kind whose value the target cannot hold: ``("DateX", "zero_date"): 3``."""
        return dict(self._encoder.coercions)

    @property
    def last_values(self) -> dict[str, bytes | None]:
        """Values of the last row as the server printed them, for the next page's lower bound.

        Empty before the first row; a date that the target cannot hold is None. Binary columns are
        hexadecimal digits. A row is a patient: use it in the next statement and nowhere else.

        Raises:
            PackingError: Text of that row holds bytes that cannot be told apart from the framing.
        """
        if self._last is None:
            return {}
        fields = self._last.split(FIELD_END)
        if len(fields) != len(self._format.columns):
            raise looks_like_framing(self._format.table)
        absent = {NULL, *dict(self._format.coerced).values()}
        named = zip(self._format.columns, fields, strict=True)
        return {name: None if field in absent else field for name, field in named}

    def __iter__(self) -> Iterator[bytes]:
        role = Role.SOURCE if self._format.target is Target.MYSQL else Role.REPLICATION
        is_drained = False
        try:
            with database_errors(role, table=self._format.table):
                yield from self._blocks()
            is_drained = True
        except packets.RowTooLongError:
            raise row_too_long(self._format.table) from None
        except packets.UnexpectedAnswerError as error:
            table = self._format.table
            raise DataExtractionError(
                f"The query for table {table} gave {error}. This is a programming error; please report it.",
                table=table,
            ) from None
        except DatabaseError as error:
            # The server's error is the last packet of its answer; nothing is left to read.
            is_drained = not isinstance(error, DatabaseConnectionError)
            raise
        finally:
            if not is_drained:
                self._connection.invalidate()

    def _blocks(self) -> Iterator[bytes]:
        started = time.perf_counter()
        for rows in self._rows():
            self._last = rows[-1]
            self.rows += len(rows)
            for block in self._encoder.blocks(rows):
                self.bytes += len(block)
                self._count(time.perf_counter() - started)
                yield block
                started = time.perf_counter()
        self._count(time.perf_counter() - started)

    def _count(self, seconds: float) -> None:
        self.seconds += seconds
        self.longest_seconds = max(self.longest_seconds, seconds)

    def _rows(self) -> Iterator[list[bytes]]:
        driver = packets.driver_in_transaction(self._connection)
        wire: Any = packets if packets.is_usable(driver) else packets.PublicCursor
        if self._format.packed and not self._format.apart:
            yield from wire.packed_rows(driver, self._sql)
            return
        for rows in wire.field_rows(driver, self._sql, self._format.result_columns):
            yield self._packed(rows)

    def _packed(self, rows: list[Any]) -> list[bytes]:
        """Put each row in the place of its fields, which may be large."""
        for place, fields in enumerate(rows):
            rows[place] = self._encoder.pack(fields)
        return rows


def read_blocks(
    connection: Connection, sql: str, parameters: Mapping[str, object] | None, row_format: RowFormat
) -> BlockStream:
    """Read a query as blocks of about 64 KiB, each ending with a whole row but for those of a long row.

    Args:
        connection: To the source or to replication; its transaction is begun if it is not yet.
        sql: Selects ``row_format.select_list``. With `parameters` it holds ``%(name)s`` and writes a
            percent sign twice; without, it is sent as it is.
        parameters: Values, written into the text by `names.literal`: this path has no binding.
        row_format: What `sql` selects, and for which target.

    Raises:
        DatabaseError: While iterating, by the server's error number.
        DataExtractionError: While iterating: a row does not fit max_allowed_packet, or its text holds
            bytes that no UTF-8 text holds and that cannot be told apart from the framing.
    """
    if parameters:
        sql %= {name: literal(value) for name, value in parameters.items()}
    return BlockStream(connection, sql, row_format)
