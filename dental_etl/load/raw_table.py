"""What a raw table must look like, derived from the table in the replication database; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dental_etl.config.tables import TableSchema
from dental_etl.exceptions import DataLoadingError
from dental_etl.load.postgres_types import can_be_key, postgres_type
from dental_etl.wire.names import postgres, raw_name

#: When the row was last written. The start of the transaction, so one load has one time.
LOADED_AT = "_loaded_at"
#: The run that last wrote the row; COPY and INSERT take it from the transaction's own setting.
RUN_ID = "_run_id"
RUN_ID_SETTING = "dental_etl.run_id"
CURRENT_RUN_ID = f"current_setting('{RUN_ID_SETTING}', true)"
#: Definitions of the two columns that are ours.
OWN_COLUMNS = {
    LOADED_AT: "timestamp with time zone NOT NULL DEFAULT now()",
    RUN_ID: f"text DEFAULT {CURRENT_RUN_ID}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RawColumn:
    """One column of a raw table that comes from the source."""

    #: As Open Dental spells it.
    source_name: str
    #: As raw spells it; the same except for names that PostgreSQL cannot hold.
    name: str
    #: As ``format_type`` prints it.
    type: str

    @property
    def quoted(self) -> str:
        return postgres(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """The wanted shape of one raw table."""

    schema: str
    name: str
    #: In the order of the replica.
    columns: tuple[RawColumn, ...]
    #: Names in raw of the primary key, in key order; empty when there is none that PostgreSQL can hold.
    primary_key: tuple[str, ...]

    @property
    def qualified(self) -> str:
        return f"{postgres(self.schema)}.{postgres(self.name)}"

    @property
    def quoted_columns(self) -> str:
        return quoted(column.name for column in self.columns)

    @property
    def quoted_key(self) -> str:
        return quoted(self.primary_key)

    @property
    def definitions(self) -> dict[str, str]:
        """Column definitions by name, ours last; without the primary key."""
        return self.source_definitions | OWN_COLUMNS

    @property
    def source_definitions(self) -> dict[str, str]:
        """Types by name of the columns that come from the source."""
        return {column.name: column.type for column in self.columns}


def quoted(names: Iterable[str]) -> str:
    """Return the names, each quoted, as a list for SQL."""
    return ", ".join(postgres(name) for name in names)


def raw_table(schema: str, table: TableSchema) -> RawTable:
    """Return the raw table for a table of the replication database.

    Args:
        schema: Landing schema, ``raw``.
        table: As information_schema of the replication database describes it.

    Raises:
        DataLoadingError: A column has a type that PostgreSQL cannot hold; the message names it.
    """
    key = table.key_columns
    return RawTable(
        schema=schema,
        name=raw_name(table.name),
        columns=_columns(table),
        primary_key=tuple(raw_name(column.name) for column in key) if can_be_key(key) else (),
    )


def _columns(table: TableSchema) -> tuple[RawColumn, ...]:
    try:
        return tuple(
            RawColumn(source_name=column.name, name=raw_name(column.name), type=postgres_type(column))
            for column in table.columns
        )
    except DataLoadingError as error:
        raise DataLoadingError(f"Table {table.name}: {error}", table=table.name, stage="load") from None
