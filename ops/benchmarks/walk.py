"""What helpers win when a large table is walked over for its changes: ``python -m ops.benchmarks.walk``.

One MyISAM table without an index on its stamp; before each pass one row in a hundred changes. The same
pass alone and with helpers in processes of their own, in turns.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from dental_etl.config import DictConfigProvider, Settings, TableConfig, load_settings
from dental_etl.connections import connect
from dental_etl.extract.helper import extract_chunk
from dental_etl.extract.replicator import extract_table
from dental_etl.plan import plan_table
from dental_etl.run import Category, ExtractResult, RefreshMode, Strategy
from dental_etl.sandbox import family, servers
from dental_etl.sandbox.state import Sandbox
from dental_etl.tracking.status import ensure_copy_status, read_copy_status

_TABLE = "walked"
_NOTE = "x" * 160
_CHANGED_PERCENT = 1
_FENCES = count(int(time.time()))


def main(
    *,
    rows: Annotated[int, typer.Option(min=10_000)] = 2_000_000,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    most_helpers: Annotated[int, typer.Option(min=1)] = 2,
    directory: Annotated[Path, typer.Option(help="Of the servers.")] = Path(".sandbox-walk"),
) -> None:
    """Walk one table, alone and with helpers, and print the medians."""
    sandbox = servers.up(directory.resolve())
    try:
        _measure(sandbox, rows, rounds, most_helpers)
    finally:
        servers.destroy(directory.resolve())


def _measure(sandbox: Sandbox, rows: int, rounds: int, most_helpers: int) -> None:
    settings, config = _settings(sandbox), _config(rows)
    _make(sandbox, rows)
    _walk(settings, config, None)  # the first copy
    seconds: dict[int, list[float]] = {helpers: [] for helpers in range(most_helpers + 1)}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(most_helpers, mp_context=context) as pool:
        list(pool.map(time.sleep, [1.0] * most_helpers))  # their start is not what is measured
        for turn in range(rounds):
            for helpers, taken in seconds.items():
                changed = _change(sandbox, turn * len(seconds) + helpers)
                started = time.monotonic()
                found = _walk(settings, config, _caller(pool, settings, config, helpers))
                taken.append(time.monotonic() - started)
                if found.rows_written != changed:
                    raise SystemExit(f"{found.rows_written} rows were merged, {changed} had changed")
    _print(rows, seconds)


def _caller(
    pool: ProcessPoolExecutor, settings: Settings, config: TableConfig, helpers: int
) -> Callable[[Sequence[int]], None] | None:
    """Return how so many helpers are called: each takes the next range when it is done with one."""
    if not helpers:
        return None

    def call(numbers: Sequence[int]) -> None:
        shares = [list(numbers[place::helpers]) for place in range(helpers)]
        _called.extend(pool.submit(_help, settings, config, share) for share in shares)

    return call


_called: list[Future[int]] = []


def _help(settings: Settings, config: TableConfig, numbers: Sequence[int]) -> int:
    now = datetime.now(UTC)
    plan = plan_table(config, None, RefreshMode.INCREMENTAL, now)
    options: dict[str, Any] = {"run_id": "walk", "deadline": None, "clock": lambda: datetime.now(UTC)}
    return sum(extract_chunk(settings, plan, number, **options) for number in numbers)


def _walk(
    settings: Settings, config: TableConfig, helpers: Callable[[Sequence[int]], None] | None
) -> ExtractResult:
    with connect(settings.replication) as connection:
        ensure_copy_status(connection)
        copied = read_copy_status(connection, _TABLE)
    found = extract_table(
        settings,
        plan_table(config, copied, RefreshMode.INCREMENTAL, datetime.now(UTC)),
        run_id="walk",
        fence=next(_FENCES),
        deadline=None,
        clock=lambda: datetime.now(UTC),
        helpers=helpers,
    )
    for one in _called:
        one.result()
    _called.clear()
    return found


def _make(sandbox: Sandbox, rows: int) -> None:
    with closing(family.connect(sandbox.source)) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {_TABLE} (Id bigint NOT NULL PRIMARY KEY, Amount double NOT NULL, Note varchar(200) NOT "
            "NULL, Stamp timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp()) ENGINE=MyISAM"
        )
        cursor.execute(
            f"INSERT INTO {_TABLE} SELECT seq, seq / 7, CONCAT(seq, %s), '2020-01-01' FROM seq_1_to_{rows}",
            (_NOTE,),
        )
        connection.commit()


def _change(sandbox: Sandbox, turn: int) -> int:
    """Change one row in a hundred, and let what changed before be long ago."""
    every = 100 // _CHANGED_PERCENT
    with closing(family.connect(sandbox.source)) as connection, connection.cursor() as cursor:
        cursor.execute(f"UPDATE {_TABLE} SET Stamp = '2020-01-01' WHERE Stamp > '2021-01-01'")
        cursor.execute(f"UPDATE {_TABLE} SET Amount = Amount + 1 WHERE MOD(Id, {every}) = {turn % every}")
        changed = int(cursor.rowcount)
        connection.commit()
    return changed


def _settings(sandbox: Sandbox) -> Settings:
    return load_settings(
        DictConfigProvider({**sandbox.environment(), "PROJECT_ROOT": str(Path(__file__).parents[2])})
    )


def _config(rows: int) -> TableConfig:
    return TableConfig(
        table_name=_TABLE,
        extraction_strategy=Strategy.INCREMENTAL_CHUNKED,
        strategy_reason="benchmark",
        primary_incremental_column="Stamp",
        batch_size=50_000,
        performance_category=Category.LARGE,
        processing_priority="low",
        estimated_rows=rows,
        estimated_size_mb=max(rows * 200 / 2**20, 100.0),
        reconcile="rotating",
    )


def _print(rows: int, seconds: dict[int, list[float]]) -> None:
    alone = median(seconds[0])
    table = Table("helpers", "seconds, median", "of alone", title=f"A pass over {rows:,} rows, 1 % changed")
    for helpers, taken in seconds.items():
        table.add_row(str(helpers), f"{median(taken):.2f}", f"{median(taken) / alone:.2f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
