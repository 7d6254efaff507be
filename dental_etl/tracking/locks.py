"""Session locks: who may write a table's replica, who may write its raw table, who may read the source.

All of them belong to a server session, so they vanish with the process that held them, and none of them
waits for its holder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from dental_etl.config import Role
from dental_etl.connections import DRIVER_ERRORS, database_errors, value_at_once
from dental_etl.exceptions import TableBusyError

#: Made by the server: scoped by its own idea of the database, and short enough for MySQL's 64. SHA1 is no
#: function of MySQL 9.6 and later any more.
LOCK_NAME = "CONCAT('dental_etl:', LEFT(SHA2(CONCAT(DATABASE(), '.', %(name)s), 256), 40))"
_TAKE_TABLE = f"SELECT GET_LOCK({LOCK_NAME}, 0)"
_RELEASE_TABLE = f"SELECT RELEASE_LOCK({LOCK_NAME})"
# Places are counted per server, not per database: it is the server that must not feel us.
_TAKE_SLOT = "SELECT GET_LOCK(%(name)s, 0)"
_RELEASE_SLOT = "SELECT RELEASE_LOCK(%(name)s)"
_TAKE_ADVISORY = "SELECT CASE WHEN pg_try_advisory_lock(%(key)s) THEN 1 ELSE 0 END"
_RELEASE_ADVISORY = "SELECT pg_advisory_unlock(%(key)s)"
_IS_TABLE_FREE = f"SELECT IS_FREE_LOCK({LOCK_NAME})"
# Of every table that was ever copied, in one statement: nothing is taken.
_OF_A_ROW = LOCK_NAME.replace("%(name)s", "CONCAT(%(purpose)s, '.', table_name)")
_BUSY_TABLES = f"SELECT table_name FROM etl_copy_status WHERE IS_FREE_LOCK({_OF_A_ROW}) <> 1"
_HELD_ADVISORY = (
    "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND objsubid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
# A 64-bit key stands in pg_locks as two halves.
_IS_ADVISORY_HELD = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND classid = (%(key)s >> 32) & 4294967295 AND objid = %(key)s & 4294967295"
)


@contextmanager
def table_lock(connection: Connection, table: str, *, purpose: str = "extract") -> Iterator[None]:
    """Hold a table of the replication database for this session, without waiting.

    Args:
        connection: Replication; the lock lives and dies with its session.
        table: The Open Dental table.
        purpose: Locks of different purposes do not meet.

    Raises:
        TableBusyError: Another session holds it.
    """
    parameters = {"name": f"{purpose}.{table}"}
    if _scalar(connection, _TAKE_TABLE, Role.REPLICATION, **parameters) != 1:
        raise TableBusyError(
            f"Another process is working on table {table} in the replication database; this is tried again.",
            table=table,
        )
    try:
        yield
    finally:
        _release(connection, _RELEASE_TABLE, **parameters)


@contextmanager
def advisory_lock(connection: Connection, name: str) -> Iterator[None]:
    """Hold a name in the analytics database for this session, without waiting.

    Args:
        connection: Analytics, opened with ``is_dedicated=True`` and used for nothing else.
        name: What is locked, for example ``load:patient``.

    Raises:
        TableBusyError: Another session holds it.
    """
    key = advisory_key(name)
    if _scalar(connection, _TAKE_ADVISORY, Role.ANALYTICS, key=key) != 1:
        raise TableBusyError(
            f"Another process holds {name} in the analytics database; this is tried again.",
            table=name.partition(":")[2] or None,
        )
    try:
        yield
    finally:
        _release(connection, _RELEASE_ADVISORY, key=key)


def is_table_locked(connection: Connection, table: str, *, purpose: str = "extract") -> bool:
    """Say whether any session of the replication server holds a table's lock; takes nothing."""
    return _scalar(connection, _IS_TABLE_FREE, Role.REPLICATION, name=f"{purpose}.{table}") != 1


def busy_tables(connection: Connection, *, purpose: str = "extract") -> frozenset[str]:
    """Return the tables whose lock any session of the replication server holds; takes nothing.

    Raises:
        DatabaseQueryError: Nothing was ever copied.
    """
    with database_errors(Role.REPLICATION):
        found = connection.exec_driver_sql(_BUSY_TABLES, {"purpose": purpose})
        return frozenset(str(name) for (name,) in found)


def held_advisory_keys(connection: Connection) -> frozenset[int]:
    """Return the `advisory_key` of every name that any session of the analytics database holds; takes nothing."""
    with database_errors(Role.ANALYTICS):
        return frozenset(connection.exec_driver_sql(_HELD_ADVISORY).scalars())


def is_advisory_locked(connection: Connection, name: str) -> bool:
    """Say whether any session of the analytics database holds a name; takes nothing."""
    return _scalar(connection, _IS_ADVISORY_HELD, Role.ANALYTICS, key=advisory_key(name)) != 0


def advisory_key(name: str) -> int:
    """Return the signed 64-bit number that stands for a name in PostgreSQL's advisory locks."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


@contextmanager
def source_slot(connection: Connection, slots: int) -> Iterator[int]:
    """Hold one of the places at the source server, counted over all workers and hosts, without waiting.

    Args:
        connection: Source; the one that will read.
        slots: Number of places (``SOURCE_MAX_CONNECTIONS``).

    Yields:
        The number of the place, from 1.

    Raises:
        TableBusyError: No place is free.
    """
    slot = _free_slot(connection, slots)
    try:
        yield slot
    finally:
        _release(connection, _RELEASE_SLOT, name=slot_name(slot))


def _free_slot(connection: Connection, slots: int) -> int:
    for slot in range(1, slots + 1):
        if _scalar(connection, _TAKE_SLOT, Role.SOURCE, name=slot_name(slot)) == 1:
            return slot
    raise TableBusyError(
        f"All {slots} connections that dental_etl may hold at the source are taken; this is tried again. "
        f"SOURCE_MAX_CONNECTIONS sets their number.",
    )


def slot_name(slot: int) -> str:
    """Return the name of a place at the source, as its server knows it."""
    return f"dental_etl:source:{slot}"


def _scalar(connection: Connection, statement: str, role: Role, **parameters: object) -> object:
    """Run one statement, leaving no transaction open that the caller did not open."""
    with database_errors(role):
        return value_at_once(connection, statement, parameters)


def _release(connection: Connection, statement: str, **parameters: object) -> None:
    if connection.closed or connection.invalidated:
        return  # the session is gone, its locks with it
    try:
        value_at_once(connection, statement, parameters)
    except DRIVER_ERRORS:
        # The session must end, or the lock would outlive its holder in the pool.
        connection.invalidate()
