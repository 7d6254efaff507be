"""What the source's information_schema says about its tables: no rows read, no tables locked.

One setting apart (`read_key_order`), nothing of the clinic's data is looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

from dental_etl.config import Role, TableSchema
from dental_etl.connections import database_errors
from dental_etl.schema_analysis.classification import KeyOrder, TableFacts
from dental_etl.wire.catalog import read_schemas
from dental_etl.wire.names import mysql

# MyISAM answers from the table's header. InnoDB answers with its statistics, which may be off by half:
# good enough for a category and a batch size, and never used to prove anything.
_SIZES = text("""
    SELECT table_name AS table_name, table_rows AS row_count, data_length AS data_bytes,
           index_length AS index_bytes, avg_row_length AS average_row_bytes
      FROM information_schema.tables
     WHERE table_schema = :database
""")
# What is no table of rows, and tables that the server itself cannot open.
_OTHERS = text("""
    SELECT t.table_name AS table_name, t.table_type AS table_type
      FROM information_schema.tables t
     WHERE t.table_schema = :database
       AND (t.table_type NOT IN ('BASE TABLE', 'SYSTEM VERSIONED') OR t.engine IS NULL)
     ORDER BY t.table_name
""")
_LEADING_COLUMNS = text("""
    SELECT table_name AS table_name, column_name AS column_name
      FROM information_schema.statistics
     WHERE table_schema = :database AND seq_in_index = 1 AND sub_part IS NULL AND index_type = 'BTREE'
     ORDER BY table_name, column_name
""")
# MySQL 8 hands out sizes that are up to a day old; MariaDB does not know the variable.
_IS_CACHED = text("SHOW VARIABLES LIKE 'information_schema_stats_expiry'")
_NOT_CACHED = text("SET SESSION information_schema_stats_expiry = 0")
_PREFERENCES = "preference"


def read_facts(connection: Connection, database: str) -> tuple[TableFacts, ...]:
    """Return what is known about every base table of a database, by name.

    Args:
        connection: To the source.
        database: Open Dental's database; the account may see others.

    Raises:
        DatabaseError: The source refused a query.
    """
    with database_errors(Role.SOURCE):
        if connection.execute(_IS_CACHED).first() is not None:
            connection.execute(_NOT_CACHED)
        schemas = read_schemas(connection, database)
        sizes = {
            str(row["table_name"]): row
            for row in connection.execute(_SIZES, {"database": database}).mappings()
        }
        indexed = _leading_columns(connection, database)
    return tuple(_facts(schemas[name], sizes.get(name, {}), indexed[name]) for name in sorted(schemas))


def read_left_out(connection: Connection, database: str) -> tuple[str, ...]:
    """Return what a database holds beside tables that can be copied, each with the reason.

    Raises:
        DatabaseError: The source refused the query.
    """
    with database_errors(Role.SOURCE):
        rows = connection.execute(_OTHERS, {"database": database}).mappings().all()
    return tuple(f"{row['table_name']}: {_why_left_out(str(row['table_type']))}" for row in rows)


def _why_left_out(table_type: str) -> str:
    if table_type in {"BASE TABLE", "SYSTEM VERSIONED"}:
        return "the server cannot open it; look at it there with CHECK TABLE"
    return f"{table_type.lower()}, which holds no rows of its own"


def read_key_order(connection: Connection, database: str, facts: tuple[TableFacts, ...]) -> KeyOrder:
    """Return how this clinic gives out primary keys, from one row of Open Dental's preferences.

    Raises:
        DatabaseError: The source refused the query.
    """
    return KeyOrder.RANDOM if read_preference(connection, database, facts, "RandomPrimaryKeys") == "1" else (
        KeyOrder.ASCENDING
    )  # fmt: skip


def read_preference(
    connection: Connection, database: str, facts: tuple[TableFacts, ...], name: str
) -> str | None:
    """Return a setting of the program itself; None when there is no such row, or no such table.

    Args:
        connection: To the source.
        database: Open Dental's database.
        facts: Its tables, so that a database without preferences is not asked.
        name: ``preference.PrefName``.

    Raises:
        DatabaseError: The source refused the query.
    """
    if not any(table.schema.name == _PREFERENCES for table in facts):
        return None
    statement = (
        f"SELECT ValueString FROM {mysql(database)}.{mysql(_PREFERENCES)} WHERE PrefName = :name LIMIT 1"
    )
    with database_errors(Role.SOURCE, table=_PREFERENCES):
        value = connection.execute(text(statement), {"name": name}).scalar_one_or_none()
    return None if value is None else str(value).strip()


def _leading_columns(connection: Connection, database: str) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = defaultdict(list)
    for row in connection.execute(_LEADING_COLUMNS, {"database": database}).mappings():
        columns[str(row["table_name"])].append(str(row["column_name"]))
    return columns


def _facts(schema: TableSchema, sizes: Mapping[Any, Any], indexed: list[str]) -> TableFacts:
    return TableFacts(
        schema=schema,
        rows=int(sizes.get("row_count") or 0),
        data_bytes=int(sizes.get("data_bytes") or 0),
        index_bytes=int(sizes.get("index_bytes") or 0),
        average_row_bytes=int(sizes.get("average_row_bytes") or 0),
        indexed_columns=tuple(dict.fromkeys(indexed)),
    )
