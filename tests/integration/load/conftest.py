"""A replica that tests fill by hand, in the place of extract, and raw tables that they read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection

from dental_etl.config import Settings
from dental_etl.config.tables import TableConfig
from dental_etl.load.full import LockPatience
from dental_etl.load.loader import BeforeCommit, LoadOptions, load_table, load_table_chunked
from dental_etl.load.progress import Watcher
from dental_etl.reconciliation.raw import prove_raw
from dental_etl.run import Category, LoadResult, RefreshMode, Severity, Strategy
from dental_etl.tracking.status import CopiedTable, ensure_copy_status, record_copied, take_fence
from dental_etl.wire.catalog import changed_table_ddl, read_schema
from dental_etl.wire.names import changed_table, literal, mysql, postgres

_NOW = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)


def _end_of_extract(connection: Connection, table: str, *, is_rewritten: bool) -> int:
    take_fence(connection, table, 1)
    copied = CopiedTable(
        now=_NOW,
        cursor=None,
        strategy=Strategy.FULL_TABLE,
        is_rewritten=is_rewritten,
        has_changes=not is_rewritten,
        source_schema="{}",
        overlap_minutes=15,
    )
    return record_copied(connection, table, 1, copied).generation


@pytest.fixture
def config() -> Callable[[str], TableConfig]:
    def make(table: str) -> TableConfig:
        return TableConfig(
            table_name=table,
            extraction_strategy=Strategy.FULL_TABLE,
            strategy_reason="test",
            batch_size=1000,
            performance_category=Category.TINY,
            processing_priority="low",
            estimated_rows=0,
            estimated_size_mb=0.0,
        )

    return make


@pytest.fixture
def copy_whole(replication: Connection) -> Callable[..., int]:
    """Run statements on the replica as an extract that rewrites the table; returns its generation."""

    def run(table: str, *statements: str) -> int:
        ensure_copy_status(replication)
        for statement in statements:
            replication.exec_driver_sql(statement, execution_options={"no_parameters": True})
        generation = _end_of_extract(replication, table, is_rewritten=True)
        replication.commit()
        return generation

    return run


@pytest.fixture
def copy_changes(replication: Connection, sandbox_settings: Settings) -> Callable[..., int]:
    """Run statements on the replica as an extract that names the changed keys in the outbox."""

    def run(table: str, keys: Sequence[tuple[object, ...]], *statements: str) -> int:
        schema = read_schema(replication, sandbox_settings.replication.database, table)
        assert schema is not None
        replication.exec_driver_sql(changed_table_ddl(schema))
        for statement in statements:
            replication.exec_driver_sql(statement, execution_options={"no_parameters": True})
        generation = _end_of_extract(replication, table, is_rewritten=False)
        for key in keys:
            values = ", ".join(literal(part) for part in (*key, generation))
            replication.exec_driver_sql(f"INSERT INTO {mysql(changed_table(table))} VALUES ({values})")
        replication.commit()
        return generation

    return run


@pytest.fixture
def load(
    analytics: Connection, sandbox_settings: Settings, config: Callable[[str], TableConfig]
) -> Callable[..., LoadResult]:
    """Load a table and prove it; impatient with readers."""

    def run(
        table: str,
        *,
        run_id: str = "run-1",
        refresh: RefreshMode = RefreshMode.INCREMENTAL,
        before_commit: BeforeCommit = lambda _connection, _result: None,
        chunk_rows: int | None = None,
        watcher: Watcher | None = None,
    ) -> LoadResult:
        analytics.rollback()
        patience = LockPatience(tries=2, try_seconds=0.05, pause_seconds=0.01)
        result = (load_table_chunked if chunk_rows else load_table)(
            replace(sandbox_settings, load_parts_from_mb=0),
            config(table),
            run_id=run_id,
            before_commit=before_commit,
            clock=lambda: _NOW,
            options=LoadOptions(
                refresh=refresh,
                patience=patience,
                chunk_rows=chunk_rows or 1,
                prove=prove_raw,
                watcher=watcher,
            ),
        )
        critical = [finding for finding in result.findings if finding.severity is Severity.CRITICAL]
        assert critical == [], "raw differs from the replica"
        return result

    return run


@pytest.fixture
def raw_rows(analytics: Connection) -> Callable[..., list[tuple[Any, ...]]]:
    """Read a raw table, ordered by its first column, and let go of it."""

    def read(table: str, columns: str = "*") -> list[tuple[Any, ...]]:
        rows = analytics.exec_driver_sql(
            f"SELECT {columns} FROM raw.{postgres(table)} ORDER BY 1",
            execution_options={"no_parameters": True},
        ).all()
        analytics.rollback()
        return [tuple(row) for row in rows]

    return read


@pytest.fixture
def run_sql(analytics: Connection) -> Callable[..., None]:
    """Run statements on analytics and commit."""

    def run(*statements: str) -> None:
        for statement in statements:
            analytics.exec_driver_sql(statement, execution_options={"no_parameters": True})
        analytics.commit()

    return run


@pytest.fixture
def outbox_size(replication: Connection) -> Callable[[str], int]:
    def count(table: str) -> int:
        size: int = replication.exec_driver_sql(
            f"SELECT COUNT(*) FROM {mysql(changed_table(table))}"
        ).scalar_one()
        replication.rollback()
        return size

    return count
