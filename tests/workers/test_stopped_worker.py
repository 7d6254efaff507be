"""A worker that is asked to stop does so in time, and its table goes on elsewhere where it was."""

from __future__ import annotations

import signal
import time

import pytest
from small_clinic import Clinic, Worker, until
from sqlalchemy import text

from dental_etl.connections import connect
from dental_etl.run import TableStatus
from ops.faults.line import Line
from tests.counting import counted

NIGHT = "nightly(run_date=__import__('datetime').date(2026, 1, 30))"
SOFT_SECONDS = 3
GRACE_SECONDS = 15
ROWS, BATCH_ROWS = 4_000, 100
#: Bytes per second: a batch of about 3 kB then takes about 0.1 s, and one second.
SLOW, CRAWL = 30_000.0, 3_000.0


@pytest.fixture
def hasty(clinic: Clinic) -> Clinic:
    """The clinic, with an app whose workers leave their tables three seconds after they are asked to."""
    shortened = f"from workers.app import app\napp.conf.worker_soft_shutdown_timeout = {SOFT_SECONDS}\n"
    (clinic.directory / "hasty.py").write_text(shortened)
    return clinic


def leave(worker: Worker) -> tuple[int, float]:
    """Ask a worker to stop as a supervisor does; return its exit code and how long that took."""
    started = time.monotonic()
    worker.process.send_signal(signal.SIGTERM)
    return worker.process.wait(60), time.monotonic() - started


def committed_rows(clinic: Clinic) -> int:
    """Return how many rows of patient are committed with the checkpoint of its unfinished copy."""
    with connect(clinic.settings.replication) as connection:
        if connection.execute(text("SHOW TABLES LIKE 'etl_copy_status'")).scalar() is None:
            return 0
        copied = text(
            "SELECT rows_copied FROM etl_copy_status WHERE table_name = 'patient' AND checkpoint IS NOT NULL"
        )
        return int(connection.execute(copied).scalar() or 0)


def test_a_reader_that_waits_for_a_locked_table_does_not_hold_its_worker_up(hasty: Clinic) -> None:
    with hasty.held_at_the_source("patient"):
        worker = hasty.worker(app="hasty", environment={"REMAP_SIGTERM": "SIGQUIT"})
        run_id = hasty.enqueue(NIGHT)
        hasty.extracting(run_id, "patient")
        hasty.await_reader("patient")
        code, seconds = leave(worker)
    assert code == 0
    assert seconds < SOFT_SECONDS + GRACE_SECONDS
    hasty.worker()
    hasty.ended(run_id, is_swept=True)
    assert hasty.results(run_id)["patient"].status is TableStatus.LOADED


def test_its_table_goes_on_elsewhere_and_reads_no_batch_but_one_again(hasty: Clinic) -> None:
    hasty.source.exec_driver_sql(
        f"INSERT INTO patient (Note) SELECT CONCAT('x', seq) FROM {counted(1, ROWS - 200)}"
    )
    hasty.source.commit()
    overrides = hasty.settings.tables_file.with_name("tables.overrides.yml")
    overrides.write_text(f"tables:\n  patient: {{batch_size: {BATCH_ROWS}}}\n")
    line = Line(hasty.settings.source.port)
    line.speed = SLOW
    slow = {"REMAP_SIGTERM": "SIGQUIT", "TEST_OPENDENTAL_SOURCE_PORT": str(line.port)}
    worker = hasty.worker(app="hasty", environment=slow)
    run_id = hasty.enqueue("table('patient')")
    until(lambda: committed_rows(hasty) > BATCH_ROWS, "a checkpoint")
    line.speed = CRAWL
    code, seconds = leave(worker)
    line.close()
    committed = committed_rows(hasty)
    assert (code, seconds < SOFT_SECONDS + GRACE_SECONDS, committed < ROWS) == (0, True, True)
    hasty.worker()
    hasty.ended(run_id, is_swept=True)
    result = hasty.results(run_id)["patient"]
    assert (result.status, hasty.count("patient")) == (TableStatus.LOADED, ROWS)
    assert ROWS <= committed + result.rows_read <= ROWS + BATCH_ROWS
