"""The ledger's schema: `migrate` brings it to the newest revision, from any number of processes at once."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, text

from dental_etl.config import DatabaseSettings, Role
from dental_etl.connections import connect, database_errors
from dental_etl.exceptions import ConfigurationError

#: Any number, the same in every process: "etl" in ASCII.
_LOCK = 0x65746C


def migrate(database: DatabaseSettings) -> None:
    """Create or upgrade schema ``etl`` in the analytics database; does nothing when it is current.

    Processes that call it together wait for one another on an advisory lock.

    Raises:
        DatabaseError: The server refused, most often for want of the CREATE right on the database.
    """
    with connect(database, is_dedicated=True) as connection, database_errors(Role.ANALYTICS):
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        connection.commit()
        _upgrade(connection)


def _upgrade(connection: Connection) -> None:
    # Half of what importing costs; commands that only look at the ledger do without it.
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    connection.execute(text("CREATE SCHEMA IF NOT EXISTS etl"))
    connection.commit()
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise ConfigurationError(
            "The ledger was made by a newer version of dental_etl. Install that version; an older one cannot use it."
        ) from None
    connection.commit()
