"""What verify finds between a replica and raw on real servers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, text

from dental_etl.config import Column, Settings, TableConfig, TableSchema
from dental_etl.quality import RELATIONS, verify
from dental_etl.run import LoadStatus, Severity
from dental_etl.schema_analysis.classification import TableFacts, classify
from dental_etl.tracking.status import ensure_copy_status, ensure_load_status, record_loaded

NOW = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)
RUN = "20260131T030000-1f9c2a"


def _config(name: str, *columns: str) -> TableConfig:
    schema = TableSchema(
        name=name,
        engine="MyISAM",
        columns=tuple(
            Column(name=column, data_type="bigint", column_type="bigint(20)", is_nullable=False)
            for column in columns
        ),
        primary_key=columns[:1],
    )
    return classify(TableFacts(schema=schema, rows=2, data_bytes=0, index_bytes=0, average_row_bytes=0))


PATIENT = _config("patient", "PatNum", "Guarantor")
CLAIM = _config("claim", "ClaimNum", "PatNum", "PlanNum")


class Databases:
    """Two databases in which tables are made as extract and load would leave them."""

    def __init__(self, settings: Settings, replication: Connection, analytics: Connection) -> None:
        self.settings = settings
        self.replication = replication
        self.analytics = analytics

    def make(self, config: TableConfig, rows: list[tuple[int, ...]], *, generation: int = 1) -> None:
        table, columns = config.table_name, [column.name for column in config.columns]
        self.write(
            f"CREATE TABLE `{table}` ({', '.join(f'`{c}` bigint' for c in columns)}, PRIMARY KEY (`{columns[0]}`))"
        )
        named = ", ".join(f'"{c}" bigint' for c in columns)
        self.write_raw(f'CREATE TABLE raw."{table}" ({named}, PRIMARY KEY ("{columns[0]}"))')
        for row in rows:
            self.write(f"INSERT INTO `{table}` VALUES {row!s}")
            self.write_raw(f'INSERT INTO raw."{table}" VALUES {row!s}')
        self.write(
            f"INSERT INTO etl_copy_status (table_name, generation, copy_status) VALUES ('{table}', 1, 'success')"
        )
        status = LoadStatus(
            table=table, last_loaded=NOW, load_status="success", loaded_generation=generation, run_id=RUN
        )
        record_loaded(self.analytics, "raw", status)
        self.analytics.commit()

    def write(self, statement: str) -> None:
        self.replication.execute(text(statement))
        self.replication.commit()

    def write_raw(self, statement: str) -> None:
        self.analytics.execute(text(statement))
        self.analytics.commit()

    def found(self, *tables: TableConfig, run_id: str = RUN) -> list[tuple[str, str, str | None]]:
        findings = verify(self.settings, tables, run_id)
        return [(finding.check, str(finding.severity), finding.table) for finding in findings]


@pytest.fixture
def databases(sandbox_settings: Settings, replication: Connection, analytics: Connection) -> Databases:
    ensure_copy_status(replication)
    ensure_load_status(analytics, "raw")
    analytics.commit()
    return Databases(sandbox_settings, replication, analytics)


def test_equal_tables_have_no_findings(databases: Databases) -> None:
    databases.make(PATIENT, [(1, 1), (2, 1)])
    databases.make(CLAIM, [(7, 1, 0)])
    assert databases.found(PATIENT, CLAIM) == []


def test_a_missing_row_is_critical(databases: Databases) -> None:
    databases.make(PATIENT, [(1, 1), (2, 1)])
    databases.write_raw('DELETE FROM raw."patient" WHERE "PatNum" = 2')
    assert databases.found(PATIENT) == [("row_count", "critical", "patient")]


def test_a_count_says_both_numbers_and_the_command(databases: Databases) -> None:
    databases.make(PATIENT, [(1, 1), (2, 1)])
    databases.write_raw('DELETE FROM raw."patient" WHERE "PatNum" = 2')
    [finding] = verify(databases.settings, [PATIENT], RUN)
    assert finding.message == (
        "raw has 1 rows and the replica has 2. Run `dental-etl run --table patient --force-full`."
    )


def test_a_table_that_was_never_loaded_is_critical(databases: Databases) -> None:
    assert databases.found(PATIENT) == [("freshness", "critical", "patient")]


def test_a_table_of_another_run_is_a_warning(databases: Databases) -> None:
    databases.make(PATIENT, [(1, 1)])
    assert databases.found(PATIENT, run_id="another") == [("freshness", "warning", "patient")]


def test_a_raw_table_behind_its_replica_is_not_counted_but_named(databases: Databases) -> None:
    databases.make(PATIENT, [(1, 1)], generation=0)
    databases.write("INSERT INTO patient VALUES (2, 2)")
    assert databases.found(PATIENT) == [("freshness", "warning", "patient")]


def test_a_key_without_a_constraint_is_counted(databases: Databases) -> None:
    databases.make(PATIENT, [(1, 1)])
    databases.write_raw('ALTER TABLE raw."patient" DROP CONSTRAINT patient_pkey')
    assert databases.found(PATIENT) == []


def test_keys_that_are_missing_or_held_twice_are_critical(databases: Databases) -> None:
    databases.make(PATIENT, [(1, 0), (2, 0), (3, 0)])
    databases.write_raw('ALTER TABLE raw."patient" DROP CONSTRAINT patient_pkey')
    databases.write_raw('ALTER TABLE raw."patient" ALTER "PatNum" DROP NOT NULL')
    databases.write_raw('UPDATE raw."patient" SET "PatNum" = 1 + NULLIF("PatNum", 3) * 0')
    [finding] = verify(databases.settings, [PATIENT], RUN)
    assert (finding.check, finding.message[:70]) == (
        "primary_key",
        "1 rows without a key and 1 keys held by several rows in raw. Run `dent",
    )


def test_orphans_are_counted_as_information(databases: Databases) -> None:
    databases.make(PATIENT, [(1, 1)])
    databases.make(CLAIM, [(7, 1, 0), (8, 99, 0), (9, 98, 0)])
    [finding] = verify(databases.settings, [PATIENT, CLAIM], RUN)
    assert (finding.check, finding.severity, finding.message[:18]) == (
        "orphans", Severity.INFORMATION, "PatNum of 2 rows p",
    )  # fmt: skip


def test_zero_points_to_nothing(databases: Databases) -> None:
    databases.make(PATIENT, [(1, 0)])
    assert databases.found(PATIENT) == []


def test_a_relation_to_a_table_of_another_run_is_not_judged(databases: Databases) -> None:
    databases.make(CLAIM, [(8, 99, 0)])
    assert databases.found(CLAIM) == []


def test_a_check_that_fails_costs_no_other_table_its_check(databases: Databases) -> None:
    databases.make(PATIENT, [(1, 1)])
    databases.make(CLAIM, [(7, 1, 0)])
    databases.write("DROP TABLE patient")
    databases.write("DELETE FROM claim")
    assert databases.found(PATIENT, CLAIM) == [
        ("verify", "warning", "patient"),
        ("row_count", "critical", "claim"),
    ]


@pytest.mark.usefixtures("replication", "analytics")
def test_databases_without_tracking_are_a_finding_and_no_error(sandbox_settings: Settings) -> None:
    assert [finding.check for finding in verify(sandbox_settings, [PATIENT], RUN)] == ["freshness"]


def test_no_relation_is_declared_twice() -> None:
    assert len(set(RELATIONS)) == len(RELATIONS)
