"""Which program serves a database of the sandbox, and what another choice does to data that are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from dental_etl.exceptions import SandboxError
from dental_etl.sandbox import choice, state
from dental_etl.sandbox.state import Kind

MYSQL = "Ver 9.7.4 for Linux on x86_64 (Source distribution)"
MARIADB = "Ver 11.8.2-MariaDB for Linux on x86_64 (MariaDB Server)"


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite itself may be run on another server."""
    for variable in choice.VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def made_up(tmp_path: Path) -> state.Sandbox:
    return state.new_sandbox(tmp_path, tmp_path / "servers", [4001, 4002, 4003, 4004])


def _program(path: Path, answer: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{path} {answer}'\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("name", "answer", "kind"),
    [
        pytest.param("mysqld", MYSQL, Kind.MYSQL, id="mysql"),
        pytest.param("mariadbd", MARIADB, Kind.MARIADB, id="mariadb"),
        pytest.param("mysqld", MARIADB, Kind.MARIADB, id="mariadb-called-mysqld"),
        pytest.param("mysqld-9.7", MYSQL, Kind.MYSQL, id="script-of-another-version"),
    ],
)
def test_the_program_tells_its_kind(
    made_up: state.Sandbox, monkeypatch: pytest.MonkeyPatch, name: str, answer: str, kind: Kind
) -> None:
    path = _program(made_up.directory / "bin" / name, answer)
    monkeypatch.setenv("SANDBOX_SOURCE_SERVER", path)
    source = choice.choose(made_up).source
    assert (source.kind, source.program) == (kind, path)


@pytest.mark.parametrize(
    "name", ["mysqldump", "mysqldumpslow", "mysqld_safe", "mysqld_multi", "mariadbd-safe"]
)
def test_what_only_begins_like_a_server_is_refused(
    made_up: state.Sandbox, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("SANDBOX_SOURCE_SERVER", _program(made_up.directory / "bin" / name, MYSQL))
    with pytest.raises(SandboxError, match=name):
        choice.choose(made_up)


def test_a_program_is_found_in_the_path(made_up: state.Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _program(made_up.directory / "bin" / "mysqld", MYSQL)
    monkeypatch.setenv("PATH", str(Path(path).parent), prepend=":")
    monkeypatch.setenv("SANDBOX_REPLICATION_SERVER", "mysqld")
    assert choice.choose(made_up).replication.program == path


def test_where_nothing_is_named_mariadb_serves(
    made_up: state.Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANDBOX_REPLICATION_SERVER", "")
    chosen = choice.choose(made_up)
    assert [one.kind for one in chosen.servers] == [Kind.MARIADB, Kind.MARIADB, Kind.POSTGRES, Kind.REDIS]
    assert chosen.describe() == "two MariaDB, PostgreSQL, Redis"


def test_people_are_told_what_serves(made_up: state.Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_SOURCE_SERVER", _program(made_up.directory / "bin" / "mysqld", MYSQL))
    assert choice.choose(made_up).describe() == "MySQL, MariaDB, PostgreSQL, Redis"


def test_data_stay_with_the_server_that_made_them(
    made_up: state.Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stops and starts a sandbox later need not name the program again."""
    monkeypatch.setenv("SANDBOX_SOURCE_SERVER", _program(made_up.directory / "bin" / "mysqld", MYSQL))
    state.save(choice.choose(made_up))
    monkeypatch.delenv("SANDBOX_SOURCE_SERVER")
    saved = state.load(made_up.directory)
    assert saved is not None
    assert choice.check(saved).source.kind is Kind.MYSQL


def test_a_state_from_before_there_was_a_choice_is_mariadb_s(made_up: state.Sandbox) -> None:
    state.save(made_up)
    file = state.state_file(made_up.directory)
    lines = file.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if '"program"' not in line and '"kind"' not in line]
    text = "\n".join(kept).replace('",\n  }', '"\n  }')
    file.write_text(text, encoding="utf-8")
    assert state.load(made_up.directory) == made_up


def test_another_version_takes_the_data_over(made_up: state.Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = _program(made_up.directory / "bin" / "mariadbd", MARIADB)
    monkeypatch.setenv("SANDBOX_SOURCE_SERVER", newer)
    assert choice.check(made_up).source.program == newer


def test_another_kind_is_refused_with_what_to_do(
    made_up: state.Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANDBOX_SOURCE_SERVER", _program(made_up.directory / "bin" / "mysqld", MYSQL))
    with pytest.raises(SandboxError, match="made by mariadb") as refused:
        choice.check(made_up)
    assert str(refused.value).endswith(f"sandbox destroy --directory {made_up.directory}")


@pytest.mark.parametrize("name", ["mysqld", "mariadbd", "postgres"])
def test_what_is_no_server_is_refused_by_the_variable_s_name(
    made_up: state.Sandbox, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = made_up.directory / "bin" / name
    if name == "postgres":
        _program(path, MYSQL)
    monkeypatch.setenv("SANDBOX_SOURCE_SERVER", str(path))
    with pytest.raises(SandboxError, match="SANDBOX_SOURCE_SERVER"):
        choice.choose(made_up)


def test_a_program_that_says_nothing_of_a_version_is_refused(
    made_up: state.Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANDBOX_SOURCE_SERVER", _program(made_up.directory / "bin" / "mysqld", "hello"))
    with pytest.raises(SandboxError, match="--version"):
        choice.choose(made_up)
