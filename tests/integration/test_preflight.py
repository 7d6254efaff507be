"""What stops a night before it starts, and what only earns a warning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from dental_etl.config import Environment, Settings
from dental_etl.preflight import validate
from dental_etl.run import Finding, Severity
from dental_etl.run_window import BlockedHours, RunWindow
from dental_etl.sandbox.state import ADMIN_USER, Kind, Sandbox
from dental_etl.schema_analysis import analyze
from tests.counting import counted

NOW = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)
_SCHEMA = """
    CREATE TABLE patient (
      PatNum bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, LName varchar(100) NOT NULL,
      DateTStamp timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp()
    ) ENGINE=MyISAM;
    CREATE TABLE entrylog (EntryLogNum bigint NOT NULL AUTO_INCREMENT PRIMARY KEY) ENGINE=MyISAM;
    CREATE TABLE preference (
      PrefName varchar(255) NOT NULL, ValueString text NOT NULL,
      PrefNum bigint(20) NOT NULL AUTO_INCREMENT PRIMARY KEY, Comments text
    ) ENGINE=MyISAM
"""


@pytest.fixture
def source(source_admin: Connection) -> Connection:
    for statement in _SCHEMA.split(";\n"):
        source_admin.execute(text(statement))
    return source_admin


@pytest.fixture
def settings(source: Connection, sandbox_settings: Settings, tmp_path: Path) -> Settings:
    """A clinic that was analysed a moment ago."""
    settings = replace(sandbox_settings, tables_file=tmp_path / "tables.yml")
    analyze(settings, now=NOW)
    return settings


@pytest.fixture
def local_infile_off(sandbox: Sandbox, source_admin: Connection) -> Iterator[None]:
    source_admin.execute(text("SET GLOBAL local_infile=0"))
    yield
    source_admin.execute(text("SET GLOBAL local_infile=1"))


def _of(findings: tuple[Finding, ...], check: str) -> list[tuple[Severity, str]]:
    return [(finding.severity, finding.message) for finding in findings if finding.check == check]


def _set(source: Connection, preference: str, value: str) -> None:
    source.execute(
        text("INSERT INTO preference (PrefName, ValueString) VALUES (:name, :value)"),
        {"name": preference, "value": value},
    )


def test_a_night_in_order_has_no_critical_finding(settings: Settings) -> None:
    assert [finding for finding in validate(settings, NOW) if finding.severity is Severity.CRITICAL] == []


def test_a_missing_file_is_critical(settings: Settings) -> None:
    settings.tables_file.unlink()
    [(severity, message)] = _of(validate(settings, NOW), "tables_yml")
    assert (severity, "dental-etl analyze" in message) == (Severity.CRITICAL, True)


def test_connections_are_checked_even_without_the_file(settings: Settings) -> None:
    settings.tables_file.unlink()
    broken = replace(settings, source=replace(settings.source, password="wrong"))
    assert _of(validate(broken, NOW), "connection")


@pytest.mark.parametrize(
    ("days", "severities"),
    [
        (29, []),
        (30, [Severity.WARNING]),
        (89, [Severity.WARNING]),
        (90, [Severity.CRITICAL]),
    ],
)
def test_the_age_of_the_file(settings: Settings, days: int, severities: list[Severity]) -> None:
    found = _of(validate(settings, NOW + timedelta(days=days)), "tables_yml_age")
    assert [severity for severity, _ in found] == severities


def test_a_clinic_is_not_read_by_the_schema_of_a_sandbox(settings: Settings) -> None:
    production = replace(settings, environment=Environment.PRODUCTION)
    [(severity, _)] = _of(validate(production, NOW), "tables_yml_environment")
    assert severity is Severity.CRITICAL


@pytest.mark.parametrize("role", ["source", "replication", "analytics"])
def test_each_connection_that_fails_is_named(settings: Settings, role: str) -> None:
    broken = replace(settings, **{role: replace(getattr(settings, role), password="wrong")})
    [(severity, message)] = _of(validate(broken, NOW), "connection")
    assert (severity, message.startswith(f"{role}: ")) == (Severity.CRITICAL, True)


def test_all_problems_are_found_at_once(settings: Settings) -> None:
    broken = replace(
        settings,
        source=replace(settings.source, password="wrong"),
        analytics=replace(settings.analytics, password="wrong"),
    )
    findings = validate(broken, NOW + timedelta(days=100))
    assert sorted(finding.check for finding in findings if finding.severity is Severity.CRITICAL) == [
        "connection",
        "connection",
        "tables_yml_age",
    ]


def test_the_sandboxs_own_account_only_reads(settings: Settings) -> None:
    assert _of(validate(settings, NOW), "source_rights") == []


def test_a_source_account_that_may_write_is_critical(settings: Settings, sandbox: Sandbox) -> None:
    writer = replace(settings.source, user=ADMIN_USER, password=sandbox.source.admin_password)
    [(severity, message)] = _of(validate(replace(settings, source=writer), NOW), "source_rights")
    # MySQL 8 and later name them one by one.
    named = {Kind.MARIADB: "ALL PRIVILEGES", Kind.MYSQL: "DELETE"}[sandbox.source.kind]
    assert (severity, named in message) == (Severity.CRITICAL, True)


def test_a_right_that_comes_by_a_role_is_seen(
    settings: Settings, sandbox: Sandbox, source: Connection
) -> None:
    reader = settings.source
    source.execute(text("CREATE ROLE test_writers"))
    try:
        source.execute(text(f"GRANT INSERT ON {reader.database}.* TO test_writers"))
        source.execute(text(f"GRANT test_writers TO {reader.user}@'127.0.0.1'"))
        [(severity, message)] = _of(validate(settings, NOW), "source_rights")
    finally:
        source.execute(text("DROP ROLE test_writers"))
    assert (severity, "INSERT" in message) == (Severity.CRITICAL, True)


def test_a_moved_schema_is_a_warning_per_table(settings: Settings, source: Connection) -> None:
    source.execute(
        text("ALTER TABLE patient ADD COLUMN Pronouns tinyint NOT NULL, MODIFY LName varchar(255) NOT NULL")
    )
    source.execute(text("CREATE TABLE recall (RecallNum bigint NOT NULL PRIMARY KEY) ENGINE=MyISAM"))
    found = _of(validate(settings, NOW), "drift")
    assert [(severity, message.count("patient.")) for severity, message in found] == [
        (Severity.WARNING, 2),
        (Severity.WARNING, 0),
    ]


def test_rows_alone_are_no_drift(settings: Settings, source: Connection) -> None:
    source.execute(text(f"INSERT INTO patient (LName) SELECT seq FROM {counted(1, 10001)}"))
    assert _of(validate(settings, NOW), "drift") == []


def test_a_corrupted_database_is_not_copied(settings: Settings, source: Connection) -> None:
    _set(source, "CorruptedDatabase", "1")
    [(severity, message)] = _of(validate(settings, NOW), "open_dental")
    assert (severity, "corrupted" in message) == (Severity.CRITICAL, True)


def test_an_update_in_progress_is_waited_for(settings: Settings, source: Connection) -> None:
    _set(source, "UpdateInProgressOnComputerName", "FRONTDESK-2")
    [(severity, message)] = _of(validate(settings, NOW), "open_dental")
    assert (severity, "FRONTDESK" in message) == (Severity.CRITICAL, False)


def test_no_row_is_read_by_day(settings: Settings, source: Connection) -> None:
    """Whoever types `doctor` at noon learns of an update at nine in the evening."""
    _set(source, "UpdateInProgressOnComputerName", "FRONTDESK-2")
    by_day = replace(settings, window=RunWindow(blocked=BlockedHours.parse("06:00-21:00")))
    assert _of(validate(by_day, NOW + timedelta(hours=15)), "open_dental") == []
    assert len(_of(validate(by_day, NOW), "open_dental")) == 1


def test_empty_preferences_of_the_program_are_in_order(settings: Settings, source: Connection) -> None:
    _set(source, "CorruptedDatabase", "0")
    _set(source, "UpdateInProgressOnComputerName", "")
    assert _of(validate(settings, NOW), "open_dental") == []


def test_keys_that_became_random_forbid_a_key_cursor(settings: Settings, source: Connection) -> None:
    _set(source, "RandomPrimaryKeys", "1")
    [(severity, message)] = _of(validate(settings, NOW), "random_keys")
    assert (severity, "entrylog" in message) == (Severity.CRITICAL, True)


def test_disk_that_cannot_be_seen_is_said_so(settings: Settings) -> None:
    found = _of(validate(settings, NOW), "disk")
    assert {severity for severity, _ in found} <= {Severity.INFORMATION}


def test_a_table_larger_than_the_disk_is_critical(settings: Settings) -> None:
    settings.tables_file.with_name("tables.overrides.yml").write_text(
        "tables: {patient: {estimated_size_mb: 1000000000}}"
    )
    replication = [
        severity
        for severity, message in _of(validate(settings, NOW), "disk")
        if "replication database has" in message
    ]
    assert replication == [Severity.CRITICAL]


@pytest.mark.usefixtures("local_infile_off")
def test_a_server_without_local_infile_cannot_take_rows(settings: Settings, sandbox: Sandbox) -> None:
    on_the_source = replace(
        settings.replication,
        port=sandbox.source.port,
        database=settings.source.database,
        user=ADMIN_USER,
        password=sandbox.source.admin_password,
    )
    assert _of(validate(replace(settings, replication=on_the_source), NOW), "local_infile")
