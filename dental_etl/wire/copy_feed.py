"""Blocks into a PostgreSQL table with COPY."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import psycopg2
from sqlalchemy import Connection

from dental_etl.config import Role
from dental_etl.connections import error_number, translate
from dental_etl.exceptions import DatabaseQueryError, DataLoadingError
from dental_etl.wire import packets
from dental_etl.wire.blocks import occurrences
from dental_etl.wire.names import raw_name
from dental_etl.wire.rows import RowFormat

_READ_BYTES = 1 << 20
#: ``COPY patient, line 3, column BirthDate: "..."``; what follows the name is a row's value.
_COLUMN = re.compile(r"^COPY .*?, line \d+, column (.+?)(?:$|: )", re.MULTILINE)


class _Feed:
    """A file for psycopg2 that hands out whole blocks, larger than asked for if they are."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self.rows = 0
        self.failure: BaseException | None = None

    def read(self, _size: int) -> bytes:
        try:
            block = next(self._blocks, b"")
        except BaseException as failure:  # noqa: BLE001 - copy_rows raises it again, whatever it is
            # libpq would send the text of this error to the server, and psycopg2 would lose its class.
            self.failure = failure
            raise BlockingIOError from None
        self.rows += occurrences(block, b"\n")
        return block


def copy_rows(
    connection: Connection,
    table: str,
    row_format: RowFormat,
    blocks: Iterable[bytes],
    *,
    freeze: bool = False,
) -> int:
    """Write blocks into a table of analytics and return the number of rows.

    Nothing is committed.

    Args:
        connection: To analytics.
        table: Quoted, and qualified where needed.
        row_format: How the blocks were made.
        blocks: From `read_blocks`; their own errors pass through.
        freeze: Write rows as already frozen; PostgreSQL allows it only in the transaction that
            created or truncated the table.

    Raises:
        DataLoadingError: A value does not fit its column, or rows were lost; names the column.
        DatabaseError: Any other error of the server.
    """
    options = " WITH (FREEZE)" if freeze else ""
    statement = f"COPY {table} ({row_format.copy_columns}) FROM STDIN{options}"
    with packets.finished(blocks) as iterator:
        feed = _Feed(iterator)
        written = _copy(packets.driver_in_transaction(connection), statement, feed, row_format)
    if written != feed.rows:
        raise DataLoadingError(
            f"Table {row_format.table}: {feed.rows} rows were sent to PostgreSQL, which took {written}. "
            f"Run the table again; if it stays, report it.",
            table=row_format.table,
        )
    return written


def _copy(driver: Any, statement: str, feed: _Feed, row_format: RowFormat) -> int:
    with driver.cursor() as cursor:
        try:
            cursor.copy_expert(statement, feed, _READ_BYTES)
        except psycopg2.Error as error:
            if feed.failure is not None:
                raise feed.failure from None
            raise _translated(error, row_format) from None
        return int(cursor.rowcount)


def _translated(error: psycopg2.Error, row_format: RowFormat) -> Exception:
    if (error.pgcode or "").startswith("54"):
        return DataLoadingError(
            f"A row of table {row_format.table} is larger than PostgreSQL allows (error {error.pgcode}): a page "
            f"of 8 KB holds about 400 columns of long text. Name columns under exclude_columns in "
            f"tables.overrides.yml until a row fits.",
            table=row_format.table,
        )
    ours = translate(error, Role.ANALYTICS, table=row_format.table)
    column = _column(error, row_format)
    if type(ours) is not DatabaseQueryError or column is None:
        return ours
    return DataLoadingError(
        f"Column {column} of table {row_format.table} holds a value that its type in PostgreSQL cannot hold "
        f"(error {error_number(error)}). Run the table with --force-full to rebuild it from the source's types.",
        table=row_format.table,
    )


def _column(error: psycopg2.Error, row_format: RowFormat) -> str | None:
    """Find the column in the server's answer; only a known name counts, the rest may be a value."""
    named = error.diag.column_name
    found = [named] if named else _COLUMN.findall(error.diag.context or "")
    by_raw_name = {raw_name(name): name for name in row_format.columns}
    return by_raw_name.get(found[0]) if found else None
