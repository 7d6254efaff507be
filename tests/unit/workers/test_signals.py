from __future__ import annotations

import logging

from workers.signals import Subject, SubjectFilter, subject_of


def test_a_tables_task_is_about_its_run_and_table() -> None:
    assert subject_of("etl.extract", ["r1", "patient", "tiny"]) == Subject(run_id="r1", table="patient")


def test_a_runs_task_is_about_its_run() -> None:
    assert subject_of("etl.finalise", ["r1", "chord"]) == Subject(run_id="r1")


def test_a_log_line_keeps_the_table_it_names_itself() -> None:
    record = logging.makeLogRecord({"table": "claim"})
    SubjectFilter().filter(record)
    assert (record.table, record.run_id) == ("claim", "-")  # type: ignore[attr-defined]  # set by the filter
