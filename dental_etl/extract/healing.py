"""A replica follows the source's new structure in place, so that the table need not be read again.

A new column gets the value that most rows of the source have in it; whatever differs from that, the
comparison that follows reads from the source.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

from dental_etl.config import Column, TableSchema
from dental_etl.exceptions import DatabaseQueryError
from dental_etl.extract import alteration, keys, publishing
from dental_etl.extract.attempt import Attempt
from dental_etl.run import CopyStatus
from dental_etl.tracking.status import record_altered
from dental_etl.wire import names, samples
from dental_etl.wire.catalog import read_schema

logger = logging.getLogger(__name__)

_UNWRITABLE = frozenset(
    {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "json"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Common:
    """What most rows of the source have in a column."""

    #: Rows that were looked at.
    rows: int
    #: As SQL; None when there is no such value, or it cannot be written as a default.
    value: str | None = None


def heal(attempt: Attempt, status: CopyStatus, before: str | None) -> tuple[str, ...] | None:
    """Give the replica the source's structure in place; its rows must then be compared with the source.

    Args:
        attempt: The table.
        status: Where the last extract ended.
        before: Structure at the last complete copy, JSON.

    Returns:
        What was guessed for it, in words; None when the table has to be copied again.

    Raises:
        FencedError: A newer attempt has taken the table over.
    """
    with attempt.errors():
        replica = read_schema(
            attempt.replication, attempt.replication.engine.url.database or "", attempt.table
        )
    if before is None or replica is None or status.checkpoint is not None or status.last_copied is None:
        return None
    old = TableSchema.from_json(json.loads(before))
    found = alteration.changes(old, attempt.schema)
    if not alteration.is_possible(old, attempt.schema, found) or not _can_be_altered(replica, attempt.schema):
        return None
    seen = {column.name: _common(attempt, column) for column in _new_columns(attempt, replica, found)}
    found = found.without_renames(new for new, common in seen.items() if common.value is not None)
    added = {column.name: seen[column.name] for column in found.added if column.name in seen}
    if any(common.rows and common.value is None for common in added.values()):
        return None
    fills = {name: common.value for name, common in added.items() if common.value is not None}
    written = alteration.clauses(replica, attempt.schema, found, fills)
    return _words(found) if _alter(attempt, written, _altered_columns(found)) else None


def altering(before: TableSchema, replica: TableSchema, now: TableSchema) -> tuple[str, ...] | None:
    """Write what `heal` would execute, without the values of new columns, for which it looks into rows; pure.

    Args:
        before: The source's structure at the last complete copy.
        replica: As the replication server describes it.
        now: The source's table.

    Returns:
        The statements; None when the table has to be copied again.
    """
    found = alteration.changes(before, now)
    if not alteration.is_possible(before, now, found) or not _can_be_altered(replica, now):
        return None
    written = alteration.clauses(replica, now, found, {})
    return (_statement(now.name, written),) if written else ()


def _can_be_altered(replica: TableSchema, now: TableSchema) -> bool:
    return replica.is_transactional and replica.primary_key == now.primary_key and keys.is_pageable(now)


def _new_columns(attempt: Attempt, replica: TableSchema, found: alteration.Changes) -> tuple[Column, ...]:
    """Return the columns that the replica lacks; an attempt that died may have added some."""
    there = {column.name for column in replica.columns}
    renamed = tuple(attempt.schema.column(new) for new in found.renamed.values())
    return tuple(column for column in (*found.added, *renamed) if column.name not in there)


def _common(attempt: Attempt, column: Column) -> _Common:
    """Look for the value that most rows of the source have; it goes to replication and nowhere else."""
    seen = samples.from_row(attempt.reader.row(samples.statement(attempt.schema, column)))
    if seen.common is None:
        return _Common(rows=seen.rows)
    value = samples.value_of(seen.common)
    return _Common(rows=seen.rows, value="NULL" if value is None else _literal(column, value))


def _literal(column: Column, value: bytes) -> str | None:
    if column.data_type in _UNWRITABLE or column.data_type.endswith("collection"):
        return None
    if column.charset:
        return f"_{column.charset} x'{value.hex()}'"
    if column.data_type in samples.BYTES:
        return f"x'{value.hex()}'"
    printed = value.decode("ascii")
    return printed if column.data_type == "bit" else names.literal(printed)


def _alter(attempt: Attempt, written: tuple[str, ...], columns: frozenset[str]) -> bool:
    """Mark the replica as altered, then alter it; False when the server cannot, and it must be copied."""
    publishing.ensure_outbox(attempt)
    with attempt.transaction():
        status = record_altered(attempt.replication, attempt.table, attempt.fence, columns)
    attempt.generation = status.generation
    if not written:
        return True
    try:
        with attempt.errors():
            attempt.run(_statement(attempt.table, written))
    except DatabaseQueryError as error:
        logger.info(
            "The replica of %s cannot be altered in place (%s), so the table is copied",
            attempt.table,
            error.code,
            extra={"action": "not_altered", "run_id": attempt.run_id, "table": attempt.table},
        )
        return False
    return True


def _statement(table: str, written: tuple[str, ...]) -> str:
    return f"ALTER TABLE {names.mysql(table)} {', '.join(written)}"


def _altered_columns(found: alteration.Changes) -> frozenset[str]:
    return found.changed | {column.name for column in found.added} | set(found.renamed.values())


def _words(found: alteration.Changes) -> tuple[str, ...]:
    return tuple(f"column {new} is taken for {was} under a new name" for was, new in found.renamed.items())
