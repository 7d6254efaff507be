"""The sandbox on its own servers: started, killed, repaired, filled, changed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pymysql
import pytest

from dental_etl.config import DictConfigProvider, Role, load_settings
from dental_etl.connections import check
from dental_etl.sandbox import family, servers
from dental_etl.sandbox.change import ChangeKind, Violence, change
from dental_etl.sandbox.clinic import create
from dental_etl.sandbox.state import SOURCE_DATABASE, SOURCE_USER, Sandbox
from dental_etl.sandbox.upgrade import upgrade

AS_OF = date(2026, 1, 31)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory of this module's own; the servers in it may be killed."""
    directory = tmp_path_factory.mktemp("desk")
    yield directory
    servers.destroy(directory)


@pytest.fixture
def running(desk: Path) -> Sandbox:
    return servers.up(desk)


@pytest.fixture(scope="module")
def filled_desk(desk: Path) -> Path:
    create(servers.up(desk), patients=60, seed=3, as_of=AS_OF)
    return desk


@pytest.fixture
def any_clinic(filled_desk: Path) -> Sandbox:
    """A clinic on which days may have been played."""
    return servers.up(filled_desk)


@pytest.fixture
def clinic(running: Sandbox) -> Sandbox:
    """A clinic as it was created."""
    create(running, patients=60, seed=3, as_of=AS_OF)
    return running


def _ask(sandbox: Sandbox, statement: str) -> list[tuple[Any, ...]]:
    with closing(family.connect(sandbox.source)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def _pids(directory: Path) -> list[int | None]:
    return [each.pid for each in servers.status(directory)]


def test_every_server_answers_the_pipeline_s_accounts(running: Sandbox) -> None:
    settings = load_settings(DictConfigProvider(running.environment()))
    databases = (settings.source, settings.replication, settings.analytics)
    assert [check(database).is_ok for database in databases] == [True, True, True]


def test_second_up_changes_nothing(desk: Path, running: Sandbox) -> None:
    before = _pids(desk)
    again = servers.up(desk)
    assert (again, _pids(desk)) == (running, before)


def test_killed_servers_are_started_again(desk: Path, running: Sandbox) -> None:
    for pid in _pids(desk):
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    servers.up(desk)
    assert all(each.is_running for each in servers.status(desk))


def test_rows_outlive_a_killed_server(desk: Path, any_clinic: Sandbox) -> None:
    before = _ask(any_clinic, "SELECT COUNT(*) FROM patient")
    source = servers.status(desk)[0]
    assert source.pid is not None
    os.kill(source.pid, signal.SIGKILL)
    assert _ask(servers.up(desk), "SELECT COUNT(*) FROM patient") == before


def test_down_leaves_no_process(desk: Path, running: Sandbox) -> None:
    servers.down(desk)
    assert _pids(desk) == [None, None, None, None]


def test_half_made_data_directory_is_made_anew(desk: Path, running: Sandbox) -> None:
    servers.down(desk)
    (running.analytics.directory / "ready").unlink()
    shutil.rmtree(running.analytics.data_directory / "base")
    servers.up(desk)
    assert servers.status(desk)[2].is_running


def test_port_taken_meanwhile_is_replaced(desk: Path, running: Sandbox) -> None:
    servers.down(desk)
    with socket.create_server(("127.0.0.1", running.broker.port)):
        assert servers.up(desk).broker.port != running.broker.port


def test_servers_under_a_private_folder_are_started(running: Sandbox, desk: Path) -> None:
    """Pytest's folders are closed to other users, as a root's home is."""
    is_elsewhere = desk not in running.source.directory.parents
    assert is_elsewhere == (os.geteuid() == 0)


def test_destroy_leaves_nothing(tmp_path: Path) -> None:
    sandbox = servers.up(tmp_path / "short-lived")
    (sandbox.directory / "logs").mkdir()
    for name in ("logs/extract.log", "flower.db", "flower.json", "demo.lock", "stack.jsonl"):
        (sandbox.directory / name).touch()
    servers.destroy(sandbox.directory)
    assert not sandbox.directory.exists()
    assert not sandbox.source.directory.exists()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO zipcode (City) VALUES ('x')",
        "UPDATE zipcode SET City = 'x'",
        "DELETE FROM zipcode",
        "CREATE TABLE mine (n int)",
        "DROP TABLE zipcode",
        "LOCK TABLES zipcode READ",
        "SET GLOBAL max_connections = 10",
        "FLUSH TABLES",
    ],
)
def test_source_account_can_only_read(any_clinic: Sandbox, statement: str) -> None:
    connection = pymysql.connect(
        host="127.0.0.1",
        port=any_clinic.source.port,
        user=SOURCE_USER,
        password=any_clinic.source.password,
        database=SOURCE_DATABASE,
    )
    with closing(connection), connection.cursor() as cursor, pytest.raises(pymysql.err.OperationalError):
        cursor.execute(statement)


def test_source_account_sees_the_clinic(any_clinic: Sandbox) -> None:
    settings = load_settings(DictConfigProvider(any_clinic.environment()))
    assert settings.source.role is Role.SOURCE
    assert check(settings.source).is_ok


def test_clinic_is_myisam_but_for_the_converted_tables(any_clinic: Sandbox) -> None:
    rows = _ask(
        any_clinic,
        "SELECT TABLE_NAME FROM information_schema.TABLES "
        "WHERE TABLE_SCHEMA = DATABASE() AND ENGINE <> 'MyISAM' ORDER BY 1",
    )
    assert [name for (name,) in rows] == ["claimtracking", "entrylog", "task"]


def test_creating_twice_gives_the_same_clinic(clinic: Sandbox) -> None:
    tables = "patient, procedurelog, claimproc, commlog, paysplit, tasknote, timeadjust"
    before = _ask(clinic, f"CHECKSUM TABLE {tables} EXTENDED")
    create(clinic, patients=60, seed=3, as_of=AS_OF)
    assert _ask(clinic, f"CHECKSUM TABLE {tables} EXTENDED") == before


def test_odd_values_arrive_as_they_are(clinic: Sandbox) -> None:
    rows = _ask(
        clinic,
        "SELECT (SELECT COUNT(*) FROM patient WHERE CAST(AdmitDate AS char) = '2020-00-15'), "
        "(SELECT COUNT(*) FROM timeadjust WHERE CAST(RegHours AS char) = '-838:59:59'), "
        "(SELECT COUNT(*) FROM procnote WHERE Note = '\\\\N'), "
        "(SELECT COUNT(*) FROM tasknote WHERE HEX(Note) LIKE '93%'), "
        "(SELECT COUNT(*) FROM labcase WHERE DateTStamp IS NULL)",
    )
    assert rows == [(1, 1, 1, 1, 3)]


def test_gentle_day_is_within_reach_of_stamps(clinic: Sandbox) -> None:
    """No silent edit, and no delete where a stamp is trusted."""
    stamped = _stamped(clinic)
    changes = change(clinic, seed=5).changes
    assert {each.kind for each in changes} == {
        ChangeKind.INSERTED,
        ChangeKind.EDITED,
        ChangeKind.BACKDATED,
        ChangeKind.DELETED,
    }
    assert {each.table for each in changes if each.kind is ChangeKind.DELETED}.isdisjoint(stamped)


def test_backdated_rows_stay_inside_the_overlap(clinic: Sandbox) -> None:
    change(clinic, seed=5)
    rows = _ask(
        clinic,
        "SELECT COUNT(*), SUM(DateTStamp < NOW() - INTERVAL 11 MINUTE) FROM commlog WHERE Note LIKE 'changed%'",
    )
    assert rows[0][0] > 0
    assert rows[0][1] == 0


def test_silent_edits_leave_the_stamp(clinic: Sandbox) -> None:
    change(clinic, seed=5, violence=Violence.FULL)
    rows = _ask(
        clinic, "SELECT COUNT(*) FROM patient WHERE AddrNote LIKE 'changed%' AND DateTStamp < '2026-02-01'"
    )
    assert rows[0][0] > 0


def test_full_day_changes_in_every_way_and_the_same_with_the_same_seed(clinic: Sandbox) -> None:
    first = change(clinic, seed=5, violence=Violence.FULL)
    assert {each.kind for each in first.changes} == set(ChangeKind)
    create(clinic, patients=60, seed=3, as_of=AS_OF)
    assert change(clinic, seed=5, violence=Violence.FULL) == first


def test_upgrade_may_be_repeated(clinic: Sandbox) -> None:
    upgrade(clinic)
    assert upgrade(clinic)


def _stamped(sandbox: Sandbox) -> set[str]:
    rows = _ask(
        sandbox,
        "SELECT TABLE_NAME FROM information_schema.COLUMNS "
        "WHERE TABLE_SCHEMA = DATABASE() AND LOWER(EXTRA) LIKE '%on update%'",
    )
    return {name for (name,) in rows}
