"""A raw table follows the replica's structure and keeps its rows, so that they need not be loaded again.

A new column gets the value that most rows of the replica have in it, by a default that PostgreSQL writes
into its catalog only. What differs from that, and whatever else the replica's own alteration has touched,
is found when both are compared, and loaded again range by range.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from dental_etl.exceptions import SchemaDriftError
from dental_etl.load.full import LockPatience, held_by_reader, lock_for_ourselves
from dental_etl.load.postgres_schema import FoundTable, SchemaChange, alter_in_place
from dental_etl.load.raw_table import RawColumn, RawTable, quoted
from dental_etl.load.replica import Replica
from dental_etl.load.statements import execute, fetch
from dental_etl.load.views import dependents, grants, put_up, take_down
from dental_etl.wire import samples
from dental_etl.wire.copy_feed import copy_rows
from dental_etl.wire.names import postgres

_SAMPLE = "pg_temp.etl_sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evolution:
    """What was altered."""

    #: In words, for the report.
    drift: tuple[str, ...]
    #: Columns, as the source spells them, whose old rows must be compared with the replica.
    columns: frozenset[str]


def follow(
    analytics: Connection, replica: Replica, raw: RawTable, change: SchemaChange, patience: LockPatience
) -> Evolution | None:
    """Alter a raw table that keeps its rows, in the caller's transaction.

    Args:
        analytics: Analytics.
        replica: The snapshot that is loaded.
        raw: What the table must be.
        change: What must change in it for that.
        patience: With readers.

    Returns:
        What was done; None when new columns hold too many values, and all rows are better loaded again.

    Raises:
        DatabaseTransactionError: A reader holds the table.
    """
    if not change.is_needed:
        return Evolution(drift=change.drift, columns=frozenset())
    fills = _fills(analytics, replica, raw, change)
    if fills is None:
        return None
    if not lock_for_ourselves(analytics, raw, patience):
        raise held_by_reader(raw)
    granted = grants(analytics, raw.qualified) if change.touches_columns else ()
    saved = take_down(analytics, raw.qualified) if change.touches_views else ()
    alter_in_place(analytics, raw, change, fills)
    for grant in granted:
        execute(analytics, grant)
    touched = {*change.filled, *change.widened}
    return Evolution(
        drift=(*change.drift, *put_up(analytics, saved)),
        columns=frozenset(column.source_name for column in raw.columns if column.name in touched),
    )


def require_compatible(analytics: Connection, raw: RawTable, found: FoundTable, change: SchemaChange) -> None:
    """Refuse to change a column into one that need not hold its values; a full refresh may.

    Raises:
        SchemaDriftError: With what to look at and what to do.
    """
    if not change.rebuilt:
        return
    columns = ", ".join(
        f"{name} ({found.by_name[name].type} in raw, {type_} from the source now)"
        for name, type_ in change.rebuilt.items()
    )
    views = [view.name for view in dependents(analytics, raw.qualified)]
    seen = f"Views on the table: {', '.join(views[:5])}{', ...' if len(views) > 5 else ''}. " if views else ""
    raise SchemaDriftError(
        f"Columns of table {raw.name} became narrower or of another kind: {columns}. raw keeps the rows it "
        f"has until somebody has looked at what uses them. {seen}If the source is right: `dental-etl run "
        f"--table {raw.name} --force-full` rebuilds the columns; views that no longer fit are dropped and named.",
        table=raw.name,
        stage="load",
    )


def _fills(
    analytics: Connection, replica: Replica, raw: RawTable, change: SchemaChange
) -> dict[str, str] | None:
    """Return the value of each new column as SQL, None when one of them has no common value."""
    fills: dict[str, str] = {}
    for column in raw.columns:
        if column.name not in change.filled:
            continue
        statement = samples.statement(replica.schema, replica.schema.column(column.source_name))
        seen = samples.from_row(fetch(replica.connection, statement)[0])
        value = _literal(analytics, replica, raw, column, seen.common) if seen.common else None
        if seen.rows and value is None:
            return None
        if value is not None:
            fills[column.name] = value
    return fills


def _literal(
    analytics: Connection, replica: Replica, raw: RawTable, column: RawColumn, common: str
) -> str | None:
    """Load one row that has the common value, and ask PostgreSQL how it writes what arrived.

    None when raw cannot hold the value as it is: then every such row must be counted.
    """
    condition = samples.condition(replica.schema.column(column.source_name), common)
    wanted, blocks = replica.rows(f"WHERE {condition} LIMIT 1")
    execute(analytics, f"DROP TABLE IF EXISTS {_SAMPLE}")
    execute(analytics, f"CREATE TEMPORARY TABLE etl_sample ({_definitions(raw.columns)}) ON COMMIT DROP")
    copy_rows(analytics, _SAMPLE, wanted, blocks)
    if any(name == column.source_name for name, _ in blocks.coercions):
        return None
    found = fetch(analytics, f"SELECT quote_nullable({quoted([column.name])}::text) FROM {_SAMPLE}")
    return str(found[0][0]) if found else None


def _definitions(columns: Iterable[RawColumn]) -> str:
    return ", ".join(f"{postgres(column.name)} {column.type}" for column in columns)
