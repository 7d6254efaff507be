"""Ranges that differ are read from the source, compared by value, and made equal in the replica."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dental_etl.extract import queries
from dental_etl.extract.attempt import Attempt
from dental_etl.extract.brake import require_deletes_allowed
from dental_etl.extract.changes import create_stage, write_changes
from dental_etl.extract.queries import GONE, STAGE, KeyRange
from dental_etl.reconciliation import ranges
from dental_etl.reconciliation.comparison import Compared, compare_again
from dental_etl.reconciliation.ranges import Contents
from dental_etl.tracking.status import CopiedBatch, next_generation, record_batch
from dental_etl.wire import names
from dental_etl.wire.load_data import load_data

_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmended:
    """A range that still differs after its repairs."""

    rows: int
    #: Whether the source's rows changed between two of the looks after repairs; else something is wrong here.
    is_moving: bool


def mend(attempt: Attempt, differing: Sequence[Compared], *, replica_rows: int) -> list[Unmended]:
    """Make ranges equal, then compare them again; what is left after three rounds is returned.

    Rows are written range by range. Deletes come last, all in one transaction, so that the brake is asked
    before the first of them.

    Args:
        attempt: The table.
        differing: Ranges that differ, small enough to be read.
        replica_rows: Rows of the replica before, for the brake.

    Raises:
        DeleteBrakeError: More rows would go than anybody loses by accident.
        DatabaseTransactionError: Another table took the place of the one that was read.
        DeadlineError: The window closed; what was written stays.
    """
    left = list(differing)
    looks: dict[KeyRange, set[Contents]] = {one.key_range: set() for one in left}
    for _ in range(_ROUNDS):
        _repair(attempt, [one.key_range for one in left], replica_rows)
        left = [again for one in left if not (again := compare_again(attempt, one)).is_equal]
        if not left:
            return []
        for one in left:
            looks[one.key_range].add(one.source)
    return [Unmended(rows=one.rows, is_moving=len(looks[one.key_range]) > 1) for one in left]


def _repair(attempt: Attempt, differing: Sequence[KeyRange], replica_rows: int) -> None:
    create_stage(attempt)
    with attempt.errors():
        attempt.run(f"DROP TEMPORARY TABLE IF EXISTS {names.mysql(GONE)}")
        attempt.run(ranges.create_gone(attempt.schema))
    for key_range in differing:
        _write(attempt, key_range)
    _delete(attempt, replica_rows)


def _write(attempt: Attempt, key_range: KeyRange) -> None:
    """Read one range into the stage; write what differs, remember what is gone."""
    statement = queries.page(attempt.schema, attempt.row_format.select_list, key_range, None)
    fetched = attempt.reader.page(statement, attempt.row_format)
    rows = size = changed = 0
    with attempt.errors():
        attempt.run(f"TRUNCATE TABLE {names.mysql(STAGE)}")
    with attempt.transaction():
        if not fetched.is_empty:
            loaded = load_data(attempt.replication, STAGE, attempt.row_format, fetched.blocks)
            rows, size = loaded.rows, loaded.bytes
            changed = write_changes(attempt)
        attempt.run(ranges.collect_gone(attempt.schema, key_range))
        _record(attempt, rows=rows, bytes_=size, seconds=fetched.stream.seconds, has_changes=changed > 0)
    attempt.rows_written += changed
    attempt.count(fetched.stream)


def _delete(attempt: Attempt, replica_rows: int) -> None:
    with attempt.errors():
        gone = int(attempt.run(f"SELECT COUNT(*) FROM {names.mysql(GONE)}").scalar_one())
    require_deletes_allowed(attempt, rows=replica_rows, gone=attempt.rows_deleted + gone)
    if not gone:
        return
    attempt.reader.require_same_table()
    generation = next_generation(attempt.generation, attempt.fence)
    with attempt.transaction():
        attempt.run(queries.record_collected_keys(attempt.schema, GONE, generation))
        attempt.run(queries.delete_gone_rows(attempt.schema))
        _record(attempt, has_changes=True)
    attempt.generation = generation
    attempt.rows_deleted += gone


def _record(
    attempt: Attempt, *, rows: int = 0, bytes_: int = 0, seconds: float = 0.0, has_changes: bool
) -> None:
    record_batch(
        attempt.replication,
        attempt.table,
        attempt.fence,
        CopiedBatch(checkpoint=None, rows=rows, bytes=bytes_, seconds=seconds, has_changes=has_changes),
    )
