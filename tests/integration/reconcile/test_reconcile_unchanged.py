"""A table that the server has not written since it was proven is not read."""

from __future__ import annotations

import os

import pytest
from sqlalchemy import Connection
from visits import (
    STAMPED,
    UNSTAMPED,
    Night,
    make_visits,
    rows_of,
)

from dental_etl.reconciliation import fingerprint
from dental_etl.run import RefreshMode
from dental_etl.sandbox.state import Sandbox


def _age_file(sandbox: Sandbox) -> None:
    """Make the table's file look as if nobody had written it for years."""
    data = next(sandbox.source.data_directory.rglob("visit.MYD"))
    os.utime(data, (1_600_000_000, 1_600_000_000))


def test_a_file_that_nobody_wrote_is_not_read_again(
    night: Night, visits: Connection, sandbox: Sandbox
) -> None:
    _age_file(sandbox)
    night()
    result = night()
    assert result.reason.startswith("unchanged: the server has not written the table since")
    assert result.rows_read == 0


def test_an_edit_shows_in_the_files_time(
    night: Night, visits: Connection, replication: Connection, sandbox: Sandbox
) -> None:
    _age_file(sandbox)
    night()
    visits.exec_driver_sql("UPDATE visit SET Amount = 5 WHERE VisitNum = 77")
    night()
    assert rows_of(replication) == rows_of(visits)


def test_a_file_that_was_just_written_proves_nothing(night: Night, visits: Connection) -> None:
    night()
    assert not night().reason.startswith("unchanged")


@pytest.fixture
def kept_time(source_admin: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """An InnoDB table whose last commit is a second old, and no longer too young to tell anything."""
    make_visits(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq", engine="InnoDB")
    source_admin.commit()
    monkeypatch.setattr(fingerprint, "_MARGIN_SECONDS", 0)
    _await_next_second(source_admin)
    return source_admin


def _await_next_second(source: Connection) -> None:
    second = source.exec_driver_sql("SELECT UTC_TIMESTAMP()").scalar()
    while source.exec_driver_sql("SELECT UTC_TIMESTAMP()").scalar() == second:
        source.exec_driver_sql("DO SLEEP(0.1)")
    source.commit()


def test_innodb_tells_that_nothing_was_committed(night: Night, kept_time: Connection) -> None:
    night()
    result = night()
    assert result.reason.startswith("unchanged: the server has not written the table since")
    assert result.rows_read == 0


@pytest.mark.parametrize("edit", ["DELETE FROM visit WHERE VisitNum = 8", "TRUNCATE TABLE visit"])
def test_what_innodb_wrote_without_a_stamp_is_found(
    night: Night, kept_time: Connection, replication: Connection, edit: str
) -> None:
    night()
    kept_time.exec_driver_sql(edit)
    kept_time.commit()
    night(STAMPED, RefreshMode.CONFIRMED)
    assert rows_of(replication) == rows_of(kept_time)


def test_an_innodb_table_that_was_just_written_proves_nothing(night: Night, source_admin: Connection) -> None:
    make_visits(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq", engine="InnoDB")
    night()
    assert not night().reason.startswith("unchanged")


def test_an_unchanged_table_without_a_key_is_not_copied_again(
    night: Night, source_admin: Connection, sandbox: Sandbox
) -> None:
    make_visits(source_admin, "VisitNum bigint NOT NULL", "1")
    _age_file(sandbox)
    night(UNSTAMPED)
    assert night(UNSTAMPED).rows_read == 0


def test_a_full_refresh_reads_an_unchanged_table(night: Night, visits: Connection, sandbox: Sandbox) -> None:
    _age_file(sandbox)
    night()
    assert night(STAMPED, RefreshMode.FULL).rows_read == 3000
