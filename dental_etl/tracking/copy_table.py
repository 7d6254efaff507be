"""``etl_copy_status`` as a table of the replication database, made and brought up to date."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    text,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateColumn, CreateTable

from dental_etl.connections import error_number

# Case matters in table names, and a cursor value may hold any text that MySQL prints.
_EXACT_NAME = mysql.VARCHAR(64, charset="utf8mb4", collation="utf8mb4_bin")
_LONG_TEXT = mysql.LONGTEXT(charset="utf8mb4")

#: Hint to statements that lock the rows of some tables: by a scan they would wait for those of all others.
BY_KEY = "FORCE INDEX (PRIMARY)"
COPY = Table(
    "etl_copy_status",
    MetaData(),
    Column("table_name", _EXACT_NAME, primary_key=True),
    Column("last_copied", mysql.DATETIME(fsp=6)),
    Column("last_primary_value", _LONG_TEXT),
    Column("primary_column_name", _EXACT_NAME),
    Column("rows_copied", BigInteger, nullable=False, server_default=text("0")),
    Column("copy_status", String(16), nullable=False, server_default=text("'running'")),
    Column("checkpoint", _LONG_TEXT),
    Column("generation", BigInteger, nullable=False, server_default=text("0")),
    Column("full_generation", BigInteger, nullable=False, server_default=text("0")),
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
    Column("overlap_minutes", Integer, nullable=False, server_default=text("0")),
    Column("strategy", String(32)),
    Column("bytes_copied", BigInteger, nullable=False, server_default=text("0")),
    Column("seconds", Float(53), nullable=False, server_default=text("0")),
    Column("run_id", String(64)),
    # Structure of the source's table at its last complete copy, as JSON: what drift is measured against.
    Column("source_schema", _LONG_TEXT),
    Column("altered_generation", BigInteger, nullable=False, server_default=text("0")),
    # JSON list; NULL when nothing was altered since the replica was last rewritten.
    Column("altered_columns", _LONG_TEXT),
    Column("forgotten_generation", BigInteger, nullable=False, server_default=text("0")),
    mysql_engine="InnoDB",
    mysql_default_charset="utf8mb4",
)
_DUPLICATE_COLUMN = "1060"
#: Columns that came after the first version, in this order.
_LATER = ("altered_generation", "altered_columns", "forgotten_generation")
_FIND_LATER = text(
    "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() "
    f"AND table_name = '{COPY.name}' AND column_name IN :names"
).bindparams(bindparam("names", list(_LATER), expanding=True))


def ensure_copy_status(connection: Connection) -> None:
    """Make ``etl_copy_status`` what it must be in replication; DDL, so it commits in MySQL."""
    if _missing_columns(connection):
        connection.execute(CreateTable(COPY, if_not_exists=True))
        for name in _missing_columns(connection):
            _add_column(connection, name)
    connection.commit()


def _missing_columns(connection: Connection) -> list[str]:
    found = {str(name).lower() for (name,) in connection.execute(_FIND_LATER)}
    return [name for name in _LATER if name not in found]


def _add_column(connection: Connection, name: str) -> None:
    """Bring a table of an older version up to date; two processes may do so at the same moment."""
    column = CreateColumn(COPY.c[name]).compile(dialect=connection.dialect)
    try:
        connection.exec_driver_sql(f"ALTER TABLE {COPY.name} ADD COLUMN {column}")
    except DBAPIError as error:
        if error_number(error) != _DUPLICATE_COLUMN:
            raise
