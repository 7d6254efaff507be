"""One table of the replication database as of one moment: its rows, their number, what changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection

from dental_etl.config import DatabaseSettings
from dental_etl.config.tables import TableSchema
from dental_etl.connections import DRIVER_ERRORS, connect, database_errors, error_number
from dental_etl.exceptions import DataLoadingError
from dental_etl.load.progress import Watch, WatchedStream
from dental_etl.load.statements import count_rows, execute, fetch
from dental_etl.run import CopyStatus
from dental_etl.tracking.on_demand import NO_SUCH_TABLE
from dental_etl.tracking.status import read_copy_status, record_forgotten
from dental_etl.wire.catalog import read_schema
from dental_etl.wire.names import changed_table, generation_column, mysql
from dental_etl.wire.reader import BlockStream, read_blocks
from dental_etl.wire.rows import RowFormat, Target, row_format

# A snapshot is the whole point: status, outbox and rows must belong to one moment.
_SNAPSHOT = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)

_ROWS = "etl_rows"
_KEYS = "etl_keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A table of the replication database within one snapshot."""

    connection: Connection
    schema: TableSchema
    status: CopyStatus
    has_outbox: bool
    #: Whether keys are in it, be they loaded already.
    has_entries: bool
    #: Told of the rows that are read for COPY.
    watch: Watch = field(default_factory=lambda: Watch(None))

    @property
    def quoted(self) -> str:
        return mysql(self.schema.name)

    def count(self) -> int:
        return count_rows(self.connection, self.quoted)

    def count_changed(self, loaded_generation: int) -> int:
        """Count the keys in the outbox that raw has not seen; a key may be counted once per generation."""
        return count_rows(self.connection, f"{self._outbox} WHERE {self._newer(loaded_generation)}")

    def key_bounds(self, parts: int) -> list[int]:
        """Cut the range of a whole-number key into equal parts; return the keys between them.

        Costs two look-ups: keys are given out in order or at random, so equal parts have about equal rows.
        """
        key = mysql(self.schema.primary_key[0])
        ends = list(fetch(self.connection, f"SELECT MIN({key}), MAX({key}) FROM {self.quoted}")[0])
        if None in ends:
            return []
        lowest, highest = (int(end) for end in ends)
        bounds = {lowest + (highest - lowest + 1) * part // parts - 1 for part in range(1, parts)}
        return sorted(bound for bound in bounds if lowest <= bound < highest)

    def rows(self, where: str = "") -> tuple[RowFormat, BlockStream]:
        """Read rows for COPY.

        Args:
            where: Complete WHERE clause, or nothing for all rows.
        """
        columns = [column.name for column in self.schema.columns]
        wanted = row_format(self.schema, Target.POSTGRES, columns)
        return wanted, self._read(wanted, f"FROM {self.quoted} {where}", self.watch)

    def changed_keys(self, loaded_generation: int) -> tuple[RowFormat, BlockStream]:
        """Read the keys that changed since a generation, each once."""
        wanted = row_format(self.schema, Target.POSTGRES, self.schema.primary_key)
        return wanted, self._read(wanted, f"FROM {self._distinct_keys(loaded_generation)}")

    def changed_rows(self, loaded_generation: int) -> tuple[RowFormat, BlockStream]:
        """Read the rows that still exist among those keys."""
        columns = [column.name for column in self.schema.columns]
        wanted = row_format(self.schema, Target.POSTGRES, columns, alias=_ROWS)
        return wanted, self._read(wanted, f"FROM {self.changed_rows_source(loaded_generation)}", self.watch)

    def changed_rows_source(self, loaded_generation: int, *, alias: str = _ROWS) -> str:
        """Write what follows FROM for the rows that still exist among the changed keys."""
        rows, keys = mysql(alias), mysql(_KEYS)
        matches = " AND ".join(
            f"{rows}.{mysql(name)} = {keys}.{mysql(name)}" for name in self.schema.primary_key
        )
        # STRAIGHT_JOIN: few keys first, then one look-up each; never a scan of the table.
        return f"{self._distinct_keys(loaded_generation)} STRAIGHT_JOIN {self.quoted} AS {rows} ON {matches}"

    def _distinct_keys(self, loaded_generation: int) -> str:
        names = ", ".join(mysql(name) for name in self.schema.primary_key)
        return f"(SELECT DISTINCT {names} FROM {self._outbox} WHERE {self._newer(loaded_generation)}) AS {mysql(_KEYS)}"

    @property
    def _outbox(self) -> str:
        return mysql(changed_table(self.schema.name))

    def _newer(self, loaded_generation: int) -> str:
        # No upper bound: whatever the snapshot shows in the outbox, it shows in the rows as well.
        return f"{mysql(generation_column(self.schema.primary_key))} > {int(loaded_generation)}"

    def _read(self, wanted: RowFormat, rest: str, watch: Watch | None = None) -> BlockStream:
        sql = f"SELECT {wanted.select_list} {rest}"
        if watch is None:
            return read_blocks(self.connection, sql, None, wanted)
        return WatchedStream(self.connection, sql, wanted, watch)


@contextmanager
def open_replica(database: DatabaseSettings, table: str, watch: Watch | None = None) -> Iterator[Replica]:
    """Open a snapshot of the replication database for one table.

    Args:
        database: Replication.
        table: As the source spells it.
        watch: Told of the rows that are read for COPY; None for nobody.

    Raises:
        DataLoadingError: The replica holds no complete copy of the table.
    """
    # Dedicated: when a read is broken off, what is left of it dies with the session.
    with connect(database, is_dedicated=True) as connection:
        for statement in _SNAPSHOT:
            execute(connection, statement)
        status = read_copy_status(connection, table)
        schema = read_schema(connection, database.database, table)
        if status is None or schema is None or status.generation == 0:
            raise DataLoadingError(
                f"The replication database has no complete copy of table {table}. Run the table again; "
                "its extract must succeed before it can be loaded.",
                table=table,
                stage="load",
            )
        entries = _outbox_entries(connection, table)
        yield Replica(
            connection=connection,
            schema=schema,
            status=status,
            has_outbox=entries is not None,
            has_entries=bool(entries),
            watch=watch or Watch(None),
        )


def _outbox_entries(connection: Connection, table: str) -> int | None:
    """Return 1 or 0 for an outbox with or without keys in it; None when there is none."""
    try:
        return len(fetch(connection, f"SELECT 1 FROM {mysql(changed_table(table))} LIMIT 1"))
    except DRIVER_ERRORS as error:
        if error_number(error) != NO_SUCH_TABLE:
            raise
        return None


def forget_changes(
    database: DatabaseSettings, table: str, primary_key: Sequence[str], generation: int
) -> None:
    """Delete the outbox entries that raw now holds; doing it late or twice changes nothing.

    Args:
        database: Replication.
        table: As the source spells it.
        primary_key: Of the replica that was loaded; the outbox of another key refuses.
        generation: The generation that raw holds.

    Raises:
        DatabaseError: The entries stay for the next load to delete.
    """
    outbox = changed_table(table)
    with connect(database) as connection, database_errors(database.role, table=table, stage="load"):
        generation_name = mysql(generation_column(primary_key))
        # Locks only the entries it deletes, so that an extract may write new ones meanwhile.
        execute(connection, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        execute(connection, f"DELETE FROM {mysql(outbox)} WHERE {generation_name} <= {int(generation)}")
        record_forgotten(connection, table, generation)
        connection.commit()
