"""Raw tables: created once, never dropped, brought to the shape of the replica when it changes.

A column that the source lost is kept, empty and with a comment that says so. A raw table is never
dropped, because dbt's views and people's grants hang on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, text

from dental_etl.exceptions import DataLoadingError
from dental_etl.load.postgres_types import is_widening
from dental_etl.load.raw_table import OWN_COLUMNS, RawTable
from dental_etl.load.statements import execute
from dental_etl.wire.names import postgres, primary_key


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundColumn:
    """A column as PostgreSQL has it."""

    name: str
    #: As ``format_type`` prints it.
    type: str
    is_required: bool
    #: Whether it is marked as gone from the source; every value is NULL then.
    is_retired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTable:
    """A raw table as PostgreSQL has it."""

    columns: tuple[FoundColumn, ...]
    primary_key: tuple[str, ...]
    #: Name of the constraint; None when there is no primary key.
    key_name: str | None

    @property
    def by_name(self) -> dict[str, FoundColumn]:
        return {column.name: column for column in self.columns}


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaChange:
    """What separates a raw table from what it must be."""

    #: Columns to add, with their definitions.
    added: dict[str, str] = field(default_factory=dict)
    #: New type by column; every value it holds now fits.
    widened: dict[str, str] = field(default_factory=dict)
    #: New type by column; only possible while the table is empty.
    rebuilt: dict[str, str] = field(default_factory=dict)
    #: Type by column that the source had lost, and has again.
    returned: dict[str, str] = field(default_factory=dict)
    #: Columns that the source lost since the last load, with their types.
    retired: dict[str, str] = field(default_factory=dict)
    #: Columns that the source does not have and that still refuse NULL.
    required: tuple[str, ...] = ()
    is_key_changed: bool = False
    #: In words, for the report.
    drift: tuple[str, ...] = ()

    @property
    def needs_full(self) -> bool:
        """Whether every row must be written again."""
        return bool(self.rebuilt or self.is_key_changed)

    @property
    def is_needed(self) -> bool:
        """Whether anything must be altered at all."""
        return self.needs_full or bool(self.added or self.widened or self.touches_columns or self.required)

    @property
    def touches_columns(self) -> bool:
        """Whether columns are made anew, empty."""
        return bool(self.returned or self.retired)

    @property
    def touches_views(self) -> bool:
        return bool(self.widened or self.rebuilt or self.is_key_changed or self.touches_columns)

    @property
    def filled(self) -> dict[str, str]:
        """Type by column that the rows which are there have no value in yet."""
        return {name: type_ for name, type_ in self.added.items() if name not in OWN_COLUMNS} | self.returned


#: The comment on a column that the source no longer has.
RETIRED = "No longer in the source: empty since then."
# A row per table: hundreds of tables are asked for at once.
_COLUMNS = text("""
    SELECT wanted.name AS table_name,
           array_agg(attname::text ORDER BY attnum) AS names,
           array_agg(format_type(atttypid, atttypmod) ORDER BY attnum) AS types,
           array_agg(attnotnull ORDER BY attnum) AS required,
           array_agg(col_description(attrelid, attnum) IS NOT DISTINCT FROM :retired ORDER BY attnum) AS retired
    FROM unnest(CAST(:tables AS text[])) AS wanted (name)
    JOIN pg_attribute ON attrelid = to_regclass(wanted.name) AND attnum > 0 AND NOT attisdropped
    GROUP BY wanted.name
""")
_KEYS = text("""
    SELECT wanted.name AS table_name, found.conname,
           ARRAY(SELECT attribute.attname::text
                 FROM unnest(found.conkey) WITH ORDINALITY AS part (number, place)
                 JOIN pg_attribute AS attribute
                   ON attribute.attrelid = found.conrelid AND attribute.attnum = part.number
                 ORDER BY part.place) AS columns
    FROM unnest(CAST(:tables AS text[])) AS wanted (name)
    JOIN pg_constraint AS found ON found.conrelid = to_regclass(wanted.name) AND found.contype = 'p'
""")


def find_table(connection: Connection, qualified: str) -> FoundTable | None:
    """Return a table as PostgreSQL has it; None when it is missing."""
    return find_tables(connection, [qualified]).get(qualified)


def find_tables(connection: Connection, qualified: Sequence[str]) -> dict[str, FoundTable]:
    """Return those of some tables that are there, by their qualified names, in two queries."""
    keys = {row.table_name: row for row in connection.execute(_KEYS, {"tables": list(qualified)})}
    found = connection.execute(_COLUMNS, {"tables": list(qualified), "retired": RETIRED})
    return {row.table_name: _found_table(row, keys.get(row.table_name)) for row in found}


def _found_table(row: Row[Any], key: Row[Any] | None) -> FoundTable:
    columns = zip(row.names, row.types, row.required, row.retired, strict=True)
    return FoundTable(
        columns=tuple(
            FoundColumn(name=name, type=type_, is_required=is_required, is_retired=is_retired)
            for name, type_, is_required, is_retired in columns
        ),
        primary_key=tuple(key.columns) if key else (),
        key_name=key.conname if key else None,
    )


def compare(found: FoundTable, wanted: RawTable) -> SchemaChange:
    """Return what must change; pure."""
    existing = found.by_name
    added = {name: type_ for name, type_ in wanted.definitions.items() if name not in existing}
    returned = {
        one.name: one.type for one in wanted.columns if one.name in existing and existing[one.name].is_retired
    }
    retyped = {
        column.name: column.type
        for column in wanted.columns
        if column.name in existing
        and existing[column.name].type != column.type
        and column.name not in returned
    }
    widened = {name: type_ for name, type_ in retyped.items() if is_widening(existing[name].type, type_)}
    gone = [column for column in found.columns if column.name not in wanted.definitions]
    retired = {column.name: column.type for column in gone if not column.is_retired}
    return SchemaChange(
        added=added,
        widened=widened,
        rebuilt={name: type_ for name, type_ in retyped.items() if name not in widened},
        returned=returned,
        retired=retired,
        required=tuple(column.name for column in gone if column.is_required),
        is_key_changed=found.primary_key != wanted.primary_key,
        drift=tuple(_in_words(found, wanted, added | returned, retyped, retired)),
    )


def required_change(connection: Connection, wanted: RawTable) -> tuple[FoundTable, SchemaChange]:
    """Return an existing table and what must change in it."""
    found = find_table(connection, wanted.qualified)
    if found is None:
        raise DataLoadingError(
            f"The raw table {wanted.name} disappeared while it was being loaded. Load it again.",
            table=wanted.name,
            stage="load",
        )
    return found, compare(found, wanted)


def create_table(connection: Connection, qualified: str, wanted: RawTable) -> None:
    """Create a raw table without its primary key, which comes cheaper after the rows."""
    execute(connection, creation(qualified, wanted.definitions))


def create_for_copy(connection: Connection, qualified: str, wanted: RawTable) -> None:
    """Create a raw table with the source's columns alone, for rows that all have the same time and run.

    `add_own_columns` makes it complete after them.
    """
    execute(connection, creation(qualified, wanted.source_definitions))


def add_own_columns(connection: Connection, qualified: str) -> None:
    """Add the columns that are ours to a table that was filled in this transaction.

    PostgreSQL keeps the value that the rows get once, in its catalog. So it takes no place in them and no
    time of COPY, which are a tenth to a quarter for a table of short rows.
    """
    execute(connection, own_addition(qualified))


def add_primary_key(connection: Connection, qualified: str, wanted: RawTable) -> None:
    """Add the primary key, if the table has one."""
    for statement in key_addition(qualified, wanted):
        execute(connection, statement)


def alter_in_place(
    connection: Connection, wanted: RawTable, change: SchemaChange, fills: Mapping[str, str]
) -> None:
    """Alter a table that keeps its rows; only widened columns cost more than a look at the catalog.

    Args:
        connection: Analytics, holding the table's exclusive lock, its views taken down.
        wanted: What the table must be.
        change: What separates it from that; nothing that needs an empty table.
        fills: Value that rows get in a column that is made, as SQL, by its name; NULL where none is given.
    """
    for statement in altering(wanted, change, fills):
        execute(connection, statement)


def reshape_empty(connection: Connection, wanted: RawTable, found: FoundTable, change: SchemaChange) -> None:
    """Alter a table that was emptied in this transaction: any type may become any other."""
    for statement in reshaping(wanted, found, change):
        execute(connection, statement)


def creation(qualified: str, definitions: Mapping[str, str]) -> str:
    """Write the CREATE TABLE of a raw table without its primary key; pure, as is all DDL below."""
    body = ", ".join(f"{postgres(name)} {definition}" for name, definition in definitions.items())
    return f"CREATE TABLE {qualified} ({body})"


def own_addition(qualified: str) -> str:
    """Write what adds the columns that are ours."""
    actions = (f"ADD COLUMN {postgres(name)} {definition}" for name, definition in OWN_COLUMNS.items())
    return f"ALTER TABLE {qualified} {', '.join(actions)}"


def key_addition(qualified: str, wanted: RawTable) -> tuple[str, ...]:
    """Write what adds the primary key; nothing for a table without one."""
    if not wanted.primary_key:
        return ()
    name = postgres(primary_key(wanted.name))
    return (f"ALTER TABLE {qualified} ADD CONSTRAINT {name} PRIMARY KEY ({wanted.quoted_key})",)


def altering(wanted: RawTable, change: SchemaChange, fills: Mapping[str, str]) -> tuple[str, ...]:
    """Write what alters a table that keeps its rows."""
    actions = [
        *(
            f"ALTER COLUMN {postgres(name)} TYPE {type_} USING {postgres(name)}::{type_}"
            for name, type_ in change.widened.items()
        ),
        *(f"DROP COLUMN {postgres(name)}" for name in change.retired | change.returned),
        *(f"ADD COLUMN {postgres(name)} {type_}" for name, type_ in change.retired.items()),
        *(
            f"ADD COLUMN {postgres(name)} {definition}"
            + (f" DEFAULT {fills[name]}::{definition}" if name in fills else "")
            for name, definition in (change.added | change.returned).items()
        ),
        *_optional(name for name in change.required if name not in change.retired),
    ]
    return (
        *_alteration(wanted, actions),
        *_alteration(wanted, [f"ALTER COLUMN {postgres(name)} DROP DEFAULT" for name in fills]),
        *_marks(wanted, change),
    )


def _marks(wanted: RawTable, change: SchemaChange) -> Iterator[str]:
    """Say in the catalog which columns are empty because the source has them no longer."""
    for name in change.retired:
        yield f"COMMENT ON COLUMN {wanted.qualified}.{postgres(name)} IS '{RETIRED}'"
    for name in change.returned:
        yield f"COMMENT ON COLUMN {wanted.qualified}.{postgres(name)} IS NULL"


def reshaping(wanted: RawTable, found: FoundTable, change: SchemaChange) -> tuple[str, ...]:
    """Write what alters an empty table."""
    drop_key = [f"DROP CONSTRAINT {postgres(found.key_name)}"] if found.key_name else []
    altered = _alteration(
        wanted,
        [
            *(drop_key if change.is_key_changed else []),
            *(f"ADD COLUMN {postgres(name)} {definition}" for name, definition in change.added.items()),
            *(
                f"ALTER COLUMN {postgres(name)} TYPE {type_} USING NULL::{type_}"
                for name, type_ in (change.widened | change.rebuilt | change.returned).items()
            ),
        ],
    )
    # Only after the key is gone: a column of the key cannot be made optional.
    freed = set(found.primary_key) - set(wanted.primary_key)
    return (
        *altered,
        *_alteration(wanted, _optional(sorted(freed | set(change.required)))),
        *_marks(wanted, change),
    )


def _optional(names: Iterable[str]) -> list[str]:
    return [f"ALTER COLUMN {postgres(name)} DROP NOT NULL" for name in names]


def _alteration(wanted: RawTable, actions: list[str]) -> tuple[str, ...]:
    return (f"ALTER TABLE {wanted.qualified} {', '.join(actions)}",) if actions else ()


def _in_words(
    found: FoundTable,
    wanted: RawTable,
    added: dict[str, str],
    retyped: dict[str, str],
    gone: Iterable[str],
) -> Iterable[str]:
    for name, type_ in added.items():
        if name not in OWN_COLUMNS:
            yield f"column {name} was added as {type_}"
    for name, type_ in retyped.items():
        yield f"column {name} changed from {found.by_name[name].type} to {type_}"
    for name in gone:
        yield f"column {name} no longer exists in the source; raw keeps it, NULL from now on"
    if found.primary_key != wanted.primary_key:
        old, new = (", ".join(key) or "none" for key in (found.primary_key, wanted.primary_key))
        yield f"the primary key changed from ({old}) to ({new})"
