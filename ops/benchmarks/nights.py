"""What a night costs when nothing or little changed, beside a full reload: ``python -m ops.benchmarks.nights``."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console
from rich.markdown import Markdown

from dental_etl.wire import names
from ops.benchmarks import clinic as clinics
from ops.benchmarks import datasets
from ops.benchmarks.datasets import Dataset, Shape
from ops.benchmarks.laboratory import Laboratory, forget_copies, laboratory
from ops.benchmarks.measure import Cost, Worker, measured
from ops.benchmarks.ours import ALL, FULL

_RELOAD = "full reload"
_NUMBER = {Shape.CLEAN: "ProcFee", Shape.WIDE: "ProcFee", Shape.NARROW: "Depth"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """One night over all tables, and what it cost."""

    name: str
    cost: Cost
    #: Tables that differed afterwards.
    differing: tuple[str, ...]
    #: Share of the full reload's time that it may take; None where nothing is promised.
    most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All nights of one run."""

    begun_at: str
    machine: str
    load_average: float
    engine: str
    tables: int
    rows: int
    nights: tuple[Night, ...]

    @property
    def reload(self) -> Cost:
        return next(night.cost for night in self.nights if night.name == _RELOAD)


def main(
    *,
    rows: Annotated[int, typer.Option(min=1000, help="Of all tables together.")] = 5_000_000,
    tables: Annotated[int, typer.Option(min=1, help="How many.")] = 436,
    engine: Annotated[str, typer.Option(help="InnoDB or MyISAM, at the source.")] = "InnoDB",
    memory_mb: Annotated[int, typer.Option(help="InnoDB buffer pool of each MariaDB server.")] = 1024,
    directory: Annotated[
        Path | None, typer.Option(help="Servers and logs; default below the temporary folder.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the source's tables.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write FILE.md and FILE.json.")] = None,
) -> None:
    """Play five nights and print what each cost."""
    console = Console()
    made = datasets.clinic(rows, engine, tables=tables)
    home = directory or Path(tempfile.gettempdir()) / "dental_etl_nights"
    home.mkdir(parents=True, exist_ok=True)
    load_average, begun_at = os.getloadavg()[0], datetime.now(UTC)
    console.print(f"Making the servers and {len(made)} tables in {home} ...")
    with laboratory(home, made, keep=keep, memory_mb=memory_mb) as lab:
        nights = tuple(_play(lab, made, console))
    found = Measured(
        begun_at=f"{begun_at:%Y-%m-%d %H:%M}",
        machine=f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GB",
        load_average=load_average,
        engine=engine,
        tables=len(made),
        rows=clinics.all_of(made).rows,
        nights=nights,
    )
    _show(found, output, console)


def _play(lab: Laboratory, made: Sequence[Dataset], console: Console) -> list[Night]:
    forget_copies(lab)

    def night(name: str, *arguments: str, most: float | None = None) -> Night:
        work = Worker([str(lab.sandbox.directory), ALL, *arguments], lab.directory / "dental_etl.log").work
        lab.settle()
        cost = measured(lab, work)
        played = Night(name=name, cost=cost, differing=_differing(lab, made), most=most)
        console.print(f"{name}: {cost.client.wall_seconds:.1f} s, {len(played.differing)} tables differ")
        return played

    nights = [night("first night"), night("nothing changed", most=0.05)]
    changed = _change(lab, made)
    share = changed / clinics.all_of(made).rows
    nights.append(night(f"{share:.1%} of the rows changed", most=0.15))
    nights.append(night("nothing changed, again", most=0.05))
    nights.append(night(_RELOAD, FULL))
    return nights


def _change(lab: Laboratory, made: Sequence[Dataset]) -> int:
    with lab.mysql(lab.sandbox.source) as source, source.cursor() as cursor:
        return sum(_change_table(cursor, dataset) for dataset in made)


def _change_table(cursor: Any, dataset: Dataset) -> int:
    """Edit with and without a stamp, insert and delete, spread over the whole key; return the rows."""
    table, key = names.mysql(dataset.table), names.mysql(dataset.key)
    number = names.mysql(_NUMBER[dataset.shape])
    kept = "" if dataset.shape is Shape.NARROW else ", DateTStamp = DateTStamp"
    cursor.execute(f"SELECT MAX({key}) FROM {table}")
    first = int(cursor.fetchone()[0]) + 1
    changed: int = cursor.execute(f"UPDATE {table} SET {number} = {number} + 1 WHERE MOD({key}, 250) = 3")
    changed += cursor.execute(f"UPDATE {table} SET {number} = {number} + 2{kept} WHERE MOD({key}, 500) = 17")
    changed += cursor.execute(f"DELETE FROM {table} WHERE MOD({key}, 500) = 29")
    _create, insert = dataset.statements
    last = first + max(1, dataset.rows // 500) - 1
    return changed + int(cursor.execute(insert.replace("{first}", str(first)).replace("{last}", str(last))))


def _differing(lab: Laboratory, made: Sequence[Dataset]) -> tuple[str, ...]:
    """Compare count and sums of every column of source, replica and raw, as the servers add them up."""
    with (
        lab.mysql(lab.sandbox.source) as source,
        lab.mysql(lab.sandbox.replication) as replica,
        lab.postgres() as raw,
    ):
        cursors = (source.cursor(), replica.cursor(), raw.cursor())
        return tuple(one.table for one in made if len({_sums(cursor, one) for cursor in cursors}) > 1)


def _sums(cursor: Any, dataset: Dataset) -> tuple[str, ...]:
    is_postgres = "psycopg2" in type(cursor).__module__
    cursor.execute(_sums_in_raw(dataset) if is_postgres else _sums_in_mysql(dataset))
    return tuple(str(int(value)) for value in cursor.fetchone())


def _sums_in_mysql(dataset: Dataset) -> str:
    key, number = names.mysql(dataset.key), names.mysql(_NUMBER[dataset.shape])
    stamp = "SUM(UNIX_TIMESTAMP(DateTStamp))" if dataset.shape is not Shape.NARROW else "0"
    return (
        f"SELECT COUNT(*), SUM({key}), ROUND(SUM({number}) * 100), SUM(MOD({key}, 9973) * ROUND({number} * 100)), "
        f"{stamp} FROM {names.mysql(dataset.table)}"
    )


def _sums_in_raw(dataset: Dataset) -> str:
    key, number = names.postgres(dataset.key), names.postgres(_NUMBER[dataset.shape])
    stamp = 'sum(extract(epoch FROM "DateTStamp"))' if dataset.shape is not Shape.NARROW else "0"
    return (
        f"SELECT count(*), sum({key}), round(sum({number}) * 100), sum(mod({key}, 9973) * round({number} * 100)), "
        f"{stamp} FROM raw.{names.postgres(dataset.table)}"
    )


def to_markdown(found: Measured) -> str:
    """Render a table for a person and for the repository."""
    rows = [_row(night, found.reload) for night in found.nights]
    header = (
        "night", "seconds", "of the reload", "promised", "CPU s: ours", "source", "replication", "PostgreSQL",
        "all CPU of the reload", "rows read", "MB read", "others", "differ",
    )  # fmt: skip
    lines = [header, tuple("---" for _ in header), *rows]
    return (
        f"# Nights compared, {found.begun_at} UTC\n\n{found.machine}; {found.tables} {found.engine} tables of "
        f"{found.rows:,} rows; load average before: {found.load_average:.1f}; all in one run.\n\n"
        + "\n".join(f"| {' | '.join(line)} |" for line in lines)
        + "\n\nothers: cores that everything else on the machine kept busy meanwhile. differ: tables whose count or "
        "sums differ between source, replica and raw afterwards.\n"
    )


def _row(night: Night, full: Cost) -> tuple[str, ...]:
    cost, client = night.cost, night.cost.client
    ratio = client.wall_seconds / full.client.wall_seconds
    promise = "" if night.most is None else f"{night.most:.0%}: {'yes' if ratio <= night.most else 'NO'}"
    return (
        night.name,
        f"{client.wall_seconds:.1f}",
        f"{ratio:.1%}",
        promise,
        *(f"{client.cpu_seconds:.1f}",),
        f"{cost.source_cpu_seconds:.1f}",
        f"{cost.replication_cpu_seconds:.1f}",
        f"{cost.analytics_cpu_seconds:.1f}",
        f"{cost.all_cpu_seconds / full.all_cpu_seconds:.1%}",
        f"{client.rows_read:,}",
        f"{client.bytes_read / 2**20:.1f}",
        f"{cost.others_cores:.1f}",
        str(len(night.differing)),
    )


def _show(found: Measured, output: Path | None, console: Console) -> None:
    text = to_markdown(found)
    console.print(Markdown(text) if console.is_terminal else text, soft_wrap=not console.is_terminal)
    if output is not None:
        output.with_suffix(".md").write_text(text, encoding="utf-8")
        output.with_suffix(".json").write_text(json.dumps(asdict(found), indent=1), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
