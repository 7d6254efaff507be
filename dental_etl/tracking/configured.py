"""The tables of this clinic: those of ``tables.yml``, and those that came to the source since it was written."""

from __future__ import annotations

from dental_etl.config import Role, Settings, TableConfig, Tables, read_tables, with_added
from dental_etl.connections import connect, database_errors
from dental_etl.tracking import ledger


def configured_tables(settings: Settings) -> Tables:
    """Return every table that is copied, the owner's overrides applied.

    Raises:
        ConfigurationError: ``tables.yml`` is missing or wrong.
        DatabaseError: The ledger could not be read.
    """
    tables = read_tables(settings.tables_file)
    return with_added(tables, read_drifted(settings).added)


def configured_table(settings: Settings, table: str) -> TableConfig:
    """Return the configuration of one table; the ledger is asked only about one that the file lacks.

    Raises:
        ConfigurationError: Nobody knows the table; the message names close matches.
    """
    tables = read_tables(settings.tables_file)
    return tables.get(table) if table in tables.by_name else configured_tables(settings).get(table)


def is_new(settings: Settings, table: str) -> bool:
    """Tell whether a table came to the source since ``tables.yml`` was written."""
    return table not in read_tables(settings.tables_file).by_name


def read_drifted(settings: Settings) -> ledger.Drifted:
    """Return which tables came and went, as the last validation saw it."""
    with connect(settings.analytics) as connection, database_errors(Role.ANALYTICS):
        found = ledger.read_drifted(connection)
        connection.rollback()
    return found
