"""Going on with a run while Redis is away: one sentence, and the run stays as it is."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

from small_clinic import Clinic

from dental_etl import pipeline
from dental_etl.run import RunKind, RunStatus
from dental_etl.tracking import ledger

RUN_ID = "20260131T040000-abcdef"


def test_a_broker_that_is_away_is_named_with_what_to_type(clinic: Clinic) -> None:
    now = datetime.now(UTC)
    pipeline.open_rerun(clinic.settings, RUN_ID, RunKind.RERUN, now)
    pipeline.plan_run(clinic.settings, RUN_ID, lambda: now)
    done = subprocess.run(
        [sys.executable, "-c", "from workers.cli import main; main()", "resume", RUN_ID],
        env={**clinic.environment, "TEST_CELERY_BROKER_URL": "redis://127.0.0.1:1/0"},
        cwd=clinic.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr.startswith("E_BROKER: ")) == (1, True)
    with pipeline.ledger_transaction(clinic.settings) as connection:
        assert ledger.run(connection, RUN_ID).status is RunStatus.ACTIVE
