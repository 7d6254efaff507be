"""Keep the house: prune history, drop leftovers of broken copies, refresh the planner's statistics.

Everything here may run at any hour, beside a run and twice: it touches our own databases only, never
waits for a lock of a run, and removes nothing that a run could still take up.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, text

from dental_etl.config import Role, Settings
from dental_etl.connections import connect, database_errors
from dental_etl.exceptions import ConfigurationError, TableBusyError
from dental_etl.extract.queries import retired_table
from dental_etl.run import RunStatus
from dental_etl.store import FolderStore, Store, is_bucket, open_store
from dental_etl.tracking import status
from dental_etl.tracking.configured import configured_tables
from dental_etl.tracking.ledger import tables
from dental_etl.tracking.locks import table_lock
from dental_etl.tracking.proofs import ensure_proofs, forget_proof, proven_tables
from dental_etl.wire import names

logger = logging.getLogger(__name__)

_SHADOWS = "etl_shadow__"
_RUN_FOLDER = re.compile(r"(\d{8}T\d{6})-[0-9a-f]{6}")
_TERMINAL = tuple(ending.value for ending in RunStatus if ending.is_terminal)
# Names and times only; no lock, no cost. MySQL keeps the time in its own clock.
_OLD_SHADOWS = text(
    "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() "
    "AND LEFT(table_name, CHAR_LENGTH(:prefix)) = :prefix "
    "AND create_time < NOW() - INTERVAL :seconds SECOND ORDER BY table_name"
)
_STALE_TABLES = text(
    "SELECT relname FROM pg_stat_user_tables WHERE schemaname = :schema "
    "AND (n_dead_tup > 0 OR n_mod_since_analyze > 0) ORDER BY relname"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long things are kept, in days."""

    #: Runs in the ledger, with their tables, findings and messages.
    ledger_days: int = 400
    #: Reports and dbt artifacts of a run.
    artifacts_days: int = 90
    #: Shadow tables that no checkpoint leads to; longer than any run.
    leftovers_days: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceResult:
    """What was tidied."""

    runs_pruned: int
    leftovers_dropped: int
    tables_vacuumed: int
    #: What was known about tables that nobody copies any more.
    proofs_pruned: int
    artifacts_removed: int


def maintain(settings: Settings, now: datetime, keep: Retention | None = None) -> MaintenanceResult:
    """Tidy everything once.

    Args:
        settings: Which databases and which artifacts folder.
        now: Aware.
        keep: How long things are kept.

    Raises:
        DatabaseError: One of our databases refused; what was done before stays done.
        ArtifactsError: The bucket of the artifacts refused.
    """
    kept = keep or Retention(artifacts_days=settings.artifacts_days)
    result = MaintenanceResult(
        runs_pruned=prune_ledger(settings, now - timedelta(days=kept.ledger_days)),
        leftovers_dropped=drop_leftovers(settings, timedelta(days=kept.leftovers_days)),
        tables_vacuumed=vacuum(settings),
        proofs_pruned=prune_proofs(settings),
        artifacts_removed=prune_artifacts(settings, now - timedelta(days=kept.artifacts_days)),
    )
    logger.info(
        "Maintenance: %s runs pruned, %s leftovers dropped, %s tables vacuumed, %s folders removed.",
        result.runs_pruned,
        result.leftovers_dropped,
        result.tables_vacuumed,
        result.artifacts_removed,
        extra={"action": "maintain"},
    )
    return result


def prune_ledger(settings: Settings, before: datetime) -> int:
    """Delete runs that ended and were opened before a time, and messages about no run; return the runs."""
    run, message = tables.run.c, tables.notification.c
    with connect(settings.analytics) as connection, database_errors(Role.ANALYTICS), connection.begin():
        connection.execute(
            delete(tables.notification).where(
                message.run_id.is_(None), message.sent_at.is_not(None), message.created_at < before
            )
        )
        pruned = connection.execute(
            delete(tables.run).where(run.status.in_(_TERMINAL), run.created_at < before)
        )
        return int(pruned.rowcount)


def drop_leftovers(settings: Settings, older_than: timedelta) -> int:
    """Drop shadow tables of copies that were given up; return how many.

    A shadow that a checkpoint leads to is work in progress, whatever its age, and so is one whose
    table is locked. The age is judged again under the lock: an extract may just have made a new one.
    """
    dropped = 0
    with (
        connect(settings.replication, is_dedicated=True) as connection,
        database_errors(Role.REPLICATION),
    ):
        status.ensure_copy_status(connection)
        for name in _old_shadows(connection, older_than):
            dropped += _drop_leftover(connection, name, older_than)
    return dropped


def prune_proofs(settings: Settings) -> int:
    """Forget when tables were proven that are no longer configured; return how many.

    A table that went from the source stays until `dental-etl analyze` says that it is gone for good.
    """
    try:
        kept = configured_tables(settings).by_name.keys()
    except ConfigurationError:
        return 0  # without tables.yml nobody knows what is copied; validation says so
    with connect(settings.replication) as connection, database_errors(Role.REPLICATION):
        ensure_proofs(connection)
        gone = [table for table in proven_tables(connection) if table not in kept]
        for table in gone:
            forget_proof(connection, table)
        connection.commit()
    return len(gone)


def vacuum(settings: Settings) -> int:
    """Vacuum and analyse the tables of raw and of the ledger that changed; return how many.

    A table that a run works on is skipped, and has its turn next time.
    """
    with connect(settings.analytics) as connection, database_errors(Role.ANALYTICS):
        connection.execution_options(isolation_level="AUTOCOMMIT")
        stale = [
            f"{names.postgres(schema)}.{names.postgres(str(name))}"
            for schema in (settings.analytics.schema, tables.SCHEMA)
            for (name,) in connection.execute(_STALE_TABLES, {"schema": schema})
        ]
        for table in stale:
            connection.exec_driver_sql(f"VACUUM (ANALYZE, SKIP_LOCKED) {table}".replace("%", "%%"))
        return len(stale)


def prune_artifacts(settings: Settings, before: datetime) -> int:
    """Remove folders of runs that began before a time, here and in the bucket; return how many.

    Only folders that are named like a run are touched, and the name says when it began. What the last
    green build left (``dbt/last_success``) stays, whatever its age.

    Raises:
        ArtifactsError: The bucket refused.
    """
    here = FolderStore(settings.artifacts_folder)
    stores: tuple[Store, ...] = (here, open_store(settings)) if is_bucket(settings) else (here,)
    old = [(store, folder) for store in stores for folder in _old_runs(store, before)]
    for store, folder in old:
        store.remove(folder)
    return len(old)


def _old_shadows(connection: Connection, older_than: timedelta) -> list[str]:
    parameters = {"prefix": _SHADOWS, "seconds": int(older_than.total_seconds())}
    found = [str(name) for (name,) in connection.execute(_OLD_SHADOWS, parameters)]
    connection.rollback()
    return found


def _drop_leftover(connection: Connection, name: str, older_than: timedelta) -> int:
    table = _table_of(connection, name)
    try:
        with table_lock(connection, table):
            if name in _in_progress(connection) or name not in _old_shadows(connection, older_than):
                return 0
            connection.exec_driver_sql(f"DROP TABLE {names.mysql(name)}".replace("%", "%%"))
    except TableBusyError:
        return 0  # an extract works on it and will take the shadow up or drop it
    logger.info("Dropped the leftover %s.", name, extra={"action": "maintain", "table": table})
    return 1


def _table_of(connection: Connection, shadow: str) -> str:
    """Return the table of a shadow; long names are hashed, so it is looked up among the known ones."""
    known = status.read_copy_statuses(connection)
    connection.rollback()
    made_for = {made: table for table in known for made in _shadows(table)}
    return made_for.get(shadow, shadow.removeprefix(_SHADOWS))


def _in_progress(connection: Connection) -> set[str]:
    statuses = status.read_copy_statuses(connection).values()
    connection.rollback()
    return {name for row in statuses if row.checkpoint is not None for name in _shadows(row.table)}


def _shadows(table: str) -> tuple[str, str]:
    return names.shadow_table(table), retired_table(table)


def _old_runs(store: Store, before: datetime) -> Iterator[str]:
    for parent in ("", "dbt"):
        for name in store.folders(parent):
            match = _RUN_FOLDER.fullmatch(name)
            if match and datetime.strptime(match[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC) < before:
                yield f"{parent}/{name}".lstrip("/")
