"""A schema that moves between nights: both targets follow in place, and are equal by value afterwards."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dental_etl import pipeline
from dental_etl.config import DatabaseSettings, Settings
from dental_etl.exceptions import ValidationError
from dental_etl.report import Outcome, RunReport
from dental_etl.run import RefreshMode, TableResult
from dental_etl.sandbox.state import Sandbox
from dental_etl.schema_analysis import analyze
from dental_etl.schema_analysis.drift import ChangeKind
from tests.comparison import Difference, differences
from tests.counting import counted
from tests.nights import Nights

_ROWS = 400
_STAMP = "DateTStamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"
#: What each table goes through, by its name.
_DRIFT: Mapping[str, tuple[str, ...]] = {
    "added_of_every_kind": (
        "ALTER TABLE {t} ADD a decimal(9,3) NOT NULL DEFAULT -1.5",
        "ALTER TABLE {t} ADD b datetime NOT NULL DEFAULT '2001-02-03 04:05:06'",
        "ALTER TABLE {t} ADD c time DEFAULT '-30:00:00', ADD d blob, ADD e bit(5) DEFAULT b'101'",
        "ALTER TABLE {t} ADD f float DEFAULT 0.1, ADD g enum('x','y') DEFAULT 'y', ADD h timestamp NOT NULL",
        "ALTER TABLE {t} ADD i varchar(9) CHARACTER SET latin1 DEFAULT 'caf\u00e9'",
        "ALTER TABLE {t} ADD j bigint unsigned DEFAULT 18446744073709551615",
        "ALTER TABLE {t} ADD k varbinary(4) DEFAULT x'00ff', ADD l text, ADD m date NOT NULL DEFAULT '0001-01-01'",
    ),
    "added_zero_date": ("ALTER TABLE {t} ADD Extra date NOT NULL DEFAULT '0000-00-00'",),
    "added_then_edited": (
        "ALTER TABLE {t} ADD Extra int NOT NULL DEFAULT 7",
        "UPDATE {t} SET Extra = Id WHERE MOD(Id, 100) = 1",
        "DELETE FROM {t} WHERE Id = 50",
        "INSERT INTO {t} (Id, Note, Amount) VALUES (1001, 'new', 1)",
    ),
    "added_full_of_values": (
        "ALTER TABLE {t} ADD Extra int NOT NULL DEFAULT 0",
        "UPDATE {t} SET Extra = Id",
    ),
    "added_empty": ("DELETE FROM {t}", "ALTER TABLE {t} ADD Extra int NOT NULL"),
    "widened": (
        "ALTER TABLE {t} MODIFY Amount bigint NOT NULL, MODIFY Note varchar(400) CHARACTER SET utf8mb4",
        "UPDATE {t} SET Amount = 1e12 WHERE Id = 3",
    ),
    "narrower_text": ("ALTER TABLE {t} MODIFY Note varchar(5)",),
    "dropped_and_moved": ("ALTER TABLE {t} DROP Note, MODIFY Amount int NULL DEFAULT 5 FIRST",),
    "renamed": ("ALTER TABLE {t} CHANGE Note Remark varchar(60) CHARACTER SET utf8",),
    "renamed_case": ("ALTER TABLE {t} CHANGE Note NOTE varchar(60) CHARACTER SET utf8",),
    "replaced": ("ALTER TABLE {t} DROP Note, ADD Memo varchar(60) CHARACTER SET utf8 DEFAULT 'm' AFTER Id",),
    "other_default": ("ALTER TABLE {t} ALTER Amount SET DEFAULT 12",),
    "other_charset": ("ALTER TABLE {t} CONVERT TO CHARACTER SET utf8mb4",),
    "other_key": ("ALTER TABLE {t} DROP PRIMARY KEY, ADD PRIMARY KEY (Amount, Id)",),
    "strange `name`": ("ALTER TABLE {t} ENGINE=InnoDB, ADD `a \"b c%:d` varchar(9) DEFAULT 'o''k\\\\'",),
    "all_at_once": (
        "ALTER TABLE {t} DROP Note, ADD One int DEFAULT 1 FIRST, MODIFY Amount bigint AFTER One",
        "ALTER TABLE {t} ADD Two varchar(9) DEFAULT NULL",
    ),
}
#: Those of which rows have to be read: all of them, or the range in which one differs.
_READ = {"added_full_of_values", "other_key", "narrower_text", "added_then_edited", "widened"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The night after the source's schema has moved."""

    report: RunReport
    differing: list[Difference]
    differing_replicas: list[str]
    views: list[tuple[object, ...]]

    def table(self, name: str) -> TableResult:
        return next(table for table in self.report.tables if table.table == name)


@pytest.fixture(scope="module")
def nights(sandbox: Sandbox, sandbox_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    return Nights(sandbox, sandbox_settings, tmp_path_factory.mktemp("drift"))


@pytest.fixture(scope="module")
def story(nights: Nights) -> Story:
    for name in _DRIFT:
        table = _quoted(name)
        nights.execute(
            f"CREATE TABLE {table} (Id int NOT NULL PRIMARY KEY, Note varchar(60) CHARACTER SET utf8, "
            f"Amount int NOT NULL, {_STAMP}) ENGINE=MyISAM CHARACTER SET utf8"
        )
        nights.execute(
            f"INSERT INTO {table} SELECT seq, CONCAT('note \u00e9 ', seq), seq * 3, '2020-01-01' "
            f"FROM {counted(1, _ROWS)}"
        )
    nights.play()
    nights.in_raw("DROP SCHEMA IF EXISTS staging CASCADE")
    nights.in_raw("CREATE SCHEMA staging")
    for number, name in enumerate(_DRIFT):
        raw = '"' + name + '"'
        nights.in_raw(f'CREATE VIEW staging.v{number} AS SELECT "Id", "Note", "Amount" FROM raw.{raw}')
    for name, statements in _DRIFT.items():
        for statement in statements:
            nights.execute(statement.format(t=_quoted(name)))
    report = nights.play(is_analyzed=False)
    return Story(
        report=report,
        differing=differences(nights.settings),
        differing_replicas=nights.differing_replicas(),
        views=nights.in_raw("SELECT viewname FROM pg_views WHERE schemaname = 'staging'"),
    )


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def test_no_table_fails(story: Story) -> None:
    assert [(table.table, table.error_detail) for table in story.report.failed] == []


def test_raw_equals_the_source_by_value(story: Story) -> None:
    assert story.differing == []


def test_the_replicas_hold_the_very_bytes_of_the_source(story: Story) -> None:
    assert story.differing_replicas == []


@pytest.mark.parametrize("name", [name for name in _DRIFT if name not in _READ])
def test_the_table_is_not_read_again(story: Story, name: str) -> None:
    assert story.table(name).rows_read == 0


def test_every_view_is_still_there(story: Story) -> None:
    assert len(story.views) == len(_DRIFT)


def test_the_report_says_what_became_of_each_table(story: Story) -> None:
    silent = {table.table for table in story.report.tables} - {table.table for table in story.report.drifted}
    assert silent == {"other_default"}


def test_nothing_moves_in_the_night_after(story: Story, nights: Nights) -> None:
    again = nights.play(is_analyzed=False)
    assert [(table.table, table.drift) for table in again.drifted] == []
    assert {table.load_action for table in again.tables} == {"nothing"}


def _a_clinic(nights: Nights, *tables: str) -> None:
    for table in tables:
        nights.execute(f"CREATE TABLE {table} (Id int NOT NULL PRIMARY KEY, Note varchar(60)) ENGINE=MyISAM")
        nights.execute(f"INSERT INTO {table} SELECT seq, 'x' FROM {counted(1, 20)}")


@pytest.fixture
def clinic(sandbox: Sandbox, sandbox_settings: Settings, tmp_path: Path) -> Nights:
    """Two tables that were copied last night."""
    nights = Nights(sandbox, sandbox_settings, tmp_path)
    _a_clinic(nights, "stays", "goes")
    nights.play()
    return nights


def test_a_new_table_arrives_the_same_night(clinic: Nights) -> None:
    _a_clinic(clinic, "comes")
    report = clinic.play(is_analyzed=False)
    assert differences(clinic.settings) == []
    (drifted,) = report.drifted
    assert (drifted.table, drifted.drift[0].split(";")[0]) == (
        "comes",
        "came to the source since the last analysis",
    )


def test_a_new_table_is_followed_every_night_and_rerun_by_name(clinic: Nights) -> None:
    _a_clinic(clinic, "comes")
    clinic.play(is_analyzed=False)
    clinic.execute("UPDATE comes SET Note = 'y' WHERE Id = 3")
    clinic.play(is_analyzed=False, names=("comes",))
    assert differences(clinic.settings) == []


def test_the_owner_leaves_a_new_table_out(clinic: Nights) -> None:
    clinic.settings.tables_file.with_name("tables.overrides.yml").write_text(
        "tables: {comes: {exclude: true}}\n"
    )
    _a_clinic(clinic, "comes")
    report = clinic.play(is_analyzed=False)
    assert sorted(table.table for table in report.tables) == ["goes", "stays"]


def test_a_scratch_copy_that_comes_is_left_out(clinic: Nights) -> None:
    clinic.execute("CREATE TABLE tmp_stays SELECT * FROM stays")
    report = clinic.play(is_analyzed=False)
    assert sorted(table.table for table in report.tables) == ["goes", "stays"]


def test_a_dropped_table_is_kept_and_said_and_fails_no_night(clinic: Nights) -> None:
    clinic.execute("DROP TABLE goes")
    report = clinic.play(is_analyzed=False)
    assert report.outcome is Outcome.SUCCEEDED
    assert [finding.table for finding in report.findings if finding.check == "drift"] == ["goes"]
    assert clinic.in_raw("SELECT count(*) FROM raw.goes") == [(20,)]
    assert [config.table_name for config in pipeline.choose(clinic.settings)] == ["stays"]


def test_what_a_night_met_is_in_the_next_check_of_the_analysis(clinic: Nights) -> None:
    _a_clinic(clinic, "comes")
    clinic.execute("ALTER TABLE stays ADD Extra int")
    clinic.play(is_analyzed=False)
    changes = analyze(clinic.settings, is_check=True, now=datetime.now(UTC)).changes
    assert [(change.kind, change.table) for change in changes] == [
        (ChangeKind.TABLE_ADDED, "comes"),
        (ChangeKind.COLUMN_ADDED, "stays"),
    ]


def test_a_source_without_most_of_its_tables_is_not_read(clinic: Nights) -> None:
    _a_clinic(clinic, "a", "b", "c", "d")
    clinic.play()
    for table in ("a", "b", "c", "d"):
        clinic.execute(f"DROP TABLE {table}")
    with pytest.raises(ValidationError, match="The source lost 4 of 6 tables"):
        clinic.play(is_analyzed=False)


def test_rows_that_went_with_the_replica_and_the_source_stay_in_raw(clinic: Nights) -> None:
    clinic.execute(f"INSERT INTO stays SELECT seq, 'x' FROM {counted(100, 2000)}")
    clinic.play()
    clinic.execute("TRUNCATE TABLE stays")
    clinic.in_replication("DROP TABLE stays, etl_copy_status")
    report = clinic.play(is_analyzed=False)
    assert [(table.table, table.error_code) for table in report.failed] == [("stays", "E_DELETE_BRAKE")]
    assert clinic.in_raw("SELECT count(*) FROM raw.stays") == [(1921,)]
    clinic.play(is_analyzed=False, refresh=RefreshMode.CONFIRMED)
    assert clinic.in_raw("SELECT count(*) FROM raw.stays") == [(0,)]


def test_a_confirmed_truncate_goes_through_both_hops(clinic: Nights) -> None:
    clinic.execute(f"INSERT INTO stays SELECT seq, 'x' FROM {counted(100, 2000)}")
    clinic.play()
    clinic.execute("TRUNCATE TABLE stays")
    report = clinic.play(is_analyzed=False)
    assert [(table.table, table.error_code) for table in report.failed] == [("stays", "E_DELETE_BRAKE")]
    clinic.play(is_analyzed=False, refresh=RefreshMode.CONFIRMED)
    assert differences(clinic.settings) == []


def test_a_column_that_comes_back_is_filled_again(clinic: Nights) -> None:
    clinic.execute("ALTER TABLE stays DROP Note")
    clinic.play(is_analyzed=False)
    assert clinic.in_raw('SELECT count("Note") FROM raw.stays') == [(0,)]
    clinic.execute("ALTER TABLE stays ADD Note int DEFAULT 5")
    clinic.play(is_analyzed=False)
    assert differences(clinic.settings) == []


def test_a_column_of_another_kind_waits_for_a_person(clinic: Nights) -> None:
    clinic.in_raw('CREATE VIEW public.notes AS SELECT upper("Note") AS note FROM raw.stays')
    clinic.execute("ALTER TABLE stays MODIFY Note int")
    report = clinic.play(is_analyzed=False)
    (failed,) = report.failed
    assert (failed.error_code, "--force-full" in str(failed.error_detail)) == ("E_DRIFT", True)
    assert clinic.in_raw('SELECT DISTINCT "Note" FROM raw.stays') == [("x",)]
    again = clinic.play(is_analyzed=False, refresh=RefreshMode.FULL)
    assert [line for table in again.drifted for line in table.drift if "notes" in line] != []
    assert differences(clinic.settings) == []


def test_an_older_table_of_statuses_is_brought_up_to_date(clinic: Nights) -> None:
    clinic.in_replication("ALTER TABLE etl_copy_status DROP altered_columns, DROP forgotten_generation")
    clinic.execute("UPDATE stays SET Note = 'z' WHERE Id < 5")
    assert clinic.play(is_analyzed=False).outcome is Outcome.SUCCEEDED
    assert differences(clinic.settings) == []


def test_a_restored_analytics_database_heals_by_itself(clinic: Nights, tmp_path: Path) -> None:
    backup = tmp_path / "analytics.dump"
    _postgres("pg_dump", clinic.settings.analytics, "--format=custom", f"--file={backup}")
    clinic.execute("UPDATE stays SET Note = 'after the backup' WHERE Id < 9")
    clinic.execute("INSERT INTO stays VALUES (100, 'after the backup')")
    clinic.play(is_analyzed=False)
    for schema in ("raw", "etl"):
        clinic.in_raw(f"DROP SCHEMA {schema} CASCADE")
        clinic.in_raw(f"CREATE SCHEMA {schema}")
    _postgres("pg_restore", clinic.settings.analytics, "--schema=raw", "--schema=etl", str(backup))
    clinic.execute("UPDATE stays SET Note = 'after the restore' WHERE Id = 15")
    report = clinic.play(is_analyzed=False)
    assert [finding.table for finding in report.findings if finding.check == "restored"] == ["stays"]
    assert differences(clinic.settings) == []


def _postgres(program: str, database: DatabaseSettings, *options: str) -> None:
    subprocess.run(
        [program, f"--host={database.host}", f"--port={database.port}", f"--username={database.user}",
         f"--dbname={database.database}", *options],
        env={**os.environ, "PGPASSWORD": database.password},
        check=True,
        capture_output=True,
        timeout=60,
    )  # fmt: skip
