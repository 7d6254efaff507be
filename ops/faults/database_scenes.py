"""Faults of the databases and of the way to them, and the window's end."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from signal import SIGQUIT, SIGTERM

from sqlalchemy import text

from dental_etl.connections import connect
from dental_etl.run import Stage, TableStatus
from dental_etl.sandbox import family
from dental_etl.sandbox.state import REPLICATION_DATABASE, SOURCE_USER, ServerName
from dental_etl.tracking import ledger
from ops.faults import verdict
from ops.faults.theatre import (
    CRAWL,
    LONG_TABLE,
    STALE_SECONDS,
    SWEEP_SECONDS,
    Night,
    NotPlayableError,
    Theatre,
    require,
    until,
)
from workers.routing import Queue

#: Too small for the clinic's tables, which take about 12 MB.
_SMALL_DISK = "6m"
_DEADLINE_SECONDS = 25
#: Long enough for the tables to find out that they wait for a server.
_AWAY_DEADLINE_SECONDS = 75


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


def source_away_for_minutes(theatre: Theatre) -> None:
    """No table fails for it and no attempt is counted; people hear of it once, and once that it is over."""
    night = theatre.start_night()
    night.await_table(LONG_TABLE)
    theatre.stop_server(ServerName.SOURCE, SIGTERM)
    until(lambda: _knows_of_an_outage(theatre), "a night that knows that its source is away")
    _sweep_until(theatre, lambda: _told(theatre, "has not answered since"), "a message to people")
    theatre.revive()
    night.end()
    results = night.results()
    require(
        that={result.status for result in results.values()} == {TableStatus.LOADED},
        otherwise="a table did not arrive after the source had come back",
    )
    told = (len(_told(theatre, "has not answered since")), len(_told(theatre, "answers again since")))
    require(that=told == (1, 1), otherwise=f"people were told {told} times instead of once and once")


def source_gone_for_good(theatre: Theatre) -> None:
    """At the window's end what waits is left out with one reason; the next night has it all."""
    verdict.set_deadline(theatre.settings, _AWAY_DEADLINE_SECONDS)
    night = theatre.start_night()
    night.await_table(LONG_TABLE)
    theatre.stop_server(ServerName.SOURCE, SIGTERM)
    row = night.end()
    require(that=row.deadline is not None and row.finished_at is not None, otherwise="the night has no end")
    left_out = [one for one in night.results().values() if one.status is not TableStatus.LOADED]
    codes = {(one.status, one.error_code) for one in left_out}
    require(
        that=codes == {(TableStatus.NOT_RUN, "E_SERVER_AWAY")},
        otherwise=f"the waiting tables should be left out, not {codes}",
    )
    verdict.lift_deadline(theatre.settings)
    theatre.revive()
    theatre.start_night().end()


def _knows_of_an_outage(theatre: Theatre) -> bool:
    with connect(theatre.settings.analytics) as connection:
        return bool(ledger.outages(connection))


def _told(theatre: Theatre, words: str) -> list[str]:
    with connect(theatre.settings.analytics) as connection:
        found = connection.execute(text("SELECT title FROM etl.notification"))
        titles: list[str] = list(found.scalars())
        return [title for title in titles if words in title]


def _sweep_until(theatre: Theatre, look: Callable[[], object], what: str) -> None:
    swept_at = 0.0

    def swept() -> bool:
        nonlocal swept_at
        if time.monotonic() - swept_at > SWEEP_SECONDS:
            swept_at = time.monotonic()
            theatre.send("etl.sweep", Queue.CONTROL, stale_seconds=STALE_SECONDS)
        return bool(look())

    until(swept, what)


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
    with closing(family.connect(theatre.sandbox.source)) as connection, connection.cursor() as cursor:
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
