from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dental_etl.exceptions import (
    DatabaseConnectionError,
    DataLoadingError,
    DeadlineError,
    FencedError,
    ServerAwayError,
    ServerFullError,
    TableBusyError,
)
from dental_etl.run import Category, Stage, TableStatus
from dental_etl.tracking.ledger import OpenTable
from workers.endings import Ending, ending, error_code, pause_seconds


def open_table(status: TableStatus = TableStatus.EXTRACTING, failures: int = 0) -> OpenTable:
    return OpenTable(
        table="patient",
        category=Category.TINY,
        status=status,
        phase_attempts=1,
        phase_failures=failures,
        epoch="e",
        touched_at=datetime(2026, 1, 31, tzinfo=UTC),
    )


WORKED, WAITING = open_table(), open_table(TableStatus.PLANNED)


@pytest.mark.parametrize(
    ("error", "where", "expected"),
    [
        pytest.param(DatabaseConnectionError("lost"), WORKED, Ending.RETRY, id="lost connection"),
        pytest.param(
            DatabaseConnectionError("lost"), open_table(failures=2), Ending.FAIL, id="attempts spent"
        ),
        pytest.param(ServerAwayError("away", server="source"), WORKED, Ending.PARK, id="the source is away"),
        pytest.param(
            ServerAwayError("away", server="source", is_known=True),
            WAITING,
            Ending.PARK,
            id="the source is known to be away",
        ),
        pytest.param(
            ServerAwayError("away", server="source", is_known=True),
            WORKED,
            Ending.DROP,
            id="second delivery while the source is away",
        ),
        pytest.param(
            ServerAwayError("away", server="replication"),
            open_table(failures=2),
            Ending.PARK,
            id="the replica is away, attempts spent",
        ),
        pytest.param(
            ServerAwayError("away", server="analytics"), WORKED, Ending.RETRY, id="the ledger was away"
        ),
        pytest.param(
            ServerFullError("full"),
            open_table(failures=2),
            Ending.WAIT,
            id="a server has no place, attempts spent",
        ),
        pytest.param(DataLoadingError("no"), WORKED, Ending.FAIL, id="data"),
        pytest.param(ValueError("x"), WORKED, Ending.FAIL, id="unexpected"),
        pytest.param(DeadlineError("06:00"), WORKED, Ending.FAIL, id="window closed"),
        pytest.param(FencedError("newer"), WORKED, Ending.DROP, id="fenced off"),
        pytest.param(DataLoadingError("no"), None, Ending.DROP, id="table has ended"),
        pytest.param(
            TableBusyError("held", table="patient"), WORKED, Ending.DROP, id="second delivery of one message"
        ),
        pytest.param(
            TableBusyError("held", table="patient"), WAITING, Ending.WAIT, id="another run has the table"
        ),
        pytest.param(TableBusyError("slots"), WORKED, Ending.WAIT, id="no place at the source"),
        pytest.param(
            TableBusyError("held", table="patient"),
            open_table(TableStatus.LOADING),
            Ending.DROP,
            id="extract delivered again while the load works",
        ),
    ],
)
def test_a_phase_ends_by_its_error_and_its_place(
    error: Exception, where: OpenTable | None, expected: Ending
) -> None:
    assert ending(error, Stage.EXTRACT, where, 3) is expected


def test_pauses_grow_up_to_five_minutes() -> None:
    assert 7.5 <= pause_seconds(0) <= 15
    assert 150 <= pause_seconds(20) <= 300


def test_a_strangers_error_has_a_code_without_its_text() -> None:
    assert error_code(ValueError("Doe, Jane")) == "E_INTERNAL"
