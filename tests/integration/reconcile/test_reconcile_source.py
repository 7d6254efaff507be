"""What no stamp tells: silent edits, deletes and changed keys are found by comparing, and mended."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection
from visits import (
    STAMPED,
    UNSTAMPED,
    Night,
    make_visits,
    outbox_of,
    rows_of,
)

from dental_etl.config import TableConfig
from dental_etl.reconciliation import comparison
from dental_etl.run import Severity
from tests.counting import counted

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
    assert rows_of(replication) == rows_of(visits)


def test_null_and_empty_text_are_told_apart(
    night: Night, visits: Connection, replication: Connection
) -> None:
    visits.exec_driver_sql("UPDATE visit SET Note = NULL WHERE VisitNum = 9")
    night()
    visits.exec_driver_sql("UPDATE visit SET Note = '' WHERE VisitNum = 9")
    night()
    assert rows_of(replication) == rows_of(visits)


def test_only_the_rows_that_differ_go_on(night: Night, visits: Connection, replication: Connection) -> None:
    night()
    visits.exec_driver_sql("UPDATE visit SET Amount = 5 WHERE VisitNum = 77")
    visits.exec_driver_sql("DELETE FROM visit WHERE VisitNum = 78")
    result = night()
    assert outbox_of(replication) == [77, 78]
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
    pytest.param("VisitNum int unsigned NOT NULL PRIMARY KEY", "seq - 1", id="unsigned-from-0"),
    pytest.param("VisitNum smallint NOT NULL PRIMARY KEY", "29768 + seq - 1", id="up-to-the-highest"),
    pytest.param("VisitNum int NOT NULL PRIMARY KEY", "CAST(seq AS SIGNED) - 1500", id="negative"),
    pytest.param(
        "A int NOT NULL, B varchar(9) NOT NULL, PRIMARY KEY (A, B)",
        "MOD(seq, 7), CONCAT('k', seq)",
        id="composite",
    ),
    pytest.param(
        "Code varchar(20) CHARACTER SET utf8 COLLATE utf8mb3_general_ci NOT NULL PRIMARY KEY",
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
    make_visits(source_admin, key, value, engine=engine)
    night()
    source_admin.exec_driver_sql("UPDATE visit SET Amount = -Amount WHERE Note IN ('n5', 'n2999')")
    source_admin.exec_driver_sql("DELETE FROM visit WHERE Note IN ('n1', 'n17', 'n3000')")
    night()
    assert rows_of(replication) == rows_of(source_admin)


def test_a_key_that_only_changes_its_spelling_is_replaced(
    night: Night, source_admin: Connection, replication: Connection
) -> None:
    key = "Code varchar(20) CHARACTER SET utf8 COLLATE utf8mb3_general_ci NOT NULL PRIMARY KEY"
    make_visits(source_admin, key, "CONCAT('k', seq)")
    night()
    source_admin.exec_driver_sql("UPDATE visit SET Code = 'K33' WHERE Code = 'k33'")
    night()
    assert rows_of(replication) == rows_of(source_admin)


def test_more_rows_than_a_range_are_found_among_many(
    night: Night, source_admin: Connection, replication: Connection
) -> None:
    make_visits(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq * 3", rows=150_000)
    night()
    source_admin.exec_driver_sql("DELETE FROM visit WHERE VisitNum IN (3, 225000, 450000)")
    source_admin.exec_driver_sql("UPDATE visit SET Note = 'new' WHERE VisitNum = 99999")
    result = night()
    assert rows_of(replication) == rows_of(source_admin)
    assert result.rows_read < 10_000


def test_changes_that_lie_all_over_a_table_do_not_make_it_read(
    night: Night, source_admin: Connection, replication: Connection
) -> None:
    make_visits(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq * 3", rows=20_000)
    night()
    source_admin.exec_driver_sql("UPDATE visit SET Amount = -1 WHERE MOD(VisitNum, 300) = 0")
    source_admin.exec_driver_sql("DELETE FROM visit WHERE MOD(VisitNum, 3000) = 3")
    result = night()
    assert rows_of(replication) == rows_of(source_admin)
    assert (result.rows_written, result.rows_deleted) == (200, 20)
    assert result.rows_read < 220 * 20


def test_rows_that_only_the_replica_has_are_found_beyond_both_ends(
    night: Night, visits: Connection, replication: Connection
) -> None:
    night()
    replication.exec_driver_sql(
        "INSERT INTO visit VALUES (-900, 'x', 1, '2019-01-01'), (90000, 'x', 1, '2019-01-01')"
    )
    replication.commit()
    visits.exec_driver_sql("UPDATE visit SET Amount = 5 WHERE VisitNum IN (77, 2999)")
    assert night().rows_deleted == 2
    assert rows_of(replication) == rows_of(visits)


def test_what_was_mended_as_of_one_moment_is_not_summed_up_at_the_source_again(
    night: Night, source_admin: Connection, replication: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_visits(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq", engine="InnoDB")
    night()
    source_admin.exec_driver_sql("UPDATE visit SET Amount = 5, Stamp = NOW() WHERE VisitNum = 77")
    source_admin.exec_driver_sql("UPDATE visit SET Amount = 5 WHERE VisitNum = 2999")
    monkeypatch.delattr(comparison, "compare")
    night()
    assert rows_of(replication) == rows_of(source_admin)


def test_keys_in_heaps_are_found_too(night: Night, source_admin: Connection, replication: Connection) -> None:
    make_visits(
        source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "IF(seq = 1, -9e18, IF(seq = 2, 9e18, seq))"
    )
    night()
    source_admin.exec_driver_sql("UPDATE visit SET Amount = -1 WHERE VisitNum IN (77, 9000000000000000000)")
    night()
    assert rows_of(replication) == rows_of(source_admin)


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


def test_an_enums_error_value_is_no_empty_label(
    night: Night, source_admin: Connection, replication: Connection
) -> None:
    source_admin.exec_driver_sql("SET sql_mode=''")
    source_admin.exec_driver_sql(
        "CREATE TABLE visit (VisitNum bigint PRIMARY KEY, Kind enum('', 'a') NOT NULL, Stamp timestamp NULL) "
        "ENGINE=MyISAM"
    )
    source_admin.exec_driver_sql(f"INSERT INTO visit SELECT seq, '', '2020-01-01' FROM {counted(1, 50)}")
    night()
    source_admin.exec_driver_sql("UPDATE visit SET Kind = 0 WHERE VisitNum = 7")
    found = night().findings
    kept = int(replication.exec_driver_sql("SELECT Kind + 0 FROM visit WHERE VisitNum = 7").scalar_one())
    assert (found, kept) == ((), 0)
