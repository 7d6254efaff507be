"""Blocks into a MySQL table with LOAD DATA LOCAL INFILE, without a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pymysql
from sqlalchemy import Connection

from dental_etl.config import Role
from dental_etl.connections import error_number, translate
from dental_etl.exceptions import DatabaseAccessError, DatabaseQueryError, DataExtractionError, PackingError
from dental_etl.wire import packets
from dental_etl.wire.blocks import occurrences
from dental_etl.wire.names import mysql
from dental_etl.wire.rows import RowFormat

# REPLACE, because LOCAL alone implies IGNORE: even in strict mode values would be altered and rows
# skipped, with nothing but a warning.
_STATEMENT = r"""
    LOAD DATA LOCAL INFILE 'dental_etl' REPLACE INTO TABLE {table} CHARACTER SET utf8mb4
    FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' ({columns}) {assignments}
"""
_DISABLED = frozenset({"1148", "3948", "4166"})
_TRUNCATED = 1265
#: A line has too few fields, or too many.
_WRONG_FIELDS = frozenset({"1261", "1262"})
#: More a server neither keeps nor counts.
_MOST_WARNINGS = 65535
#: MySQL 8 and later let only accounts with SESSION_VARIABLES_ADMIN keep more warnings than it comes with, 1024.
_NOT_GRANTED = 1227
_COLUMN = re.compile(r"for column [`'](?:[^`']*[`']\.[`'])*([^`']+)[`']")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRows:
    """What one LOAD DATA wrote."""

    rows: int
    bytes: int


def load_data(
    connection: Connection, table: str, row_format: RowFormat, blocks: Iterable[bytes]
) -> LoadedRows:
    """Write blocks into a table of replication; rows with the same key are replaced.

    Nothing is committed. The rows that were sent, those that the server counted and its warnings
    must agree, or the table fails.

    Args:
        connection: To replication.
        table: Plain name of the table; it has the columns of `row_format`.
        row_format: How the blocks were made.
        blocks: From `read_blocks`; their own errors pass through, and the transaction must then be
            rolled back.

    Raises:
        DataExtractionError: A value does not fit its column, or rows were lost; names the column.
        DatabaseError: Any other error of the server.
    """
    with packets.finished(blocks) as iterator:
        first = next(iterator, None)
        if first is None:
            return LoadedRows(rows=0, bytes=0)
        return _load(connection, table, row_format, chain([first], iterator))


def _load(connection: Connection, table: str, row_format: RowFormat, blocks: Iterable[bytes]) -> LoadedRows:
    driver = packets.driver_in_transaction(connection)
    statement = _STATEMENT.format(
        table=mysql(table), columns=row_format.load_columns, assignments=row_format.load_set
    )
    rows = size = 0
    # Errors name what a person knows, where the rows go by way of another table.
    with _errors(row_format.table, row_format), _enum_mode(driver, row_format) as most_rows:
        for portion in _portions(blocks, most_rows):
            sent = _send(driver, statement, row_format, portion)
            rows, size = rows + sent.rows, size + sent.size
    return LoadedRows(rows=rows, bytes=size)


def _send(driver: Any, statement: str, row_format: RowFormat, blocks: Iterable[bytes]) -> _Sent:
    """Write what goes into one statement; pass if the server took every row as it is."""
    sent = _Sent()
    answer = packets.send_blocks(driver, statement, sent.counted(blocks))
    excused = _excused_warnings(driver, row_format) if row_format.enum_columns and answer.warnings else 0
    if (answer.records, answer.skipped, answer.warnings) != (sent.rows, 0, excused):
        raise DataExtractionError(
            f"Table {row_format.table}: {sent.rows} rows were sent to replication, which took {answer.records}, "
            f"skipped {answer.skipped} and gave {answer.warnings} warnings. Its structure differs from the "
            f"source's; run `dental-etl analyze`, then the table with --force-full.",
            table=row_format.table,
        )
    return sent


def _portions(blocks: Iterable[bytes], most_rows: int | None) -> Iterator[Iterable[bytes]]:
    """Cut the rows into what goes into one statement; each must be used up before the next."""
    if most_rows is None:
        yield blocks
        return
    following = iter(blocks)
    block = next(following, b"")
    while block:
        rest: list[bytes] = []
        yield _portion(block, following, most_rows, rest)
        block = rest.pop() if rest else next(following, b"")


def _portion(block: bytes, following: Iterator[bytes], rows: int, rest: list[bytes]) -> Iterator[bytes]:
    """Yield blocks of so many rows at most; what the last one holds beyond them becomes the rest."""
    while block:
        in_block = occurrences(block, b"\n")
        if in_block > rows:
            *_, behind = block.split(b"\n", rows)
            rest.append(behind)
            block = block[: -len(behind)]
        yield block
        rows -= in_block
        if rows <= 0:
            return
        block = next(following, b"")


@dataclass(slots=True)
class _Sent:
    """Counts what passes; a line end within a value is escaped, so line ends are rows."""

    rows: int = 0
    size: int = 0

    def counted(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.rows += occurrences(block, b"\n")
            self.size += len(block)
            yield block


@contextmanager
def _enum_mode(driver: Any, row_format: RowFormat) -> Iterator[int | None]:
    """Leave strict mode for a table with ENUM columns: their value of index 0 exists, but is refused.

    Yields:
        How many rows one statement may write, so that the warnings which are no error leave room for one
        that is; None for any number.
    """
    if not row_format.enum_columns:
        yield None
        return
    with driver.cursor() as cursor:
        cursor.execute("SELECT @@SESSION.sql_mode, @@SESSION.max_error_count")
        mode, warnings = cursor.fetchone()
        cursor.execute("SET SESSION sql_mode = ''")
        try:
            kept = _MOST_WARNINGS if _may_keep_warnings(cursor, _MOST_WARNINGS) else int(warnings)
            yield max(1, kept // (len(row_format.enum_columns) + 1))
        finally:
            if driver.open:
                cursor.execute("SET SESSION sql_mode = %s", (mode,))
                _may_keep_warnings(cursor, warnings)


def _may_keep_warnings(cursor: Any, number: int) -> bool:
    """Let the server keep so many warnings; False where our account may not choose that."""
    try:
        cursor.execute("SET SESSION max_error_count = %s", (number,))
    except pymysql.MySQLError as error:
        if error_number(error) != str(_NOT_GRANTED):
            raise
        return False
    return True


def _excused_warnings(driver: Any, row_format: RowFormat) -> int:
    with driver.cursor() as cursor:
        cursor.execute("SHOW WARNINGS")
        return sum(
            code == _TRUNCATED and _column(str(message), row_format) in row_format.enum_columns
            for _level, code, message in cursor
        )


@contextmanager
def _errors(table: str, row_format: RowFormat) -> Iterator[None]:
    try:
        yield
    except pymysql.MySQLError as error:
        raise _translated(error, table, row_format) from None


def _translated(error: pymysql.MySQLError, table: str, row_format: RowFormat) -> Exception:
    number = error_number(error)
    if number in _DISABLED:
        return DatabaseAccessError(
            f"Replication refuses LOAD DATA LOCAL (error {number}), which table {table} is written with. Set "
            f"local_infile=ON on that server; the source does not need it.",
            table=table,
        )
    if number in _WRONG_FIELDS:
        return PackingError(
            f"Text in table {table} holds bytes that are not text in its character set and that look like our "
            f"own separators (error {number}). Mend the text at the source.",
            table=table,
        )
    ours = translate(error, Role.REPLICATION, table=table)
    column = _column(str(error.args[-1]), row_format) if error.args else None
    if type(ours) is not DatabaseQueryError or column is None:
        return ours
    return DataExtractionError(
        f"Column {column} of table {table} in replication cannot hold a value of the source (error {number}). "
        f"Its type differs from the source's; run `dental-etl analyze`, then the table with --force-full.",
        table=table,
    )


def _column(message: str, row_format: RowFormat) -> str | None:
    """Find the column in an error's text, which quotes a value before it: only a known name counts."""
    found = _COLUMN.findall(message)
    return found[-1] if found and found[-1] in row_format.columns else None
