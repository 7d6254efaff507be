"""What information_schema of a real server says, as facts."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text

from dental_etl.config import Settings
from dental_etl.connections import connect
from dental_etl.schema_analysis.classification import KeyOrder, TableFacts
from dental_etl.schema_analysis.introspection import read_facts, read_key_order, read_preference

_SCHEMA = """
    CREATE TABLE patient (
      PatNum bigint(20) NOT NULL AUTO_INCREMENT PRIMARY KEY,
      LName varchar(100) NOT NULL DEFAULT '',
      Birthdate date NOT NULL DEFAULT '0001-01-01',
      DateTStamp timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
      KEY indexStamp (DateTStamp), KEY indexLName (LName(10)), KEY pair (Birthdate, LName)
    ) ENGINE=MyISAM;
    CREATE TABLE preference (
      PrefName varchar(255) NOT NULL, ValueString text NOT NULL,
      PrefNum bigint(20) NOT NULL AUTO_INCREMENT PRIMARY KEY, Comments text
    ) ENGINE=MyISAM;
    CREATE TABLE tmp_import (anything int) ENGINE=MyISAM;
    CREATE VIEW patients AS SELECT PatNum FROM patient;
    INSERT INTO patient (LName) VALUES ('a'), ('b'), ('c')
"""


@pytest.fixture
def source(source_admin: Connection) -> Connection:
    for statement in _SCHEMA.split(";\n"):
        source_admin.execute(text(statement))
    source_admin.commit()
    return source_admin


def _facts(settings: Settings) -> dict[str, TableFacts]:
    with connect(settings.source) as connection:
        return {facts.schema.name: facts for facts in read_facts(connection, settings.source.database)}


def _key_order(settings: Settings) -> KeyOrder:
    with connect(settings.source) as connection:
        facts = read_facts(connection, settings.source.database)
        return read_key_order(connection, settings.source.database, facts)


@pytest.mark.usefixtures("source")
def test_base_tables_are_found_and_views_are_not(sandbox_settings: Settings) -> None:
    assert sorted(_facts(sandbox_settings)) == ["patient", "preference", "tmp_import"]


@pytest.mark.usefixtures("source")
def test_rows_of_a_myisam_table_are_exact(sandbox_settings: Settings) -> None:
    assert _facts(sandbox_settings)["patient"].rows == 3


@pytest.mark.usefixtures("source")
def test_sizes_are_read(sandbox_settings: Settings) -> None:
    patient = _facts(sandbox_settings)["patient"]
    assert min(patient.data_bytes, patient.index_bytes, patient.average_row_bytes) > 0


@pytest.mark.usefixtures("source")
def test_only_whole_leading_columns_count_as_indexed(sandbox_settings: Settings) -> None:
    assert _facts(sandbox_settings)["patient"].indexed_columns == ("Birthdate", "DateTStamp", "PatNum")


@pytest.mark.usefixtures("source")
def test_the_servers_own_stamp_is_recognised(sandbox_settings: Settings) -> None:
    columns = _facts(sandbox_settings)["patient"].schema.columns
    assert [column.name for column in columns if column.is_change_stamp] == ["DateTStamp"]


@pytest.mark.usefixtures("source_admin")
def test_an_empty_database_has_no_facts(sandbox_settings: Settings) -> None:
    assert _facts(sandbox_settings) == {}


@pytest.mark.usefixtures("source")
def test_keys_ascend_unless_the_clinic_says_otherwise(sandbox_settings: Settings) -> None:
    assert _key_order(sandbox_settings) is KeyOrder.ASCENDING


def test_random_keys_are_recognised(source: Connection, sandbox_settings: Settings) -> None:
    source.execute(text("INSERT INTO preference (PrefName, ValueString) VALUES ('RandomPrimaryKeys', '1')"))
    assert _key_order(sandbox_settings) is KeyOrder.RANDOM


@pytest.mark.usefixtures("source_admin")
def test_a_database_without_preferences_is_not_asked_for_one(sandbox_settings: Settings) -> None:
    with connect(sandbox_settings.source) as connection:
        assert read_preference(connection, sandbox_settings.source.database, (), "RandomPrimaryKeys") is None
