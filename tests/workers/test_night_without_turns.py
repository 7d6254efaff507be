"""A night in which most tables, or all, did not change: no message is sent for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from small_clinic import TABLES, Clinic

from dental_etl.run import TableStatus
from dental_etl.sandbox.state import Sandbox

NIGHT = "nightly(run_date=__import__('datetime').date(2026, 1, {day}))"
_LONG_AGO = 1_600_000_000


@pytest.fixture
def settled(clinic: Clinic, sandbox: Sandbox) -> Clinic:
    """All tables copied and compared, and their files look as if nobody had written them for years."""
    for file in _files(sandbox):
        os.utime(file, (_LONG_AGO, _LONG_AGO))
    clinic.worker()
    clinic.ended(clinic.enqueue(NIGHT.format(day=28)))
    return clinic


def _files(sandbox: Sandbox) -> list[Path]:
    found = list(sandbox.source.data_directory.rglob("*.MYD"))
    return [file for file in found if file.stem in TABLES]


def _attempts(clinic: Clinic, run_id: str) -> dict[str, int]:
    return {table: result.attempts for table, result in clinic.results(run_id).items()}


def test_a_night_without_a_turn_comes_to_its_end(settled: Clinic) -> None:
    run_id = settled.enqueue(NIGHT.format(day=29))
    run = settled.ended(run_id)
    assert _attempts(settled, run_id) == dict.fromkeys(TABLES, 0)
    assert {result.status for result in settled.results(run_id).values()} == {TableStatus.LOADED}
    assert run.finalised_by == "plan"
    assert settled.steps(run_id) >= {"verify", "report", "notify", "transform"}


def test_only_what_changed_is_worked(settled: Clinic) -> None:
    settled.source.exec_driver_sql("UPDATE patient SET Note = 'other' WHERE Id = 7")
    settled.source.commit()
    run_id = settled.enqueue(NIGHT.format(day=29))
    run = settled.ended(run_id)
    assert _attempts(settled, run_id) == {**dict.fromkeys(TABLES, 0), "patient": 2}
    assert settled.results(run_id)["patient"].rows_written == 1
    assert run.finalised_by == "chord"


def test_a_night_that_lost_its_messages_works_what_has_a_turn(settled: Clinic) -> None:
    settled.source.exec_driver_sql("UPDATE patient SET Note = 'other' WHERE Id = 7")
    settled.source.commit()
    with settled.held_at_the_source("patient"):
        run_id = settled.enqueue(NIGHT.format(day=29))
        settled.extracting(run_id, "patient")
        settled.forget()
    settled.ended(run_id, is_swept=True)
    assert settled.results(run_id)["patient"].status is TableStatus.LOADED
    assert {table for table, attempts in _attempts(settled, run_id).items() if attempts} == {"patient"}
