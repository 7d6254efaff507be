"""tables.yml: written compactly, read back whole, every problem named at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dental_etl import config
from dental_etl.config import (
    Column,
    TableConfig,
    Tables,
    TablesMetadata,
    read_generated_tables,
    read_tables,
    require_matched,
    with_added,
    write_tables,
)
from dental_etl.exceptions import ConfigurationError, ValidationError
from dental_etl.run import Category, Strategy

PATIENT = TableConfig(
    table_name="patient",
    extraction_strategy=Strategy.INCREMENTAL,
    strategy_reason="DateTStamp is moved by the server",
    incremental_columns=("DateTStamp",),
    primary_incremental_column="DateTStamp",
    batch_size=5000,
    performance_category=Category.SMALL,
    processing_priority="high",
    estimated_rows=35_000,
    estimated_size_mb=18.25,
    primary_key=("PatNum",),
    engine="MyISAM",
    columns=(
        Column(
            name="PatNum",
            data_type="bigint",
            column_type="bigint(20) unsigned",
            is_nullable=False,
            extra="auto_increment",
        ),
        Column(
            name="LName",
            data_type="varchar",
            column_type="varchar(100)",
            is_nullable=True,
            charset="utf8mb3",
            collation="utf8mb3_general_ci",
            default="''",
        ),
        Column(
            name="No",
            data_type="enum",
            column_type="enum('a b','c')",
            is_nullable=False,
            charset="utf8mb3",
            collation="utf8_general_ci",
            default="0",
        ),
        Column(
            name="DateTStamp",
            data_type="timestamp",
            column_type="timestamp",
            is_nullable=False,
            default="current_timestamp()",
            extra="on update current_timestamp()",
        ),
    ),
)
TABLES = Tables(
    metadata=TablesMetadata(
        generated_at=datetime(2026, 1, 31, 3, tzinfo=UTC),
        analyzer_version="0.1.0",
        environment="test",
        total_tables=1,
        schema_hash="abc",
        excluded=("tmp_patient: scratch copy",),
    ),
    by_name={"patient": PATIENT},
)
Edit = Callable[[str, str], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "tables.yml"
    write_tables(TABLES, file)
    return file


@pytest.fixture
def edit(path: Path) -> Edit:
    def replace_text(old: str, new: str) -> None:
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return replace_text


def _overrides(path: Path, text: str) -> None:
    path.with_name("tables.overrides.yml").write_text(text, encoding="utf-8")


def test_what_is_written_is_read_back_equal(path: Path) -> None:
    assert read_tables(path) == TABLES


def test_a_column_is_one_line_without_what_follows_from_it(path: Path) -> None:
    assert "  - {name: PatNum, type: bigint(20) unsigned, extra: auto_increment}\n" in path.read_text()


def test_a_table_is_written_without_repeating_its_name(path: Path) -> None:
    assert "table_name" not in path.read_text()


def test_no_partial_file_stays_behind(path: Path) -> None:
    assert [file.name for file in path.parent.iterdir()] == ["tables.yml"]


def test_the_owners_override_wins(path: Path) -> None:
    _overrides(path, "tables:\n  patient: {batch_size: 7}\n")
    assert read_tables(path).get("patient") == replace(PATIENT, batch_size=7)


def test_the_generated_file_can_be_read_without_overrides(path: Path) -> None:
    _overrides(path, "tables:\n  patient: {batch_size: 7}\n")
    assert read_generated_tables(path) == TABLES


def test_an_override_inside_monitoring_keeps_the_rest(path: Path) -> None:
    _overrides(path, "tables:\n  patient: {monitoring: {alert_on_failure: false}}\n")
    monitoring = read_tables(path).get("patient").monitoring
    assert monitoring == replace(PATIENT.monitoring, alert_on_failure=False)


def test_a_strategy_chosen_by_the_owner_says_so(path: Path) -> None:
    _overrides(path, "tables:\n  patient: {extraction_strategy: full_table}\n")
    assert "owner" in read_tables(path).get("patient").strategy_reason


def test_the_owner_leaves_a_table_out(path: Path) -> None:
    _overrides(path, "tables:\n  patient: {exclude: true}\n")
    assert "patient" not in read_tables(path).by_name


def test_the_owner_leaves_columns_out(path: Path) -> None:
    _overrides(path, "tables:\n  patient: {exclude_columns: [LName]}\n")
    config = read_tables(path).get("patient")
    assert "LName" not in [column.name for column in config.schema.without(config.exclude_columns).columns]


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ("{patient: {batch_size: x}}", "tables.overrides.yml: tables.patient.batch_size: must be a whole number"),
        ("{patient: {bach_size: 7}}", "tables.overrides.yml: tables.patient.bach_size: unknown setting"),
        ("{patient: {engine: InnoDB}}", "tables.overrides.yml: tables.patient.engine: is read from the server"),
        ("{patient: {exclude_columns: [PatNum]}}", "patient.exclude_columns: 'PatNum' is needed to tell rows"),
        ("{patient: {exclude: maybe}}", "tables.overrides.yml: tables.patient.exclude: must be true or false"),
        ("{patient: 7}", "tables.overrides.yml: tables.patient.*: must be a mapping"),
        ("{patient: {primary_incremental_column: Nope}}", "tables.patient.columns: the table has no column 'Nope'"),
        ("{patient: {monitoring: {alert: true}}}", "tables.patient.monitoring.alert: unknown setting"),
    ],
)  # fmt: skip
def test_a_wrong_override_is_named_with_its_path(path: Path, overrides: str, problem: str) -> None:
    _overrides(path, f"tables: {overrides}\n")
    with pytest.raises(ValidationError) as caught:
        read_tables(path)
    assert problem in str(caught.value)


def test_an_override_for_no_table_at_all_is_refused(path: Path) -> None:
    _overrides(path, "tables: {patent: {batch_size: 7}}\n")
    with pytest.raises(ValidationError, match=r"tables\.overrides\.yml: tables\.patent: no such table"):
        require_matched(read_tables(path))


def test_an_override_for_a_table_that_the_file_lacks_is_applied_when_it_comes(path: Path) -> None:
    _overrides(path, "tables: {recall: {batch_size: 7}}\n")
    tables = with_added(read_tables(path), [replace(read_tables(path).get("patient"), table_name="recall")])
    require_matched(tables)
    assert (tables.get("recall").batch_size, tables.get("recall").columns) == (
        7,
        tables.get("patient").columns,
    )


def test_a_table_that_the_file_lacks_may_be_left_out_before_it_comes(path: Path) -> None:
    _overrides(path, "tables: {recall: {exclude: true}}\n")
    tables = with_added(read_tables(path), [replace(read_tables(path).get("patient"), table_name="recall")])
    require_matched(tables)
    assert list(tables.by_name) == list(read_tables(path).by_name)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("batch_size: 5000", "batch_size: true", "tables.patient.batch_size: must be a whole number"),
        ("    batch_size: 5000\n", "", "tables.patient.batch_size: is missing"),
        ("extraction_strategy: incremental", "extraction_strategy: some", "extraction_strategy: must be one of"),
        ("column: DateTStamp", "column: null", "primary_incremental_column: incremental needs one"),
        ("primary_key: [PatNum]", "primary_key: []", "extraction_strategy: incremental needs a primary key"),
        ("primary_key: [PatNum]", "primary_key: PatNum", "primary_key: must be a list"),
        ("generated_at: '2026-01-31T03:00:00+00:00'", "generated_at: 2026", "metadata: "),
        ("generated_at: '2026-01-31T03:00:00+00:00'", "generated_at: '2026-01-31'", "carry its time zone"),
        ("  schema_hash: abc\n", "", "metadata: "),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_path(
    path: Path, edit: Edit, old: str, new: str, problem: str
) -> None:
    edit(old, new)
    with pytest.raises(ValidationError) as caught:
        read_tables(path)
    assert problem in str(caught.value)


def test_all_problems_are_named_at_once(path: Path, edit: Edit) -> None:
    edit("batch_size: 5000", "batch_size: many")
    edit("processing_priority: high", "processing_priority: urgent")
    _overrides(path, "tables: {patent: {batch: 7}}\n")
    with pytest.raises(ValidationError) as caught:
        read_tables(path)
    assert len(caught.value.problems) == 3


def test_a_missing_file_names_the_command_that_writes_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="dental-etl analyze"):
        read_tables(tmp_path / "tables.yml")


def test_a_file_that_is_not_yaml_is_a_configuration_error(path: Path) -> None:
    path.write_text("tables: {", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="not valid YAML"):
        read_tables(path)


def test_an_empty_file_is_not_a_night_without_tables(path: Path) -> None:
    path.write_text("", encoding="utf-8")
    with pytest.raises(ValidationError, match="there are none"):
        read_tables(path)


def test_the_file_that_comes_with_the_project_is_sound() -> None:
    committed = Path(config.__file__).with_name("tables.yml")
    assert len(read_tables(committed)) == read_tables(committed).metadata.total_tables


def test_an_unknown_table_is_answered_with_close_names() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean patient"):
        TABLES.get("Patient")
