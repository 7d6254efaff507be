"""A synthetic clinic of its own, with every worker, beat and Flower running beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from dental_etl import pipeline
from dental_etl.config import DictConfigProvider, Settings, load_settings
from dental_etl.report import RunReport
from dental_etl.run import RunStatus
from dental_etl.run_window import RunWindow
from dental_etl.sandbox import clinic, servers
from dental_etl.sandbox.ports import free_ports
from dental_etl.sandbox.state import Sandbox
from dental_etl.schema_analysis import analyze
from dental_etl.tracking import ledger
from dental_etl.tracking.migrations import migrate
from dental_etl.tracking.run_row import RunRow
from workers import stack

ROOT = Path(__file__).parents[2]
#: Tonight: beat runs beside the tests, and finds that its night has been started.
FIRST_NIGHT = RunWindow(blocked=None).run_date(datetime.now(UTC))
_NIGHT_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A clinic and everything that runs for it."""

    sandbox: Sandbox
    settings: Settings
    environment: Mapping[str, str]
    flower: stack.FlowerAccess

    def shell(self, code: str) -> str:
        """Run Python as an engineer would, and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=dict(self.environment),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def night(self, run_date: date) -> RunReport:
        """Start a night as beat does and return its report when it has ended; beat may have been quicker."""
        self.shell(start_of(run_date))
        until = time.monotonic() + _NIGHT_SECONDS
        while time.monotonic() < until:
            with pipeline.ledger_transaction(self.settings) as connection:
                started = ledger.nightly_runs(connection, run_date)
            runs = [run.run_id for run in started if run.status is not RunStatus.REFUSED]
            if runs:
                return self.ended(runs[0])
            time.sleep(0.5)
        raise AssertionError(f"the night of {run_date} did not start: {started}")

    def ended(self, run_id: str) -> RunReport:
        until = time.monotonic() + _NIGHT_SECONDS
        while time.monotonic() < until:
            run = self.run(run_id)
            if run is not None and run.status.is_terminal:
                return pipeline.build_report(self.settings, run_id, datetime.now(UTC))
            stack.require_alive(self.sandbox.directory)
            time.sleep(0.5)
        raise AssertionError(f"run {run_id} did not end: {self.run(run_id)}")

    def run(self, run_id: str) -> RunRow | None:
        with pipeline.ledger_transaction(self.settings) as connection:
            return ledger.find_run(connection, run_id)


def start_of(run_date: date) -> str:
    """Return what an engineer types to start a night."""
    return f"from datetime import date; from workers.enqueue import nightly; print(nightly(date{run_date.timetuple()[:3]}))"


@pytest.fixture(scope="module")
def night_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("acceptance")
    sandbox = servers.up(directory)
    try:
        clinic.create(sandbox, patients=150, seed=7, as_of=FIRST_NIGHT)
        variables = {**sandbox.environment(), "PROJECT_ROOT": str(ROOT)}
        settings = load_settings(DictConfigProvider(variables))
        migrate(settings.analytics)
        analyze(settings, now=datetime.now(UTC))
        flower = stack.start(directory, variables, flower_port=free_ports(1)[0])
        assert flower is not None
        environment = {"PATH": os.environ["PATH"], "HOME": str(directory), **variables}
        yield Stack(sandbox=sandbox, settings=settings, environment=environment, flower=flower)
    finally:
        stack.stop(directory)
        servers.destroy(directory)
