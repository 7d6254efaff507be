"""Everything that has to be in order before a night touches a table; all problems at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import Connection

from dental_etl.config import (
    DatabaseSettings,
    Environment,
    Role,
    Settings,
    Tables,
    read_generated_tables,
    read_tables,
    require_matched,
    with_added,
)
from dental_etl.connections import ConnectionCheck, check, connect, database_errors
from dental_etl.exceptions import ArtifactsError, ConfigurationError, DatabaseError
from dental_etl.preflight.disk import check_disk
from dental_etl.preflight.grants import roles, writing_rights
from dental_etl.preflight.replication import check_replication
from dental_etl.run import Finding, Severity, Strategy
from dental_etl.schema_analysis import tables_of
from dental_etl.schema_analysis.classification import KeyOrder
from dental_etl.schema_analysis.drift import compare
from dental_etl.schema_analysis.introspection import read_facts, read_preference
from dental_etl.store import FolderStore, is_bucket, open_store
from dental_etl.tracking import ledger

_WARNING_AGE, _CRITICAL_AGE = timedelta(days=30), timedelta(days=90)
_REMEDY_ANALYZE = "Run `dental-etl analyze` and review what changed."
_MOST_CHANGES = 5
_FREE_TABLES, _LOST_SHARE = 3, 0.10
_PREFERENCES = ("RandomPrimaryKeys", "CorruptedDatabase", "UpdateInProgressOnComputerName")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a look at everything has come to."""

    #: Every problem. A critical one means that no table may be touched.
    findings: tuple[Finding, ...]
    #: Tables that came to the source or went; None when it could not be read.
    drifted: ledger.Drifted | None


def validate(settings: Settings, now: datetime) -> tuple[Finding, ...]:
    """Return the findings of `inspect`."""
    return inspect(settings, now).findings


def inspect(settings: Settings, now: datetime) -> Inspection:
    """Look at configuration, connections, rights, room and drift; raise nothing.

    Reads from the source: its catalog and the account's grants, and inside the window three rows of Open
    Dental's preferences. By day no row is read, so what they say is heard at night only.

    Args:
        settings: What is validated.
        now: Aware; judges the age of ``tables.yml``, and whether the window is open.
    """
    tables, findings = _tables(settings, now)
    findings += _artifacts(settings)
    moved = _Moved()
    for database in (settings.source, settings.replication, settings.analytics):
        found = _patient_check(database)
        if found.is_ok:
            findings += _database(settings, database, tables, moved, now)
        else:
            findings.append(_critical("connection", f"{database.role}: {found.message}"))
    return Inspection(findings=tuple(findings), drifted=moved.drifted)


@dataclass(slots=True, kw_only=True)
class _Moved:
    """Filled where the source's catalog is read."""

    drifted: ledger.Drifted | None = None


def _patient_check(database: DatabaseSettings) -> ConnectionCheck:
    """Give a server that is just being restarted some seconds: it must not cost the night."""
    with suppress(DatabaseError), connect(database):
        pass
    return check(database)


def _tables(settings: Settings, now: datetime) -> tuple[Tables | None, list[Finding]]:
    try:
        tables = read_tables(settings.tables_file)
    except ConfigurationError as error:
        return None, [_critical("tables_yml", str(error))]
    return tables, [*age(tables, now), *_environment(settings, tables)]


def _artifacts(settings: Settings) -> Iterator[Finding]:
    """Try the place of the reports before the night instead of after it."""
    try:
        FolderStore(settings.artifacts_folder).check()
    except ArtifactsError as error:
        yield _critical("artifacts", str(error))
    if is_bucket(settings):
        try:
            open_store(settings).check()
        except ArtifactsError as error:
            # The night can do without: its report is in the ledger, its files are on the host.
            yield Finding(check="artifacts", severity=Severity.WARNING, table=None, message=str(error))


def age(tables: Tables, now: datetime) -> Iterator[Finding]:
    """Yield what is to be said about tables that were analysed long ago; too long ago, and no night starts."""
    old = now - tables.metadata.generated_at
    if old < _WARNING_AGE:
        return
    severity = Severity.CRITICAL if old >= _CRITICAL_AGE else Severity.WARNING
    message = (
        f"tables.yml is {old.days} days old; it must be younger than {_CRITICAL_AGE.days}. {_REMEDY_ANALYZE}"
    )
    yield Finding(check="tables_yml_age", severity=severity, table=None, message=message)


def _environment(settings: Settings, tables: Tables) -> Iterator[Finding]:
    """A clinic must not be read by the schema of a sandbox: tables that it lacks would be left out."""
    made_in = tables.metadata.environment
    if settings.environment is Environment.PRODUCTION and made_in != settings.environment:
        yield _critical(
            "tables_yml_environment",
            f"tables.yml was generated in the environment {made_in}, not from this clinic. {_REMEDY_ANALYZE}",
        )


def _database(
    settings: Settings, database: DatabaseSettings, tables: Tables | None, moved: _Moved, now: datetime
) -> list[Finding]:
    try:
        if database.role is Role.SOURCE:
            return _source(settings, tables, moved, now)
        disk = check_disk(database, tables) if tables else ()
        return [*disk, *(check_replication(database) if database.role is Role.REPLICATION else ())]
    except DatabaseError as error:
        return [_critical("connection", f"{database.role}: {error}")]


def _source(settings: Settings, tables: Tables | None, moved: _Moved, now: datetime) -> list[Finding]:
    name = settings.source.database
    with connect(settings.source) as connection:
        findings = list(_read_only(connection))
        facts = read_facts(connection, name)
        preferences = {
            preference: read_preference(connection, name, facts, preference)
            for preference in (_PREFERENCES if settings.window.is_open(now) else ())
        }
    findings += _open_dental(preferences)
    if tables is not None:
        is_random = preferences.get("RandomPrimaryKeys") == "1"
        findings += _random_keys(tables) if is_random else ()
        order = KeyOrder.RANDOM if is_random else KeyOrder.ASCENDING
        present = tables_of(facts, order, environment=settings.environment, now=now)
        # As it was generated: a table that the owner left out has not come anew.
        before = read_generated_tables(settings.tables_file)
        moved.drifted = _drifted(before, present, {table.schema.name for table in facts})
        findings += [*_drift(before, present), *_lost(before, moved.drifted)]
        findings += _unmatched(tables, moved.drifted)
    return findings


def _read_only(connection: Connection) -> Iterator[Finding]:
    with database_errors(Role.SOURCE):
        grants = _grants(connection, "SHOW GRANTS")
        for role in roles(grants):
            grants += _grants_of_role(connection, role)
    rights = writing_rights(grants)
    if rights:
        more = f"; and {len(rights) - _MOST_CHANGES} more" if len(rights) > _MOST_CHANGES else ""
        yield _critical(
            "source_rights",
            f"The source account may do more than read: {'; '.join(rights[:_MOST_CHANGES])}{more}. Give it "
            f"SELECT, SHOW VIEW and PROCESS only.",
        )


def _grants(connection: Connection, statement: str) -> list[str]:
    return [str(row[0]) for row in connection.exec_driver_sql(statement.replace("%", "%%"))]


def _grants_of_role(connection: Connection, role: str) -> list[str]:
    """Ask for what a role brings with it, spelled and quoted as the server itself printed it."""
    if not connection.dialect.is_mariadb:  # type: ignore[attr-defined]  # set by SQLAlchemy's MySQL dialect
        return _grants(connection, f"SHOW GRANTS FOR CURRENT_USER() USING {role}")
    # MariaDB shows a role's grants only to a session that has taken it on.
    connection.exec_driver_sql(f"SET ROLE {role}")
    grants = _grants(connection, "SHOW GRANTS FOR CURRENT_ROLE")
    connection.exec_driver_sql("SET ROLE NONE")
    return grants


def _open_dental(preferences: dict[str, str | None]) -> Iterator[Finding]:
    """Source: Open Dental's manual on updates: both are set while the database is being converted."""
    if preferences.get("CorruptedDatabase") == "1":
        yield _critical(
            "open_dental",
            "Open Dental has marked its database as corrupted (an update of it did not end). Have the clinic "
            "finish or undo the update; raw keeps the last good night.",
        )
    if preferences.get("UpdateInProgressOnComputerName"):
        yield _critical(
            "open_dental",
            "Open Dental is being updated on a computer of the clinic. Start the run again when that is done.",
        )


def _random_keys(tables: Tables) -> Iterator[Finding]:
    by_key = [
        table.table_name
        for table in tables
        if table.extraction_strategy is not Strategy.FULL_TABLE
        and table.primary_incremental_column in table.primary_key
    ]
    if by_key:
        yield _critical(
            "random_keys",
            f"This clinic's primary keys are random now, so new rows of {', '.join(by_key)} would be missed. "
            f"{_REMEDY_ANALYZE}",
        )


def _drifted(before: Tables, present: Tables, names: Collection[str]) -> ledger.Drifted:
    return ledger.Drifted(
        added=tuple(table for table in present if table.table_name not in before.by_name),
        gone=frozenset(before.by_name.keys() - names),
    )


def _lost(before: Tables, drifted: ledger.Drifted) -> Iterator[Finding]:
    """A few tables go with an upgrade; a tenth of them is rather another database, or half of one."""
    lost = sorted(drifted.gone)
    if len(lost) > max(_FREE_TABLES, len(before) * _LOST_SHARE):
        yield _critical(
            "source_tables",
            f"The source lost {len(lost)} of {len(before)} tables ({', '.join(lost[:_MOST_CHANGES])}, ...). "
            f"If this is the right database and they are gone for good: `dental-etl analyze --confirm-loss`.",
        )


def _unmatched(tables: Tables, drifted: ledger.Drifted) -> Iterator[Finding]:
    """An override for a new table is applied to it; one that fits no table at all is a slip of the pen."""
    try:
        require_matched(with_added(tables, drifted.added))
    except ConfigurationError as error:
        yield _critical("tables_yml", str(error))


def _drift(before: Tables, present: Tables) -> Iterator[Finding]:
    changes = [change for change in compare(before, present) if change.kind.is_drift]
    for table, found in groupby(
        sorted(changes, key=lambda change: change.table), lambda change: change.table
    ):
        messages = [change.message for change in found]
        more = f"; and {len(messages) - _MOST_CHANGES} more" if len(messages) > _MOST_CHANGES else ""
        yield Finding(
            check="drift",
            severity=Severity.WARNING,
            table=table,
            message=f"The schema moved since tables.yml: {'; '.join(messages[:_MOST_CHANGES])}{more}. "
            f"{_REMEDY_ANALYZE}",
        )


def _critical(name: str, message: str) -> Finding:
    return Finding(check=name, severity=Severity.CRITICAL, table=None, message=message)
