"""A run as it happens: a live table on a terminal, plain lines elsewhere; read from the ledger only."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dental_etl.cli import console
from dental_etl.config import Settings
from dental_etl.exceptions import DatabaseConnectionError, ETLPipelineError
from dental_etl.pipeline import ledger_transaction
from dental_etl.run import NodeResult, NodeStatus, RunStatus, TableResult, TableStatus
from dental_etl.tracking import ledger
from dental_etl.tracking.run_row import RunRow

_WORKING = {TableStatus.EXTRACTING, TableStatus.LOADING}
_STYLES = {TableStatus.FAILED: "red", TableStatus.NOT_RUN: "yellow"}
_SHOWN = 12
_PAUSE_SECONDS = 0.5
#: Between two lines where there is no terminal.
_LINE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A run at one moment."""

    row: RunRow
    tables: tuple[TableResult, ...]
    nodes: tuple[NodeResult, ...]
    at: datetime
    #: Servers that cannot be reached; tables wait for them.
    away: tuple[ledger.Outage, ...] = ()

    @property
    def ended(self) -> tuple[TableResult, ...]:
        return tuple(table for table in self.tables if table.status.is_terminal)

    @property
    def failed(self) -> tuple[TableResult, ...]:
        return tuple(table for table in self.tables if table.status is TableStatus.FAILED)

    @property
    def bad_nodes(self) -> int:
        return sum(n.status in {NodeStatus.ERROR, NodeStatus.FAIL} for n in self.nodes)

    @property
    def seconds(self) -> float:
        return ((self.row.finished_at or self.at) - self.row.created_at).total_seconds()


def snapshot(settings: Settings, run_id: str) -> Snapshot:
    """Read a run from the ledger.

    Raises:
        RunNotFoundError: There is no such run.
    """
    with ledger_transaction(settings) as connection:
        return Snapshot(
            row=ledger.run(connection, run_id),
            tables=ledger.results(connection, run_id),
            nodes=ledger.nodes(connection, run_id),
            at=console.now(),
            away=ledger.outages(connection),
        )


def watch(
    settings: Settings,
    run_id: str,
    *,
    terminal: Console = console.out,
    check: Callable[[], None] | None = None,
    pause: Callable[[], object] = lambda: time.sleep(_PAUSE_SECONDS),
) -> RunStatus:
    """Follow a run to its end.

    Args:
        settings: Where.
        run_id: An opened run.
        terminal: Where to show it.
        check: Called between two looks. It may mend a ledger that cannot be reached, so that is
            waited for; it may raise when there is no hope.
        pause: Waits until the next look.

    Returns:
        The run's last status.
    """
    show = _show_live if terminal.is_terminal else _show_lines
    return show(_looks(settings, run_id, check, pause), terminal).row.status


def _looks(
    settings: Settings, run_id: str, check: Callable[[], None] | None, pause: Callable[[], object]
) -> Iterator[Snapshot]:
    """Yield the run again and again, the last time when it has ended."""
    while True:
        try:
            now = snapshot(settings, run_id)
        except DatabaseConnectionError:
            if check is None:
                raise
        else:
            yield now
            if now.row.status.is_terminal:
                return
        if check is not None:
            check()
        pause()


def _show_live(looks: Iterator[Snapshot], terminal: Console) -> Snapshot:
    with Live(console=terminal, refresh_per_second=4, transient=True) as live:
        for now in looks:
            live.update(view(now))
    terminal.print(_line(now), markup=False)
    return now


def _show_lines(looks: Iterator[Snapshot], terminal: Console) -> Snapshot:
    said_at, said = 0.0, ""
    for now in looks:
        is_due = time.monotonic() - said_at >= _LINE_SECONDS or now.row.status.is_terminal
        if is_due and _facts(now) != said:
            terminal.print(_line(now), markup=False, soft_wrap=True)
            said_at, said = time.monotonic(), _facts(now)
    return now


class Watching:
    """Shows a run of this process on stderr while it works; leaving the block ends that."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()

    def start(self, run_id: str) -> None:
        """Show the run that has just been opened."""
        console.err.print(f"Run {run_id}")
        self._thread = threading.Thread(target=self._show, args=(run_id,), name="watching", daemon=True)
        self._thread.start()

    def _show(self, run_id: str) -> None:
        # The run itself says what becomes of it; not being able to show it is no news.
        with contextlib.suppress(_Over, ETLPipelineError):
            watch(
                self._settings,
                run_id,
                terminal=console.err,
                check=self._check,
                # Looking takes processor time that the copy could use.
                pause=lambda: self._is_over.wait(_LINE_SECONDS),
            )

    def _check(self) -> None:
        if self._is_over.is_set():
            raise _Over


class _Over(Exception):  # noqa: N818  # no error: the way out of `watch`
    """What was watched has ended."""


def view(now: Snapshot) -> RenderableType:
    """Return what a terminal shows of a run: a headline, a bar, the tables at work, what went wrong."""
    bar = Table.grid(padding=(0, 1))
    share = ProgressBar(total=max(len(now.tables), 1), completed=len(now.ended), width=40)
    bar.add_row(share, Text(f"{len(now.ended)}/{len(now.tables)} tables"))
    parts: list[RenderableType] = [Text(_headline(now), style="bold"), bar]
    rows = _rows(now)
    parts += [Text(_waits_for(outage), style="yellow") for outage in _in_the_way(now)]
    if rows:
        parts.append(_table(rows))
    if now.nodes:
        parts.append(Text(_dbt(now)))
    return Group(*parts)


def _rows(now: Snapshot) -> list[TableResult]:
    working = [table for table in now.tables if table.status in _WORKING]
    recent = sorted(now.ended, key=lambda t: t.finished_at or now.at, reverse=True)
    bad = [table for table in recent if table.status is not TableStatus.LOADED]
    good = [table for table in recent if table.status is TableStatus.LOADED]
    return [*bad[:4], *working, *good][:_SHOWN]


def _table(rows: list[TableResult]) -> Table:
    view = console.table(
        "TABLE", "STATE", "CATEGORY", "STRATEGY", ">READ", ">LOADED", ">MB", ">SECONDS", ">ROWS/S", ">LEFT"
    )
    for table in rows:
        at_work = _AtWork.of(table)
        view.add_row(
            table.table,
            f"{table.status} {table.error_code or ''}".strip(),
            table.category,
            table.strategy or "",
            f"{table.rows_read:,}",
            f"{_loaded_rows(table):,}",
            f"{at_work.bytes / 1e6:,.1f}",
            f"{table.extract_seconds + table.load_seconds:.1f}",
            f"{at_work.rows_per_second:,.0f}" if at_work.rows else "",
            at_work.left,
            style=_STYLES.get(table.status, "dim" if table.status is TableStatus.LOADED else ""),
        )
    return view


@dataclass(frozen=True, slots=True, kw_only=True)
class _AtWork:
    """How far the phase is that a table is in, or was in last."""

    rows: int
    bytes: int
    seconds: float
    #: Rows that are still to come; 0 where that is not known.
    rows_left: int

    @classmethod
    def of(cls, table: TableResult) -> _AtWork:
        if table.status is TableStatus.LOADING:
            return cls(
                rows=table.rows_loaded,
                bytes=table.bytes_loaded,
                seconds=table.load_seconds,
                rows_left=max(table.rows_to_load - table.rows_loaded, 0),
            )
        is_extracting = table.status is TableStatus.EXTRACTING
        return cls(
            rows=table.rows_read,
            bytes=table.bytes_read,
            seconds=table.extract_seconds,
            rows_left=max(table.rows_expected - table.rows_read, 0) if is_extracting else 0,
        )

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def left(self) -> str:
        """How long it still takes at its pace so far; nothing where that is not known."""
        if not self.rows_left or not self.rows_per_second:
            return ""
        minutes, seconds = divmod(round(self.rows_left / self.rows_per_second), 60)
        return f"{minutes}:{seconds:02}"


def _loaded_rows(table: TableResult) -> int:
    """Return the rows that have come to raw: so far, or in the whole load."""
    return table.rows_written if table.status is TableStatus.LOADED else table.rows_loaded


def _headline(now: Snapshot) -> str:
    return f"Run {now.row.run_id}  night of {now.row.run_date}  {now.row.status}  {now.seconds:.0f} s"


def _facts(now: Snapshot) -> str:
    counts = Counter(table.status for table in now.tables)
    states = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in counts.items())
    dbt = f"; {_dbt(now)}" if now.nodes else ""
    away = "".join(f"; {_waits_for(outage)}" for outage in _in_the_way(now))
    return f"{now.row.status}: {states or 'not planned yet'}{_moved(now)}{dbt}{away}"


def _moved(now: Snapshot) -> str:
    """Say what has come so far, while tables are at work."""
    read = sum(table.rows_read for table in now.tables)
    loaded = sum(_loaded_rows(table) for table in now.tables)
    size = sum(table.bytes_read for table in now.tables) / 1e6
    return f"; {read:,} rows ({size:,.1f} MB) read, {loaded:,} loaded" if read or loaded else ""


def _in_the_way(now: Snapshot) -> tuple[ledger.Outage, ...]:
    return now.away if now.row.status is RunStatus.ACTIVE else ()


def _waits_for(outage: ledger.Outage) -> str:
    return f"waiting for the {outage.server} database, away since {outage.began_at:%H:%M} UTC"


def _line(now: Snapshot) -> str:
    return f"{now.seconds:6.1f} s  {_facts(now)}"


def _dbt(now: Snapshot) -> str:
    bad = f", {now.bad_nodes} failed" if now.bad_nodes else ""
    return f"dbt: {len(now.nodes)} nodes done{bad}"
