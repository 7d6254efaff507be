"""Structure as information_schema tells it, and the replica that is made of it."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import Connection

from dental_etl.config import Column, Settings
from dental_etl.wire.catalog import changed_table_ddl, create_table_ddl, read_schema, read_schemas

PATIENT = """
    CREATE TABLE patient (
      PatNum bigint NOT NULL AUTO_INCREMENT, ClinicNum int unsigned NOT NULL,
      LName varchar(100) CHARACTER SET utf8 COLLATE utf8mb3_bin DEFAULT NULL,
      Kind enum('a','b''c') NOT NULL, Stamp timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
      Upper varchar(100) AS (upper(LName)) VIRTUAL,
      PRIMARY KEY (ClinicNum, PatNum), KEY (PatNum)
    ) ENGINE=MyISAM DEFAULT CHARACTER SET latin1
"""


def _told(column: Column) -> tuple[object, ...]:
    """What both families tell of a column; MySQL 8 no longer tells how wide a number is printed."""
    kind = re.sub(r"int\(\d+\)", "int", column.column_type)
    return column.name, kind, column.is_nullable, column.charset, column.collation


@pytest.fixture
def database(source_admin: Connection, sandbox_settings: Settings) -> str:
    source_admin.exec_driver_sql(PATIENT)
    source_admin.exec_driver_sql("CREATE VIEW patients AS SELECT PatNum FROM patient")
    source_admin.exec_driver_sql("CREATE TABLE note (body text NOT NULL, PRIMARY KEY (body(10)))")
    source_admin.commit()
    return sandbox_settings.source.database


def test_views_are_not_tables(source_admin: Connection, database: str) -> None:
    assert sorted(read_schemas(source_admin, database)) == ["note", "patient"]


def test_one_table_reads_as_it_does_among_all(source_admin: Connection, database: str) -> None:
    assert read_schema(source_admin, database, "patient") == read_schemas(source_admin, database)["patient"]


@pytest.mark.parametrize("name", ["patients", "missing", "PATIENT"])
def test_what_is_no_table_of_that_name_is_none(source_admin: Connection, database: str, name: str) -> None:
    assert read_schema(source_admin, database, name) is None


def test_the_key_is_in_key_order(source_admin: Connection, database: str) -> None:
    schema = read_schemas(source_admin, database)["patient"]
    assert schema.primary_key == ("ClinicNum", "PatNum")


def test_a_key_over_the_first_letters_is_no_key(source_admin: Connection, database: str) -> None:
    assert read_schemas(source_admin, database)["note"].primary_key == ()


def test_the_replica_has_the_columns_of_the_source(
    source_admin: Connection, replication: Connection, database: str, sandbox_settings: Settings
) -> None:
    source = read_schemas(source_admin, database)["patient"]
    replication.exec_driver_sql(create_table_ddl(source))
    replica = read_schemas(replication, sandbox_settings.replication.database)["patient"]
    assert [_told(column) for column in replica.columns] == [_told(column) for column in source.columns]


def test_a_stamp_of_the_replica_does_not_move(
    source_admin: Connection, replication: Connection, database: str, sandbox_settings: Settings
) -> None:
    replication.exec_driver_sql(create_table_ddl(read_schemas(source_admin, database)["patient"]))
    replica = read_schemas(replication, sandbox_settings.replication.database)["patient"]
    assert not replica.column("Stamp").is_change_stamp


def test_the_outbox_has_the_key_of_its_table(
    source_admin: Connection, replication: Connection, database: str, sandbox_settings: Settings
) -> None:
    replication.exec_driver_sql(changed_table_ddl(read_schemas(source_admin, database)["patient"]))
    outbox = read_schemas(replication, sandbox_settings.replication.database)["etl_changed__patient"]
    assert outbox.primary_key == ("ClinicNum", "PatNum", "etl_generation")
