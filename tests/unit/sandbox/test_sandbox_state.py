"""The state of a sandbox, its ports, and what it refuses."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from dental_etl.config import DictConfigProvider, load_settings
from dental_etl.exceptions import SandboxError
from dental_etl.sandbox import servers, state
from dental_etl.sandbox.clinic import refuse_strangers
from dental_etl.sandbox.ports import free_ports, is_free


@pytest.fixture
def made_up(tmp_path: Path) -> state.Sandbox:
    return state.new_sandbox(tmp_path, tmp_path / "servers", [4001, 4002, 4003, 4004])


def test_saved_sandbox_is_read_back_equal(made_up: state.Sandbox) -> None:
    state.save(made_up)
    assert state.load(made_up.directory) == made_up


def test_directory_without_state_holds_no_sandbox(tmp_path: Path) -> None:
    assert state.load(tmp_path) is None


def test_torn_state_is_no_sandbox(made_up: state.Sandbox) -> None:
    state.state_file(made_up.directory).write_text('{"source": {"port"', encoding="utf-8")
    assert state.load(made_up.directory) is None


@pytest.mark.parametrize("file", [state.state_file, state.environment_file])
def test_files_with_passwords_are_for_the_owner_only(made_up: state.Sandbox, file: object) -> None:
    state.save(made_up)
    assert callable(file)
    assert file(made_up.directory).stat().st_mode & 0o777 == 0o600


def test_passwords_are_not_printed(made_up: state.Sandbox) -> None:
    secrets = {server.password for server in made_up.servers}
    assert not any(secret in repr(made_up) for secret in secrets)


def test_every_server_has_passwords_of_its_own(made_up: state.Sandbox) -> None:
    assert len({server.password for server in made_up.servers}) == 4


def test_environment_is_complete_for_the_settings(made_up: state.Sandbox) -> None:
    settings = load_settings(DictConfigProvider(made_up.environment()))
    ports = (settings.source.port, settings.replication.port, settings.analytics.port)
    assert ports == (4001, 4002, 4003)


def test_environment_leaves_no_hour_blocked(made_up: state.Sandbox) -> None:
    assert load_settings(DictConfigProvider(made_up.environment())).window.blocked is None


def test_environment_file_says_the_same(made_up: state.Sandbox) -> None:
    state.save(made_up)
    lines = state.environment_file(made_up.directory).read_text(encoding="utf-8").splitlines()
    assert dict(line.split("=", 1) for line in lines) == made_up.environment()


def test_other_servers_replace_those_of_the_same_name(made_up: state.Sandbox) -> None:
    moved = state.with_servers(made_up, list(reversed(made_up.servers)))
    assert moved == made_up


def test_free_ports_differ() -> None:
    assert len(set(free_ports(20))) == 20


def test_port_with_a_listener_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not is_free(listener.getsockname()[1])


def test_status_without_a_sandbox_is_empty(tmp_path: Path) -> None:
    assert servers.status(tmp_path) == ()


def test_down_without_a_sandbox_does_nothing(tmp_path: Path) -> None:
    servers.down(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_finding_no_sandbox_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="sandbox up"):
        servers.find(tmp_path)


@pytest.mark.parametrize(
    ("host", "database"),
    [("10.0.0.5", "opendental_test"), ("clinic", "opendental_test"), ("127.0.0.1", "opendental")],
    ids=["another machine", "another name", "no test database"],
)
def test_strangers_are_refused(host: str, database: str) -> None:
    with pytest.raises(SandboxError, match="Nothing was changed"):
        refuse_strangers(host, database)
