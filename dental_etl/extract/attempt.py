"""One attempt at extracting one table: what its parts share, and the transaction of a batch."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from dental_etl.config import Column, Role, TableSchema
from dental_etl.connections import database_errors
from dental_etl.extract.cursors import CursorKind, cursor_kind
from dental_etl.extract.reading import SourceReader
from dental_etl.plan import TablePlan
from dental_etl.run import Coercion, Strategy
from dental_etl.wire.reader import BlockStream
from dental_etl.wire.rows import RowFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an extract is, after each batch."""

    table: str
    #: Rows read from the source by this attempt.
    rows: int
    #: Rows that the table is expected to hold.
    estimated_rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCursor:
    """The cursor column of an incremental table."""

    column: Column
    kind: CursorKind


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One attempt at one table, and what it has done so far."""

    plan: TablePlan
    run_id: str
    fence: int
    clock: Callable[[], datetime]
    replication: Connection
    reader: SourceReader
    #: Structure of the source's table, read in this attempt.
    schema: TableSchema
    row_format: RowFormat
    #: None for a table that is always copied as a whole.
    cursor: TableCursor | None
    progress: Callable[[Progress], None] | None
    #: Share of the replica's rows that may be deleted unasked.
    delete_brake_percent: int = 20
    #: Generation of the replica, as far as this attempt has committed it.
    generation: int = 0
    rows_written: int = 0
    rows_deleted: int = 0
    coercions: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: Told the numbers of a large table's key ranges, so that others come and work them too; None: nobody.
    helpers: Callable[[Sequence[int]], None] | None = None
    #: Rows and bytes of everybody who works the ranges of this table; None when nobody else may.
    together: Callable[[], tuple[int, int]] | None = None
    #: Whether the replica has rows that another session read for this copy, so as of another moment.
    has_foreign_reads: bool = False

    @property
    def is_of_one_moment(self) -> bool:
        """Whether all rows are as of one moment, or the table's engine knows none."""
        return not self.schema.is_transactional or (not self.has_foreign_reads and self.reader.moments <= 1)

    @property
    def table(self) -> str:
        return self.schema.name

    @property
    def shape(self) -> str:
        """Digest of the source's structure."""
        return hashlib.sha256(schema_text(self.schema).encode()).hexdigest()[:16]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside as one, or nothing of it."""
        with self.errors():
            # Ends what a read may have begun. Not by a rollback: MySQL's takes the rows of temporary tables back.
            self.replication.commit()
            with self.replication.begin():
                yield

    @contextmanager
    def errors(self) -> Iterator[None]:
        with database_errors(Role.REPLICATION, table=self.table, stage="extract", run_id=self.run_id):
            yield

    def run(self, sql: str) -> Any:
        """Run a statement of `queries` in replication; values are in its text, so a percent sign is one."""
        return self.replication.exec_driver_sql(sql, execution_options={"no_parameters": True})

    def count(self, stream: BlockStream) -> None:
        """Add the coercions of a read, and tell whoever watches."""
        self.coercions.update(stream.coercions)
        self.tell()

    def tell(self) -> None:
        """Tell whoever watches how far the extract is."""
        if self.progress is None:
            return
        totals = self.reader.totals
        rows, size = self.together() if self.together is not None else (totals.rows, totals.bytes)
        self.progress(
            Progress(table=self.table, rows=rows, estimated_rows=self.plan.config.estimated_rows, bytes=size)
        )

    def coercion_values(self) -> tuple[Coercion, ...]:
        return tuple(
            Coercion(table=self.table, column=column, kind=kind, rows=rows)
            for (column, kind), rows in sorted(self.coercions.items())
        )


@lru_cache(maxsize=64)  # asked several times a table
def schema_text(schema: TableSchema) -> str:
    """Return a structure as JSON that is equal for equal structures."""
    return json.dumps(schema.to_json(), sort_keys=True)


def table_cursor(plan: TablePlan, schema: TableSchema) -> TableCursor | None:
    """Return the cursor of an incremental table as the source now has it; None when it has none of use."""
    name = plan.config.primary_incremental_column
    if plan.config.extraction_strategy is Strategy.FULL_TABLE or name is None:
        return None
    if all(column.name != name for column in schema.columns):
        return None
    column = schema.column(name)
    kind = cursor_kind(column)
    return None if kind is None else TableCursor(column=column, kind=kind)
