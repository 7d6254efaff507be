"""What is known before anything is read: where copies stand, what earlier runs did, what the owner wants."""

from __future__ import annotations

from datetime import datetime, timedelta

from dental_etl.config import Role, Settings, read_overrides
from dental_etl.connections import connect, database_errors
from dental_etl.pipeline.tables import ledger_transaction
from dental_etl.plan import NIGHTS, Knowledge, Night, histories
from dental_etl.run import RefreshMode
from dental_etl.tracking import ledger, status

#: Older results say how a table was.
_HISTORY = timedelta(days=100)


def read_knowledge(settings: Settings, now: datetime) -> Knowledge:
    """Read what planning needs from our own two databases and files; changes nothing, asks no source.

    Raises:
        DatabaseError: One of our databases could not be read.
        ConfigurationError: The owner's overrides are no YAML.
    """
    with connect(settings.replication) as connection, database_errors(Role.REPLICATION):
        statuses = status.read_copy_statuses(connection)
    with ledger_transaction(settings) as connection:
        results = ledger.history(connection, now - _HISTORY, most=NIGHTS)
    return Knowledge(
        statuses=statuses, histories=histories(results), owners=read_overrides(settings.tables_file)
    )


def night_at(settings: Settings, now: datetime, *, refresh: RefreshMode, workers: int | None = None) -> Night:
    """Return what a run that begins at a moment is given.

    Args:
        settings: The window, and the places at the source.
        now: Of the beginning, aware.
        refresh: What is asked for.
        workers: That read tables; never more than there are places at the source.
    """
    closes_at = settings.window.closes_at(now)
    places, budget_mb = settings.source_max_connections, settings.source_budget_mb
    return Night(
        now=now,
        refresh=refresh,
        seconds_left=None if closes_at is None else (closes_at - now).total_seconds(),
        workers=places if workers is None else min(workers, places),
        bytes_left=budget_mb * 1024 * 1024 or None,
    )
