"""Ranges of a raw table's key, loaded again where they differ from the replica."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from dental_etl.load.moved import Moved, added, coercions
from dental_etl.load.proof import KeyWindow
from dental_etl.load.raw_table import RawTable
from dental_etl.load.replica import Replica
from dental_etl.load.statements import execute
from dental_etl.wire.copy_feed import copy_rows
from dental_etl.wire.names import mysql, postgres, raw_name


def reload_windows(
    analytics: Connection, replica: Replica, raw: RawTable, windows: Iterable[KeyWindow]
) -> Moved:
    """Delete the rows of some ranges and copy them again, in the caller's transaction.

    Args:
        analytics: Analytics.
        replica: The snapshot that raw must equal; its key is one whole number.
        raw: The table.
        windows: Ranges that do not overlap.
    """
    moved = Moved()
    for window in windows:
        moved = _together(moved, _reload(analytics, replica, raw, window))
    return moved


def conditions(column: str, window: KeyWindow) -> str:
    """Write a range as a WHERE clause over a quoted column; nothing for all rows."""
    terms = [f"{column} > {window.after}"] if window.after is not None else []
    terms += [f"{column} <= {window.up_to}"] if window.up_to is not None else []
    return f" WHERE {' AND '.join(terms)}" if terms else ""


def _reload(analytics: Connection, replica: Replica, raw: RawTable, window: KeyWindow) -> Moved:
    key = replica.schema.primary_key[0]
    gone = execute(analytics, f"DELETE FROM {raw.qualified}{conditions(postgres(raw_name(key)), window)}")
    wanted, blocks = replica.rows(conditions(mysql(key), window))
    rows = copy_rows(analytics, raw.qualified, wanted, blocks)
    return Moved(
        written=rows,
        deleted=max(0, gone - rows),
        bytes=blocks.bytes,
        coercions=coercions(replica.schema.name, blocks),
    )


def _together(one: Moved, other: Moved) -> Moved:
    return Moved(
        written=one.written + other.written,
        deleted=one.deleted + other.deleted,
        bytes=one.bytes + other.bytes,
        coercions=added(one.coercions, other.coercions),
    )
