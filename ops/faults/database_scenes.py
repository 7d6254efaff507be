"""Faults of the databases and of the way to them, and the window's end."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from signal import SIGQUIT, SIGTERM

from dental_etl.run import Stage, TableStatus
from dental_etl.sandbox import mariadb
from dental_etl.sandbox.state import REPLICATION_DATABASE, SOURCE_USER, ServerName
from ops.faults import verdict
from ops.faults.theatre import CRAWL, LONG_TABLE, Night, NotPlayableError, Theatre, require, until

#: Too small for the clinic's tables, which take about 12 MB.
_SMALL_DISK = "6m"
_DEADLINE_SECONDS = 25


def database_connections_cut(theatre: Theatre) -> None:
    night = theatre.start_night()
    night.await_table(LONG_TABLE)
    for line in (theatre.source_line, theatre.replication_line):
        line.cut()
    night.end()


def source_restarted(theatre: Theatre) -> None:
    night = theatre.start_night()
    night.await_table(LONG_TABLE)
    theatre.stop_server(ServerName.SOURCE, SIGTERM)
    theatre.revive()
    night.end()


def replication_killed(theatre: Theatre) -> None:
    night = theatre.start_night()
    night.await_table(LONG_TABLE)
    theatre.stop_server(ServerName.REPLICATION)
    theatre.revive()
    night.end()


def postgres_killed_in_extract(theatre: Theatre) -> None:
    night = theatre.start_night()
    night.await_table(LONG_TABLE)
    theatre.stop_server(ServerName.ANALYTICS, SIGQUIT)  # at once, without a checkpoint
    theatre.revive()
    night.end()


def postgres_killed_in_load(theatre: Theatre) -> None:
    night = theatre.start_night()
    night.await_table(LONG_TABLE, Stage.LOAD)
    theatre.stop_server(ServerName.ANALYTICS, SIGQUIT)
    theatre.revive()
    night.end()


def disk_full_on_replication(theatre: Theatre) -> None:
    """MariaDB refuses rows, then aborts. With room and a restart the night goes on, the next brings the rest."""
    if os.geteuid() != 0:
        raise NotPlayableError("mounting a small tmpfs needs root")
    with _small_disk(theatre) as folder:
        night = theatre.start_night()
        until(lambda: _failed(night), "a table that does not fit")
        subprocess.run(["mount", "-o", "remount,size=512m", str(folder)], check=True)
        theatre.revive()
        night.end()
        codes = {night.table(name).error_code for name in _failed(night)}
        require(that="E_INTERNAL" not in codes, otherwise="a full disk is no unexpected error")
        theatre.start_night().end()


def _failed(night: Night) -> list[str]:
    return [name for name, result in night.results().items() if result.status is TableStatus.FAILED]


def deadline_in_a_large_table(theatre: Theatre) -> None:
    """The window closes over a table: nothing reads the source afterwards, the next night goes on there."""
    verdict.set_deadline(theatre.settings, _DEADLINE_SECONDS)
    night = theatre.start_night()
    night.await_table(LONG_TABLE)
    theatre.speed(CRAWL)
    row = until(night.row, "the run's row")
    deadline = row.deadline
    if deadline is None:
        raise AssertionError("a deadline was set above")
    time.sleep(max(0.0, deadline.timestamp() - time.time()) + 2.0)
    require(that=_source_queries(theatre) == 0, otherwise="the source was read after the window had closed")
    night.end()
    table = night.table(LONG_TABLE)
    require(
        that=(table.status, table.error_code) == (TableStatus.NOT_RUN, "E_DEADLINE"),
        otherwise=f"{LONG_TABLE} should be left out, not {table.status} {table.error_code}",
    )
    verdict.lift_deadline(theatre.settings)
    following = theatre.start_night()
    following.end()
    resumed = following.table(LONG_TABLE)
    require(
        that=resumed.rows_read < (resumed.rows_total or 0),
        otherwise=f"{LONG_TABLE} was read again from its first row",
    )


def _source_queries(theatre: Theatre) -> int:
    with closing(mariadb.connect(theatre.sandbox.source)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE user = %s AND command = 'Query'",
            (SOURCE_USER,),
        )
        (count,) = cursor.fetchone() or (0,)
        return int(count)


@contextmanager
def _small_disk(theatre: Theatre) -> Iterator[Path]:
    """Keep the replication database on a disk of its own, which is too small."""
    folder = theatre.sandbox.replication.data_directory / REPLICATION_DATABASE
    owner = folder.stat()
    options = f"size={_SMALL_DISK},mode=700,uid={owner.st_uid},gid={owner.st_gid}"
    database_options = (folder / "db.opt").read_bytes()
    theatre.stop_server(ServerName.REPLICATION, SIGTERM)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        (folder / "db.opt").write_bytes(database_options)
        shutil.chown(folder / "db.opt", owner.st_uid, owner.st_gid)
        theatre.revive()
        yield folder
    finally:
        subprocess.run(["mount", "-o", "remount,size=512m", str(folder)], check=True)
        _move_back(theatre, folder)


def _move_back(theatre: Theatre, folder: Path) -> None:
    """Put the tables where they belong, so that the replica can still be looked at."""
    theatre.stop_server(ServerName.REPLICATION, SIGTERM)
    copy = folder.with_name("small_disk")
    subprocess.run(["cp", "-a", str(folder), str(copy)], check=True)
    subprocess.run(["umount", str(folder)], check=True)
    subprocess.run(["cp", "-a", f"{copy}/.", str(folder)], check=True)
    shutil.rmtree(copy)
    theatre.revive()
