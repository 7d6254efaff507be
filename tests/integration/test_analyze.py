"""tables.yml from a real source: written, compared, backed up, refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from dental_etl.config import Environment, Settings, read_tables
from dental_etl.exceptions import ConfigurationError
from dental_etl.run import Strategy
from dental_etl.run_window import BlockedHours, RunWindow
from dental_etl.schema_analysis import AnalysisResult, analyze

NOW = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)
_TABLES = ("claim", "patient", "payment", "recall", "referral")


@pytest.fixture
def settings(sandbox_settings: Settings, tmp_path: Path) -> Settings:
    return replace(sandbox_settings, tables_file=tmp_path / "config" / "tables.yml")


@pytest.fixture
def source(source_admin: Connection) -> Connection:
    for table in _TABLES:
        source_admin.execute(
            text(
                f"CREATE TABLE {table} (Num bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, Note text, DateTStamp "
                f"timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp()) ENGINE=MyISAM"
            )
        )
    source_admin.execute(text("CREATE TABLE temppopup_bak_20200424 (PopupNum bigint) ENGINE=MyISAM"))
    return source_admin


@pytest.fixture
def first(source: Connection, settings: Settings) -> AnalysisResult:
    return analyze(settings, now=NOW)


def test_what_was_analysed_is_read_back_from_the_file(first: AnalysisResult, settings: Settings) -> None:
    assert read_tables(settings.tables_file) == first.tables


def test_metadata_says_when_where_and_how_many(first: AnalysisResult) -> None:
    metadata = first.tables.metadata
    assert (metadata.generated_at, metadata.environment, metadata.total_tables) == (NOW, "test", 5)


def test_a_stamped_table_is_incremental(first: AnalysisResult) -> None:
    assert first.tables.get("patient").extraction_strategy is Strategy.INCREMENTAL


def test_scratch_copies_are_left_out_by_name(first: AnalysisResult) -> None:
    assert first.tables.metadata.excluded[0].startswith("temppopup_bak_20200424: scratch copy")


def test_an_unchanged_schema_keeps_its_hash(first: AnalysisResult, settings: Settings) -> None:
    again = analyze(settings, now=NOW + timedelta(days=1))
    assert (again.changes, again.tables.metadata.schema_hash) == ((), first.tables.metadata.schema_hash)


def test_the_previous_file_is_kept(first: AnalysisResult, settings: Settings) -> None:
    before = settings.tables_file.read_bytes()
    again = analyze(settings, now=NOW + timedelta(days=1))
    assert again.backup is not None
    assert again.backup.read_bytes() == before


def test_the_changelog_names_what_changed(
    first: AnalysisResult, settings: Settings, source: Connection
) -> None:
    source.execute(text("ALTER TABLE patient ADD COLUMN Pronouns tinyint(1) NOT NULL"))
    again = analyze(settings, now=NOW + timedelta(days=1))
    assert again.changelog is not None
    assert "- patient.Pronouns: added, tinyint(1)" in again.changelog.read_text(encoding="utf-8")


def test_a_check_writes_nothing(first: AnalysisResult, settings: Settings, source: Connection) -> None:
    source.execute(text("ALTER TABLE patient ADD COLUMN Pronouns tinyint NOT NULL"))
    before = settings.tables_file.read_bytes()
    analyze(settings, is_check=True, now=NOW + timedelta(days=1))
    assert (settings.tables_file.read_bytes(), len(list(settings.tables_file.parent.iterdir()))) == (
        before,
        2,
    )


def test_a_check_shows_the_drift(first: AnalysisResult, settings: Settings, source: Connection) -> None:
    source.execute(text("ALTER TABLE patient MODIFY Note mediumtext"))
    checked = analyze(settings, is_check=True, now=NOW + timedelta(days=1))
    assert "patient.Note: text widened to mediumtext" in checked.describe()


def test_losing_a_tenth_of_the_tables_is_refused(
    first: AnalysisResult, settings: Settings, source: Connection
) -> None:
    source.execute(text("DROP TABLE claim"))
    with pytest.raises(ConfigurationError, match="lost 1 of 5 tables"):
        analyze(settings, now=NOW + timedelta(days=1))


def test_a_refused_analysis_leaves_the_file_alone(
    first: AnalysisResult, settings: Settings, source: Connection
) -> None:
    source.execute(text("DROP TABLE claim"))
    with pytest.raises(ConfigurationError):
        analyze(settings, now=NOW + timedelta(days=1))
    assert read_tables(settings.tables_file) == first.tables


def test_a_confirmed_loss_is_written(first: AnalysisResult, settings: Settings, source: Connection) -> None:
    source.execute(text("DROP TABLE claim"))
    analyze(settings, confirm_loss=True, now=NOW + timedelta(days=1))
    assert "claim" not in read_tables(settings.tables_file).by_name


@pytest.mark.usefixtures("source_admin")
def test_an_empty_source_is_refused(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="has no tables"):
        analyze(settings, now=NOW)


def test_overrides_survive_regeneration(first: AnalysisResult, settings: Settings) -> None:
    settings.tables_file.with_name("tables.overrides.yml").write_text("tables: {patient: {batch_size: 7}}")
    analyze(settings, now=NOW + timedelta(days=1))
    assert read_tables(settings.tables_file).get("patient").batch_size == 7


def test_an_override_does_not_look_like_a_change(first: AnalysisResult, settings: Settings) -> None:
    overrides = "tables: {patient: {extraction_strategy: full_table}}"
    settings.tables_file.with_name("tables.overrides.yml").write_text(overrides)
    assert analyze(settings, now=NOW + timedelta(days=1)).changes == ()


def test_an_override_of_a_dropped_table_is_heard_of_at_once(
    first: AnalysisResult, settings: Settings, source: Connection
) -> None:
    settings.tables_file.with_name("tables.overrides.yml").write_text("tables: {claim: {batch_size: 7}}")
    source.execute(text("DROP TABLE claim"))
    with pytest.raises(ConfigurationError, match=r"tables\.overrides\.yml: tables\.claim: no such table"):
        analyze(settings, confirm_loss=True, now=NOW + timedelta(days=1))


def test_a_file_of_another_environment_is_not_compared(first: AnalysisResult, settings: Settings) -> None:
    production = replace(settings, environment=Environment.PRODUCTION)
    assert analyze(production, now=NOW + timedelta(days=1)).previous is None


def test_a_broken_file_is_not_replaced_silently(first: AnalysisResult, settings: Settings) -> None:
    settings.tables_file.write_text("tables: {")
    with pytest.raises(ConfigurationError, match="not valid YAML"):
        analyze(settings, now=NOW + timedelta(days=1))


def test_a_missing_folder_is_made(first: AnalysisResult, settings: Settings) -> None:
    shutil.rmtree(settings.tables_file.parent)
    assert analyze(settings, now=NOW).tables_file.exists()


@pytest.mark.parametrize(
    "kind", ["view", pytest.param("sequence", marks=pytest.mark.mariadb_only("sequences"))]
)
def test_what_holds_no_rows_is_listed_with_the_reason(
    source: Connection, settings: Settings, kind: str
) -> None:
    content = "AS SELECT 1 AS Num" if kind == "view" else ""
    source.execute(text(f"CREATE {kind} hollow {content}"))
    excluded = analyze(settings, now=NOW).tables.metadata.excluded
    assert excluded[0] == f"hollow: {kind}, which holds no rows of its own"


@pytest.fixture
def by_day(settings: Settings) -> Settings:
    """A clinic that is open at `NOW`."""
    return replace(settings, window=RunWindow(blocked=BlockedHours.parse("20:00-22:00")))


def say_that_keys_are_random(source: Connection) -> None:
    source.execute(text("CREATE TABLE entrylog (Num bigint AUTO_INCREMENT PRIMARY KEY) ENGINE=MyISAM"))
    source.execute(text("CREATE TABLE preference (PrefName text, ValueString text) ENGINE=MyISAM"))
    source.execute(text("INSERT INTO preference VALUES ('RandomPrimaryKeys', '1')"))


@pytest.mark.usefixtures("first")
def test_by_day_no_preference_is_read(by_day: Settings, source: Connection) -> None:
    say_that_keys_are_random(source)
    assert analyze(by_day, now=NOW).tables.get("entrylog").extraction_strategy is Strategy.INCREMENTAL


def test_by_day_keys_are_as_random_as_the_last_night_found_them(
    settings: Settings, by_day: Settings, source: Connection
) -> None:
    say_that_keys_are_random(source)
    analyze(settings, now=NOW)
    assert analyze(by_day, now=NOW).tables.get("entrylog").extraction_strategy is Strategy.FULL_TABLE
