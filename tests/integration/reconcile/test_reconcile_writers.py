"""Writers that never stop while a table is compared."""

from __future__ import annotations

from dataclasses import replace
from threading import Event, Thread

import pytest
from sqlalchemy import Connection
from visits import (
    UNSTAMPED,
    Night,
    make_visits,
    rows_of,
)

from dental_etl.config import Role, Settings
from dental_etl.connections import engine
from dental_etl.exceptions import DatabaseTransactionError
from dental_etl.extract.attempt import Attempt
from dental_etl.reconciliation import comparison
from dental_etl.run import Severity
from dental_etl.sandbox.state import ADMIN_USER, Sandbox


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
    make_visits(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq", engine=engine_name)
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
    assert [one for result in results for one in result.findings if one.severity is Severity.CRITICAL] == []
    night()
    assert rows_of(replication) == rows_of(source_admin)


def test_a_table_that_takes_the_place_of_the_one_that_is_read_deletes_nothing(
    night: Night, source_admin: Connection, replication: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a moment that began before its rows were written it is empty, and the server says nothing."""
    make_visits(source_admin, "VisitNum bigint NOT NULL PRIMARY KEY", "seq", engine="InnoDB", rows=500)
    night(UNSTAMPED)
    source_admin.exec_driver_sql("DO SLEEP(1.1)")  # a table's time has whole seconds
    source_admin.exec_driver_sql("CREATE TABLE other LIKE visit")
    count_rows = comparison.row_counts

    def replaced(attempt: Attempt) -> tuple[int, int]:
        source_admin.exec_driver_sql("INSERT INTO other SELECT * FROM visit")
        source_admin.exec_driver_sql("RENAME TABLE visit TO former, other TO visit")
        return count_rows(attempt)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(comparison, "row_counts", replaced)
        with pytest.raises(DatabaseTransactionError, match="replaced"):
            night(UNSTAMPED)
    assert len(rows_of(replication)) == 500
    assert night(UNSTAMPED).rows_deleted == 0
