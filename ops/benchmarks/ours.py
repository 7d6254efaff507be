"""Our own phases in a process of their own: warm up, wait for the word, work, say what it took."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from dental_etl import pipeline
from dental_etl.config import Settings
from dental_etl.connections import connect
from dental_etl.report import RunReport
from dental_etl.run import RefreshMode, RunKind, new_run_id
from dental_etl.sandbox import servers
from dental_etl.tracking.migrations import migrate
from ops.benchmarks.laboratory import settings_of

#: In place of a table: the whole night, dbt excepted, as the command line runs it.
ALL = "--all"
#: In place of the phases, behind `ALL`: every row again.
FULL = "full"


def main(directory: str, table: str, *phases: str) -> None:
    """Copy one table by the phases that are named, or all tables.

    Args:
        directory: Of the sandbox.
        table: Which, or `ALL`.
        phases: ``extract``, ``load`` or both; those before them are done unmeasured.
    """
    settings = settings_of(servers.find(Path(directory)))
    work = _night(settings, phases) if table == ALL else _table(settings, table, phases)
    forget_peak()
    idle_mb = status_mb("VmRSS")
    _say("ready")
    sys.stdin.readline()
    started, cpu = time.monotonic(), _cpu_seconds()
    read = work()
    _say(
        json.dumps(
            {
                **read,
                "wall_seconds": time.monotonic() - started,
                "cpu_seconds": _cpu_seconds() - cpu,
                "peak_mb": status_mb("VmHWM") - idle_mb,
            }
        )
    )


def _night(settings: Settings, phases: Sequence[str]) -> Callable[[], dict[str, int]]:
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


def _table(settings: Settings, table: str, phases: Sequence[str]) -> Callable[[], dict[str, int]]:
    run_id = _open_run(settings, table)
    if "extract" not in phases:
        pipeline.extract_phase(settings, run_id, table, clock=_now)

    def work() -> dict[str, int]:
        if "extract" in phases:
            pipeline.extract_phase(settings, run_id, table, clock=_now)
        if "load" in phases:
            pipeline.load_phase(settings, run_id, table, clock=_now)
        return {}

    return work


def _open_run(settings: Settings, table: str) -> str:
    run_id = new_run_id(_now())
    pipeline.open_rerun(settings, run_id, RunKind.MANUAL, _now())
    pipeline.plan_run(settings, run_id, _now(), names=[table])
    for database in (settings.source, settings.replication, settings.analytics):
        with connect(database):
            pass
    return run_id


def _now() -> datetime:
    return datetime.now(UTC)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def forget_peak() -> None:
    """Let the kernel's high-water mark of our memory begin now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main(*sys.argv[1:])
