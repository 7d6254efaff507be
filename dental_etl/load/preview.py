"""What a load would do to a raw table's structure, told before it is done."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from dental_etl.load.postgres_schema import compare, creation, find_table, key_addition, reshaping, widening
from dental_etl.load.raw_table import RawTable
from dental_etl.load.views import dependents
from dental_etl.run import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview(Value):
    """Structure of a raw table that differs from what it must be; empty when it does not."""

    #: As the load would execute them, in order, without those for the views.
    statements: tuple[str, ...] = ()
    #: What changes, in words.
    drift: tuple[str, ...] = ()
    #: Views on the table, directly or through others, as ``schema.name``.
    views: tuple[str, ...] = ()
    #: Whether they are taken down meanwhile and made again.
    rebuilds_views: bool = False


def preview(connection: Connection, wanted: RawTable) -> Preview:
    """Compare a raw table with what it must be; changes nothing.

    Args:
        connection: Analytics.
        wanted: From the structure that the replica has, or will have.
    """
    found = find_table(connection, wanted.qualified)
    if found is None:
        creating = (creation(wanted.qualified, wanted), *key_addition(wanted.qualified, wanted))
        return Preview(statements=creating)
    views = tuple(view.name for view in dependents(connection, wanted.qualified))
    change = compare(found, wanted)
    if not change.needs_full:
        statements = widening(wanted, change)
    else:
        key = key_addition(wanted.qualified, wanted) if change.is_key_changed else ()
        statements = (f"TRUNCATE {wanted.qualified}", *reshaping(wanted, found, change), *key)
    return Preview(
        statements=statements,
        drift=change.drift,
        views=views,
        rebuilds_views=change.is_needed and change.touches_views,
    )
