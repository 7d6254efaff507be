"""Whether a table was written since it was last proven, as the source itself sees it.

Only where that is safe:

- MyISAM writes a row to its file before the statement ends, and the file's time of change is what the
  server reports. Not so with memory-mapped files, and on Windows, where the time is brought up to date when
  the file is closed.
- InnoDB keeps the time of the last commit in memory (MySQL 5.7, MariaDB 10.2 and later): of a table that
  was not written since the server was started it says nothing, and neither do we. TRUNCATE leaves the time
  as it is, so it is also asked whether there is a row at all, and before the time: else rows that came
  between the two questions would stand for those that are gone.
- What ALTER TABLE ... EXCHANGE PARTITION brings into an InnoDB table shows in none of its times; like
  anything that a server keeps to itself it is found after `PROOF_DAYS`.
- MySQL 8 and later answer from a cache a day old unless the session says otherwise, as ours do.
- Aria's pages wait in memory, and its times with them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from dental_etl.exceptions import DatabaseQueryError, DataExtractionError, LockWaitError
from dental_etl.extract.attempt import Attempt
from dental_etl.extract.reading import SourceReader
from dental_etl.tracking.proofs import ProofStatus
from dental_etl.wire import names

#: No row stays unproven for longer, whatever a server says about its files.
PROOF_DAYS = 7
#: What was done to prove a table whose fingerprint is the known one, in words for the report.
PROVEN_BY = "the source has not written the table since"
#: Looks at tables' files; reads no row.
_LOOK = """
    SELECT t.engine, CAST(t.table_rows AS CHAR), CAST(t.data_length AS CHAR), CAST(t.create_time AS CHAR),
           CAST(t.update_time AS CHAR), @@version_compile_os, @@myisam_use_mmap,
           t.update_time < UTC_TIMESTAMP() - INTERVAL {margin} SECOND, t.create_options, t.table_name
      FROM information_schema.tables t
     WHERE t.table_schema = DATABASE()
"""
_ONE_TABLE = " AND t.table_name = {table}"
#: Reads one row at most, of the smallest index.
_ANY_ROW = "EXISTS (SELECT 1 FROM {table})"
#: Tables that one statement asks for a row, each for as long as the statement takes.
_TABLES_AT_ONCE = 50
#: A time has whole seconds; a write within the second of our look would leave it as it is.
_MARGIN_SECONDS = 5


def take(attempt: Attempt) -> str | None:
    """Return what the source says about the table's last change; None where that would prove nothing."""
    table = attempt.table
    has_rows = _have_rows(attempt.reader, [table]) if attempt.schema.is_transactional else {}
    row = next(iter(_look(attempt.reader, _ONE_TABLE.format(table=names.literal(table)))), None)
    return None if row is None else _fingerprint(row, has_rows=has_rows.get(table))


def unchanged(reader: SourceReader, known: Mapping[str, str]) -> frozenset[str]:
    """Return which tables have the fingerprint that is known of them, by a few statements for all.

    Each of them had it at one moment of this call. A table that others have locked is not waited for.

    Args:
        reader: At the source.
        known: Fingerprint by table.
    """
    likely = {name: row for name, row in _rows_of(reader, known) if known[name] in _possible(row)}
    has_rows = _many_have_rows(reader, [name for name, row in likely.items() if not _is_file(row)])
    return frozenset(
        name
        for name, row in _rows_of(reader, likely)
        if known[name] == _fingerprint(row, has_rows=has_rows.get(name))
    )


def why_unchanged(proof: ProofStatus, seen: str | None, *, generation: int, now: datetime) -> str | None:
    """Say why a replica need not be compared with the source; None when it must be. Pure.

    Args:
        proof: What is known about the replica.
        seen: Fingerprint of the table now.
        generation: Of the replica now.
        now: Aware.
    """
    compared_at = proof.compared_at
    if seen is None or proof.fingerprint != seen or compared_at is None:
        return None
    if proof.generation != generation or is_old(compared_at, now):
        return None
    return (
        f"unchanged: the server has not written the table since it was compared at "
        f"{compared_at:%Y-%m-%d %H:%M} UTC"
    )


def is_old(moment: datetime, now: datetime) -> bool:
    """Tell whether what was proven at a moment must be proven again."""
    return now - moment > timedelta(days=PROOF_DAYS)


def _rows_of(reader: SourceReader, tables: Collection[str]) -> list[tuple[str, Any]]:
    found = _look(reader) if tables else ()
    return [(str(row[9]), row) for row in found if str(row[9]) in tables]


def _look(reader: SourceReader, which: str = "") -> Sequence[Any]:
    return reader.rows(_LOOK.format(margin=_MARGIN_SECONDS) + which)


def _many_have_rows(reader: SourceReader, tables: Sequence[str]) -> dict[str, bool]:
    """Return what `_have_rows` does, without the tables that could not be asked."""
    reader.wait_for_no_lock()
    found: dict[str, bool] = {}
    for first in range(0, len(tables), _TABLES_AT_ONCE):
        with suppress(
            LockWaitError, DatabaseQueryError, DataExtractionError
        ):  # of a table, not of the server
            found |= _have_rows(reader, tables[first : first + _TABLES_AT_ONCE])
    return found


def _have_rows(reader: SourceReader, tables: Sequence[str]) -> dict[str, bool]:
    asked = ", ".join(_ANY_ROW.format(table=names.mysql(table)) for table in tables)
    (row,) = reader.rows(f"SELECT {asked}")
    return {table: bool(answer) for table, answer in zip(tables, row, strict=True)}


def _possible(row: Any) -> tuple[str | None, ...]:
    return _fingerprint(row, has_rows=True), _fingerprint(row, has_rows=False)


def _fingerprint(row: Any, *, has_rows: bool | None) -> str | None:
    """Return the fingerprint of a row of `_LOOK`; `has_rows` is None where that is not known."""
    if not _is_telling(row) or not (_is_file(row) or has_rows is not None):
        return None
    seen = row[1:5] if _is_file(row) else (*row[3:5], has_rows)
    return json.dumps([str(value) for value in seen])


def _is_telling(row: Any) -> bool:
    engine, system, is_mapped = str(row[0]).lower(), str(row[5]).lower(), bool(row[6])
    is_partitioned = "partitioned" in str(row[8]).lower()
    is_quiet = row[4] is not None and bool(row[7])
    is_file_told = _is_file(row) and "linux" in system and not is_mapped
    return (is_file_told or engine == "innodb") and is_quiet and not is_partitioned


def _is_file(row: Any) -> bool:
    return str(row[0]).lower() == "myisam"
