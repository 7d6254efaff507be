"""Whether the databases of our own have room for a night, where that can be seen from here."""

from __future__ import annotations

import shutil
import socket

from sqlalchemy import text

from dental_etl.config import DatabaseSettings, Role, Tables
from dental_etl.connections import connect, database_errors
from dental_etl.run import Finding, Severity

_DIRECTORY = {
    Role.REPLICATION: text("SELECT @@datadir"),
    # pg_settings hides the row from an account without pg_read_all_settings, and raises nothing.
    Role.ANALYTICS: text("SELECT setting FROM pg_settings WHERE name = 'data_directory'"),
}
_MEGABYTE = 1024 * 1024
#: Below this no database works well, however small the clinic is.
_LEAST_MB = 256


def check_disk(database: DatabaseSettings, tables: Tables) -> tuple[Finding, ...]:
    """Compare the free disk of a database with what a night may write.

    Args:
        database: Replication or analytics; reachable.
        tables: For their estimated sizes.

    Returns:
        Critical when the largest table would not fit twice (it is rewritten beside the old one), a warning
        when all tables would not fit once (a first night), information when it cannot be known.

    Raises:
        DatabaseError: The database refused the query.
    """
    free_mb = _free_mb(database)
    if free_mb is None:
        return (
            _finding(
                Severity.INFORMATION,
                f"The free disk of the {database.role} database cannot be seen from here (another machine, or a "
                f"folder this account may not see). Watch it there.",
            ),
        )
    return _judged(database.role, free_mb, [table.estimated_size_mb for table in tables])


def _judged(role: Role, free_mb: int, sizes_mb: list[float]) -> tuple[Finding, ...]:
    needed_mb = max(_LEAST_MB, round(2 * max(sizes_mb, default=0)))
    first_night_mb = round(sum(sizes_mb))
    if free_mb < needed_mb:
        return (
            _finding(
                Severity.CRITICAL,
                f"The {role} database has {free_mb} MB of free disk, and rewriting the largest table may take "
                f"{needed_mb} MB. Make room before the next night.",
            ),
        )
    if free_mb < first_night_mb:
        return (
            _finding(
                Severity.WARNING,
                f"The {role} database has {free_mb} MB of free disk; copying all tables anew would take about "
                f"{first_night_mb} MB. Make room soon.",
            ),
        )
    return ()


def _free_mb(database: DatabaseSettings) -> int | None:
    """Return the free megabytes of the disk under a database's data, None when it is not in sight."""
    if database.host not in {"localhost", "127.0.0.1", "::1", socket.gethostname()}:
        return None
    with connect(database) as connection, database_errors(database.role):
        directory = connection.execute(_DIRECTORY[database.role]).scalar_one_or_none()
    try:
        return shutil.disk_usage(str(directory)).free // _MEGABYTE if directory else None
    except OSError:  # the server runs in a container, or its folder is closed to us
        return None


def _finding(severity: Severity, message: str) -> Finding:
    return Finding(check="disk", severity=severity, table=None, message=message)
