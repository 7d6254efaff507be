"""The demo's processes are stopped before they are killed, in the middle of a table too."""

from __future__ import annotations

from small_clinic import Clinic

from dental_etl.run import TableStatus
from workers import stack
from workers.routing import Queue


def test_a_worker_at_a_table_gives_its_message_back_and_goes(clinic: Clinic) -> None:
    arguments = stack.worker_arguments(list(Queue), processes=2, node="all")
    with clinic.held_at_the_source("patient"):
        stack.start_one(clinic.directory, clinic.environment, name="all", arguments=arguments)
        run_id = clinic.enqueue("table('patient')")
        clinic.extracting(run_id, "patient")
        clinic.await_reader("patient")
        stack.stop(clinic.directory)
    assert "Restoring 1 unacknowledged message" in stack.log(clinic.directory, "all").read_text()
    clinic.worker()
    clinic.ended(run_id, is_swept=True)
    assert clinic.results(run_id)["patient"].status is TableStatus.LOADED
