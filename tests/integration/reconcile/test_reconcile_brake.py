"""An emptied or half-restored source does not empty the replica."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection
from visits import (
    STAMPED,
    UNSTAMPED,
    Night,
    rows_of,
)

from dental_etl.config import TableConfig
from dental_etl.exceptions import DeleteBrakeError
from dental_etl.run import RefreshMode


def test_an_emptied_source_does_not_empty_the_replica(
    night: Night, visits: Connection, replication: Connection
) -> None:
    night()
    before = rows_of(replication)
    visits.exec_driver_sql("DELETE FROM visit")
    with pytest.raises(DeleteBrakeError, match=r"3,000 of its 3,000 rows.*--confirm-deletes"):
        night()
    assert rows_of(replication) == before


@pytest.mark.parametrize("config", [STAMPED, UNSTAMPED], ids=["stamped", "unstamped"])
@pytest.mark.parametrize("refresh", [RefreshMode.FULL, RefreshMode.INCREMENTAL])
def test_the_brake_holds_in_every_way_of_copying(
    night: Night, visits: Connection, replication: Connection, config: TableConfig, refresh: RefreshMode
) -> None:
    night(config)
    visits.exec_driver_sql("DELETE FROM visit WHERE VisitNum > 1900")
    with pytest.raises(DeleteBrakeError):
        night(config, refresh)
    assert len(rows_of(replication)) == 3000


def test_keys_that_are_all_new_pull_the_brake_of_a_replica_that_was_altered_in_place(
    night: Night, visits: Connection, replication: Connection
) -> None:
    night()
    visits.exec_driver_sql("ALTER TABLE visit ADD Extra int NOT NULL DEFAULT 7")
    night()
    visits.exec_driver_sql("UPDATE visit SET VisitNum = VisitNum + 100000")
    with pytest.raises(DeleteBrakeError):
        night(STAMPED, RefreshMode.FULL)
    assert {row[0] for row in rows_of(replication)} == set(range(1, 3001))


def test_keys_that_are_all_new_pull_the_brake_too(
    night: Night, visits: Connection, replication: Connection
) -> None:
    night()
    visits.exec_driver_sql("UPDATE visit SET VisitNum = VisitNum + 100000")
    with pytest.raises(DeleteBrakeError):
        night()
    kept = {row[0] for row in rows_of(replication)}
    assert set(range(1, 3001)) <= kept


@pytest.mark.parametrize("refresh", [RefreshMode.FULL_CONFIRMED, RefreshMode.CONFIRMED])
def test_a_confirmed_loss_is_carried_out(
    night: Night, visits: Connection, replication: Connection, refresh: RefreshMode
) -> None:
    night()
    visits.exec_driver_sql("DELETE FROM visit WHERE VisitNum > 10")
    night(STAMPED, refresh)
    assert rows_of(replication) == rows_of(visits)


def test_a_few_deletes_need_no_confirmation(
    night: Night, visits: Connection, replication: Connection
) -> None:
    night()
    visits.exec_driver_sql("DELETE FROM visit WHERE VisitNum > 2000")
    night()
    assert rows_of(replication) == rows_of(visits)
