"""The structures that an extract stands between: the source's now, the one copied last, the replica's."""

from __future__ import annotations

from sqlalchemy import Connection

from dental_etl.config import Role, TableSchema
from dental_etl.connections import database_errors
from dental_etl.exceptions import DataExtractionError
from dental_etl.extract import collations, drift
from dental_etl.extract.attempt import Attempt, schema_text
from dental_etl.run import Stage
from dental_etl.tracking.status import read_source_schema
from dental_etl.wire.catalog import read_schema


def source_schema(source: Connection, database: str, table: str, *, replication: Connection) -> TableSchema:
    """Return the structure that the source has now, with collations that replication knows.

    Raises:
        DataExtractionError: The source has no such table.
        DatabaseError: By the server's error number.
    """
    with database_errors(Role.SOURCE, table=table, stage=Stage.EXTRACT):
        schema = read_schema(source, database, table)
    if schema is None:
        raise DataExtractionError(
            f"The source has no table {table}. If it was dropped or renamed there, run `dental-etl analyze`; "
            f"what was copied of it stays.",
            table=table,
            stage=Stage.EXTRACT,
        )
    return collations.known_to(replication, schema)


def copied_schema(attempt: Attempt) -> str | None:
    """Return the source's structure at the last complete copy, JSON; None when there was none."""
    with attempt.errors():
        return read_source_schema(attempt.replication, attempt.table)


def compare_structures(attempt: Attempt, before: str | None) -> tuple[tuple[str, ...], bool]:
    """Return what changed since `before`, and whether a replica of the source's structure is there."""
    with attempt.errors():
        replica = read_schema(
            attempt.replication, attempt.replication.engine.url.database or "", attempt.table
        )
    found = () if before == schema_text(attempt.schema) else drift.changes(before, attempt.schema)
    return found, before is not None and not found and is_replica(replica, attempt.schema)


def is_replica(replica: TableSchema | None, source: TableSchema) -> bool:
    """Tell whether a table of replication can hold the source's rows and merge changes; pure."""
    return (
        replica is not None
        # Rows too wide for InnoDB stand in an engine that merges no changes.
        and replica.is_transactional
        # Somebody may have altered or restored the replica; types are spelled differently over versions.
        and [column.name for column in replica.columns] == [column.name for column in source.columns]
        and replica.primary_key == source.primary_key
    )
