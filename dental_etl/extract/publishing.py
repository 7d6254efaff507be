"""A full shadow becomes the replica: by nothing, by its few differences, or by an atomic rename.

The rename is DDL and cannot share a transaction with the status. So the intention is committed first
(`Phase.PUBLISH`), and whoever finds it finishes it, before doing anything else: no rename goes unnoticed
by load, whenever the process dies.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from dental_etl.config import TableSchema
from dental_etl.exceptions import DeleteBrakeError
from dental_etl.extract import keys, queries
from dental_etl.extract.attempt import Attempt, schema_text
from dental_etl.extract.brake import require_deletes_allowed
from dental_etl.extract.checkpoint import Checkpoint
from dental_etl.run import CopyStatus, Strategy
from dental_etl.tracking.status import (
    CopiedBatch,
    CopiedTable,
    read_copy_status,
    record_batch,
    record_copied,
    record_started,
)
from dental_etl.wire import names
from dental_etl.wire.catalog import (
    CURSOR_INDEX,
    changed_table_ddl,
    create_table_ddl,
    cursor_index_ddl,
    has_table,
    read_schema,
)

logger = logging.getLogger(__name__)

#: Beyond this share a full refresh costs PostgreSQL less than single changes (measured: 20-25 %).
_MOST_CHANGES = 0.2
#: Tables this small are never worth a rewrite.
_ALWAYS_CHANGES_ROWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    """Keys by which shadow and replica differ, collected in temporary tables."""

    changed: int
    gone: int
    #: Whether collecting stopped because there were too many.
    is_too_large: bool
    #: Whether rows could be told apart by their keys.
    is_by_key: bool = True


def publish(attempt: Attempt, checkpoint: Checkpoint) -> CopyStatus:
    """Make the replica equal to the full shadow and record it.

    Args:
        attempt: The table.
        checkpoint: Of the full shadow, with the cursor that holds from now on.

    Raises:
        DeleteBrakeError: The replica has rows that the shadow lacks, more than anybody deletes by accident.
        DatabaseTransactionError: It lacks rows because another table took the place of the one that was read.
        DeadlineError: The window closed before that could be asked.
    """
    checkpoint = replace(checkpoint, source_schema=schema_text(attempt.schema))
    difference = _compare(attempt)
    _brake(attempt, difference)
    if difference is not None and not difference.is_too_large:
        return _apply(attempt, checkpoint, difference)
    with attempt.transaction():
        record_batch(
            attempt.replication, attempt.table, attempt.fence, CopiedBatch(checkpoint=checkpoint.to_text())
        )
        status = read_copy_status(attempt.replication, attempt.table)
    attempt.rows_written += status.rows_copied if status else 0
    return finish_publication(attempt, checkpoint)


def _brake(attempt: Attempt, difference: _Difference | None) -> None:
    rows, gone = _loss(attempt, difference)
    if gone:
        attempt.reader.require_same_table()
    try:
        require_deletes_allowed(attempt, rows=rows, gone=gone)
    except DeleteBrakeError:
        # What an emptied source left in the shadow is nothing to go on with.
        with attempt.transaction():
            record_started(
                attempt.replication,
                attempt.table,
                attempt.fence,
                strategy=Strategy.FULL_TABLE,
                checkpoint=None,
            )
        raise


def _loss(attempt: Attempt, difference: _Difference | None) -> tuple[int, int]:
    """Return the replica's rows, and how many of them are not in the shadow: by key where both have one."""
    with attempt.errors():
        if not _exists(attempt, attempt.table):
            return 0, 0
        rows = _count(attempt, attempt.table)
        if difference is not None and difference.is_by_key:
            if not difference.is_too_large:
                return rows, difference.gone
            return rows, int(attempt.run(queries.count_gone_keys(attempt.schema)).scalar_one())
        return rows, max(0, rows - _count(attempt, names.shadow_table(attempt.table)))


def _count(attempt: Attempt, table: str) -> int:
    return int(attempt.run(f"SELECT COUNT(*) FROM {names.mysql(table)}").scalar_one())


def finish_publication(attempt: Attempt, checkpoint: Checkpoint) -> CopyStatus:
    """Rename the shadow into place if that has not happened yet, and flag the table as rewritten."""
    retired = names.mysql(queries.retired_table(attempt.table))
    with attempt.errors():
        if _exists(attempt, names.shadow_table(attempt.table)):
            _index_cursor(attempt, names.shadow_table(attempt.table))
            attempt.run(f"DROP TABLE IF EXISTS {retired}")
            attempt.run(renaming(attempt.table, has_replica=_exists(attempt, attempt.table)))
        _renew_outbox(attempt)
    with attempt.transaction():
        status = record_copied(
            attempt.replication,
            attempt.table,
            attempt.fence,
            _copied(attempt, checkpoint, is_rewritten=True, has_changes=False),
        )
    attempt.generation = status.generation
    with attempt.errors():
        attempt.run(f"DROP TABLE IF EXISTS {retired}")
    return status


def rewriting(schema: TableSchema, cursor: str | None, *, has_replica: bool) -> tuple[str, ...]:
    """Write what a whole copy does to the replica's structure, before it is done; pure.

    Args:
        schema: Structure of the source's table.
        cursor: Its cursor column; None for a table without.
        has_replica: Whether there is one already.
    """
    shadow = names.shadow_table(schema.name)
    index = cursor_index_ddl(schema, shadow, cursor) if cursor is not None else None
    return (
        create_table_ddl(schema, name=shadow),
        *([] if index is None else [index]),
        renaming(schema.name, has_replica=has_replica),
    )


def renaming(table: str, *, has_replica: bool) -> str:
    """Write what puts a full shadow into the replica's place."""
    name, shadow = names.mysql(table), names.mysql(names.shadow_table(table))
    retired = names.mysql(queries.retired_table(table))
    away = f"{name} TO {retired}, " if has_replica else ""
    return f"RENAME TABLE {away}{shadow} TO {name}"


def _index_cursor(attempt: Attempt, shadow: str) -> None:
    """Index the cursor of a full shadow, unless an attempt that died has done it."""
    cursor = attempt.cursor.column.name if attempt.cursor else None
    ddl = cursor_index_ddl(attempt.schema, shadow, cursor) if cursor is not None else None
    if ddl is not None and not attempt.run(queries.find_index(shadow, CURSOR_INDEX)).all():
        attempt.run(ddl)


def _renew_outbox(attempt: Attempt) -> None:
    """The rewritten table may have another key, and single changes before it no longer matter."""
    replica = _schema(attempt, attempt.table)
    attempt.run(f"DROP TABLE IF EXISTS {names.mysql(names.changed_table(attempt.table))}")
    if replica is not None and replica.primary_key:
        attempt.run(changed_table_ddl(replica))


def ensure_outbox(attempt: Attempt) -> None:
    """Create the outbox if somebody dropped it."""
    if attempt.schema.primary_key:
        with attempt.errors():
            attempt.run(changed_table_ddl(attempt.schema))


def _apply(attempt: Attempt, checkpoint: Checkpoint, difference: _Difference) -> CopyStatus:
    """Move the differences over in one transaction with the outbox and the status."""
    has_changes = difference.changed + difference.gone > 0
    with attempt.transaction():
        status = record_copied(
            attempt.replication,
            attempt.table,
            attempt.fence,
            # A replica whose status was lost says nothing about what raw holds.
            _copied(attempt, checkpoint, is_rewritten=attempt.generation == 0, has_changes=has_changes),
        )
        if has_changes:
            _move_differences(attempt, status.generation)
    attempt.generation = status.generation
    attempt.rows_written += difference.changed
    attempt.rows_deleted += difference.gone
    with attempt.errors():
        attempt.run(f"DROP TABLE IF EXISTS {names.mysql(names.shadow_table(attempt.table))}")
    return status


def _move_differences(attempt: Attempt, generation: int) -> None:
    for collected in (queries.CHANGED, queries.GONE):
        attempt.run(queries.record_collected_keys(attempt.schema, collected, generation))
    attempt.run(queries.replace_from_shadow(attempt.schema))
    attempt.run(queries.delete_gone_rows(attempt.schema))


def _compare(attempt: Attempt) -> _Difference | None:
    """Return how the shadow differs from the replica; None when they cannot be compared."""
    with attempt.errors():
        replica = _schema(attempt, attempt.table)
        shadow = _schema(attempt, names.shadow_table(attempt.table))
    if replica is None or shadow is None:
        return None
    if _shape(replica) != _shape(shadow):
        return None
    # Only InnoDB moves differences in one transaction with their outbox.
    if keys.is_pageable(attempt.schema) and replica.is_transactional and shadow.is_transactional:
        return _compare_by_key(attempt)
    return _Difference(changed=0, gone=0, is_too_large=not _have_equal_checksums(attempt), is_by_key=False)


def _shape(schema: TableSchema) -> tuple[object, ...]:
    """What decides which rows fit: a column that was added in place has a default, and is no other for it."""
    columns = tuple(replace(column, default=None, extra="") for column in schema.columns)
    return columns, schema.primary_key


def _compare_by_key(attempt: Attempt) -> _Difference:
    with attempt.errors():
        rows = _count(attempt, attempt.table)
        limit = max(int(rows * _MOST_CHANGES), _ALWAYS_CHANGES_ROWS)
        changed = _collect(attempt, queries.CHANGED, queries.collect_changed_keys(attempt.schema, limit + 1))
        gone = (
            _collect(attempt, queries.GONE, queries.collect_gone_keys(attempt.schema, limit + 1))
            if changed <= limit
            else 0
        )
    return _Difference(changed=changed, gone=gone, is_too_large=changed + gone > limit)


def _collect(attempt: Attempt, collected: str, sql: str) -> int:
    attempt.run(f"DROP TEMPORARY TABLE IF EXISTS {names.mysql(collected)}")
    attempt.run(sql)
    return int(attempt.run(f"SELECT COUNT(*) FROM {names.mysql(collected)}").scalar_one())


def _have_equal_checksums(attempt: Attempt) -> bool:
    with attempt.errors():
        found = [
            tuple(attempt.run(queries.checksum(attempt.schema, table)).one())
            for table in (attempt.table, names.shadow_table(attempt.table))
        ]
    return found[0] == found[1] and found[0][1] == 0


def _copied(
    attempt: Attempt, checkpoint: Checkpoint, *, is_rewritten: bool, has_changes: bool
) -> CopiedTable:
    return CopiedTable(
        now=attempt.clock(),
        cursor=checkpoint.cursor,
        strategy=Strategy.FULL_TABLE,
        is_rewritten=is_rewritten,
        has_changes=has_changes,
        source_schema=checkpoint.source_schema or schema_text(attempt.schema),
        overlap_minutes=attempt.plan.config.overlap_minutes,
    )


def _exists(attempt: Attempt, table: str) -> bool:
    return has_table(attempt.replication, attempt.replication.engine.url.database or "", table)


def _schema(attempt: Attempt, table: str) -> TableSchema | None:
    return read_schema(attempt.replication, attempt.replication.engine.url.database or "", table)
