"""What a user would take instead, each as its own documentation says and in an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dental_etl.config import DatabaseSettings
from dental_etl.sandbox.state import ADMIN_USER
from ops.benchmarks import verify
from ops.benchmarks.contestants import Contestant, Hop, Kind, NotInstallableError
from ops.benchmarks.datasets import Dataset
from ops.benchmarks.laboratory import Laboratory, fresh_database
from ops.benchmarks.measure import ClientCost, commands

_MYDUMPER_DATABASE = "benchmark_mydumper"
_PGLOADER = """
LOAD DATABASE FROM {source} INTO {target}
WITH include drop, create tables, create indexes, reset sequences, workers = 2, concurrency = 1
INCLUDING ONLY TABLE NAMES MATCHING '{table}';
"""
_INSTALL_SECONDS = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tool:
    """A tool from the Python package index."""

    name: str
    #: As pip takes them.
    requirements: tuple[str, ...]
    #: Its program below the environment's folder, as a pattern.
    program: str

    @property
    def database(self) -> str:
        return f"benchmark_{self.name}"

    def path(self, lab: Laboratory) -> str:
        """Return the program; a path that does not exist when it is not installed."""
        home = lab.tools / self.name
        return str(next(home.glob(self.program), home / self.program))


# The package `sling` itself fetches its program from elsewhere at the first start; this one holds it.
_SLING = _Tool(
    name="sling",
    requirements=("sling-linux-amd64==1.4.11",),
    program="lib/python*/site-packages/sling_linux_amd64/bin/sling-linux-amd64",
)
_INGESTR = _Tool(name="ingestr", requirements=("ingestr==0.15.9",), program="bin/ingestr")
_DLT = _Tool(
    name="dlt",
    program="bin/python",
    requirements=(
        "dlt[postgres,sql_database]==1.31.*", "sqlalchemy", "pymysql", "connectorx", "pyarrow", "psycopg2-binary",
    ),
)  # fmt: skip


def contestants() -> tuple[Contestant, ...]:
    return (
        _peer("ingestr 0.15.9", _ingestr, _INGESTR),
        _peer("dlt 1.31 (connectorx, csv)", _dlt, _DLT),
        _peer("sling 1.4.11", _sling, _SLING),
        Contestant(
            name="pgloader",
            kind=Kind.PEER,
            hop=Hop.SECOND,
            prepare=_pgloader,
            verify=verify.peer_database("benchmark_pgloader"),
            takes_zero_dates=False,
            install=lambda _lab: _apt("pgloader"),
        ),
        Contestant(
            name="mydumper, myloader (2 threads)",
            kind=Kind.PEER,
            hop=Hop.FIRST,
            prepare=_mydumper,
            verify=verify.mysql_database(_MYDUMPER_DATABASE),
            takes_zero_dates=False,
            install=lambda _lab: _apt("mydumper"),
        ),
    )


def _peer(
    name: str, prepare: Callable[[Laboratory, Dataset], Callable[[], ClientCost]], tool: _Tool
) -> Contestant:
    return Contestant(
        name=name,
        kind=Kind.PEER,
        hop=Hop.SECOND,
        prepare=prepare,
        verify=verify.peer_database(tool.database),
        takes_zero_dates=False,
        install=lambda lab: _pip(lab, tool),
    )


def _ingestr(lab: Laboratory, dataset: Dataset) -> Callable[[], ClientCost]:
    fresh_database(lab, _INGESTR.database)
    program = _INGESTR.path(lab)
    command = (
        program, "ingest", "--yes", "--full-refresh", "--progress=log", "--schema-naming=direct",
        f"--source-uri={_mysql_url(lab.settings.source, 'mysql')}",
        f"--source-table={lab.settings.source.database}.{dataset.table}",
        f"--dest-uri={_postgres_url(lab, _INGESTR.database)}", f"--dest-table=public.{dataset.table}",
    )  # fmt: skip
    return _run(lab, _INGESTR.name, [command], probe=(program, "--version"))


def _dlt(lab: Laboratory, dataset: Dataset) -> Callable[[], ClientCost]:
    fresh_database(lab, _DLT.database)
    home = lab.directory / "dlt"
    shutil.rmtree(home, ignore_errors=True)
    script = Path(__file__).with_name("dlt_copy.py")
    command = (
        _DLT.path(lab), str(script), _mysql_url(lab.settings.source, "mysql+pymysql"),
        _postgres_url(lab, _DLT.database), dataset.table,
    )  # fmt: skip
    environment = {
        "DLT_DATA_DIR": str(home), "SCHEMA__NAMING": "direct", "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "WARNING",
    }  # fmt: skip
    probe = (_DLT.path(lab), str(script))
    return _run(lab, _DLT.name, [command], probe=probe, environment=environment)


def _sling(lab: Laboratory, dataset: Dataset) -> Callable[[], ClientCost]:
    fresh_database(lab, _SLING.database)
    program = _SLING.path(lab)
    command = (
        program, "run", "--src-conn", _mysql_url(lab.settings.source, "mysql"),
        "--src-stream", f"{lab.settings.source.database}.{dataset.table}",
        "--tgt-conn", _postgres_url(lab, _SLING.database) + "?sslmode=disable",
        "--tgt-object", f"public.{dataset.table}", "--mode", "full-refresh",
    )  # fmt: skip
    environment = {"SLING_HOME_DIR": str(lab.directory / "sling"), "SLING_DISABLE_TELEMETRY": "TRUE"}
    return _run(lab, _SLING.name, [command], probe=(program, "--version"), environment=environment)


def _pgloader(lab: Laboratory, dataset: Dataset) -> Callable[[], ClientCost]:
    fresh_database(lab, "benchmark_pgloader")
    script = lab.directory / "pgloader.load"
    script.write_text(
        _PGLOADER.format(
            source=_mysql_url(lab.settings.source, "mysql"),
            target=_postgres_url(lab, "benchmark_pgloader"),
            table=dataset.table,
        ),
        encoding="ascii",
    )
    return _run(
        lab, "pgloader", [("pgloader", str(script))], probe=("pgloader", "--version"),
        environment={"TMPDIR": str(lab.directory)},
    )  # fmt: skip


def _mydumper(lab: Laboratory, dataset: Dataset) -> Callable[[], ClientCost]:
    folder = lab.directory / "mydumper"
    shutil.rmtree(folder, ignore_errors=True)
    with lab.mysql(lab.sandbox.replication) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {_MYDUMPER_DATABASE}")
        cursor.execute(f"CREATE DATABASE {_MYDUMPER_DATABASE}")
    source, target = lab.sandbox.source, lab.sandbox.replication
    account = ("--host=127.0.0.1", f"--user={ADMIN_USER}", "--threads=2", f"--outputdir={folder}")
    dump = (
        "mydumper", *account, f"--port={source.port}", f"--password={source.admin_password}",
        f"--database={lab.settings.source.database}", f"--tables-list={dataset.table}", "--rows=100000",
        "--no-locks",
    )  # fmt: skip
    load = (
        "myloader", "--host=127.0.0.1", f"--user={ADMIN_USER}", "--threads=2", f"--directory={folder}",
        f"--port={target.port}", f"--password={target.admin_password}", f"--database={_MYDUMPER_DATABASE}",
        "--overwrite-tables",
    )  # fmt: skip
    return _run(lab, "mydumper", [dump, load], probe=("mydumper", "--version"))


def _run(
    lab: Laboratory,
    name: str,
    steps: Sequence[Sequence[str]],
    *,
    probe: Sequence[str],
    environment: dict[str, str] | None = None,
) -> Callable[[], ClientCost]:
    """Prepare a tool's commands; `probe` shows how long the program needs before it does anything."""
    started = time.monotonic()
    subprocess.run(
        probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
        env=os.environ | (environment or {}),
    )  # fmt: skip
    start_seconds = time.monotonic() - started
    return lambda: commands(
        steps, log=lab.directory / f"{name}.log", environment=environment or {}, start_seconds=start_seconds
    )


def _mysql_url(database: DatabaseSettings, scheme: str) -> str:
    return (
        f"{scheme}://{database.user}:{database.password}@{database.host}:{database.port}/{database.database}"
    )


def _postgres_url(lab: Laboratory, name: str) -> str:
    database = lab.settings.analytics
    return f"postgresql://{database.user}:{database.password}@{database.host}:{database.port}/{name}"


def _pip(lab: Laboratory, tool: _Tool) -> None:
    home = lab.tools / tool.name
    mark = home / "installed"
    if mark.exists():
        return
    _install((sys.executable, "-m", "venv", str(home)), tool.name)
    _install(
        (str(home / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *tool.requirements),
        tool.name,
    )
    program = Path(tool.path(lab))
    program.chmod(program.stat().st_mode | 0o111)  # wheels do not always say that a file is a program
    mark.touch()


def _apt(package: str) -> None:
    if shutil.which(package):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NotInstallableError(f"{package} is not installed; apt-get install {package} has it")
    _install(("apt-get", "install", "-y", "--no-install-recommends", package), package)


def _install(command: Sequence[str], name: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise NotInstallableError(f"installing {name} took too long") from None
    if done.returncode:
        raise NotInstallableError(f"installing {name} failed with exit code {done.returncode}")
