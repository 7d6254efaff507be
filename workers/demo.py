"""The demo: the next night of a synthetic clinic, through beat's own entry, on this machine.

Safe at any moment: a second demo is refused, Ctrl-C stops everything that was started, and what a
killed demo left behind is found by its pid file and stopped by the next one or by ``make down``.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

from dental_etl import pipeline, report, schema_analysis
from dental_etl.cli import console, night_view
from dental_etl.cli.sandbox import print_change
from dental_etl.config import Settings, load_settings
from dental_etl.exceptions import ETLPipelineError, RunRefusedError, SandboxError
from dental_etl.run import RunKind, RunStatus
from dental_etl.sandbox import change, clinic, servers
from dental_etl.sandbox.ports import free_ports
from dental_etl.sandbox.state import Sandbox
from dental_etl.tracking import ledger
from dental_etl.tracking.migrations import migrate
from workers import enqueue, stack

_APPEAR_SECONDS = 90.0
#: What reaches the demo's servers from the project's folder.
_COMMAND = ".venv/bin/dental-etl --sandbox"
#: Between two looks at the servers.
_SERVERS_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """The night that the demo plays."""

    run_date: date
    #: 1 for the first.
    number: int


def play(directory: Path, *, patients: int, seed: int) -> RunStatus:
    """Play the next night and leave servers, workers and Flower running.

    Args:
        directory: Of the sandbox.
        patients: Size of the clinic, when it is made.
        seed: The same seed makes the same clinic and the same days.

    Raises:
        RunRefusedError: Another demo is playing.
        SandboxError: A server or worker could not be started, or died.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with _alone(directory), _all_stopped_on_interrupt(directory):
        sandbox = _prepare(directory, patients, seed)
        # This process publishes like any worker, and its children read the same variables.
        os.environ.update(sandbox.environment(), PROJECT_ROOT=str(Path(__file__).parents[1]))
        settings = load_settings()
        migrate(settings.analytics)
        stack.stop(directory)
        left = _left_open(settings)
        night = None if left else _prepare_night(sandbox, settings, seed)
        access = stack.start(directory, sandbox.environment(), flower_port=free_ports(1)[0])
        assert access is not None  # noqa: S101  # a port was given
        _say(
            f"Workers, beat and Flower started; Flower: {access.url} (user {access.user}, password {access.password})"
        )
        _write_access(directory, access)
        run_id = _start(settings, night) if night else _resume(left)
        status = night_view.watch(settings, run_id, check=_caretaker(sandbox, access))
        _show_end(settings, run_id, directory, access)
        return status


def stop(directory: Path) -> None:
    """Stop workers, beat, Flower and the servers; nothing happens where nothing runs."""
    stack.stop(directory)
    servers.down(directory)


def _prepare(directory: Path, patients: int, seed: int) -> Sandbox:
    started = time.monotonic()
    sandbox = servers.up(directory)
    _say(f"Servers are up after {time.monotonic() - started:.1f} s: {sandbox.describe()}")
    if not clinic.exists(sandbox):
        started = time.monotonic()
        made = clinic.create(sandbox, patients=patients, seed=seed, as_of=date.today())  # noqa: DTZ011  # the clinic's own calendar
        _say(
            f"Synthetic clinic made in {time.monotonic() - started:.1f} s: "
            f"{made.tables} tables, {made.rows:,} rows, {patients:,} patients"
        )
    return sandbox


def _left_open(settings: Settings) -> str:
    """Return the run that an interrupted demo left open; empty when there is none."""
    with pipeline.ledger_transaction(settings) as connection:
        left = [row for row in ledger.active_runs(connection) if row.kind is RunKind.NIGHTLY]
    return left[0].run_id if left else ""


def _resume(run_id: str) -> str:
    """Send the messages of an interrupted run again."""
    _say(f"Run {run_id} was interrupted; it goes on where it stopped")
    enqueue.resume(run_id)
    return run_id


def _prepare_night(sandbox: Sandbox, settings: Settings, seed: int) -> Night:
    """Let a day pass and analyse; before beat runs, which may start the night by itself."""
    night = _next_night(settings)
    if night.number > 1:
        _say("A day passes at the clinic:")
        print_change(change.change(sandbox, seed=seed + night.number, violence=change.Violence.GENTLE))
    result = schema_analysis.analyze(settings, now=console.now())
    _say(result.describe().splitlines()[0])
    return night


def _start(settings: Settings, night: Night) -> str:
    _say(f"Night {night.number}, of {night.run_date}: started through the task that beat sends at 21:00")
    return _await(settings, enqueue.nightly(run_date=night.run_date), night.run_date)


def _next_night(settings: Settings) -> Night:
    with pipeline.ledger_transaction(settings) as connection:
        rows = ledger.runs(connection, 1000)
    nights = [
        row.run_date for row in rows if row.kind is RunKind.NIGHTLY and row.status is not RunStatus.REFUSED
    ]
    if not nights:
        return Night(run_date=settings.window.run_date(console.now()), number=1)
    return Night(run_date=max(nights) + timedelta(days=1), number=len(nights) + 1)


def _await(settings: Settings, run_id: str, run_date: date) -> str:
    """Wait until a worker has taken the first message and written the run's row.

    Returns:
        The run to follow: beat's own where its tick was quicker to start the same night.
    """
    until = time.monotonic() + _APPEAR_SECONDS
    while time.monotonic() < until:
        with pipeline.ledger_transaction(settings) as connection:
            started = ledger.nightly_runs(connection, run_date)
        of_tonight = [
            row.run_id for row in started if row.run_id == run_id or row.status is not RunStatus.REFUSED
        ]
        if of_tonight:
            return of_tonight[0]
        time.sleep(0.5)
    raise SandboxError(
        f"No worker took run {run_id} within {_APPEAR_SECONDS:.0f} s; see the logs, then `make down` and again."
    )


def _caretaker(sandbox: Sandbox, access: stack.FlowerAccess) -> Callable[[], None]:
    """Return a look at processes and servers that starts again what somebody killed."""
    seen_at = time.monotonic()

    def look() -> None:
        nonlocal seen_at
        for name in stack.revive(sandbox.directory, sandbox.environment(), access):
            _say(f"The {name} process died; it was started again")
        if time.monotonic() - seen_at < _SERVERS_SECONDS:
            return
        seen_at = time.monotonic()
        dead = [state.name for state in servers.status(sandbox.directory) if not state.is_running]
        if dead:
            servers.up(sandbox.directory)
            _say(f"Server died and was started again: {', '.join(dead)}")

    return look


def _show_end(settings: Settings, run_id: str, directory: Path, access: stack.FlowerAccess) -> None:
    made = pipeline.build_report(settings, run_id, console.now())
    page = pipeline.report_page(settings, run_id)
    console.out.print()
    text = report.to_text(made, page=page).replace("Next: dental-etl", f"Next: {_COMMAND}")
    console.out.print(text, markup=False, soft_wrap=True)
    view = console.table("", "")
    view.show_header = False
    view.add_row("Report", str(page))
    view.add_row("Flower", f"{access.url}   user {access.user}   password {access.password}")
    view.add_row("Messages", str(directory / "notifications.jsonl"))
    view.add_row("Next night", "make demo")
    view.add_row("One table", f"{_COMMAND} enqueue table patient")
    view.add_row("Stop", "make down")
    console.out.print(view)


def _write_access(directory: Path, access: stack.FlowerAccess) -> None:
    path = directory / "flower.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(asdict(access)) + "\n", encoding="utf-8")


def _say(text: str) -> None:
    console.out.print(text, markup=False, soft_wrap=True)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    with (directory / "demo.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunRefusedError(
                "A demo is playing here already. Wait for it, watch it with `dental-etl --sandbox status --watch`, "
                "or stop it with `make down`.",
            ) from None
        yield


@contextmanager
def _all_stopped_on_interrupt(directory: Path) -> Iterator[None]:
    """Leave nothing running after a failure; treat Ctrl-C, a kill and a closed terminal alike."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    except ETLPipelineError:
        stop(directory)
        raise
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        console.err.print("\nStopping workers and servers ...")
        stop(directory)
        console.err.print("Everything is stopped. `make demo` goes on where it was.")
        raise SystemExit(130) from None
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
