"""The doctor, beside real workers and without them."""

from __future__ import annotations

import json
import subprocess
import sys

from small_clinic import Clinic, until

QUEUES = ("control", "large", "extract", "load", "dbt")


def examined(clinic: Clinic, **environment: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """Return the doctor's exit code, and severity and words per thing that it looked at."""
    done = subprocess.run(
        [sys.executable, "-c", "from workers.cli import main; main()", "doctor", "--json"],
        env={**clinic.environment, **environment},
        cwd=clinic.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, {
        one["check"]: (one["severity"], one["message"]) for one in json.loads(done.stdout)
    }


def test_without_workers_and_beat_each_is_named_with_its_remedy(clinic: Clinic) -> None:
    code, found = examined(clinic)
    assert code == 1
    assert found["broker"][0] == "information"
    assert found["beat"][0] == "critical"
    assert "dental-beat" in found["beat"][1]
    for queue in QUEUES:
        severity, message = found[f"queue {queue}"]
        assert severity == "critical"
        assert f"dental-worker@{queue}" in message


def test_workers_and_beat_that_run_are_well(clinic: Clinic) -> None:
    clinic.worker(queues="control,large,extract,load", processes=1)
    clinic.beat()
    until(lambda: examined(clinic)[1]["beat"][0] == "information", "a beat that ticks")
    _code, found = examined(clinic)
    assert found["queue control"] == ("information", "1 worker(s) take from it.")
    assert found["queue dbt"][0] == "critical"


def test_a_broker_that_is_not_there_is_one_finding(clinic: Clinic) -> None:
    _code, found = examined(clinic, TEST_CELERY_BROKER_URL="redis://127.0.0.1:1/0")
    assert found["broker"][0] == "critical"
    assert "CELERY_BROKER_URL" in found["broker"][1]
    assert "dbt" in found
