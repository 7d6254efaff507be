"""Replica and raw: proven equal by md5 over one text per value that both servers make.

Inside the load's own transaction and over its own snapshot of the replica: rows that did not arrive as
they are are never committed. After a load of changes the changed rows are compared, whole tables when
they were loaded whole or when their last proof is a week old, large ones in the course of some nights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from dental_etl.load.action import Action
from dental_etl.load.changes import CHANGED_KEYS
from dental_etl.load.proof import KeyWindow, Loaded, RawProof, Reload
from dental_etl.load.statements import execute, fetch
from dental_etl.load.windows import conditions
from dental_etl.reconciliation import canonical
from dental_etl.run import Finding, LoadStatus, Severity
from dental_etl.wire.names import mysql, postgres, raw_name

PROOF_DAYS = 7
#: What was done to prove a table that raw held already, in words for the report.
NOTHING_LOADED = "nothing was loaded"
#: Tables up to this size are compared as soon as they were loaded whole: about half a CPU second.
AT_ONCE_ROWS = 50_000
#: A larger table is compared in this many nights.
_ROTATION_NIGHTS = 5
_RANGE_ROWS = 20_000
#: Where more of a table differs, loading it whole costs less.
_MOST_DIFFERING = 0.25

_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_SETTINGS = ("SET LOCAL datestyle = 'ISO, YMD'", "SET LOCAL extra_float_digits = 1")
_OLD, _KEY = "etl_rows", "etl_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Where:
    """The same rows on both sides."""

    replica: str
    raw: str


def prove_raw(loaded: Loaded) -> RawProof:
    """Compare what a load should have written with what raw holds."""
    return _prove(loaded, is_whole=False)


def prove_all_of_raw(loaded: Loaded) -> RawProof:
    """Compare every row, whatever was loaded and however large the table is."""
    return _prove(loaded, is_whole=True)


def _prove(loaded: Loaded, *, is_whole: bool) -> RawProof:
    for setting in _SETTINGS:
        execute(loaded.analytics, setting)
    before = loaded.before or LoadStatus(table=loaded.result.table)
    action, rows = loaded.result.action, loaded.result.rows_total
    if loaded.reload is Reload.WINDOWS:
        return _windows_again(loaded, before)
    if (
        is_whole
        or loaded.reload is Reload.WHOLE
        or (
            rows <= AT_ONCE_ROWS
            and (action == Action.FULL or loaded.altered or is_due(loaded.before, loaded.now))
        )
    ):
        return _whole(loaded)
    if action == Action.FULL:
        return RawProof(
            is_equal=True, proven_at=None, proven_by="loaded whole; compared after the last table"
        )
    if action == Action.CHANGES and not _is_equal(loaded, _changed(loaded)):
        return _different(loaded, before)
    if loaded.altered:
        return _altered(loaded, before)
    return _rotated(loaded, before) if is_due(loaded.before, loaded.now) else _kept(loaded, before)


def _altered(loaded: Loaded, before: LoadStatus) -> RawProof:
    """Compare the columns that were altered in place, in every row; the others are as they were."""
    kept = loaded.altered | set(loaded.replica.schema.primary_key)
    others = frozenset(column.name for column in loaded.replica.schema.columns) - kept
    differing = list(_differing_windows(loaded, leave_out=others))
    if differing:
        return _different(loaded, before, differing)
    words = f"checksums of the altered columns of all {loaded.result.rows_total:,} rows"
    return replace(_kept(loaded, before), proven_by=words)


def _windows_again(loaded: Loaded, before: LoadStatus) -> RawProof:
    """Compare the ranges that were loaded again; those beside them were found equal before."""
    if not all(_is_equal(loaded, _between(loaded, window)) for window in loaded.windows):
        return _different(loaded, before, [])
    words = f"checksums by ranges, of which {len(loaded.windows)} differed and were loaded again"
    if loaded.altered:
        return replace(_kept(loaded, before), proven_by=words)
    return RawProof(is_equal=True, proven_at=loaded.now, proven_by=words, findings=(_mended(loaded),))


def _whole(loaded: Loaded) -> RawProof:
    if not _is_equal(loaded, _Where(replica=f"{loaded.replica.quoted} AS {mysql(_OLD)}", raw=_raw(loaded))):
        return _different(loaded, None)
    words = f"checksums of all {loaded.result.rows_total:,} rows"
    left_out = _left_out(loaded)
    if left_out:
        words += f", without {', '.join(sorted(left_out))} (text that PostgreSQL cannot hold)"
    return RawProof(is_equal=True, proven_at=loaded.now, proven_by=words)


def _rotated(loaded: Loaded, before: LoadStatus) -> RawProof:
    """Compare the next part of a large table; one without a whole-number key is compared at once."""
    if not _has_windows(loaded):
        return _whole(loaded)
    position = before.proof_position
    started_at = before.proof_started_at if position is not None else loaded.now
    compared = 0
    while compared < loaded.result.rows_total / _ROTATION_NIGHTS:
        end = _key_beyond(loaded, position)
        if not _is_equal(loaded, _between(loaded, KeyWindow(after=position, up_to=end))):
            return _different(loaded, before)
        if end is None:
            return RawProof(
                is_equal=True, proven_at=started_at, proven_by="checksums of all rows, over some nights"
            )
        position, compared = end, compared + _RANGE_ROWS
    words = f"checksums of {compared:,} rows; the next nights compare the others"
    return RawProof(
        is_equal=True,
        proven_at=before.proven_at,
        proven_by=words,
        position=position,
        round_started_at=started_at,
    )


def _kept(loaded: Loaded, before: LoadStatus) -> RawProof:
    is_changed = loaded.result.action == Action.CHANGES
    changed = loaded.result.rows_written + loaded.result.rows_deleted
    return RawProof(
        is_equal=True,
        proven_at=before.proven_at,
        proven_by=f"checksums of the {changed:,} changed rows" if is_changed else NOTHING_LOADED,
        position=before.proof_position,
        round_started_at=before.proof_started_at,
    )


def _different(
    loaded: Loaded, before: LoadStatus | None, differing: Sequence[KeyWindow] | None = None
) -> RawProof:
    """Say that raw differs, and where if that is not known yet and few ranges do."""
    if differing is None:
        differing = list(_differing_windows(loaded)) if loaded.reload is Reload.NOTHING else []
    is_worth = len(differing) * _RANGE_ROWS <= loaded.result.rows_total * _MOST_DIFFERING
    finding = Finding(
        check="reconcile",
        severity=Severity.CRITICAL,
        table=loaded.result.table,
        message="raw differs from the replica even after every row was loaded again. Look for triggers on the "
        "raw table, then `dental-etl verify --table " + loaded.result.table + "`.",
    )
    return RawProof(
        is_equal=False,
        proven_at=before.proven_at if before else None,
        proven_by="raw differs from the replica",
        findings=(finding,) if loaded.reload is Reload.WHOLE else (),
        differing=tuple(differing) if is_worth and _has_windows(loaded) else (),
    )


def _mended(loaded: Loaded) -> Finding:
    return Finding(
        check="reconcile",
        severity=Severity.WARNING,
        table=loaded.result.table,
        message=f"{len(loaded.windows)} key range(s) of raw differed from the replica and were loaded again: "
        "something else than dental_etl writes to the raw table. Look for triggers and for people's edits.",
    )


def _differing_windows(loaded: Loaded, leave_out: frozenset[str] = frozenset()) -> Iterator[KeyWindow]:
    """Compare a table range by range; one without a whole-number key is a single range."""
    position: int | None = None
    while True:
        end = _key_beyond(loaded, position) if _has_windows(loaded) else None
        window = KeyWindow(after=position, up_to=end)
        if not _is_equal(loaded, _between(loaded, window), leave_out):
            yield window
        if end is None:
            return
        position = end


def _has_windows(loaded: Loaded) -> bool:
    key = loaded.replica.schema.key_columns
    return len(key) == 1 and key[0].data_type in _INTEGERS


def is_due(before: LoadStatus | None, now: datetime) -> bool:
    """Tell whether rows must be compared although none was loaded: the last proof is too old, or there is none."""
    proven_at = before.proven_at if before else None
    return proven_at is None or now - proven_at > timedelta(days=PROOF_DAYS)


def _is_equal(loaded: Loaded, where: _Where, leave_out: frozenset[str] = frozenset()) -> bool:
    """Compare with the cheap text first; only if that differs, without what raw cannot hold."""
    schema = loaded.replica.schema
    known = _left_out(loaded) | leave_out
    uncertain = canonical.uncertain_columns(schema.columns)
    return _agree(loaded, where, known, is_careful=False) or _agree(
        loaded, where, known | uncertain, is_careful=True
    )


def _agree(loaded: Loaded, where: _Where, leave_out: frozenset[str], *, is_careful: bool) -> bool:
    compared = canonical.pairs(loaded.replica.schema.columns, loaded.raw.columns, leave_out=leave_out)
    mine = canonical.mysql_checksum(compared, f"{mysql(_OLD)}.", is_careful=is_careful)
    theirs = canonical.postgres_checksum(compared, f"{postgres(_OLD)}.")
    replica = _numbers(loaded.replica.connection, f"SELECT COUNT(*), {mine} FROM {where.replica}")
    return replica == _numbers(loaded.analytics, f"SELECT count(*), {theirs} FROM {where.raw}")


def _numbers(connection: Connection, statement: str) -> list[int]:
    (row,) = fetch(connection, statement)
    return [int(value) for value in row]


def _left_out(loaded: Loaded) -> frozenset[str]:
    """Return columns of which this load has counted text that is none."""
    return frozenset(one.column for one in loaded.result.coercions if one.kind == "invalid_utf8")


def _raw(loaded: Loaded) -> str:
    return f"{loaded.raw.qualified} AS {postgres(_OLD)}"


def _changed(loaded: Loaded) -> _Where:
    held = loaded.before.loaded_generation if loaded.before else 0
    same = " AND ".join(
        f"{postgres(_OLD)}.{postgres(name)} = {postgres(_KEY)}.{postgres(name)}"
        for name in loaded.raw.primary_key
    )
    return _Where(
        replica=loaded.replica.changed_rows_source(held, alias=_OLD),
        raw=f"{_raw(loaded)} JOIN {CHANGED_KEYS} AS {postgres(_KEY)} ON {same}",
    )


def _between(loaded: Loaded, window: KeyWindow) -> _Where:
    name = next(iter(loaded.replica.schema.primary_key), "")
    replica, raw = f"{loaded.replica.quoted} AS {mysql(_OLD)}", _raw(loaded)
    if window.after is None and window.up_to is None:
        return _Where(replica=replica, raw=raw)
    return _Where(
        replica=replica + conditions(mysql(name), window),
        raw=raw + conditions(postgres(raw_name(name)), window),
    )


def _key_beyond(loaded: Loaded, after: int | None) -> int | None:
    name = mysql(loaded.replica.schema.primary_key[0])
    where = f"WHERE {name} > {after} " if after is not None else ""
    found = fetch(
        loaded.replica.connection,
        f"SELECT {name} FROM {loaded.replica.quoted} {where}ORDER BY {name} LIMIT 1 OFFSET {_RANGE_ROWS - 1}",
    )
    return int(found[0][0]) if found else None
