"""Statements made of quoted names, which cannot be bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

# A percent sign in a column's name must not be read as a place for a parameter.
_PLAIN = {"no_parameters": True}


def execute(connection: Connection, statement: str) -> int:
    """Run a statement as it stands; return the number of rows it touched."""
    return connection.exec_driver_sql(statement, execution_options=_PLAIN).rowcount


def fetch(connection: Connection, statement: str) -> Sequence[Row[Any]]:
    """Run a query as it stands; return its rows."""
    return connection.exec_driver_sql(statement, execution_options=_PLAIN).all()


def count_rows(connection: Connection, qualified: str) -> int:
    """Count the rows of a table, by reading it: a server's statistics prove nothing."""
    return int(fetch(connection, f"SELECT count(*) FROM {qualified}")[0][0])
