"""Our own phases in a process of their own: warm up, wait for the word, work, say what it took."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from dental_etl import pipeline
from dental_etl.config import Settings
from dental_etl.connections import connect
from dental_etl.report import RunReport
from dental_etl.run import RefreshMode, RunKind, Stage, new_run_id
from dental_etl.sandbox import servers
from dental_etl.tracking.migrations import migrate
from ops.benchmarks.laboratory import settings_of
from ops.benchmarks.resources import Meter
from ops.benchmarks.sharing import Helpers, share_from_now_on, share_no_more

#: In place of a table: the whole night, dbt excepted, as the command line runs it.
ALL = "--all"
#: In place of the phases, behind `ALL`: every row again.
FULL = "full"
#: Before the phases, and a number: so many helpers share the table, in ranges of its key.
SHARED = "--shared"

#: Returns what the work says of itself.
_Work = Callable[[], dict[str, int]]


def main(directory: str, table: str, *phases: str) -> None:
    """Copy one table by the phases that are named, or all tables.

    Args:
        directory: Of the sandbox.
        table: Which, or `ALL`.
        phases: ``extract``, ``load`` or both; those before them are done unmeasured. `SHARED` and a number
            may come first.
    """
    settings = settings_of(servers.find(Path(directory)))
    share_no_more(settings)
    if table == ALL:
        _measure(_night(settings, phases), None)
    elif phases[:1] == (SHARED,):
        settings = share_from_now_on(settings, table)
        run_id = _open_run(settings, table, phases)
        helpers = Helpers(directory, table, run_id, int(phases[1]))
        _measure(_phases(settings, run_id, table, phases, helpers), helpers)
        share_no_more(settings)
    else:
        run_id = _open_run(settings, table, phases)
        _measure(_phases(settings, run_id, table, phases, None), None)


def _measure(work: _Work, helpers: Helpers | None) -> None:
    meter = Meter()
    _say("ready")
    sys.stdin.readline()
    started = time.monotonic()
    found = work()
    wall_seconds = time.monotonic() - started
    used = [meter.so_far(), *(helpers.costs() if helpers is not None else ())]
    _say(
        json.dumps(
            {
                **found,
                "wall_seconds": wall_seconds,
                "cpu_seconds": sum(one.cpu_seconds for one in used),
                "peak_mb": max(one.peak_mb for one in used),
            }
        )
    )


def _night(settings: Settings, phases: Sequence[str]) -> _Work:
    migrate(settings.analytics)
    refresh = RefreshMode.FULL if FULL in phases else RefreshMode.INCREMENTAL
    return lambda: _read(pipeline.run_here(settings, clock=_now, wants_dbt=False, refresh=refresh))


def _read(made: RunReport) -> dict[str, int]:
    if not made.pipeline_success:
        raise SystemExit("the night failed; the run's report says why")
    return {
        "rows_read": sum(table.rows_read for table in made.tables),
        "bytes_read": sum(table.bytes_read for table in made.tables),
    }


def _phases(
    settings: Settings, run_id: str, table: str, phases: Sequence[str], helpers: Helpers | None
) -> _Work:
    def call(stage: Stage) -> Callable[[Sequence[int]], None] | None:
        return None if helpers is None else helpers.call(stage)

    def work() -> dict[str, int]:
        if "extract" in phases:
            pipeline.extract_phase(settings, run_id, table, clock=_now, helpers=call(Stage.EXTRACT))
        if "load" in phases:
            pipeline.load_phase(settings, run_id, table, clock=_now, helpers=call(Stage.LOAD))
        return {}

    return work


def _open_run(settings: Settings, table: str, phases: Sequence[str]) -> str:
    """Begin a run of one table, warm up, and do what comes before the phases to measure."""
    run_id = new_run_id(_now())
    pipeline.open_rerun(settings, run_id, RunKind.MANUAL, _now())
    pipeline.plan_run(settings, run_id, _now, names=[table])
    for database in (settings.source, settings.replication, settings.analytics):
        with connect(database):
            pass
    if "extract" not in phases:
        pipeline.extract_phase(settings, run_id, table, clock=_now)
    return run_id


def _now() -> datetime:
    return datetime.now(UTC)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
