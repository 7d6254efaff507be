"""A worker that is asked to stop does so in time, whatever the source is doing."""

from __future__ import annotations

import signal
import time

from small_clinic import Clinic

from dental_etl.run import TableStatus

NIGHT = "nightly(run_date=__import__('datetime').date(2026, 1, 30))"
SOFT_SECONDS = 3
GRACE_SECONDS = 15


def test_a_reader_that_waits_for_a_locked_table_does_not_hold_its_worker_up(clinic: Clinic) -> None:
    hasty = f"from workers.app import app\napp.conf.worker_soft_shutdown_timeout = {SOFT_SECONDS}\n"
    (clinic.directory / "hasty.py").write_text(hasty)
    with clinic.held_at_the_source("patient"):
        worker = clinic.worker(app="hasty", environment={"REMAP_SIGTERM": "SIGQUIT"})
        run_id = clinic.enqueue(NIGHT)
        clinic.extracting(run_id, "patient")
        clinic.await_reader("patient")
        started = time.monotonic()
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(60) == 0
        assert time.monotonic() - started < SOFT_SECONDS + GRACE_SECONDS
    clinic.worker()
    clinic.ended(run_id, is_swept=True)
    assert clinic.results(run_id)["patient"].status is TableStatus.LOADED
