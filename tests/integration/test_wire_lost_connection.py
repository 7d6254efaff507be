"""A connection that is lost while rows are read is a lost connection, and nothing else."""

from __future__ import annotations

from collections import deque

import pymysql
import pytest
from sqlalchemy import Connection

from dental_etl.config import Role, Settings
from dental_etl.connections import connect, driver_connection, translate
from dental_etl.exceptions import DatabaseConnectionError
from dental_etl.wire.packets import PublicCursor

_ROWS = "SELECT REPEAT('x', 1000) FROM seq_1_to_1000000"


def test_the_public_cursor_says_that_the_connection_was_lost(
    source_admin: Connection, sandbox_settings: Settings
) -> None:
    with connect(sandbox_settings.source, is_dedicated=True) as connection:
        driver = driver_connection(connection)
        rows = PublicCursor.field_rows(driver, _ROWS, 1)
        next(rows)
        source_admin.exec_driver_sql(f"KILL CONNECTION {driver.thread_id()}")
        with pytest.raises(pymysql.OperationalError):
            deque(rows, maxlen=0)


def test_a_connection_that_the_driver_has_closed_was_lost() -> None:
    assert isinstance(translate(pymysql.InterfaceError(0, ""), Role.REPLICATION), DatabaseConnectionError)


def test_a_full_disk_is_named() -> None:
    error = pymysql.OperationalError(1114, "The table is full")
    assert "disk is full" in str(translate(error, Role.REPLICATION, table="patient"))
