"""The Celery side on one machine, for the demo and the tests: workers per queue, beat, Flower.

Every process is remembered by pid and start time in a file, so that any later command can stop
exactly these processes and no others, whatever happened to the one that started them.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from dental_etl.exceptions import SandboxError
from workers.routing import Queue

logger = logging.getLogger(__name__)

#: Worker processes per queue: enough to see parallel work on two cores.
CONCURRENCY = {Queue.CONTROL: 2, Queue.LARGE: 1, Queue.EXTRACT: 2, Queue.LOAD: 2, Queue.DBT: 1}
#: Celery's arguments of beat.
BEAT = ("-A", "beat.app", "beat", "--loglevel", "INFO")
_STOP_SECONDS = 10.0
#: The shell starts the process, says its pid and ends, so that it is nobody's child and no zombie.
_DETACH = 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!'
_PROJECT_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process of the stack."""

    #: ``extract``, ``beat``, ``flower``, ...
    name: str
    pid: int
    #: Seconds since the epoch, as the kernel tells it; a recycled pid has another.
    created: float
    #: Celery's, to start it again; empty for a process that was started elsewhere.
    arguments: Sequence[str] = ()

    def find(self) -> psutil.Process | None:
        """Return the running process, None when it is gone."""
        try:
            process = psutil.Process(self.pid)
            is_ours = abs(process.create_time() - self.created) < 1.0
            return process if is_ours and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowerAccess:
    """How to look at Flower."""

    port: int
    user: str
    password: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def start(
    directory: Path,
    environment: Mapping[str, str],
    *,
    flower_port: int | None = None,
    concurrency: Mapping[Queue, int] = CONCURRENCY,
    with_beat: bool = True,
) -> FlowerAccess | None:
    """Stop what an earlier call left, then start workers, beat and Flower in the background.

    Args:
        directory: Holds the pid file and the logs.
        environment: Variables of `Settings`; added to this process's own.
        flower_port: Where Flower listens on the loopback; None for no Flower.
        concurrency: Worker processes per queue.
        with_beat: Whether beat runs too.
    """
    stop(directory)
    (directory / "logs").mkdir(parents=True, exist_ok=True)
    access = _flower_access(flower_port)
    variables = {**os.environ, **environment, **_variables(directory, access)}
    for name, arguments in _commands(
        concurrency, with_beat=with_beat, with_flower=access is not None
    ).items():
        remember(directory, name, _spawn(name, arguments, directory, variables), arguments)
    return access


def revive(
    directory: Path, environment: Mapping[str, str], access: FlowerAccess | None = None
) -> tuple[str, ...]:
    """Start again what has died since `start`.

    Args:
        directory: Holds the pid file and the logs.
        environment: Variables of `Settings`; added to this process's own.
        access: Flower's, as `start` returned it.

    Returns:
        Names of the processes that were started again.

    Raises:
        SandboxError: The stack was stopped from elsewhere.
    """
    known = processes(directory)
    if not known:
        raise SandboxError("The demo was stopped from elsewhere.")
    dead = [process for process in known if process.find() is None]
    if dead:
        lines = (json.dumps(asdict(process)) + "\n" for process in known if process not in dead)
        _file(directory).write_text("".join(lines), encoding="utf-8")
    variables = {**os.environ, **environment, **_variables(directory, access)}
    for process in dead:
        pid = _spawn(process.name, process.arguments, directory, variables)
        remember(directory, process.name, pid, process.arguments)
    return tuple(process.name for process in dead)


def start_one(
    directory: Path, environment: Mapping[str, str], *, name: str, arguments: Sequence[str]
) -> Process:
    """Start one more Celery process beside the others; it is stopped with them.

    Args:
        directory: Holds the pid file and the logs.
        environment: Variables of `Settings`; added to this process's own.
        name: Of the process and its log.
        arguments: Celery's, as `worker_arguments` and `BEAT` have them.
    """
    (directory / "logs").mkdir(parents=True, exist_ok=True)
    variables = {**os.environ, **environment, **_variables(directory, None)}
    return remember(directory, name, _spawn(name, arguments, directory, variables), arguments)


def remember(directory: Path, name: str, pid: int, arguments: Sequence[str] = ()) -> Process:
    """Make a running process part of the stack; it is stopped with the others."""
    created = psutil.Process(pid).create_time()
    process = Process(name=name, pid=pid, created=created, arguments=list(arguments))
    with _file(directory).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(process)) + "\n")
    return process


def worker_arguments(
    queues: Sequence[Queue], *, processes: int, node: str | None = None, app: str = "workers.app"
) -> list[str]:
    """Return Celery's arguments of a worker.

    Args:
        queues: That it takes messages from.
        processes: Of its pool.
        node: Its name on this host; default the queues'.
        app: Module of the Celery app.
    """
    names = ",".join(queue.value for queue in queues)
    numbers = ["-Q", names, "-n", f"{node or names}@%h", "-c", str(processes)]
    return ["-A", app, "worker", *numbers, "--without-gossip", "--without-mingle", "--loglevel", "INFO"]


def stop(directory: Path) -> None:
    """Stop every process of the stack: first politely, after ten seconds for good, children included."""
    found = [running for process in processes(directory) if (running := process.find())]
    _file(directory).unlink(missing_ok=True)  # first, so that a demo sees why its processes go
    family = [relative for process in found for relative in (process, *_children(process))]
    for process in found:
        _signal(process, "terminate")
    psutil.wait_procs(found, timeout=_STOP_SECONDS)
    for process in family:
        _signal(process, "kill")
    psutil.wait_procs(family, timeout=_STOP_SECONDS)


def processes(directory: Path) -> tuple[Process, ...]:
    """Return the processes that were started and not stopped since; some may have died."""
    try:
        lines = _file(directory).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return ()
    return tuple(Process(**json.loads(line)) for line in lines if line.strip())


def require_alive(directory: Path) -> None:
    """Pass while every process of the stack runs.

    Raises:
        SandboxError: One is gone; the message names it and its log.
    """
    known = processes(directory)
    if not known:
        raise SandboxError("The demo was stopped from elsewhere.")
    for process in known:
        if process.find() is None:
            raise SandboxError(
                f"The {process.name} process of the demo died; see {log(directory, process.name)}."
            )


def log(directory: Path, name: str) -> Path:
    """Return the log file of one process."""
    return directory / "logs" / f"{name}.log"


def _commands(
    concurrency: Mapping[Queue, int], *, with_beat: bool, with_flower: bool
) -> dict[str, list[str]]:
    """Return Celery's arguments per process."""
    commands = {q.value: worker_arguments([q], processes=count) for q, count in concurrency.items()}
    if with_beat:
        commands["beat"] = list(BEAT)
    if with_flower:
        configuration = _PROJECT_ROOT / "ops" / "flower" / "flowerconfig.py"
        commands["flower"] = ["-A", "workers.app", "flower", f"--conf={configuration}"]
    return commands


def _flower_access(port: int | None) -> FlowerAccess | None:
    return FlowerAccess(port=port, user="demo", password=secrets.token_urlsafe(9)) if port else None


def _variables(directory: Path, access: FlowerAccess | None) -> dict[str, str]:
    variables = {
        "PROJECT_ROOT": str(_PROJECT_ROOT),
        "REMAP_SIGTERM": "SIGQUIT",
        "PYTHONUNBUFFERED": "1",
    }
    if access:
        variables["FLOWER_BASIC_AUTH"] = f"{access.user}:{access.password}"
        variables["FLOWER_PORT"] = str(access.port)
        variables["FLOWER_DB"] = str(directory / "flower")
    return variables


def _spawn(name: str, arguments: Sequence[str], directory: Path, variables: Mapping[str, str]) -> int:
    command = [sys.executable, "-m", "celery", *arguments]
    started = subprocess.run(
        ["/bin/sh", "-c", _DETACH, "sh", str(log(directory, name)), *command],
        cwd=_PROJECT_ROOT,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
        start_new_session=True,  # a Ctrl-C in the terminal must not reach it past us
    )
    return int(started.stdout)


def _file(directory: Path) -> Path:
    return directory / "stack.jsonl"


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _signal(process: psutil.Process, name: str) -> None:
    try:
        getattr(process, name)()
    except psutil.NoSuchProcess:
        logger.debug("process %s is gone already", process.pid)
