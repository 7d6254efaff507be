"""Faults of workers: killed, poisoned, asked to stop."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from signal import SIGTERM

import psutil

from dental_etl.run import Stage, TableStatus
from ops.faults.line import Line
from ops.faults.theatre import (
    CRAWL,
    HOSTS,
    LONG_TABLE,
    ROOT,
    BrokenPromiseError,
    Night,
    Theatre,
    require,
    until,
)
from workers import stack
from workers.celeryconfig import KEY_PREFIX
from workers.routing import Queue

_SOFT_SECONDS = 60
_GRACE_SECONDS = 15
#: A minute in which nobody may touch the table, a minute until the next sweep, and a worker's start.
_RECOVERED_SECONDS = 150.0


def child_killed(theatre: Theatre) -> None:
    night = theatre.start_night()
    night.await_table(LONG_TABLE).kill()
    night.end()


def child_killed_in_load(theatre: Theatre) -> None:
    night = theatre.start_night()
    night.await_table(LONG_TABLE, Stage.LOAD).kill()
    night.end()


def parent_killed(theatre: Theatre) -> None:
    night = theatre.start_night()
    night.await_table(LONG_TABLE)
    theatre.lose_host("reading")
    theatre.start_host("reading")
    night.end()


def parent_killed_in_production(theatre: Theatre) -> None:
    """A lost host as production meets it: beat's own sweep once a minute, with a patience of a minute."""
    beat = theatre.start_beat("beat", "ops.faults.minute_beat")
    night = theatre.start_night()
    night.await_table(LONG_TABLE)
    theatre.lose_host("reading")
    lost_at = time.monotonic()
    theatre.start_host("reading")
    night.await_table(LONG_TABLE)
    seconds = time.monotonic() - lost_at
    theatre.notes.append(f"its table was worked again after {seconds:.0f} s")
    night.end(is_swept=False)
    theatre.stop_process(beat)
    require(that=seconds < _RECOVERED_SECONDS, otherwise=f"a lost host's table waited {seconds:.0f} s")


def every_host_lost(theatre: Theatre) -> None:
    night = theatre.start_night()
    night.await_table(LONG_TABLE)
    for name in HOSTS:
        theatre.lose_host(name)
    theatre.fill_hosts()
    night.end()


def killed_while_publishing(theatre: Theatre) -> None:
    """The steering host publishes over a slow line to the broker, and dies with the tables half published."""
    theatre.lose_host("steering")
    line = Line(theatre.sandbox.broker.port)
    broker = theatre.settings.broker_url.replace(f":{theatre.sandbox.broker.port}/", f":{line.port}/")
    theatre.start_host("steering", environment={"TEST_CELERY_BROKER_URL": broker})
    line.speed = 40_000.0
    theatre.speed(CRAWL)
    night = theatre.start_night()
    with theatre.redis() as client:
        until(lambda: client.llen(f"{KEY_PREFIX}{Queue.EXTRACT}") > 5, "half of the tables' messages")
        theatre.lose_host("steering")
        published = int(client.llen(f"{KEY_PREFIX}{Queue.EXTRACT}"))
    planned = len(night.results())
    require(that=published + 3 < planned, otherwise="the plan was published before its worker was killed")
    line.close()
    theatre.start_host("steering")
    night.end()


def poison_table(theatre: Theatre) -> None:
    """One table kills every process that touches it: it ends as failed, the others arrive; then it is cured."""
    night = theatre.start_night()
    while _kill_holder(night, LONG_TABLE):
        pass
    row = night.end()
    table = night.table(LONG_TABLE)
    require(
        that=(table.status, table.error_code) == (TableStatus.FAILED, "E_WORKER_LOST"),
        otherwise=f"the poison table should end as E_WORKER_LOST, not as {table.status} {table.error_code}",
    )
    others = {result.status for name, result in night.results().items() if name != LONG_TABLE}
    require(that=others == {TableStatus.LOADED}, otherwise="the poison table took others along")
    require(that=row.status.is_terminal, otherwise="the night did not end")
    theatre.start_night().end()


def sigterm_on_a_long_table(theatre: Theatre) -> None:
    """The worker ends within the soft timeout and 15 s with 0; its table goes on elsewhere where it was."""
    theatre.lose_host("reading")
    leaving = _popen_host(theatre, "reading")
    night = theatre.start_night()
    night.await_table(LONG_TABLE)
    theatre.speed(CRAWL)
    started = time.monotonic()
    leaving.send_signal(SIGTERM)
    code = _exit_code(leaving)
    seconds = time.monotonic() - started
    require(that=code == 0, otherwise=f"the worker ended with {code}")
    require(
        that=seconds < _SOFT_SECONDS + _GRACE_SECONDS, otherwise=f"the worker took {seconds:.0f} s to end"
    )
    theatre.start_host("reading")
    night.end()
    table = night.table(LONG_TABLE)
    require(
        that=table.rows_read < (table.rows_total or 0),
        otherwise=f"{LONG_TABLE} was read again from its first row",
    )


def _kill_holder(night: Night, table: str) -> bool:
    """Kill whoever works the table, the next time that somebody does; False when it has ended."""
    swept_at = time.monotonic()

    def look() -> psutil.Process | TableStatus | None:
        nonlocal swept_at
        if time.monotonic() - swept_at > 2.0:
            swept_at = time.monotonic()
            night.theatre.send("etl.sweep", Queue.CONTROL, stale_seconds=5.0)
        result = night.results().get(table)
        if result is None:
            return None
        return result.status if result.status.is_terminal else night.theatre.holder(table, Stage.EXTRACT)

    seen = until(look, f"a worker at {table}")
    if not isinstance(seen, psutil.Process):
        return False
    seen.kill()
    psutil.wait_procs([seen], timeout=30)
    return True


def _popen_host(theatre: Theatre, name: str) -> subprocess.Popen[bytes]:
    """Start a host as a child of ours, so that its exit code is seen."""
    queues, count = HOSTS[name]
    arguments = stack.worker_arguments(queues, processes=count, node=name)
    log = stack.log(theatre.directory, name)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", *arguments],
            env={**os.environ, **theatre.environment, "REMAP_SIGTERM": "SIGQUIT"},
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    stack.remember(theatre.directory, name, process.pid)
    theatre.await_ready(name)
    return process


def _exit_code(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(timeout=_SOFT_SECONDS + 4 * _GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        raise BrokenPromiseError("the worker did not end at all") from None
