"""What no stamp tells: silent edits, deletes and changed keys are found by comparing, and mended."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from threading import Event, Thread
from typing import Any, NoReturn

import pytest
from sqlalchemy import Connection

from dental_etl.config import Role, Settings, TableConfig
from dental_etl.connections import engine
from dental_etl.exceptions import DeadlineError, DeleteBrakeError
from dental_etl.extract.replicator import extract_table
from dental_etl.plan import plan_table
from dental_etl.reconciliation import comparison, fingerprint
from dental_etl.reconciliation.source import SourceProver
from dental_etl.run import Category, CopyStatus, ExtractResult, RefreshMode, Severity, Strategy
from dental_etl.sandbox.state import ADMIN_USER, Sandbox
from dental_etl.tracking.status import ensure_copy_status, read_copy_status

_FENCES = count(1)
STAMPED = TableConfig(
    table_name="visit",
    extraction_strategy=Strategy.INCREMENTAL,
    strategy_reason="test",
    primary_incremental_column="Stamp",
    batch_size=1000,
    performance_category=Category.TINY,
    processing_priority="low",
    estimated_rows=10,
    estimated_size_mb=0.1,
)
UNSTAMPED = replace(
    STAMPED,
    extraction_strategy=Strategy.FULL_TABLE,
    primary_incremental_column=None,
    strategy_reason="no stamp",
)
Night = Callable[..., ExtractResult]


@pytest.fixture
def night(sandbox_settings: Settings, source_admin: Connection, replication: Connection) -> Night:
    """Extract `visit` and prove it, as a run would."""

    def run(
        config: TableConfig = STAMPED,
        refresh: RefreshMode = RefreshMode.INCREMENTAL,
        budget_seconds: float = 60.0,
    ) -> ExtractResult:
        source_admin.commit()
        fence = next(_FENCES)
        now = datetime.now(UTC)
        return extract_table(
            sandbox_settings,
            plan_table(config, _status(replication), refresh, now),
            run_id=f"run-{fence}",
            fence=fence,
            deadline=None,
            clock=lambda: datetime.now(UTC),
            prover=SourceProver(budget_seconds),
        )

    return run


@pytest.fixture
def visits(source_admin: Connection) -> Connection:
    """A source with 3,000 visits, all stamped long ago, so that no pass for changes sees an edit."""
    return _table(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq")


def _table(
    source: Connection, key: str, value: str, *, engine: str = "MyISAM", rows: int = 3000
) -> Connection:
    source.exec_driver_sql("SET time_zone='+00:00', sql_mode=''")
    source.exec_driver_sql(
        f"CREATE TABLE visit ({key}, Note varchar(100) CHARACTER SET utf8, Amount double NOT NULL DEFAULT 0, "
        f"Stamp timestamp NULL DEFAULT NULL) ENGINE={engine}"
    )
    source.exec_driver_sql(
        f"INSERT INTO visit SELECT {value}, CONCAT('n', seq), seq, '2020-01-01' FROM seq_1_to_{rows}"
    )
    return source


def _status(replication: Connection) -> CopyStatus | None:
    ensure_copy_status(replication)
    status = read_copy_status(replication, "visit")
    replication.commit()
    return status


def _rows(connection: Connection) -> list[Any]:
    found = connection.exec_driver_sql("SELECT * FROM visit ORDER BY 1, 2").all()
    connection.commit()
    return [tuple(row) for row in found]


def _outbox(replication: Connection) -> list[int]:
    rows = replication.exec_driver_sql("SELECT DISTINCT VisitNum FROM etl_changed__visit ORDER BY 1").all()
    replication.commit()
    return [row[0] for row in rows]


EDITS = [
    pytest.param("UPDATE visit SET Amount = 5 WHERE VisitNum = 77", id="silent-edit"),
    pytest.param("DELETE FROM visit WHERE VisitNum IN (1, 1500, 3000)", id="hard-deletes"),
    pytest.param("UPDATE visit SET VisitNum = 9000 WHERE VisitNum = 12", id="changed-key"),
    pytest.param("INSERT INTO visit VALUES (-5, 'x', 1, '2019-01-01')", id="back-dated-insert"),
    pytest.param(
        "UPDATE visit SET Amount = CASE VisitNum WHEN 7 THEN 8 ELSE 7 END WHERE VisitNum IN (7, 8)",
        id="amounts-exchanged",
    ),
    pytest.param(
        "UPDATE visit SET Note = CASE VisitNum WHEN 1234 THEN 'n1235' ELSE 'n1234' END "
        "WHERE VisitNum IN (1234, 1235)",
        id="notes-exchanged",
    ),
    pytest.param(
        "UPDATE visit SET Amount = Amount + IF(VisitNum = 5, 1, -1) WHERE VisitNum IN (5, 6)",
        id="sum-kept",
    ),
    pytest.param("UPDATE visit SET Note = NULL WHERE VisitNum = 9", id="becomes-null"),
    pytest.param("UPDATE visit SET Note = '' WHERE VisitNum = 9", id="becomes-empty"),
    pytest.param("UPDATE visit SET Note = 'n9 ' WHERE VisitNum = 9", id="trailing-space"),
    pytest.param("UPDATE visit SET Note = 'N9' WHERE VisitNum = 9", id="case-only"),
]


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("config", [STAMPED, UNSTAMPED], ids=["stamped", "unstamped"])
def test_a_change_without_a_stamp_reaches_the_replica(
    night: Night, visits: Connection, replication: Connection, config: TableConfig, edit: str
) -> None:
    night(config)
    visits.exec_driver_sql(edit)
    night(config)
    assert _rows(replication) == _rows(visits)


def test_null_and_empty_text_are_told_apart(
    night: Night, visits: Connection, replication: Connection
) -> None:
    visits.exec_driver_sql("UPDATE visit SET Note = NULL WHERE VisitNum = 9")
    night()
    visits.exec_driver_sql("UPDATE visit SET Note = '' WHERE VisitNum = 9")
    night()
    assert _rows(replication) == _rows(visits)


def test_only_the_rows_that_differ_go_on(night: Night, visits: Connection, replication: Connection) -> None:
    night()
    visits.exec_driver_sql("UPDATE visit SET Amount = 5 WHERE VisitNum = 77")
    visits.exec_driver_sql("DELETE FROM visit WHERE VisitNum = 78")
    result = night()
    assert _outbox(replication) == [77, 78]
    assert (result.rows_written, result.rows_deleted) == (1, 1)


def test_nothing_changed_nothing_written(night: Night, visits: Connection, replication: Connection) -> None:
    first = night()
    second = night()
    assert (second.rows_written, second.rows_deleted, second.generation) == (0, 0, first.generation)


def test_an_unstamped_table_is_not_read_again(night: Night, visits: Connection) -> None:
    night(UNSTAMPED)
    visits.exec_driver_sql("UPDATE visit SET Amount = 5 WHERE VisitNum = 77")
    assert 0 < night(UNSTAMPED).rows_read <= 1000


def test_the_result_says_when_the_table_was_proven(night: Night, visits: Connection) -> None:
    before = datetime.now(UTC)
    night()
    visits.exec_driver_sql("UPDATE visit SET Amount = 5 WHERE VisitNum = 77")
    result = night()
    assert result.proven_at is not None
    assert result.proven_at > before
    assert result.proven_by == "checksums of 3,000 rows in 1 range, 1 mended"


KEYS = [
    pytest.param(
        "VisitNum bigint unsigned NOT NULL PRIMARY KEY", "18446744073709551615 - seq", id="unsigned"
    ),
    pytest.param("VisitNum int NOT NULL PRIMARY KEY", "CAST(seq AS SIGNED) - 1500", id="negative"),
    pytest.param(
        "A int NOT NULL, B varchar(9) NOT NULL, PRIMARY KEY (A, B)",
        "MOD(seq, 7), CONCAT('k', seq)",
        id="composite",
    ),
    pytest.param(
        "Code varchar(20) CHARACTER SET utf8 COLLATE utf8_general_ci NOT NULL PRIMARY KEY",
        "CONCAT(IF(MOD(seq, 2), 'Ab', 'aB'), seq)",
        id="case-insensitive",
    ),
    pytest.param(
        "Code varchar(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL PRIMARY KEY",
        "CONCAT(seq, IF(MOD(seq, 2), ' ', ''))",
        id="padded",
    ),
    pytest.param(
        "Code varbinary(8) NOT NULL PRIMARY KEY", "UNHEX(LPAD(HEX(seq * 7919), 8, '0'))", id="binary"
    ),
    pytest.param("At datetime(3) NOT NULL PRIMARY KEY", "'2020-01-01' + INTERVAL seq HOUR", id="datetime"),
    pytest.param("D decimal(20,4) NOT NULL PRIMARY KEY", "seq / 8 - 99", id="decimal"),
    pytest.param("B bit(40) NOT NULL PRIMARY KEY", "seq * 99991", id="bit"),
]


@pytest.mark.parametrize(("key", "value"), KEYS)
@pytest.mark.parametrize("engine", ["MyISAM", "InnoDB"])
def test_keys_of_every_type_are_cut_into_ranges(
    night: Night, source_admin: Connection, replication: Connection, key: str, value: str, engine: str
) -> None:
    _table(source_admin, key, value, engine=engine)
    night()
    source_admin.exec_driver_sql("UPDATE visit SET Amount = -Amount WHERE Note IN ('n5', 'n2999')")
    source_admin.exec_driver_sql("DELETE FROM visit WHERE Note IN ('n1', 'n17', 'n3000')")
    night()
    assert _rows(replication) == _rows(source_admin)


def test_a_key_that_only_changes_its_spelling_is_replaced(
    night: Night, source_admin: Connection, replication: Connection
) -> None:
    key = "Code varchar(20) CHARACTER SET utf8 COLLATE utf8_general_ci NOT NULL PRIMARY KEY"
    _table(source_admin, key, "CONCAT('k', seq)")
    night()
    source_admin.exec_driver_sql("UPDATE visit SET Code = 'K33' WHERE Code = 'k33'")
    night()
    assert _rows(replication) == _rows(source_admin)


def test_more_rows_than_a_range_are_found_among_many(
    night: Night, source_admin: Connection, replication: Connection
) -> None:
    _table(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq * 3", rows=150_000)
    night()
    source_admin.exec_driver_sql("DELETE FROM visit WHERE VisitNum IN (3, 225000, 450000)")
    source_admin.exec_driver_sql("UPDATE visit SET Note = 'new' WHERE VisitNum = 99999")
    result = night()
    assert _rows(replication) == _rows(source_admin)
    assert result.rows_read < 10_000


def test_changes_that_lie_all_over_a_table_do_not_make_it_read(
    night: Night, source_admin: Connection, replication: Connection
) -> None:
    _table(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq * 3", rows=20_000)
    night()
    source_admin.exec_driver_sql("UPDATE visit SET Amount = -1 WHERE MOD(VisitNum, 300) = 0")
    source_admin.exec_driver_sql("DELETE FROM visit WHERE MOD(VisitNum, 3000) = 3")
    result = night()
    assert _rows(replication) == _rows(source_admin)
    assert (result.rows_written, result.rows_deleted) == (200, 20)
    assert result.rows_read < 220 * 20


def test_keys_in_heaps_are_found_too(night: Night, source_admin: Connection, replication: Connection) -> None:
    _table(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "IF(seq = 1, -9e18, IF(seq = 2, 9e18, seq))")
    night()
    source_admin.exec_driver_sql("UPDATE visit SET Amount = -1 WHERE VisitNum IN (77, 9000000000000000000)")
    night()
    assert _rows(replication) == _rows(source_admin)


def test_a_large_table_is_proven_over_several_nights(night: Night, source_admin: Connection) -> None:
    large = replace(STAMPED, reconcile="rotating", estimated_rows=2_000_000, estimated_size_mb=600)
    _table(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq", engine="InnoDB", rows=120_000)
    first = night(large)
    results = [night(large, budget_seconds=0.0) for _ in range(8)]
    proven = [result.proven_at for result in results if result.proven_at != first.proven_at]
    assert proven, "no round came to its end within eight nights"


def test_an_emptied_source_does_not_empty_the_replica(
    night: Night, visits: Connection, replication: Connection
) -> None:
    night()
    before = _rows(replication)
    visits.exec_driver_sql("DELETE FROM visit")
    with pytest.raises(DeleteBrakeError, match=r"3,000 of its 3,000 rows.*--confirm-deletes"):
        night()
    assert _rows(replication) == before


@pytest.mark.parametrize("config", [STAMPED, UNSTAMPED], ids=["stamped", "unstamped"])
@pytest.mark.parametrize("refresh", [RefreshMode.FULL, RefreshMode.INCREMENTAL])
def test_the_brake_holds_in_every_way_of_copying(
    night: Night, visits: Connection, replication: Connection, config: TableConfig, refresh: RefreshMode
) -> None:
    night(config)
    visits.exec_driver_sql("DELETE FROM visit WHERE VisitNum > 1900")
    with pytest.raises(DeleteBrakeError):
        night(config, refresh)
    assert len(_rows(replication)) == 3000


def test_keys_that_are_all_new_pull_the_brake_too(
    night: Night, visits: Connection, replication: Connection
) -> None:
    night()
    visits.exec_driver_sql("UPDATE visit SET VisitNum = VisitNum + 100000")
    with pytest.raises(DeleteBrakeError):
        night()
    kept = {row[0] for row in _rows(replication)}
    assert set(range(1, 3001)) <= kept


@pytest.mark.parametrize("refresh", [RefreshMode.FULL_CONFIRMED, RefreshMode.CONFIRMED])
def test_a_confirmed_loss_is_carried_out(
    night: Night, visits: Connection, replication: Connection, refresh: RefreshMode
) -> None:
    night()
    visits.exec_driver_sql("DELETE FROM visit WHERE VisitNum > 10")
    night(STAMPED, refresh)
    assert _rows(replication) == _rows(visits)


def test_a_few_deletes_need_no_confirmation(
    night: Night, visits: Connection, replication: Connection
) -> None:
    night()
    visits.exec_driver_sql("DELETE FROM visit WHERE VisitNum > 2000")
    night()
    assert _rows(replication) == _rows(visits)


def test_a_difference_that_stays_is_a_finding(
    night: Night, visits: Connection, replication: Connection
) -> None:
    night()
    replication.exec_driver_sql(
        "CREATE TRIGGER spoil BEFORE INSERT ON visit FOR EACH ROW SET NEW.Amount = NEW.Amount + 1"
    )
    replication.commit()
    visits.exec_driver_sql("UPDATE visit SET Amount = 5 WHERE VisitNum = 77")
    found = night().findings
    assert [(one.check, one.severity) for one in found] == [("reconcile", Severity.CRITICAL)]


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
    assert _rows(replication) == _rows(visits)


def test_a_file_that_was_just_written_proves_nothing(night: Night, visits: Connection) -> None:
    night()
    assert not night().reason.startswith("unchanged")


@pytest.fixture
def kept_time(source_admin: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """An InnoDB table whose last commit is a second old, and no longer too young to tell anything."""
    _table(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq", engine="InnoDB")
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
    assert _rows(replication) == _rows(kept_time)


def test_an_innodb_table_that_was_just_written_proves_nothing(night: Night, source_admin: Connection) -> None:
    _table(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq", engine="InnoDB")
    night()
    assert not night().reason.startswith("unchanged")


AUDIT = replace(
    STAMPED,
    primary_incremental_column="VisitNum",
    reconcile="audit",
    estimated_rows=2_000_000,
    estimated_size_mb=600,
)


def test_deletes_of_an_audited_table_are_found_every_night(
    night: Night, source_admin: Connection, replication: Connection
) -> None:
    _table(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq", engine="InnoDB", rows=30_000)
    night(AUDIT)
    source_admin.exec_driver_sql("DELETE FROM visit WHERE VisitNum IN (3, 29000)")
    night(AUDIT, budget_seconds=0.0)
    assert _rows(replication) == _rows(source_admin)


def test_a_table_that_was_left_alone_too_long_is_compared_whole(
    night: Night, source_admin: Connection, replication: Connection
) -> None:
    rotating = replace(
        AUDIT, reconcile="rotating", primary_incremental_column="Stamp", time_gap_threshold_days=30
    )
    _table(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq", engine="InnoDB", rows=30_000)
    first = night(rotating)
    replication.exec_driver_sql("UPDATE etl_copy_status SET last_copied = last_copied - INTERVAL 40 DAY")
    replication.commit()
    second = night(rotating, budget_seconds=0.0)
    assert first.proven_at is not None
    assert second.proven_at is not None
    assert second.proven_at > first.proven_at


def _too_late(*_arguments: object) -> NoReturn:
    raise DeadlineError("The window closed.")


def test_a_window_that_closes_over_the_comparison_keeps_the_changes(
    night: Night, visits: Connection, replication: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    night()
    visits.exec_driver_sql("UPDATE visit SET Amount = 5, Stamp = NOW() WHERE VisitNum = 77")
    monkeypatch.setattr(comparison, "compare", _too_late)
    result = night()
    assert [(one.check, one.severity) for one in result.findings] == [("reconcile", Severity.WARNING)]
    assert _rows(replication) == _rows(visits)


def test_a_comparison_that_is_the_extract_ends_with_the_window(
    night: Night, visits: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    night(UNSTAMPED)
    monkeypatch.setattr(comparison, "compare", _too_late)
    with pytest.raises(DeadlineError):
        night(UNSTAMPED)


def _move_money(settings: Settings, password: str, is_over: Event, moved: list[int]) -> None:
    """Move an amount between two visits at a time, so that their sum never changes; no stamp tells."""
    admin = replace(settings.source, role=Role.REPLICATION, user=ADMIN_USER, password=password)
    with engine(admin).connect() as connection:
        while not is_over.is_set():
            one = 1 + (moved[0] * 7919) % 3000
            amounts = f"Amount = Amount + IF(VisitNum = {one}, 1, -1)"
            connection.exec_driver_sql(f"UPDATE visit SET {amounts} WHERE VisitNum IN ({one}, {3001 - one})")
            connection.commit()
            moved[0] += 1


@pytest.mark.parametrize("engine_name", ["InnoDB", "MyISAM"])
def test_writers_that_never_stop_leave_nothing_behind(
    night: Night,
    source_admin: Connection,
    replication: Connection,
    sandbox: Sandbox,
    sandbox_settings: Settings,
    engine_name: str,
) -> None:
    _table(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq", engine=engine_name)
    source_admin.commit()
    is_over, moved = Event(), [0]
    writer = Thread(
        target=_move_money, args=(sandbox_settings, sandbox.source.admin_password, is_over, moved)
    )
    writer.start()
    try:
        results = [night() for _ in range(3)]
    finally:
        is_over.set()
        writer.join()
    assert moved[0] > 0
    assert Severity.CRITICAL not in {one.severity for result in results for one in result.findings}
    night()
    assert _rows(replication) == _rows(source_admin)


def test_an_unchanged_table_without_a_key_is_not_copied_again(
    night: Night, source_admin: Connection, sandbox: Sandbox
) -> None:
    _table(source_admin, "VisitNum bigint NOT NULL", "1")
    _age_file(sandbox)
    night(UNSTAMPED)
    assert night(UNSTAMPED).rows_read == 0


def test_a_full_refresh_reads_an_unchanged_table(night: Night, visits: Connection, sandbox: Sandbox) -> None:
    _age_file(sandbox)
    night()
    assert night(STAMPED, RefreshMode.FULL).rows_read == 3000
