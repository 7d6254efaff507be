"""What changed between two analyses, and how it is told."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dental_etl.config import Column, TableConfig, Tables, TableSchema, TablesMetadata
from dental_etl.schema_analysis.classification import TableFacts, classify
from dental_etl.schema_analysis.drift import ChangeKind, changelog, compare, schema_hash

KEY = Column(
    name="PatNum", data_type="bigint", column_type="bigint(20)", is_nullable=False, extra="auto_increment"
)
NAME = Column(name="LName", data_type="varchar", column_type="varchar(100)", is_nullable=False, default="''")
STAMP = Column(
    name="DateTStamp",
    data_type="timestamp",
    column_type="timestamp",
    is_nullable=False,
    extra="on update current_timestamp()",
)


def _table(*columns: Column, name: str = "patient", key: tuple[str, ...] = ("PatNum",)) -> TableConfig:
    schema = TableSchema(name=name, engine="MyISAM", columns=columns, primary_key=key)
    return classify(TableFacts(schema=schema, rows=10, data_bytes=1000, index_bytes=0, average_row_bytes=100))


def _tables(*tables: TableConfig) -> Tables:
    metadata = TablesMetadata(
        generated_at=datetime(2026, 1, 31, 3, tzinfo=UTC),
        analyzer_version="0.1.0",
        environment="test",
        total_tables=len(tables),
        schema_hash=schema_hash(tables),
    )
    return Tables(metadata=metadata, by_name={table.table_name: table for table in tables})


BEFORE = _tables(_table(KEY, NAME, STAMP))


@pytest.mark.parametrize(
    ("after", "kind", "words"),
    [
        (_table(KEY, NAME, STAMP, replace(NAME, name="New")), "COLUMN_ADDED", "patient.New: added, varchar(100)"),
        (_table(KEY, STAMP), "COLUMN_DROPPED", "patient.LName: dropped"),
        (_table(KEY, replace(NAME, name="Surname"), STAMP), "COLUMN_RENAMED", "Surname: maybe renamed from LName"),
        (_table(KEY, replace(NAME, column_type="varchar(255)"), STAMP), "TYPE_WIDENED", "widened to varchar(255)"),
        (_table(KEY, replace(NAME, column_type="varchar(10)"), STAMP), "TYPE_NARROWED", "narrowed to varchar(10)"),
        (_table(KEY, replace(NAME, is_nullable=True), STAMP), "NULLABILITY", "may be NULL now"),
        (_table(KEY, replace(NAME, default="'x'"), STAMP), "DEFAULT", "default '' is now 'x'"),
        (_table(KEY, NAME, STAMP, key=()), "KEY", "primary key (PatNum) is now ()"),
        (_table(KEY, NAME, replace(STAMP, extra="")), "DEFAULT", "none on update is now none"),
        (_table(KEY, NAME, replace(STAMP, extra="")), "TREATMENT", "strategy incremental is now full_table"),
    ],
)  # fmt: skip
def test_a_change_is_found_and_told(after: TableConfig, kind: str, words: str) -> None:
    changes = compare(BEFORE, _tables(after))
    assert [
        change.message for change in changes if change.kind is ChangeKind[kind] and words in change.message
    ]


def test_an_equal_schema_has_no_changes() -> None:
    assert compare(BEFORE, _tables(_table(KEY, NAME, STAMP))) == ()


def test_a_rename_is_not_reported_as_dropped_and_added_too() -> None:
    changes = compare(BEFORE, _tables(_table(KEY, replace(NAME, name="Surname"), STAMP)))
    assert [change.kind for change in changes] == [ChangeKind.COLUMN_RENAMED]


def test_tables_that_come_and_go_are_found() -> None:
    changes = compare(BEFORE, _tables(_table(KEY, name="recall")))
    assert [(change.kind, change.table) for change in changes] == [
        (ChangeKind.TABLE_ADDED, "recall"),
        (ChangeKind.TABLE_DROPPED, "patient"),
    ]


def test_a_change_of_treatment_is_not_drift() -> None:
    assert [kind for kind in ChangeKind if not kind.is_drift] == [ChangeKind.TREATMENT]


def test_the_changelog_has_a_section_for_each_kind() -> None:
    after = _tables(_table(KEY, replace(NAME, name="Surname"), STAMP), _table(KEY, name="recall"))
    text = changelog(compare(BEFORE, after), BEFORE, after)
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Tables added",
        "## Columns maybe renamed",
    ]


def test_the_changelog_says_when_nothing_changed() -> None:
    assert "Nothing changed." in changelog((), BEFORE, BEFORE)


def test_the_first_changelog_compares_with_nothing() -> None:
    assert "First analysis" in changelog((), None, BEFORE)


def test_the_hash_does_not_depend_on_order() -> None:
    assert schema_hash([_table(KEY, NAME)]) == schema_hash([_table(NAME, KEY)])


@pytest.mark.parametrize(
    "changed",
    [
        replace(NAME, name="Surname"),
        replace(NAME, column_type="text"),
        replace(NAME, is_nullable=True),
        replace(NAME, default=None),
    ],
)
def test_the_hash_covers_name_type_nullability_and_default(changed: Column) -> None:
    assert schema_hash([_table(KEY, NAME)]) != schema_hash([_table(KEY, changed)])


def test_the_hash_is_the_same_in_another_process() -> None:
    program = (
        "from test_drift import KEY, NAME, _table; from dental_etl.schema_analysis.drift import schema_hash;"
        "print(schema_hash([_table(KEY, NAME)]))"
    )
    folder = __file__.rpartition("/")[0]
    other = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == schema_hash([_table(KEY, NAME)])
