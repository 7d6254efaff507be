"""How much is compared each night: by policy, budget and window."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import pytest
from sqlalchemy import Connection
from visits import (
    AUDIT,
    STAMPED,
    UNSTAMPED,
    Night,
    make_visits,
    rows_of,
)

from dental_etl.exceptions import DeadlineError
from dental_etl.reconciliation import comparison
from dental_etl.reconciliation import source as source_prover
from dental_etl.run import Severity


def test_a_large_table_is_proven_over_several_nights(night: Night, source_admin: Connection) -> None:
    large = replace(STAMPED, reconcile="rotating", estimated_rows=2_000_000, estimated_size_mb=600)
    make_visits(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq", engine="InnoDB", rows=120_000)
    first = night(large)
    results = [night(large, budget_seconds=0.0) for _ in range(8)]
    proven = [result.proven_at for result in results if result.proven_at != first.proven_at]
    assert proven, "no round came to its end within eight nights"


def test_a_round_that_leaves_a_difference_behind_proves_nothing(
    night: Night, source_admin: Connection, replication: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_prover, "_STRETCH", 1)
    large = replace(STAMPED, reconcile="rotating", estimated_rows=2_000_000, estimated_size_mb=600)
    make_visits(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq", rows=120_000)
    first = night(large)
    replication.exec_driver_sql(
        "CREATE TRIGGER spoil BEFORE INSERT ON visit FOR EACH ROW SET NEW.Amount = NEW.Amount + 1"
    )
    replication.commit()
    source_admin.exec_driver_sql("UPDATE visit SET Amount = -5 WHERE VisitNum = 77")
    results = [night(large, budget_seconds=0.0) for _ in range(8)]
    assert {result.proven_at for result in results} == {first.proven_at}
    assert all(result.findings for result in results), "a night was green while a difference was known"


def test_deletes_of_an_audited_table_are_found_every_night(
    night: Night, source_admin: Connection, replication: Connection
) -> None:
    make_visits(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq", engine="InnoDB", rows=30_000)
    night(AUDIT)
    source_admin.exec_driver_sql("DELETE FROM visit WHERE VisitNum IN (3, 29000)")
    night(AUDIT, budget_seconds=0.0)
    assert rows_of(replication) == rows_of(source_admin)


def test_a_table_that_was_left_alone_too_long_is_compared_whole(
    night: Night, source_admin: Connection, replication: Connection
) -> None:
    rotating = replace(
        AUDIT, reconcile="rotating", primary_incremental_column="Stamp", time_gap_threshold_days=30
    )
    make_visits(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq", engine="InnoDB", rows=30_000)
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
    monkeypatch.setattr(comparison, "row_counts", _too_late)
    result = night()
    assert [(one.check, one.severity) for one in result.findings] == [("reconcile", Severity.WARNING)]
    assert rows_of(replication) == rows_of(visits)


def test_a_comparison_that_is_the_extract_ends_with_the_window(
    night: Night, visits: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    night(UNSTAMPED)
    monkeypatch.setattr(comparison, "row_counts", _too_late)
    with pytest.raises(DeadlineError):
        night(UNSTAMPED)
