"""A process that streams, that is stopped, and that does not outlive its parent."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from dental_etl.transform import process

_SLEEPS = "import os,time; print(os.getpid(), flush=True); time.sleep(60)"
_IGNORES_SIGINT = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {_SLEEPS}"


class StoppedError(Exception):
    """Stands for whatever ends the consumer: a soft time limit, Ctrl-C, a lost ledger."""


def stop_at_first(pids: list[int]) -> Callable[[str], None]:
    def on_line(line: str) -> None:
        pids.append(int(line))
        raise StoppedError

    return on_line


def python(code: str) -> process.DbtCommand:
    return process.DbtCommand(
        arguments=(sys.executable, "-c", code),
        environment={"PATH": os.environ["PATH"]},
        directory=Path.cwd(),
    )


def test_lines_of_both_streams_arrive_with_the_exit_code() -> None:
    lines: list[str] = []
    code = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(2)"
    ended = process.run(python(code), lines.append, seconds=None)
    assert (lines, ended.code, ended.was_stopped) == (["out", "err"], 2, False)


def test_a_program_whose_time_is_up_is_stopped() -> None:
    ended = process.run(python(_SLEEPS), lambda _line: None, seconds=0.2)
    assert ended.was_stopped


def test_a_program_is_interrupted_before_anything_worse(tmp_path: Path) -> None:
    code = (
        f"try:\n  {_SLEEPS}\nexcept KeyboardInterrupt:\n  open({str(tmp_path / 'cancelled')!r}, 'w').close()"
    )
    with pytest.raises(StoppedError):
        process.run(python(code.replace("; ", "\n  ")), stop_at_first([]), seconds=None)
    assert (tmp_path / "cancelled").exists()


@pytest.mark.parametrize("code", [_SLEEPS, _IGNORES_SIGINT], ids=["interruptible", "deaf"])
def test_nothing_stays_behind_when_the_consumer_ends(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_INTERRUPT_SECONDS", 0.5)
    pids: list[int] = []
    with pytest.raises(StoppedError):
        process.run(python(code), stop_at_first(pids), seconds=None)
    assert not psutil.pid_exists(pids[0])


def test_the_program_dies_with_its_parent() -> None:
    """SIGKILL is what the kernel's out-of-memory killer sends a worker."""
    launcher = str(Path(process.__file__).with_name("launcher.py"))
    code = (
        "import os,subprocess,sys; subprocess.Popen([sys.executable, '-I', '-S',"
        f" {launcher!r}, str(os.getpid()), '--', sys.executable, '-c', {_SLEEPS!r}]).wait()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        gone, _alive = psutil.wait_procs([child], timeout=10)
    assert gone == [child]
