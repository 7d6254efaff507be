"""Result packets straight from pymysql's socket: the only place that knows its private names.

pymysql turns every value of every row into a Python object. Here a row stays one slice of the
receive buffer. This rests on private names of one pymysql series, so `is_usable` compares it
with the public cursor once per server version and process, and `PublicCursor` gives the same rows
without any of it.
"""

# ruff: noqa: SLF001 - pymysql has no public way to its packets; the pinned series and is_usable guard this

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from struct import Struct
from typing import Any

import pymysql
from pymysql.constants import COMMAND, CR
from pymysql.cursors import SSCursor
from pymysql.protocol import OKPacketWrapper
from sqlalchemy import Connection

from dental_etl.connections import driver_connection

logger = logging.getLogger(__name__)

_PYMYSQL_SERIES = (1, 2)
_PRIVATE_NAMES = (
    "_execute_command", "_read_packet", "_rfile", "_force_close", "write_packet", "server_status",
)  # fmt: skip
#: Faster than larger reads, which miss the processor's cache.
_READ_BYTES = 65536
#: A block is copied several times, so it should stay in the processor's cache. Above 128 KiB the C library
#: also asks the system for fresh memory each time, which cost a third of our processor time.
_BLOCK_BYTES = 1 << 16
#: Below the smallest max_allowed_packet that servers come with (1 MiB).
_SEND_BYTES = 1 << 19
_LONG_PACKET = 0xFFFFFF
#: Packet header (length and sequence number) and the first byte behind it.
_HEADER = Struct("<IB")
_NULL, _TWO, _THREE, _EIGHT_OR_END, _ERROR = 251, 252, 253, 254, 255
_WIDTHS = {_TWO: 2, _THREE: 3, _EIGHT_OR_END: 8}
#: Status flags behind the five bytes of the header and the end mark, and the warning count.
_STATUS = Struct("<H")
_MORE_RESULTS = 0x0008

_SELF_TEST = (
    "SELECT CONCAT_WS(0xFF, 1, 'caf\u00e9', CAST(0xFD AS BINARY)) UNION ALL SELECT REPEAT('x', 300)"
    " UNION ALL SELECT REPEAT('y', 70000) UNION ALL SELECT ''"
)
_verdicts: dict[str, bool] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadAnswer:
    """What the server says after LOAD DATA."""

    #: Lines it read; -1 when its message could not be read.
    records: int
    skipped: int
    warnings: int


class RowTooLongError(Exception):
    """The server answered NULL for a packed row: it is longer than max_allowed_packet."""


class UnexpectedAnswerError(Exception):
    """The answer has another shape than the row format says; says which, and no value."""


class PublicCursor:
    """The same rows through pymysql's public cursor: slower, and free of private names."""

    @staticmethod
    def packed_rows(driver: Any, sql: str) -> Iterator[list[bytes]]:
        for rows in PublicCursor.field_rows(driver, sql, 1):
            yield [_packed_field(fields[0]) for fields in rows]

    @staticmethod
    def field_rows(driver: Any, sql: str, _columns: int) -> Iterator[list[Sequence[bytes | None]]]:
        cursor = driver.cursor(SSCursor)
        try:
            cursor.execute(sql)
            while rows := cursor.fetchmany(1000):
                yield list(rows)
        finally:
            _leave(driver, cursor)


def _leave(driver: Any, cursor: Any) -> None:
    """End a read, to its last row if there is a connection.

    Without one pymysql would read on from a socket that it has closed, now and again when the cursor
    is collected, and its AttributeError would hide that the connection was lost.
    """
    if driver.open:
        cursor.close()
        return
    result = cursor._result  # there is no public way to give up a result
    if result is not None:
        result.unbuffered_active = False
    cursor.connection = None


def driver_in_transaction(connection: Connection) -> Any:
    """Return pymysql's or psycopg2's connection, its transaction known to SQLAlchemy.

    Without that, SQLAlchemy's ``commit()`` would do nothing after work done below it.
    """
    if not connection.in_transaction():
        connection.begin()
    return driver_connection(connection)


@contextmanager
def finished(blocks: Iterable[bytes]) -> Iterator[Iterator[bytes]]:
    """Iterate blocks, and close them whatever happens: the reader below must not wait for the collector."""
    iterator = iter(blocks)
    try:
        yield iterator
    finally:
        if isinstance(iterator, Generator):
            iterator.close()


def is_usable(driver: Any) -> bool:
    """Whether the packet path gives what the public cursor gives, on this server; tested once."""
    version = str(driver.get_server_info())
    if version not in _verdicts:
        _verdicts[version] = _has_private_names(driver) and self_test(driver)
        if not _verdicts[version]:
            logger.warning(
                "pymysql %s is not the one this was built for: rows are read through its public cursor, "
                "about ten times slower. Install the pinned version.",
                pymysql.__version__,
                extra={"action": "packet_self_test"},
            )
    return _verdicts[version]


def _has_private_names(driver: Any) -> bool:
    return pymysql.VERSION[:2] == _PYMYSQL_SERIES and all(hasattr(driver, name) for name in _PRIVATE_NAMES)


def self_test(driver: Any) -> bool:
    """Read a few made-up rows both ways and compare."""
    expected = [row for rows in PublicCursor.packed_rows(driver, _SELF_TEST) for row in rows]
    found = [row for rows in packed_rows(driver, _SELF_TEST) for row in rows]
    return found == expected


def packed_rows(driver: Any, sql: str) -> Iterator[list[bytes]]:
    """Yield the rows of a query with one result column, about 64 KiB at a time.

    Raises:
        RowTooLongError: A row is NULL.
        pymysql.MySQLError: The server's error, or a lost connection.
    """
    yield from _Result(driver, sql, 1).blocks(_split_packed, _packed_payload)


def field_rows(driver: Any, sql: str, columns: int) -> Iterator[list[Sequence[bytes | None]]]:
    """Yield the rows of a query as lists of fields, about 64 KiB at a time."""
    yield from _Result(driver, sql, columns).blocks(_split_fields, _fields)


class _Result:
    """The answer to one query, read below pymysql."""

    def __init__(self, driver: Any, sql: str, columns: int) -> None:
        self._driver = driver
        driver._execute_command(COMMAND.COM_QUERY, sql)
        found = driver._read_packet().read_length_encoded_integer()
        if found != columns:
            raise UnexpectedAnswerError(f"{found} result columns instead of {columns}")
        for _ in range(columns + 1):  # the column definitions and the end of them
            driver._read_packet()

    def blocks(
        self, split: Callable[[bytes, list[Any]], int], row: Callable[[memoryview], Any]
    ) -> Iterator[list[Any]]:
        """Yield lists of rows.

        Args:
            split: Appends the rows of the complete packets of a buffer; returns where it stopped.
            row: Makes a row of one payload of 16 MiB or more.
        """
        buffer, size = b"", 0
        rows: list[Any] = []
        while True:
            position = split(buffer, rows)
            size += position
            buffer = buffer[position:]
            if _is_complete(buffer):  # and yet no row: the end, or an error
                break
            if _length(buffer) == _LONG_PACKET:
                rows.append(row(self._long_payload(buffer)))
                buffer, size = b"", _BLOCK_BYTES
            else:
                buffer += self._more(buffer)
            if size >= _BLOCK_BYTES and rows:
                done, rows, size = [rows], [], 0
                yield done.pop()  # kept nowhere here: one of them may be as large as all others together
        if rows:
            yield rows
        self._finish(buffer)

    def _more(self, buffer: bytes) -> bytes:
        """Read what has arrived, or exactly the rest of a large packet."""
        missing = 4 + _length(buffer) - len(buffer)
        if missing > _READ_BYTES:
            return self._exactly(missing)
        try:
            data: bytes = self._driver._rfile.read1(_READ_BYTES)
        except OSError:  # reset, timed out, or cut inside TLS
            return self._lost()
        return data or self._lost()

    def _exactly(self, size: int) -> bytes:
        try:
            data: bytes = self._driver._rfile.read(size)
        except OSError:
            return self._lost()
        return data if len(data) == size else self._lost()

    def _lost(self) -> bytes:
        raise pymysql.err.OperationalError(CR.CR_SERVER_LOST, "Lost connection during query")

    def _long_payload(self, buffer: bytes) -> memoryview:
        """Join the packets of a row of 16 MiB or more; the last is the first that is shorter."""
        length = _LONG_PACKET
        payload = bytearray(buffer[4:])
        payload += self._exactly(4 + length - len(buffer))
        while length == _LONG_PACKET:
            length = _length(self._exactly(4))
            payload += self._exactly(length) if length else b""
        return memoryview(payload)

    def _finish(self, packet: bytes) -> None:
        if packet[4] == _NULL:
            raise RowTooLongError
        if packet[4] == _ERROR:
            pymysql.err.raise_mysql_exception(packet[4:])
        (status,) = _STATUS.unpack_from(packet, 7)
        self._driver.server_status = status
        if status & _MORE_RESULTS:
            raise UnexpectedAnswerError("more than one result")


def _length(buffer: bytes) -> int:
    return int.from_bytes(buffer[:3], "little") if len(buffer) >= 4 else 0


def _is_complete(buffer: bytes) -> bool:
    return len(buffer) > 4 and len(buffer) >= 4 + _length(buffer)


def _split_packed(buffer: bytes, rows: list[bytes]) -> int:
    """Append the only field of every complete packet: one unpack and one slice per row."""
    unpack, append = _HEADER.unpack_from, rows.append
    position, size = 0, len(buffer)
    while position + 4 < size:
        header, first = unpack(buffer, position)
        following = position + 4 + (header & _LONG_PACKET)
        if following > size or first == _NULL or first > _THREE:
            return position
        if first < _NULL:
            append(buffer[position + 5 : following])
        else:
            append(buffer[position + (7 if first == _TWO else 8) : following])
        position = following
    return position


def _split_fields(buffer: bytes, rows: list[Sequence[bytes | None]]) -> int:
    position, size = 0, len(buffer)
    while position + 4 < size:
        header, first = _HEADER.unpack_from(buffer, position)
        following = position + 4 + (header & _LONG_PACKET)
        if following > size or first > _THREE:
            return position
        rows.append(_fields(buffer[position + 4 : following]))
        position = following
    return position


def _packed_payload(payload: memoryview) -> bytes:
    return _packed_field(_fields(payload)[0])


def _packed_field(field: bytes | None) -> bytes:
    if field is None:
        raise RowTooLongError
    return field


def _fields(payload: bytes | memoryview) -> list[bytes | None]:
    """Split a payload into fields: each is NULL, or a length of 1, 3, 4 or 9 bytes and so many bytes."""
    fields: list[bytes | None] = []
    position, size = 0, len(payload)
    while position < size:
        first = payload[position]
        position += 1
        if first == _NULL:
            fields.append(None)
            continue
        length = first
        if first > _NULL:
            width = _WIDTHS[first]
            length = int.from_bytes(payload[position : position + width], "little")
            position += width
        fields.append(bytes(payload[position : position + length]))
        position += length
    return fields


def send_blocks(driver: Any, statement: str, blocks: Iterable[bytes]) -> LoadAnswer:
    """Run a LOAD DATA LOCAL INFILE whose file is `blocks`.

    A failure of `blocks` itself ends the statement first, so that the connection stays usable; the
    caller's transaction then holds the rows sent so far and must be rolled back.

    Raises:
        pymysql.MySQLError: The server's error.
    """
    driver._execute_command(COMMAND.COM_QUERY, statement)
    driver._read_packet()  # the server's request for the file; an error packet raises
    try:
        for block in blocks:
            for packet in _pieces(block):
                driver.write_packet(packet)
    except pymysql.MySQLError:
        raise
    except Exception:
        _end_of_file(driver)
        raise
    except BaseException:  # the process is being ended: no time for an answer
        driver._force_close()
        raise
    return _end_of_file(driver)


def _pieces(block: bytes) -> Iterable[bytes]:
    """Cut a block into packets; an ordinary one is one packet as it is."""
    if len(block) <= _SEND_BYTES:
        return (block,)
    view = memoryview(block)
    return (bytes(view[start : start + _SEND_BYTES]) for start in range(0, len(block), _SEND_BYTES))


def _end_of_file(driver: Any) -> LoadAnswer:
    driver.write_packet(b"")
    answer = OKPacketWrapper(driver._read_packet())
    driver.server_status = answer.server_status
    # "Records: 3  Deleted: 0  Skipped: 0  Warnings: 0", in the server's language, behind a length byte.
    numbers = [int(number) for number in re.findall(rb"\d+", bytes(answer.message))][-4:]
    records, _deleted, skipped, _warnings = numbers if len(numbers) == 4 else (-1, 0, 0, 0)
    return LoadAnswer(records=records, skipped=skipped, warnings=answer.warning_count)
