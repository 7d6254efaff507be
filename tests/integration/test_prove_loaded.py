"""A large table that arrives whole is compared once all tables are there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dental_etl.config import Settings, read_tables
from dental_etl.connections import connect
from dental_etl.pipeline.proving import prove_loaded
from dental_etl.reconciliation.raw import AT_ONCE_ROWS
from dental_etl.report import RunReport
from dental_etl.run import Finding
from dental_etl.sandbox.state import Sandbox
from tests.counting import counted
from tests.nights import Nights

NOW = datetime(2026, 3, 1, 5, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def nights(sandbox: Sandbox, sandbox_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    nights = Nights(sandbox, sandbox_settings, tmp_path_factory.mktemp("nights"))
    nights.execute(
        "CREATE TABLE large (Id int NOT NULL PRIMARY KEY, Note varchar(20) NOT NULL) ENGINE=InnoDB"
    )
    nights.execute(f"INSERT INTO large SELECT seq, CONCAT('n', seq) FROM {counted(1, AT_ONCE_ROWS + 1)}")
    return nights


@pytest.fixture(scope="module")
def report(nights: Nights) -> RunReport:
    return nights.play()


def proven_again(nights: Nights, report: RunReport) -> tuple[Finding, ...]:
    configs = tuple(read_tables(nights.settings.tables_file))
    return prove_loaded(nights.settings, configs, report.header.run_id, clock=lambda: NOW)


def in_raw(nights: Nights, statement: str) -> None:
    with connect(nights.settings.analytics) as connection:
        connection.exec_driver_sql(statement)
        connection.commit()


def test_the_first_night_ends_with_a_proof(report: RunReport) -> None:
    (table,) = report.tables
    assert table.raw_proven_at is not None
    assert table.raw_proven_by == f"checksums of all {AT_ONCE_ROWS + 1:,} rows"


def test_what_is_proven_is_not_compared_again(nights: Nights, report: RunReport) -> None:
    in_raw(nights, 'UPDATE raw.large SET "Note" = \'other\' WHERE "Id" = 7')
    assert proven_again(nights, report) == ()


def test_a_row_that_differs_is_found_and_mended(nights: Nights, report: RunReport) -> None:
    in_raw(nights, 'UPDATE raw.large SET "Note" = \'other\' WHERE "Id" = 7')
    in_raw(nights, "UPDATE raw.etl_load_status SET proven_at = NULL")
    (finding,) = proven_again(nights, report)
    assert finding.table == "large"
    assert "was loaded again" in finding.message
    with connect(nights.settings.analytics) as connection:
        note: str = connection.exec_driver_sql('SELECT "Note" FROM raw.large WHERE "Id" = 7').scalar_one()
    assert note == "n7"


def test_a_table_that_cannot_be_compared_is_named(nights: Nights, report: RunReport) -> None:
    in_raw(nights, "UPDATE raw.etl_load_status SET proven_at = NULL")
    in_raw(nights, "ALTER TABLE raw.large RENAME TO elsewhere")
    in_raw(nights, "CREATE VIEW raw.large AS SELECT * FROM raw.elsewhere")
    (finding,) = proven_again(nights, report)
    assert (finding.check, finding.table) == ("reconcile", "large")
