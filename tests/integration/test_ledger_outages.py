"""Servers that are away, against a real PostgreSQL: known once, asked with growing pauses, told once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from dental_etl import pipeline
from dental_etl.config import Role, Settings
from dental_etl.connections import connect
from dental_etl.exceptions import ServerAwayError
from dental_etl.run import RunKind, Stage
from dental_etl.run_window import BlockedHours, RunWindow
from dental_etl.tracking import ledger
from dental_etl.tracking.migrations import migrate

NOW = datetime(2026, 1, 31, 4, tzinfo=UTC)
RUN_ID = "20260131T030000-abcdef"
PAUSE = timedelta(minutes=1)
AWAY = ServerAwayError("The source database could not be reached.", server="source")


@pytest.fixture
def unreachable(analytics: Connection, sandbox_settings: Settings) -> Settings:
    """A night under way in a clinic whose server does not listen."""
    analytics.close()
    migrate(sandbox_settings.analytics)
    with connect(sandbox_settings.analytics) as connection:
        ledger.open_run(
            connection,
            run_id=RUN_ID,
            kind=RunKind.NIGHTLY,
            run_date=date(2026, 1, 30),
            now=NOW,
            deadline=NOW + timedelta(hours=8),
        )
        connection.commit()
    return replace(sandbox_settings, source=replace(sandbox_settings.source, port=1))


def titles(settings: Settings) -> list[str]:
    with connect(settings.analytics) as connection:
        found = connection.execute(text("SELECT title FROM etl.notification ORDER BY notification_id"))
        return list(found.scalars())


def away(settings: Settings) -> list[ledger.Outage]:
    with connect(settings.analytics) as connection:
        return list(ledger.outages(connection))


def test_a_server_goes_away_once_however_many_tables_meet_it(unreachable: Settings) -> None:
    for minute in range(3):
        pipeline.notice(unreachable, RUN_ID, AWAY, NOW + timedelta(minutes=minute))
    assert [(one.server, one.began_at) for one in away(unreachable)] == [(Role.SOURCE, NOW)]


def test_it_is_asked_with_growing_pauses(unreachable: Settings) -> None:
    pipeline.notice(unreachable, RUN_ID, AWAY, NOW)
    asked = []
    for minute in range(20):
        pipeline.ask(unreachable, NOW + timedelta(minutes=minute), PAUSE)
        asked.append(away(unreachable)[0].asked)
    times = [minute for minute in range(20) if asked[minute] != (asked[minute - 1] if minute else 0)]
    assert times == [0, 1, 3, 7, 12, 17]


def test_people_are_told_once_and_not_of_a_restart(unreachable: Settings) -> None:
    pipeline.notice(unreachable, RUN_ID, AWAY, NOW)
    told = []
    for minute in (0, 1, 3, 7, 12):
        pipeline.ask(unreachable, NOW + timedelta(minutes=minute), PAUSE)
        told.append(titles(unreachable))
    once = ["dental_etl: the source database has not answered since 22:00"]
    assert told == [[], [], once, once, once]


def test_the_source_is_not_asked_by_day(unreachable: Settings) -> None:
    day = datetime(2026, 1, 31, 18, tzinfo=UTC)
    blocked = replace(unreachable, window=_central_day())
    pipeline.notice(blocked, RUN_ID, AWAY, NOW)
    assert pipeline.ask(blocked, day, PAUSE) == {Role.SOURCE}
    assert away(blocked)[0].asked == 0


def test_a_server_that_answers_is_back_for_everybody(
    unreachable: Settings, sandbox_settings: Settings
) -> None:
    pipeline.notice(unreachable, RUN_ID, AWAY, NOW)
    for minute in (0, 1, 3):
        pipeline.ask(unreachable, NOW + timedelta(minutes=minute), PAUSE)
    assert pipeline.ask(sandbox_settings, NOW + timedelta(minutes=40), PAUSE) == frozenset()
    with connect(sandbox_settings.analytics) as connection:
        ledger.require_servers(connection, Stage.EXTRACT)
        (found,) = ledger.findings(connection, RUN_ID)
    assert found.message.startswith("The source database could not be reached from 22:00 to 22:40")
    assert titles(unreachable)[1:] == ["dental_etl: the source database answers again since 22:40"]


def test_a_load_does_not_wait_for_the_source(unreachable: Settings) -> None:
    pipeline.notice(unreachable, RUN_ID, AWAY, NOW)
    pipeline.ask(unreachable, NOW, PAUSE)
    with connect(unreachable.analytics) as connection:
        ledger.require_servers(connection, Stage.LOAD)
        with pytest.raises(ServerAwayError, match="since 2026-01-31 04:00 UTC"):
            ledger.require_servers(connection, Stage.EXTRACT)


def test_a_worker_with_no_way_to_the_source_stops_nobody_else(
    unreachable: Settings, sandbox_settings: Settings
) -> None:
    """A host without the tunnel to the clinic; where the sweep runs, the server answers every time."""
    for minute in range(3):
        at = NOW + timedelta(minutes=minute)
        pipeline.notice(unreachable, RUN_ID, AWAY, at)
        with connect(unreachable.analytics) as connection:
            ledger.require_servers(connection, Stage.EXTRACT)
        assert pipeline.ask(sandbox_settings, at, PAUSE) == frozenset()
    with connect(unreachable.analytics) as connection:
        (found,) = ledger.findings(connection, RUN_ID)
    assert found.message.startswith("A worker could not reach the source database")


def test_a_start_that_reached_every_server_ends_what_an_earlier_night_left(unreachable: Settings) -> None:
    pipeline.notice(unreachable, RUN_ID, AWAY, NOW)
    pipeline.answered(unreachable, NOW + timedelta(days=1))
    assert away(unreachable) == []


def _central_day() -> RunWindow:
    return RunWindow(blocked=BlockedHours.parse("06:00-21:00"))
