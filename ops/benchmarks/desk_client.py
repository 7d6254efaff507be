"""One computer at the front desk, as a process of its own: short statements, each at its planned moment.

A statement that should have begun while an earlier one still waited counts from the moment it was planned
for: the person at the desk has waited for both.
"""

from __future__ import annotations

import json
import random
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dental_etl.sandbox import family, servers

#: What a desk does: mostly looks, often changes, sometimes adds.
READ, CHANGE, ADD = "read", "change", "add"
_MIX = (READ,) * 5 + (CHANGE,) * 3 + (ADD,) * 2
_STATEMENTS = {
    READ: "SELECT * FROM `{table}` WHERE ProcNum = %(key)s",
    CHANGE: "UPDATE `{table}` SET ProcFee = %(fee)s, ProcStatus = %(status)s WHERE ProcNum = %(key)s",
    ADD: "INSERT INTO `{table}` (PatNum, ProcFee, ProcStatus) VALUES (%(key)s, %(fee)s, %(status)s)",
}


def main(directory: str, seed: str, period_ms: str, *tables: str) -> None:
    """Say ``ready``, begin at the first line of input, end at the second, print what every statement took.

    Args:
        directory: Of the sandbox.
        seed: Of this desk's choices.
        period_ms: A statement is planned every so many milliseconds, give or take half of that.
        tables: Name and rows of each, ``procedurelog:100000``.
    """
    source = servers.find(Path(directory)).source
    desk = _Desk(family.connect(source), int(seed), [_named(table) for table in tables])
    for _ in range(20):  # connections, plans and imports are warm before anything counts
        desk.work(READ)
    _say("ready")
    while sys.stdin.readline():
        _say(json.dumps(_play(desk.work, random.Random(seed), int(period_ms) / 1000)))  # noqa: S311


class _Desk:
    def __init__(self, connection: Any, seed: int, tables: list[tuple[str, int]]) -> None:
        self._connection = connection
        self._random = random.Random(seed)  # noqa: S311  # repeatable, not secret
        self._tables = tables

    def work(self, kind: str) -> None:
        table, rows = self._random.choice(self._tables)
        values = {
            "key": self._random.randint(1, rows),
            "fee": self._random.randint(1, 900),
            "status": self._random.randint(1, 8),
        }
        with self._connection.cursor() as cursor:
            cursor.execute(_STATEMENTS[kind].format(table=table), values)
            cursor.fetchall()


def _play(
    work: Callable[[str], None], chance: random.Random, period_seconds: float
) -> list[tuple[str, float]]:
    """Work until there is a line of input; return the kind and the seconds of every statement."""
    took: list[tuple[str, float]] = []
    planned = time.monotonic()
    while not _is_told():
        planned += chance.uniform(0.5, 1.5) * period_seconds
        time.sleep(max(0.0, planned - time.monotonic()))
        kind = chance.choice(_MIX)
        work(kind)
        took.append((kind, time.monotonic() - planned))
    sys.stdin.readline()
    return took


def _is_told() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def _named(table: str) -> tuple[str, int]:
    name, _, rows = table.partition(":")
    return name, int(rows)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
