"""The fixture of these tests: a very small clinic."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from small_clinic import TABLES, Clinic
from sqlalchemy import Connection

from dental_etl.config import DictConfigProvider, load_settings
from dental_etl.sandbox.state import Sandbox
from dental_etl.schema_analysis import analyze
from tests.counting import counted

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clinic(
    sandbox: Sandbox,
    source_admin: Connection,
    replication: Connection,
    analytics: Connection,
    tmp_path: Path,
) -> Iterator[Clinic]:
    """Five tables at the source, analysed; a broker without messages; dbt is not installed."""
    for name in TABLES:
        _fill(source_admin, name)
    replication.close()
    analytics.close()
    variables = {
        **sandbox.environment(),
        "PROJECT_ROOT": str(ROOT),
        "TEST_TABLES_FILE": str(tmp_path / "tables.yml"),
        "TEST_ARTIFACTS_URL": str(tmp_path / "artifacts"),
        "DBT_EXECUTABLE": str(tmp_path / "no-dbt-here"),
    }
    settings = load_settings(DictConfigProvider(variables))
    analyze(settings, now=datetime.now(UTC))
    clinic = Clinic(
        settings=settings,
        # These sources, whatever checkout the virtual environment was installed from.
        environment={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            **variables,
        },
        directory=tmp_path,
        source=source_admin,
    )
    clinic.forget()
    yield clinic
    for worker in clinic.started:
        if worker.process.poll() is None:
            worker.kill()


def _fill(source: Connection, table: str) -> None:
    source.exec_driver_sql(
        f"CREATE TABLE {table} (Id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, Note varchar(50) NOT NULL, "
        f"DateTStamp timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp()) ENGINE=MyISAM"
    )
    source.exec_driver_sql(f"INSERT INTO {table} (Note) SELECT CONCAT('n', seq) FROM {counted(1, 200)}")
    source.commit()
