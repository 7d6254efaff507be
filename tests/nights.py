"""Whole nights over whatever a test puts into the source, through the product's own phases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pymysql

from dental_etl import pipeline
from dental_etl.config import DatabaseSettings, Settings
from dental_etl.report import RunReport
from dental_etl.run import Coercion, RefreshMode
from dental_etl.sandbox.state import ADMIN_USER, Sandbox
from dental_etl.schema_analysis import analyze
from dental_etl.tracking import ledger
from dental_etl.tracking.migrations import migrate

#: Ten in the evening at the clinic.
_FIRST_NIGHT = datetime(2026, 1, 31, 4, 0, tzinfo=UTC)


class Nights:
    """A source that a test fills as it likes, and the nights that are played over it."""

    def __init__(self, sandbox: Sandbox, settings: Settings, folder: Path) -> None:
        self.settings = replace(
            settings, tables_file=folder / "tables.yml", artifacts_url=str(folder / "artifacts")
        )
        admin = replace(settings.source, user=ADMIN_USER, password=sandbox.source.admin_password)
        self._source = _mysql(admin)
        self._now = _FIRST_NIGHT
        self._empty()

    def execute(self, statement: str, values: tuple[object, ...] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement at the source, as a program with every right would: nothing is strict."""
        with self._source.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def analyze(self) -> tuple[str, ...]:
        """Analyse the source; return what was left out."""
        return analyze(self.settings, confirm_loss=True, now=self._now).tables.metadata.excluded

    def play(
        self,
        *,
        is_analyzed: bool = True,
        refresh: RefreshMode = RefreshMode.INCREMENTAL,
        names: tuple[str, ...] = (),
    ) -> RunReport:
        """Copy the whole source, a day later than the last time.

        Args:
            is_analyzed: Analyse it first; a night of its own never does.
            refresh: What a person asks for.
            names: Only these tables.
        """
        self._now += timedelta(days=1)
        if is_analyzed:
            self.analyze()
        return pipeline.run_here(
            self.settings, clock=lambda: self._now, wants_dbt=False, refresh=refresh, names=names
        )

    def in_replication(self, statement: str) -> None:
        with _mysql(self.settings.replication) as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def in_raw(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement in the analytics database and commit it; return its rows, if it has any."""
        with pipeline.ledger_transaction(self.settings) as connection:
            done = connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
            return [tuple(row) for row in done] if done.returns_rows else []

    def coercions(self, report: RunReport) -> list[Coercion]:
        with pipeline.ledger_transaction(self.settings) as connection:
            return list(ledger.coercions(connection, report.header.run_id))

    def differing_replicas(self) -> list[str]:
        """Name the tables whose replica does not hold the source's very bytes."""
        return [table for table in self._tables() if self._bytes(table, 0) != self._bytes(table, 1)]

    def _tables(self) -> Iterable[str]:
        found = self.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() "
            "AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND table_name NOT LIKE 'etl!_%' ESCAPE '!'"
        )
        return [str(name) for (name,) in found]

    def _bytes(self, table: str, side: int) -> list[tuple[Any, ...]]:
        columns = self.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = DATABASE() "
            "AND BINARY table_name = %s ORDER BY ordinal_position",
            (table,),
        )
        shown = ", ".join(_exact(quoted(name), str(kind)) for name, kind in columns)
        with (
            _mysql((self.settings.source, self.settings.replication)[side]) as connection,
            connection.cursor() as cursor,
        ):
            try:
                cursor.execute(f"SELECT {shown} FROM {quoted(table)}")
            except pymysql.err.ProgrammingError as error:
                return [error.args]  # the replica has no such table or column
            return sorted(cursor.fetchall(), key=repr)

    def _empty(self) -> None:
        _drop_tables(self._source)
        with _mysql(self.settings.replication) as replication:
            _drop_tables(replication)
        analytics = self.settings.analytics
        with psycopg2.connect(
            host=analytics.host,
            port=analytics.port,
            user=analytics.user,
            password=analytics.password,
            dbname=analytics.database,
        ) as connection:
            connection.cursor().execute(
                "DROP SCHEMA IF EXISTS raw CASCADE; DROP SCHEMA IF EXISTS etl CASCADE"
            )
        migrate(analytics)


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _exact(column: str, kind: str) -> str:
    """Show what a column holds: a FLOAT shows six digits of it, text nothing of its character set."""
    if kind in {"float", "double"}:
        return f"{column} + 0e0"
    # HEX of a number is that of a rounded one, up to where the server counts.
    return f"HEX(CAST({column} AS CHAR))" if kind == "decimal" else f"HEX({column})"


def _mysql(database: DatabaseSettings) -> Any:
    return pymysql.connect(
        host=database.host,
        port=database.port,
        user=database.user,
        password=database.password,
        database=database.database,
        charset="utf8mb4",
        autocommit=True,
        init_command="SET SESSION time_zone='+00:00', sql_mode='', foreign_key_checks=0",
    )


def _drop_tables(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW FULL TABLES")
        for name, kind in cursor.fetchall():
            what = kind if kind in {"VIEW", "SEQUENCE"} else "TABLE"
            cursor.execute(f"DROP {what} {quoted(name)}")
