"""Whether a table's file was written since it was last proven, as the source itself sees it.

Only where that is safe. MyISAM writes a row to its file before the statement ends, and the file's time of
change is what the server reports. Not so with memory-mapped files, on Windows (the time is brought up to
date when the file is closed), for InnoDB and Aria (pages wait in memory), nor on MySQL 8 and later, which
answers from a cache a day old.
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
#: A file's time has whole seconds; a write within the second of our look would leave it as it is.
_MARGIN_SECONDS = 5


def take(attempt: Attempt) -> str | None:
    """Return what the source says about the table's file now; None where that would prove nothing."""
    row = attempt.reader.row(_LOOK.format(table=names.literal(attempt.table), margin=_MARGIN_SECONDS))
    return None if row is None or not _is_telling(row) else json.dumps([str(value) for value in row[1:5]])


def _is_telling(row: Any) -> bool:
    engine, version, system, is_mapped = str(row[0]), str(row[5]), str(row[6]).lower(), bool(row[7])
    is_cached = "mariadb" not in version.lower() and not version.startswith("5.")
    is_partitioned = "partitioned" in str(row[9]).lower()
    is_quiet = row[4] is not None and bool(row[8])
    return (
        engine.lower() == "myisam"
        and "linux" in system
        and not (is_cached or is_mapped or is_partitioned)
        and is_quiet
    )
