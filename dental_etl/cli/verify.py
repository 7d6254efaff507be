"""The command that proves the three databases equal on demand."""

from __future__ import annotations

from typing import Annotated

import typer

from dental_etl import pipeline
from dental_etl.cli import console
from dental_etl.reconciliation.verify import Verdict, Verified, verify_tables


def add_to(app: typer.Typer) -> None:
    app.command()(verify)


def verify(
    *,
    table: Annotated[
        list[str] | None, typer.Option("--table", "-t", help="This table; may be repeated. Default: all.")
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="SHA-256 at the source instead of CRC32.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Prove source = replica = raw, every row of every column; changes nothing. Exit code 1 if one differs.

    Refused while the clinic works (exit code 3), for it reads the source.
    """
    settings = console.settings()
    pipeline.guard(settings, console.now())
    configs = pipeline.choose(settings, names=table or ())
    seen = []
    for one in verify_tables(settings, configs, clock=console.now, is_deep=deep):
        console.err.print(f"{one.table}: {one.verdict}", markup=False)
        seen.append(one)
    _print(seen, as_json=as_json)
    if any(one.verdict is not Verdict.EQUAL for one in seen):
        raise typer.Exit(1)


def _print(seen: list[Verified], *, as_json: bool) -> None:
    if as_json:
        console.print_json([one.to_json() for one in seen])
        return
    view = console.table("TABLE", "VERDICT", ">SOURCE", ">REPLICA", ">RAW", "REMARK")
    for one in sorted(seen, key=lambda one: (one.verdict is Verdict.EQUAL, one.table)):
        counts = [_count(rows) for rows in (one.source_rows, one.replica_rows, one.raw_rows)]
        view.add_row(one.table, one.verdict.value, *counts, one.remark)
    console.out.print(view)
    equal = sum(one.verdict is Verdict.EQUAL for one in seen)
    console.out.print(f"{equal} of {len(seen)} tables are equal in source, replica and raw.")


def _count(rows: int | None) -> str:
    return "" if rows is None else f"{rows:,}"
