"""Run one dbt command: hand out its lines as they come, stop it when its time is up."""

from __future__ import annotations

import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

logger = logging.getLogger(__name__)

#: dbt cancels its running queries within this time after SIGINT.
_INTERRUPT_SECONDS = 20.0
_TERMINATE_SECONDS = 5.0
_LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class DbtCommand:
    #: Program and arguments.
    arguments: tuple[str, ...]
    #: The whole environment of the process; holds the password.
    environment: Mapping[str, str] = field(repr=False)
    directory: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DbtExit:
    #: 0 all good, 1 nodes failed, 2 dbt could not run; negative when killed by a signal.
    code: int
    #: Whether we stopped it because its time was up.
    was_stopped: bool


def run(command: DbtCommand, on_line: Callable[[str], None], *, seconds: float | None) -> DbtExit:
    """Run the command to its end.

    Args:
        command: What to run.
        on_line: Gets every line of stdout and stderr, in this thread. If it raises, dbt is stopped.
        seconds: Longest time it may take; None for no limit.
    """
    process = _start(command)
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
    reader.start()
    try:
        was_stopped = not _drain(lines, on_line, seconds)
        if was_stopped:
            _stop(process)
            _drain(lines, on_line, _TERMINATE_SECONDS)
        return DbtExit(code=process.wait(), was_stopped=was_stopped)
    finally:
        # Also on the way out of a soft time limit, Ctrl-C or a failing ledger: nothing stays behind.
        _stop(process)
        reader.join(timeout=_TERMINATE_SECONDS)
        if process.stdout is not None and not reader.is_alive():
            process.stdout.close()


def _start(command: DbtCommand) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), "--", *command.arguments],
        cwd=command.directory,
        env=dict(command.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


def _read(stream: IO[str] | None, lines: queue.SimpleQueue[str | None]) -> None:
    """Empty the pipe whatever the consumer does: a full one would block dbt."""
    for line in stream or ():
        lines.put(line.rstrip("\n"))
    lines.put(None)


def _drain(
    lines: queue.SimpleQueue[str | None], on_line: Callable[[str], None], seconds: float | None
) -> bool:
    """Pass lines on; return False when the time was up before the last one."""
    until = None if seconds is None else time.monotonic() + seconds
    while True:
        try:
            line = lines.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
        except queue.Empty:
            return False
        if line is None:
            return True
        on_line(line)


def _stop(process: subprocess.Popen[str]) -> None:
    """Ask, then insist, then kill the whole group."""
    for number, patience in (
        (signal.SIGINT, _INTERRUPT_SECONDS),
        (signal.SIGTERM, _TERMINATE_SECONDS),
        (signal.SIGKILL, _TERMINATE_SECONDS),
    ):
        if process.poll() is not None:
            return
        logger.info("dbt is being stopped (%s)", number.name, extra={"action": "dbt_stop"})
        if number is signal.SIGKILL:
            os.killpg(process.pid, number)  # it leads its own session, see _start
        else:
            process.send_signal(number)
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            continue
