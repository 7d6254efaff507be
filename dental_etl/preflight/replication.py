"""What the replication server itself must be able to do."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from dental_etl.config import DatabaseSettings
from dental_etl.connections import DRIVER_ERRORS, connect, database_errors, error_number
from dental_etl.run import Finding, Severity

#: There is no such function; an account without rights to routines is told that it may not call it.
_NO_SUCH_FUNCTION = frozenset({"1305", "1370"})


def check_replication(database: DatabaseSettings) -> Iterator[Finding]:
    """Look whether rows can be loaded, and compared with raw.

    Raises:
        DatabaseError: The server could not be asked.
    """
    with connect(database) as connection, database_errors(database.role):
        takes_rows = bool(connection.execute(text("SELECT @@global.local_infile")).scalar_one())
        has_md5 = _has_md5(connection)
    if not takes_rows:
        yield _critical(
            "local_infile",
            "The replication server does not take LOAD DATA LOCAL, by which every row arrives. Set "
            "local_infile=ON in its configuration.",
        )
    if not has_md5:
        yield _critical(
            "md5",
            "The replication server has no function MD5, by which raw is compared with it. On MySQL 9.6 and "
            "later an administrator adds it: INSTALL COMPONENT 'file://component_classic_hashing'.",
        )


def _has_md5(connection: Connection) -> bool:
    try:
        connection.execute(text("SELECT MD5('')")).scalar_one()
    except DRIVER_ERRORS as error:
        if error_number(error) not in _NO_SUCH_FUNCTION:
            raise
        return False
    return True


def _critical(check: str, message: str) -> Finding:
    return Finding(check=check, severity=Severity.CRITICAL, table=None, message=message)
