"""The cursor of an incremental table: its kind, its clock, its lower bound and how it moves; pure.

Source: design decision "inclusive cursor and upsert": ties are never lost, one wrong date blinds nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from dental_etl.config import Column
from dental_etl.wire import names

_WHOLE = frozenset({"tinyint", "smallint", "mediumint", "int", "integer", "bigint"})
#: Keys may be committed in another order than they were given out.
_KEY_OVERLAP = 1000
#: A DATETIME holds the clinic's local time, which runs through one hour twice in autumn.
_LOCAL_OVERLAP = timedelta(hours=1)


class CursorKind(StrEnum):
    #: TIMESTAMP: an instant; our sessions read it in UTC.
    INSTANT = "instant"
    #: DATETIME: the server's local time.
    LOCAL = "local"
    #: DATE: the server's local day.
    DAY = "day"
    #: A growing key.
    NUMBER = "number"


def cursor_kind(column: Column) -> CursorKind | None:
    """Return what kind of cursor a column is; None when it cannot be one."""
    if column.data_type in _WHOLE:
        return CursorKind.NUMBER
    by_type = {"timestamp": CursorKind.INSTANT, "datetime": CursorKind.LOCAL, "date": CursorKind.DAY}
    return by_type.get(column.data_type)


def clock_expression(kind: CursorKind) -> str | None:
    """Return the source's own clock as text in the cursor's type; None for a cursor without time."""
    if kind is CursorKind.NUMBER:
        return None
    if kind is CursorKind.INSTANT:
        return "CAST(UTC_TIMESTAMP() AS CHAR)"
    # Our session runs in UTC, but the server's own zone is what its DATETIME stamps are written in. A named
    # zone without zone tables gives NULL; then be early, whatever the zone: that costs rereading only.
    local = "CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', @@global.time_zone)"
    safe = f"COALESCE({local}, UTC_TIMESTAMP() - INTERVAL 14 HOUR)"
    return f"CAST({safe} AS CHAR)" if kind is CursorKind.LOCAL else f"CAST(DATE({safe}) AS CHAR)"


def lower_bound(kind: CursorKind, value: str, overlap_minutes: int) -> str | None:
    """Return where the next pass starts, inclusive; None when everything has to be looked at.

    Args:
        kind: Of the cursor.
        value: Last committed cursor, as MySQL prints it.
        overlap_minutes: Rows this far below it are read again.
    """
    if kind is CursorKind.NUMBER:
        return str(int(value) - _KEY_OVERLAP)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None  # a partial date such as 2020-00-15
    overlap = timedelta(minutes=overlap_minutes) + (
        timedelta(0) if kind is CursorKind.INSTANT else _LOCAL_OVERLAP
    )
    if moment.year <= 1:
        return None  # nothing is earlier
    text = (moment - overlap).isoformat(sep=" ", timespec="seconds")
    return text[:10] if kind is CursorKind.DAY else text


def condition(column: Column, kind: CursorKind, lower: str | None) -> str | None:
    """Return which rows a pass reads; None for all of them.

    Rows whose cursor is NULL or zero say nothing about their age, so they are always read.
    """
    if lower is None:
        return None
    quoted = names.mysql(column.name)
    bound = lower if kind is CursorKind.NUMBER else names.literal(lower)
    terms = [f"{quoted} >= {bound}"]
    if kind is not CursorKind.NUMBER:
        zero = "0000-00-00" if kind is CursorKind.DAY else "0000-00-00 00:00:00"
        terms.append(f"{quoted} = {names.literal(zero)}")
    else:
        terms.append(f"{quoted} = 0")
    if column.is_nullable:
        terms.append(f"{quoted} IS NULL")
    return f"({' OR '.join(terms)})"


def highest_expression(column: Column, clock: str | None) -> str:
    """Return the aggregate that gives the highest value not later than the source's clock."""
    quoted = names.mysql(column.name)
    if clock is None:
        return f"CAST(MAX({quoted}) AS CHAR)"
    return f"CAST(MAX(CASE WHEN {quoted} <= {names.literal(clock)} THEN {quoted} END) AS CHAR)"


def later(kind: CursorKind, left: str | None, right: str | None) -> str | None:
    """Return the later of two cursor values as MySQL prints them."""
    if left is None or right is None:
        return right if left is None else left
    if kind is CursorKind.NUMBER:
        return max(left, right, key=int)
    return max(left, right)


def capped(kind: CursorKind, value: str | None, clock: str | None) -> str | None:
    """Return a cursor value that is not later than the source's clock at the start of the read."""
    if value is None or clock is None or later(kind, value, clock) == clock:
        return value
    return clock
