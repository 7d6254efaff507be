"""Scale-out: a host that shares nothing with the others but the servers' addresses."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dental_etl.run import Stage
from ops.faults.line import Line
from ops.faults.theatre import LONG_TABLE, ROOT, NotPlayableError, Theatre, require
from workers import stack
from workers.routing import Queue

_HERE, _THERE = "10.231.77.1", "10.231.77.2"
_NAME = "far"
_SERVERS = ("OPENDENTAL_SOURCE", "MYSQL_REPLICATION", "POSTGRES_ANALYTICS")


def joins_and_works(theatre: Theatre) -> None:
    """A second host in a network namespace, with an empty home: it takes over every table when the first is lost."""
    night = theatre.start_night()
    night.await_table(LONG_TABLE)
    with _network() as namespace, tempfile.TemporaryDirectory() as home:
        theatre.lose_host("reading")
        theatre.lose_host("writing")
        lines, variables = _addresses(theatre, home)
        process = _start(theatre, namespace, variables, Path(home))
        try:
            theatre.await_ready(_NAME)
            night.end()
        finally:
            _stop(process)
            for line in lines:
                line.close()
        done = theatre.log(_NAME).count(f"{Stage.LOAD} of ")
        require(that=done > 0, otherwise="the far host did nothing")
        require(that=not list(Path(home).iterdir()), otherwise="the far host wrote into its home")


@contextmanager
def _network() -> Iterator[str]:
    """Make a network namespace that reaches this one and nothing else."""
    if os.geteuid() != 0:
        raise NotPlayableError("a network namespace needs root")
    namespace, here, there = (f"{prefix}{os.getpid()}" for prefix in ("dental", "dh", "dt"))
    try:
        for command in (
            f"ip netns add {namespace}",
            f"ip link add {here} type veth peer name {there} netns {namespace}",
            f"ip address add {_HERE}/30 dev {here}",
            f"ip link set {here} up",
            f"ip -n {namespace} address add {_THERE}/30 dev {there}",
            f"ip -n {namespace} link set {there} up",
        ):
            if subprocess.run(command.split(), check=False, capture_output=True).returncode != 0:
                raise NotPlayableError(f"this machine refuses `{command}`")
        yield namespace
    finally:
        subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)


def _addresses(theatre: Theatre, home: str) -> tuple[list[Line], dict[str, str]]:
    """Return ways from over there to each server, and the variables that name them."""
    sandbox, variables = theatre.sandbox, {**theatre.environment, "HOME": home}
    lines = [Line(server.port, address=_HERE) for server in sandbox.servers]
    for name, line in zip(_SERVERS, lines, strict=False):
        variables |= {f"TEST_{name}_HOST": _HERE, f"TEST_{name}_PORT": str(line.port)}
    for name in ("TEST_CELERY_BROKER_URL", "TEST_CELERY_RESULT_BACKEND"):
        variables[name] = variables[name].replace(
            f"127.0.0.1:{sandbox.broker.port}", f"{_HERE}:{lines[-1].port}"
        )
    return lines, variables


def _start(
    theatre: Theatre, namespace: str, variables: dict[str, str], home: Path
) -> subprocess.Popen[bytes]:
    queues = [Queue.EXTRACT, Queue.LARGE, Queue.LOAD]
    arguments = stack.worker_arguments(queues, processes=3, node=_NAME)
    with stack.log(theatre.directory, _NAME).open("wb") as output:
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, "-m", "celery", *arguments],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "REMAP_SIGTERM": "SIGQUIT",
                **variables,
            },
            cwd=home,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    stack.remember(theatre.directory, _NAME, process.pid)
    return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask politely, and do not wait for a table that is still at work after the scene failed."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
