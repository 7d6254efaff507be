"""What a load would do to a raw table's structure, told before it is done."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from dental_etl.exceptions import SchemaDriftError
from dental_etl.load.evolution import require_compatible
from dental_etl.load.postgres_schema import (
    FoundTable,
    SchemaChange,
    altering,
    compare,
    creation,
    find_table,
    key_addition,
    own_addition,
    reshaping,
)
from dental_etl.load.raw_table import RawTable
from dental_etl.load.views import dependents
from dental_etl.run import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview(Value):
    """Structure of a raw table that differs from what it must be; empty when it does not."""

    #: As the load would execute them, in order, without those for the views and without the values of new
    #: columns, for which it looks into rows.
    statements: tuple[str, ...] = ()
    #: What changes, in words.
    drift: tuple[str, ...] = ()
    #: Views on the table, directly or through others, as ``schema.name``.
    views: tuple[str, ...] = ()
    #: Whether they are taken down meanwhile and made again.
    rebuilds_views: bool = False
    #: Why the load would refuse them until a full refresh is asked for; None where it would not.
    refusal: str | None = None


def preview(connection: Connection, wanted: RawTable) -> Preview:
    """Compare a raw table with what it must be; changes nothing.

    Args:
        connection: Analytics.
        wanted: From the structure that the replica has, or will have.
    """
    found = find_table(connection, wanted.qualified)
    if found is None:
        name = wanted.qualified
        creating = (
            creation(name, wanted.source_definitions),
            own_addition(name),
            *key_addition(name, wanted),
        )
        return Preview(statements=creating)
    views = tuple(view.name for view in dependents(connection, wanted.qualified))
    change = compare(found, wanted)
    return Preview(
        statements=_statements(wanted, found, change),
        drift=change.drift,
        views=views,
        rebuilds_views=change.is_needed and change.touches_views,
        refusal=_refusal(connection, wanted, found, change),
    )


def _statements(wanted: RawTable, found: FoundTable, change: SchemaChange) -> tuple[str, ...]:
    if not change.needs_full:
        return altering(wanted, change, {})
    key = key_addition(wanted.qualified, wanted) if change.is_key_changed else ()
    return (f"TRUNCATE {wanted.qualified}", *reshaping(wanted, found, change), *key)


def _refusal(connection: Connection, wanted: RawTable, found: FoundTable, change: SchemaChange) -> str | None:
    try:
        require_compatible(connection, wanted, found, change)
    except SchemaDriftError as error:
        return str(error)
    return None
