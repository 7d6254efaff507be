"""The first load of a large table by key ranges, which several processes copy at the same time.

The staging table, its checkpoint and its publication are those of `chunks`; here its rows come in any
order and from any process. What the owner of the load does not find done or taken, it copies itself.
"""

from __future__ import annotations

import math
import uuid
from dataclasses import replace

from sqlalchemy import Connection

from dental_etl.load.chunks import (
    is_left_to_copy,
    staging,
    start_staging,
    usable_checkpoint,
    write_checkpoint,
)
from dental_etl.load.moved import added, coercions
from dental_etl.load.range_table import (
    Range,
    finish_range,
    forget_ranges,
    open_numbers,
    total,
    write_ranges,
)
from dental_etl.load.raw_table import RawTable
from dental_etl.load.replica import Replica
from dental_etl.wire.copy_feed import copy_rows
from dental_etl.wire.names import mysql

#: More ranges than that are messages for nothing.
_MOST_RANGES = 200


def begin_sharing(
    analytics: Connection, replica: Replica, raw: RawTable, *, rows: int, range_rows: int
) -> list[int]:
    """Return the ranges that are left to copy, in the caller's transaction; none when it is not shared.

    Goes on with the ranges of a load that was broken off. A load that was begun in order goes on in order.

    Args:
        analytics: Analytics, holding the table's place.
        replica: A snapshot.
        raw: The table to be.
        rows: About how many rows the table has; 0 to cut nothing.
        range_rows: About how many rows a range should have.
    """
    if not is_left_to_copy(analytics, replica, raw):
        return []
    before = usable_checkpoint(analytics, replica, raw)
    if before is not None:
        return _left(analytics, replica, raw, before.load_id)
    bounds = replica.key_bounds(min(math.ceil(rows / max(range_rows, 1)), _MOST_RANGES))
    if not bounds:
        return []
    load_id = uuid.uuid4().hex
    write_checkpoint(analytics, raw, replace(start_staging(analytics, replica, raw), load_id=load_id))
    ranges = [
        Range(number=number, load_id=load_id, above=above, up_to=up_to)
        for number, (above, up_to) in enumerate(zip([None, *bounds], [*bounds, None], strict=True), start=1)
    ]
    write_ranges(analytics, raw.schema, replica.schema.name, ranges)
    return [one.number for one in ranges]


def copy_range(analytics: Connection, replica: Replica, raw: RawTable, wanted: Range) -> int:
    """Copy a range that the caller's transaction holds; return its rows, 0 if its load was given up.

    Args:
        analytics: Analytics.
        replica: A snapshot that was opened after the range was taken.
        raw: The table to be.
        wanted: From `take_range`.
    """
    checkpoint = usable_checkpoint(analytics, replica, raw)
    if checkpoint is None or checkpoint.load_id != wanted.load_id:
        return 0
    key = mysql(replica.schema.primary_key[0])
    terms = [
        *([f"{key} > {wanted.above}"] if wanted.above is not None else []),
        *([f"{key} <= {wanted.up_to}"] if wanted.up_to is not None else []),
    ]
    row_format, blocks = replica.rows(f"WHERE {' AND '.join(terms)} ORDER BY {key}" if terms else "")
    rows = copy_rows(analytics, staging(raw), row_format, blocks)
    table = replica.schema.name
    finish_range(
        analytics,
        raw.schema,
        table,
        wanted.number,
        rows=rows,
        bytes_=blocks.bytes,
        found=coercions(table, blocks),
    )
    return rows


def complete(analytics: Connection, replica: Replica, raw: RawTable) -> bool:
    """Say in the staging table's checkpoint that it is complete, if it is; True when nothing is left."""
    checkpoint = usable_checkpoint(analytics, replica, raw)
    if checkpoint is None or checkpoint.load_id is None:
        return True  # given up meanwhile: the load goes on in order, from nothing
    table = replica.schema.name
    if open_numbers(analytics, raw.schema, table, checkpoint.load_id):
        return False
    moved = total(analytics, raw.schema, table)
    write_checkpoint(
        analytics,
        raw,
        replace(
            checkpoint,
            rows=moved.rows,
            bytes=moved.bytes,
            coercions=added((), moved.coercions),
            is_complete=True,
        ),
    )
    forget_ranges(analytics, raw.schema, table)
    return True


def _left(analytics: Connection, replica: Replica, raw: RawTable, load_id: str | None) -> list[int]:
    return [] if load_id is None else open_numbers(analytics, raw.schema, replica.schema.name, load_id)
