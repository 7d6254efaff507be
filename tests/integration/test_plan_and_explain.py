"""What plan and explain tell, on real servers, and that a run does what was planned."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from dental_etl import pipeline
from dental_etl.cli import COMMANDS, application, console, run
from dental_etl.config import Settings, read_tables, write_tables
from dental_etl.config.tables_file import OVERRIDES_NAME
from dental_etl.reconciliation import fingerprint
from dental_etl.report import RunReport
from dental_etl.run import Category, RefreshMode, TableResult
from dental_etl.run_window import BlockedHours, RunWindow
from dental_etl.sandbox.state import Sandbox
from dental_etl.tracking import ledger
from tests.counting import counted
from tests.nights import Nights

#: Ten in the evening, a minute to six in the morning, and noon, at the clinic.
NIGHT = datetime(2026, 2, 3, 4, 0, tzinfo=UTC)
LAST_MINUTE = datetime(2026, 2, 3, 11, 59, tzinfo=UTC)
NOON = datetime(2026, 2, 3, 18, 0, tzinfo=UTC)
WINDOW = RunWindow(blocked=BlockedHours.parse("06:00-21:00"))
#: Nobody listens there.
CLOSED_PORT = 1
ROWS = 12_000
SECRET = "Secretname"

Command = Callable[..., str]


@pytest.fixture
def nights(sandbox: Sandbox, sandbox_settings: Settings, tmp_path: Path) -> Nights:
    """A table with a stamp, one without, and one whose cursor is its key."""
    made = Nights(sandbox, replace(sandbox_settings, window=WINDOW), tmp_path)
    made.execute(
        "CREATE TABLE patient (PatNum bigint AUTO_INCREMENT PRIMARY KEY, LName varchar(50), "
        "DateTStamp timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp()) ENGINE=MyISAM"
    )
    made.execute(f"INSERT INTO patient (LName) SELECT CONCAT('{SECRET}', seq) FROM {counted(1, ROWS)}")
    made.execute("CREATE TABLE zipcode (ZipCode varchar(20) PRIMARY KEY, City varchar(50)) ENGINE=InnoDB")
    made.execute(f"INSERT INTO zipcode VALUES ('{SECRET}1', 'Salem'), ('{SECRET}2', 'Salem')")
    made.execute(
        "CREATE TABLE dbmlog (DbmLogNum bigint AUTO_INCREMENT PRIMARY KEY, LogText text) ENGINE=MyISAM"
    )
    made.execute("INSERT INTO dbmlog VALUES (777123, 'a'), (777124, 'b')")
    made.analyze()
    return made


@pytest.fixture
def command(nights: Nights, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command at a moment, in this process; return what it prints."""

    def called(*arguments: str, at: datetime = NIGHT, source_port: int | None = None) -> str:
        port = source_port or nights.settings.source.port
        settings = replace(nights.settings, source=replace(nights.settings.source, port=port))
        monkeypatch.setattr(console, "settings", lambda: settings)
        monkeypatch.setattr(console, "now", lambda: at)
        monkeypatch.setattr("sys.argv", ["dental-etl", *arguments])
        with pytest.raises(SystemExit) as ended:
            run(application(COMMANDS))
        printed = capsys.readouterr()
        assert not ended.value.code, printed.err
        return printed.out

    return called


def tables_of(printed: str) -> dict[str, dict[str, Any]]:
    return {table["table"]: table for table in json.loads(printed)["tables"]}


def write_old(nights: Nights, **settings: Any) -> None:
    """Let tables.yml say something else about patient, as if it had been written long ago."""
    tables = read_tables(nights.settings.tables_file)
    old = replace(tables.get("patient"), **settings)
    write_tables(replace(tables, by_name={**tables.by_name, "patient": old}), nights.settings.tables_file)


def played(
    nights: Nights, *, at: datetime = NIGHT, refresh: RefreshMode = RefreshMode.INCREMENTAL
) -> dict[str, TableResult]:
    report: RunReport = pipeline.run_here(nights.settings, clock=lambda: at, wants_dbt=False, refresh=refresh)
    assert [table.error_detail for table in report.failed] == []
    return {table.table: table for table in report.tables}


def planned_order(nights: Nights, done: dict[str, TableResult]) -> list[str]:
    with pipeline.ledger_transaction(nights.settings) as connection:
        return [one.table for one in ledger.results(connection, done["patient"].run_id)]


def test_a_plan_of_a_fresh_installation_copies_everything(command: Command) -> None:
    planned = tables_of(command("plan", "--json"))
    assert {name: (one["action"], one["reason"]) for name, one in planned.items()} == dict.fromkeys(
        ("patient", "zipcode", "dbmlog"), ("whole", "never copied")
    )
    assert planned["patient"]["estimate"]["basis"] == "analysis"


def test_a_plan_by_day_is_for_tonight_and_asks_no_source(command: Command) -> None:
    seen = json.loads(command("plan", "--json", at=NOON, source_port=CLOSED_PORT))
    assert (seen["begins_at"], seen["closes_at"], seen["seconds_left"]) == (
        "2026-02-04T03:00:00+00:00",
        "2026-02-04T12:00:00+00:00",
        9 * 3600.0,
    )
    assert (seen["source"]["is_asked"], seen["fits"]) == (False, True)


def test_a_plan_says_that_tables_yml_will_be_too_old(command: Command) -> None:
    printed = command("plan", at=NOON + timedelta(days=100), source_port=CLOSED_PORT)
    assert "tables.yml is 103 days old; it must be younger than 90." in printed


def test_an_explanation_by_day_asks_no_source(command: Command) -> None:
    told = json.loads(command("explain", "patient", "--json", at=NOON, source_port=CLOSED_PORT))
    assert told["structure"]["is_source_asked"] is False


@pytest.mark.slow  # ten seconds of patience with the server
def test_a_source_that_is_away_at_night_costs_only_what_it_would_tell(command: Command) -> None:
    seen = json.loads(command("plan", "--json", source_port=CLOSED_PORT))
    assert (seen["source"]["error_code"], len(seen["tables"])) == ("E_SERVER_AWAY", 3)


def test_a_plan_takes_tables_that_came_and_leaves_those_that_went(nights: Nights, command: Command) -> None:
    nights.execute("CREATE TABLE newcomer (Num bigint PRIMARY KEY)")
    nights.execute("CREATE TABLE tmp_backup (Num bigint)")
    nights.execute("DROP TABLE zipcode")
    printed = command("plan", "--json")
    look = json.loads(printed)["source"]
    assert (look["new_tables"], look["dropped_tables"]) == (["newcomer"], ["zipcode"])
    assert "has no such table any more" in command("explain", "zipcode")
    assert tables_of(printed).keys() == played(nights).keys() == {"patient", "dbmlog", "newcomer"}


def test_the_last_nights_are_what_the_next_is_planned_by(nights: Nights, command: Command) -> None:
    first, second = played(nights), played(nights)
    assert {one.extract_action for one in first.values()} == {"whole"}
    assert {one.extract_action for one in second.values()} <= {"changes", "compared", "unchanged"}
    planned = tables_of(command("plan", "--json"))["zipcode"]
    usual = second["zipcode"].extract_seconds + second["zipcode"].load_seconds
    assert planned["estimate"] == {"rows": 0, "bytes": 0, "seconds": usual, "basis": "history"}


def test_a_table_that_outgrew_tables_yml_is_treated_by_its_real_size(nights: Nights) -> None:
    write_old(nights, estimated_rows=5, batch_size=500, performance_category=Category.TINY)
    before = played(nights)["patient"]
    after = played(nights, refresh=RefreshMode.FULL)["patient"]
    assert (before.category, before.rows_expected, before.notes) == (Category.TINY, 5, ())
    assert (after.category, after.rows_expected) == (Category.SMALL, ROWS)
    assert after.notes[0] == "treated as small: 12,000 rows by the last load, tables.yml says tiny"
    assert after.notes[1].startswith("reads of 100,000 rows instead of 500: ")
    assert (before.reads >= ROWS / 500, after.reads < before.reads) == (True, True)
    assert read_tables(nights.settings.tables_file).get("patient").performance_category is Category.TINY


def test_the_owners_settings_stay(nights: Nights, command: Command) -> None:
    played(nights)
    nights.settings.tables_file.with_name(OVERRIDES_NAME).write_text(
        "tables: {patient: {batch_size: 700, performance_category: tiny}}"
    )
    planned = tables_of(command("plan", "--force-full", "--json"))["patient"]
    assert (planned["batch_size"], planned["category"], planned["notes"]) == (700, "tiny", [])
    assert "batch_size: 700, performance_category: tiny" in command("explain", "patient")


def test_what_does_not_fit_comes_last_and_the_report_says_why(nights: Nights) -> None:
    write_old(nights, performance_category=Category.LARGE, estimated_processing_time_minutes=120.0)
    done = played(nights, at=LAST_MINUTE)
    assert planned_order(nights, done)[-1] == "patient"
    assert done["patient"].notes == (
        "about 24 min expected, 1 min left in the window: put last, so that the others arrive",
    )


def test_an_unfinished_window_is_told(nights: Nights, command: Command) -> None:
    write_old(nights, performance_category=Category.LARGE, estimated_processing_time_minutes=120.0)
    printed = command("plan", at=LAST_MINUTE)
    assert "1 table would not end in time: patient." in printed


def test_why_a_table_was_reloaded_is_told_for_the_last_runs(nights: Nights, command: Command) -> None:
    played(nights)
    played(nights, refresh=RefreshMode.FULL)
    played(nights)
    printed = command("explain", "patient")
    assert [reason in printed for reason in ("never copied", "full refresh asked for", "changes since")] == [
        True
    ] * 3


def test_a_night_without_a_turn_is_told_as_one(
    nights: Nights, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the look at all tables costs is no table's own."""
    monkeypatch.setattr(fingerprint, "_MARGIN_SECONDS", 0)
    while played(nights)["patient"].attempts:
        nights.execute("DO SLEEP(0.3)")
    printed = command("explain", "patient")
    assert "Found unchanged 1 time lately, at a look at all tables together" in printed


def test_no_value_of_a_row_is_told(nights: Nights, command: Command) -> None:
    played(nights)
    printed = [
        command("explain", table, *shape)
        for table in ("patient", "zipcode", "dbmlog")
        for shape in ((), ("--json",))
    ]
    assert [text for text in printed if SECRET in text or "777124" in text] == []


def test_the_structure_that_the_next_run_makes_is_told_before(nights: Nights, command: Command) -> None:
    played(nights)
    with pipeline.ledger_transaction(nights.settings) as connection:
        connection.execute(text('CREATE VIEW raw.names AS SELECT "PatNum", "LName" FROM raw.patient'))
    nights.execute("ALTER TABLE patient MODIFY LName varchar(80), ADD COLUMN Note int NOT NULL DEFAULT 7")
    before = json.loads(command("explain", "patient", "--json"))["structure"]
    assert any("Note" in statement for statement in before["replica_statements"])
    assert any('"Note" integer' in statement for statement in before["raw"]["statements"])
    assert before["raw"]["views"] == ['"raw"."names"']
    played(nights)
    after = json.loads(command("explain", "patient", "--json"))["structure"]
    assert (after["source_drift"], after["replica_statements"], after["raw"]["statements"]) == ([], [], [])


def test_a_plan_of_all_and_of_some_tables_at_once_is_a_mistake(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["dental-etl", "plan", "--all", "--table", "patient"])
    with pytest.raises(SystemExit) as ended:
        run(application(COMMANDS))
    assert ended.value.code == 2
