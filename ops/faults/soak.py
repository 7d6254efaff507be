"""Nights without mercy: random kills at random moments while the clinic keeps changing."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from signal import SIGKILL, SIGQUIT, SIGTERM

import psutil

from dental_etl.sandbox import change
from dental_etl.sandbox.state import ServerName
from ops.faults import verdict
from ops.faults.theatre import HOSTS, SPEED, Night, Theatre

_LONGEST_PAUSE_SECONDS = 8.0
#: As a crash would: PostgreSQL leaves its helpers behind when its parent alone is killed.
_SIGNALS = {
    ServerName.SOURCE: SIGTERM,
    ServerName.REPLICATION: SIGKILL,
    ServerName.ANALYTICS: SIGQUIT,
    ServerName.BROKER: SIGKILL,
}


def play(theatre: Theatre, *, minutes: float, seed: int | None, say: Callable[[str], None]) -> bool:
    """Play nights until the time is over.

    What the clinic writes while its night is read belongs to the next night. So every wild night is
    followed by a quiet one, and then compared.

    Returns:
        Whether every comparison found everything in its place.
    """
    chosen = seed if seed is not None else random.SystemRandom().randrange(10_000)
    say(f"seed {chosen}")
    dice = random.Random(chosen)  # noqa: S311  # repeatable on purpose, nothing secret
    until = time.monotonic() + minutes * 60
    theatre.raise_curtain()
    is_good, number = True, 0
    while time.monotonic() < until and is_good:
        number += 1
        kills = _wild_night(theatre, dice, chosen + number)
        theatre.fill_hosts()
        quiet = theatre.start_night().end()
        different = verdict.different_tables(theatre.settings)
        is_good = (
            not different
            and verdict.is_once(theatre.settings)
            and verdict.is_reported_once(theatre.settings)
            and not theatre.strays()
        )
        say(
            f"night {number}: {len(kills)} kills ({', '.join(kills)}); quiet run {quiet.run_id}; "
            f"{different} tables differ; {'ok' if is_good else 'BROKEN'}"
        )
    return is_good


def _wild_night(theatre: Theatre, dice: random.Random, seed: int) -> list[str]:
    theatre.speed(SPEED)
    kills: list[str] = []
    night = theatre.start_night()
    clinic = threading.Thread(
        target=change.change,
        kwargs={"sandbox": theatre.sandbox, "seed": seed, "violence": change.Violence.GENTLE},
    )
    clinic.start()
    for _ in range(dice.randint(2, 5)):
        time.sleep(dice.uniform(0.5, _LONGEST_PAUSE_SECONDS))
        if _is_over(theatre, night):
            break
        kills.append(_kill_something(theatre, dice, is_source_busy=clinic.is_alive()))
    clinic.join()
    theatre.fill_hosts()
    night.end()
    return kills


def _is_over(theatre: Theatre, night: Night) -> bool:
    row = night.row()
    return row is not None and row.status.is_terminal


def _kill_something(theatre: Theatre, dice: random.Random, *, is_source_busy: bool) -> str:
    kind = dice.choice(("child", "child", "host", "server", "cut"))
    if kind == "host":
        return _lose_host(theatre, dice.choice(sorted(HOSTS)))
    if kind == "server":
        servers = [name for name in ServerName if not (is_source_busy and name is ServerName.SOURCE)]
        return _restart(theatre, dice.choice(servers))
    if kind == "cut":
        theatre.source_line.cut()
        theatre.replication_line.cut()
        return "lines cut"
    return _kill_child(theatre, dice)


def _lose_host(theatre: Theatre, name: str) -> str:
    theatre.lose_host(name)
    theatre.start_host(name)
    return f"host {name}"


def _restart(theatre: Theatre, name: ServerName) -> str:
    theatre.stop_server(name, _SIGNALS[name])
    theatre.revive()
    return name.value


def _kill_child(theatre: Theatre, dice: random.Random) -> str:
    host = dice.choice(sorted(HOSTS))
    children = theatre.host(host).children()
    try:
        dice.choice(children).kill()
    except (psutil.NoSuchProcess, IndexError):
        return f"no child of {host}"
    return f"child of {host}"
