"""Whether a table was written since it was last proven, as the source itself sees it.

Only where that is safe:

- MyISAM writes a row to its file before the statement ends, and the file's time of change is what the
  server reports. Not so with memory-mapped files, and on Windows, where the time is brought up to date when
  the file is closed.
- InnoDB keeps the time of the last commit in memory (MySQL 5.7, MariaDB 10.2 and later): of a table that
  was not written since the server was started it says nothing, and neither do we. TRUNCATE leaves the time
  as it is, so it is also asked whether there is a row at all.
- MySQL 8 and later answer from a cache a day old; Aria's pages wait in memory, and its times with them.
"""

from __future__ import annotations

import json
from typing import Any

from dental_etl.extract.attempt import Attempt
from dental_etl.wire import names

#: Looks at one table's file; reads no row.
_LOOK = """
    SELECT t.engine, CAST(t.table_rows AS CHAR), CAST(t.data_length AS CHAR), CAST(t.create_time AS CHAR),
           CAST(t.update_time AS CHAR), VERSION(), @@version_compile_os, @@myisam_use_mmap,
           t.update_time < UTC_TIMESTAMP() - INTERVAL {margin} SECOND, t.create_options
      FROM information_schema.tables t
     WHERE t.table_schema = DATABASE() AND t.table_name = {table}
"""
#: Reads one row at most, of the smallest index.
_ANY_ROW = "SELECT COUNT(*) FROM (SELECT 1 FROM {table} LIMIT 1) one"
#: A time has whole seconds; a write within the second of our look would leave it as it is.
_MARGIN_SECONDS = 5


def take(attempt: Attempt) -> str | None:
    """Return what the source says about the table's last change; None where that would prove nothing."""
    row = attempt.reader.row(_LOOK.format(table=names.literal(attempt.table), margin=_MARGIN_SECONDS))
    if row is None or not _is_telling(row):
        return None
    seen = row[1:5] if _is_file(row) else (*row[3:5], _has_rows(attempt))
    return json.dumps([str(value) for value in seen])


def _has_rows(attempt: Attempt) -> bool:
    row = attempt.reader.row(_ANY_ROW.format(table=names.mysql(attempt.table)))
    return row is not None and bool(row[0])


def _is_telling(row: Any) -> bool:
    engine, version, system, is_mapped = str(row[0]).lower(), str(row[5]), str(row[6]).lower(), bool(row[7])
    is_cached = "mariadb" not in version.lower() and not version.startswith("5.")
    is_partitioned = "partitioned" in str(row[9]).lower()
    is_quiet = row[4] is not None and bool(row[8])
    is_file_told = _is_file(row) and "linux" in system and not is_mapped
    return (is_file_told or engine == "innodb") and is_quiet and not (is_cached or is_partitioned)


def _is_file(row: Any) -> bool:
    return str(row[0]).lower() == "myisam"
