"""A night and a rerun through real workers."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from small_clinic import TABLES, Clinic, until

from dental_etl.connections import connect
from dental_etl.run import RunKind, RunStatus, TableStatus
from dental_etl.tracking import ledger
from dental_etl.tracking.migrations import migrate

NIGHT = "nightly(run_date=__import__('datetime').date(2026, 1, 30))"
NOON = "2026-01-30T12:00:00-06:00"


def test_a_night_brings_every_table_to_raw(clinic: Clinic) -> None:
    clinic.worker()
    run_id = clinic.enqueue(NIGHT)
    run = clinic.ended(run_id)
    assert {name: clinic.count(name) for name in TABLES} == dict.fromkeys(TABLES, 200)
    assert {result.status for result in clinic.results(run_id).values()} == {TableStatus.LOADED}
    assert run.finalised_by == "chord"
    assert clinic.steps(run_id) >= {"verify", "report", "notify", "transform"}


def test_a_night_is_not_started_twice(clinic: Clinic) -> None:
    clinic.worker()
    first = clinic.enqueue(NIGHT)
    clinic.ended(first)
    second = clinic.enqueue(NIGHT)
    third = clinic.enqueue(f"table('{TABLES[0]}')")  # one queue: when it has ended, the second was looked at
    clinic.ended(third)
    assert clinic.run(second) is None


def test_one_table_is_rerun_from_a_shell(clinic: Clinic) -> None:
    clinic.worker()
    done = clinic.shell("from workers.enqueue import table; print(table('patient'))")
    run = clinic.ended(done.stdout.strip())
    assert done.stderr == ""
    assert (run.kind, run.status) == (RunKind.RERUN, RunStatus.SUCCEEDED)
    assert set(clinic.results(run.run_id)) == {"patient"}


def test_a_rerun_of_a_category_takes_its_tables(clinic: Clinic) -> None:
    clinic.worker()
    run_id = clinic.enqueue("category('tiny')")
    clinic.ended(run_id)
    assert set(clinic.results(run_id)) == set(TABLES)


def test_a_rerun_waits_for_the_table_that_a_night_works(clinic: Clinic) -> None:
    with clinic.held_at_the_source("patient"):
        clinic.worker(processes=3)
        night = clinic.enqueue(NIGHT)
        clinic.extracting(night, "patient")
        rerun = clinic.enqueue("table('patient')")
        until(lambda: "put off" in clinic.log(), "a rerun that waits")
    clinic.ended(rerun)
    assert (clinic.results(rerun)["patient"].status, clinic.results(rerun)["patient"].attempts) == (
        TableStatus.LOADED,
        2,
    )


def test_a_second_delivery_is_dropped(clinic: Clinic) -> None:
    with clinic.held_at_the_source("patient"):
        clinic.worker(processes=3)
        run_id = clinic.enqueue("table('patient')")
        clinic.extracting(run_id, "patient")
        clinic.send("etl.extract", "extract", run_id, "patient", "tiny")
        until(lambda: "dropped" in clinic.log(), "a second delivery")
    clinic.ended(run_id)
    assert clinic.results(run_id)["patient"].attempts == 2


def test_a_run_that_never_ended_does_not_cost_the_next_night(clinic: Clinic) -> None:
    past = datetime(2026, 1, 30, 12, tzinfo=UTC)
    migrate(clinic.settings.analytics)
    with connect(clinic.settings.analytics) as connection:
        ledger.open_run(
            connection,
            run_id="old",
            kind=RunKind.NIGHTLY,
            run_date=date(2026, 1, 29),
            now=past,
            deadline=past,
        )
        connection.commit()
    clinic.worker()
    clinic.ended(clinic.enqueue(NIGHT))
    old = clinic.run("old")
    assert old is not None
    assert (old.status, clinic.notifications("old")) == (
        RunStatus.FAILED,
        ["dental_etl: run old never ended"],
    )


def test_a_night_that_was_not_started_is_caught_up_once(clinic: Clinic) -> None:
    clinic.worker(
        environment={"TEST_BLOCKED_HOURS": "06:00-21:00", "TEST_CLOCK": "2026-01-31T01:05:00-06:00"}
    )
    clinic.send("etl.ensure_nightly", "control")
    (run,) = until(clinic.runs, "a night that was caught up")
    clinic.ended(run.run_id)
    clinic.send("etl.ensure_nightly", "control")
    until(lambda: clinic.log().count("Task etl.ensure_nightly") == 4, "a second look")  # received, succeeded
    assert [(one.run_date, one.deadline) for one in clinic.runs()] == [
        (date(2026, 1, 30), datetime(2026, 1, 31, 12, tzinfo=UTC))
    ]


def test_outside_the_window_the_night_is_refused_before_anything_touches_the_source(clinic: Clinic) -> None:
    """Nothing listens at the source's port: had anything tried it, another code would be there."""
    closed = {
        "TEST_BLOCKED_HOURS": "06:00-21:00",
        "TEST_CLOCK": NOON,
        "TEST_OPENDENTAL_SOURCE_PORT": "1",
    }
    clinic.worker(environment=closed)
    run = clinic.ended(clinic.enqueue(NIGHT, **closed))
    assert (run.status, run.error_code) == (RunStatus.REFUSED, "E_WINDOW")
    assert clinic.notifications(run.run_id) == [f"dental_etl: run {run.run_id} was not run"]


def test_a_rerun_outside_the_window_is_refused_in_the_shell(clinic: Clinic) -> None:
    done = clinic.shell(
        "from workers.enqueue import table; table('patient')",
        TEST_BLOCKED_HOURS="06:00-21:00",
        TEST_CLOCK=NOON,
    )
    assert "WindowClosedError" in done.stderr


@pytest.mark.parametrize(
    ("clock", "is_missing"),
    [
        pytest.param("2026-10-31T12:00:00-05:00", "False", id="by day"),
        pytest.param("2026-10-31T21:01:00-05:00", "False", id="the start is under way"),
        pytest.param("2026-10-31T21:05:00-05:00", "True", id="the start was missed"),
        pytest.param("2026-11-01T01:30:00-05:00", "True", id="half past one"),
        pytest.param("2026-11-01T01:30:00-06:00", "True", id="half past one again"),
        pytest.param("2026-11-01T05:59:00-06:00", "True", id="the last minute"),
        pytest.param("2026-11-01T06:00:00-06:00", "False", id="the window has closed"),
    ],
)
def test_a_night_is_missed_inside_the_window_only(clinic: Clinic, clock: str, is_missing: str) -> None:
    look = "from workers import nights, process\nprint(nights.is_missing(process.now()))"
    environment = {"TEST_BLOCKED_HOURS": "06:00-21:00", "TEST_CLOCK": clock}
    if is_missing == "False":
        environment["TEST_POSTGRES_ANALYTICS_PORT"] = "1"  # nobody is asked then
    assert clinic.shell(look, **environment).stdout.strip() == is_missing
