"""Exit codes and messages of the command line, without any server."""

from __future__ import annotations

import io
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from rich.console import Console

from dental_etl.cli import console, run
from workers.cli import main

#: Nobody listens there; a connection would fail loudly, and the tests forbid trying.
PRODUCTION = {
    "ETL_ENVIRONMENT": "production",
    **{
        f"{prefix}_{name}": value
        for prefix in ("OPENDENTAL_SOURCE", "MYSQL_REPLICATION", "POSTGRES_ANALYTICS")
        for name, value in {
            "HOST": "192.0.2.1",
            "DB": f"{prefix.lower()}",
            "USER": "user",
            "PASSWORD": "s3cret",
        }.items()
    },
}
#: Ten in the morning in Chicago.
DAY = datetime(2026, 1, 15, 16, 0, tzinfo=UTC)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


def exit_code(
    monkeypatch: pytest.MonkeyPatch, *arguments: str, environment: dict[str, str] | None = None
) -> int:
    for name in ("ETL_ENVIRONMENT", *PRODUCTION):
        monkeypatch.delenv(name, raising=False)
    for name, value in (environment or {}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["dental-etl", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    "selection", [("--all",), ("--table", "patient"), ("--category", "tiny")], ids=" ".join
)
def test_a_manual_run_by_day_is_refused_without_a_connection(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], selection: tuple[str, ...]
) -> None:
    monkeypatch.setattr(console, "now", lambda: DAY)

    code = exit_code(monkeypatch, "run", *selection, environment=PRODUCTION)

    assert code == 3
    assert "06:00 to 21:00 America/Chicago" in capsys.readouterr().err


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("run",), "--all, or --table NAME", id="no table named"),
        pytest.param(("run", "--all", "--table", "patient"), "--all, or --table NAME", id="two selections"),
        pytest.param(("run", "--category", "huge"), "huge", id="unknown size"),
        pytest.param(("runn",), "No such command", id="unknown command"),
        pytest.param(("dbt", "build", "--selector", "nosuch"), "smoke_test", id="unknown selector"),
        pytest.param(("dbt", "build", "--selector", "x", "--select", "y"), "Give one of", id="two kinds"),
    ],
)
def test_a_mistake_on_the_command_line_is_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    code = exit_code(monkeypatch, *arguments, environment=PRODUCTION)

    assert code == 2
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("command", ["analyze", "validate", "test-connections", "status", "runs", "report"])
def test_a_missing_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    code = exit_code(monkeypatch, command)

    assert code == 2
    assert "ETL_ENVIRONMENT is not set" in capsys.readouterr().err


def test_no_secret_is_printed_with_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {**PRODUCTION, "MYSQL_REPLICATION_PORT": "many"}

    code = exit_code(monkeypatch, "validate", environment=wrong)

    printed = capsys.readouterr().err
    assert code == 2
    assert "MYSQL_REPLICATION_PORT" in printed
    assert "s3cret" not in printed


def test_a_path_that_cannot_be_used_is_named_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    application = typer.Typer()
    application.command()((tmp_path / "missing" / "folder").rmdir)
    monkeypatch.setattr("sys.argv", ["dental-etl"])
    with pytest.raises(SystemExit) as ended:
        run(application)
    assert ended.value.code == 2
    assert f"No such file or directory: {tmp_path}/missing/folder" in capsys.readouterr().err


def test_a_narrow_terminal_keeps_what_one_types_into_the_next_command() -> None:
    view = console.table("RUN", "KIND", "STATUS", "CODE")
    view.add_row("20261120T111247-066a33", "nightly", "failed", "E_VALIDATION")
    shown = io.StringIO()
    Console(file=shown, width=40).print(view)
    assert "20261120T111247-066a33" in shown.getvalue()


@pytest.mark.usefixtures("no_network")
def test_a_night_by_day_is_not_even_enqueued(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "now", lambda: DAY)

    code = exit_code(monkeypatch, "enqueue", "nightly", environment=PRODUCTION)

    assert code == 3
    assert "06:00 to 21:00" in capsys.readouterr().err


def test_the_sandbox_offers_an_upgrade(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(monkeypatch, "sandbox", "change", "--help") == 0
    assert "--upgrade" in capsys.readouterr().out


def test_no_day_passes_where_no_clinic_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """And no server is started for it."""
    assert exit_code(monkeypatch, "sandbox", "change", "--directory", str(tmp_path / "none")) == 1
    assert "Make one with: dental-etl sandbox up" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "none").exists()
