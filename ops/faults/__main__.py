"""Do to a night whatever can happen to it, and say what came of it: ``python -m ops.faults``."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dental_etl.exceptions import ETLPipelineError
from dental_etl.sandbox import servers
from ops.faults import broker_scenes, database_scenes, far_host, soak, start_scenes, verdict, worker_scenes
from ops.faults.theatre import BrokenPromiseError, NotPlayableError, Theatre
from ops.faults.verdict import Verdict

SCENES: dict[str, Callable[[Theatre], None]] = {
    "child killed in an extract": worker_scenes.child_killed,
    "child killed in a load": worker_scenes.child_killed_in_load,
    "parent killed": worker_scenes.parent_killed,
    "parent killed, production's numbers": worker_scenes.parent_killed_in_production,
    "every host lost": worker_scenes.every_host_lost,
    "killed in the middle of publishing": worker_scenes.killed_while_publishing,
    "poison table": worker_scenes.poison_table,
    "SIGTERM on a long table": worker_scenes.sigterm_on_a_long_table,
    "a host in its own network namespace": far_host.joins_and_works,
    "Redis killed, with AOF": broker_scenes.redis_killed_with_aof,
    "Redis killed, without AOF": broker_scenes.redis_killed_without_aof,
    "Redis FLUSHALL": broker_scenes.redis_flushed,
    "Redis frozen for 60 s": broker_scenes.redis_frozen,
    "Redis connections cut (CLIENT KILL)": broker_scenes.redis_connections_cut,
    "every message three times": broker_scenes.messages_twice,
    "visibility timeout shorter than a table": broker_scenes.visibility_timeout_shorter_than_a_table,
    "database connections cut": database_scenes.database_connections_cut,
    "source restarted mid-table": database_scenes.source_restarted,
    "source away for minutes": database_scenes.source_away_for_minutes,
    "source gone for good": database_scenes.source_gone_for_good,
    "replication killed mid-table": database_scenes.replication_killed,
    "PostgreSQL killed in an extract": database_scenes.postgres_killed_in_extract,
    "PostgreSQL killed in a load": database_scenes.postgres_killed_in_load,
    "disk full on replication": database_scenes.disk_full_on_replication,
    "deadline in a large table": database_scenes.deadline_in_a_large_table,
    "six starts at once": start_scenes.six_starts_at_once,
    "two beats, the leader killed": start_scenes.two_beats,
    "beat down at 21:00": start_scenes.beat_down_at_nine,
}

console = Console(width=130)
app = typer.Typer(help="Faults on real processes.", no_args_is_help=True)
Directory = Annotated[Path, typer.Option(help="Of the sandbox that the faults are done to.")]
_DIRECTORY = Path(".sandbox-faults")


@app.command()
def play(
    *,
    only: Annotated[list[str] | None, typer.Option(help="Scenes whose name contains this.")] = None,
    directory: Directory = _DIRECTORY,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the servers running afterwards.")] = False,
) -> None:
    """Play the scenes one after another and print the table."""
    chosen = [name for name in SCENES if not only or any(part.lower() in name.lower() for part in only)]
    theatre = Theatre(directory)
    try:
        verdicts = [_play(theatre, name) for name in chosen]
    finally:
        theatre.close()
        if not keep:
            servers.destroy(directory)
    _print(verdicts)
    if not all(one.is_good for one in verdicts):
        raise typer.Exit(1)


@app.command(name="soak")
def play_soak(
    minutes: Annotated[float, typer.Argument(min=1)],
    *,
    seed: Annotated[int | None, typer.Option(help="Of the kills; the same seed, the same order.")] = None,
    directory: Directory = _DIRECTORY,
) -> None:
    """Kill random processes at random moments while the clinic changes; compare after every night."""
    theatre = Theatre(directory)
    try:
        is_good = soak.play(theatre, minutes=minutes, seed=seed, say=console.print)
    finally:
        theatre.close()
        servers.destroy(directory)
    if not is_good:
        raise typer.Exit(1)


def _play(theatre: Theatre, name: str) -> Verdict:
    theatre.raise_curtain()
    started, broken, skipped = time.monotonic(), "", ""
    try:
        SCENES[name](theatre)
    except NotPlayableError as reason:
        skipped = str(reason)
    except (BrokenPromiseError, ETLPipelineError) as promise:
        broken = str(promise)
    seconds = time.monotonic() - started
    theatre.revive()
    found = Verdict(
        fault=name,
        seconds=seconds,
        is_once=bool(skipped) or verdict.is_once(theatre.settings),
        is_reported_once=bool(skipped) or verdict.is_reported_once(theatre.settings),
        different_tables=0 if skipped else verdict.different_tables(theatre.settings),
        leftovers=len(theatre.strays()),
        broken_promise=broken,
        skipped=skipped,
    )
    detail = verdict.describe(found) or skipped or "; ".join(theatre.notes)
    console.print(f"{datetime.now(UTC):%H:%M:%S} {name}: {_word(found)} after {seconds:.0f} s {detail}")
    return found


def _print(verdicts: list[Verdict]) -> None:
    table = Table("fault", "seconds", "once per phase", "one report", "equal", "left over", "")
    for one in verdicts:
        equal = "yes" if not one.different_tables else f"{one.different_tables} differ"
        cells = (_yes(holds=one.is_once), _yes(holds=one.is_reported_once), equal, str(one.leftovers))
        table.add_row(one.fault, f"{one.seconds:.0f}", *(("-",) * 4 if one.skipped else cells), _word(one))
    console.print(table)


def _word(one: Verdict) -> str:
    if one.skipped:
        return "skipped"
    return "ok" if one.is_good else "BROKEN"


def _yes(*, holds: bool) -> str:
    return "yes" if holds else "NO"


if __name__ == "__main__":
    app()
