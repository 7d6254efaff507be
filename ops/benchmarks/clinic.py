"""A whole clinic, first night: every table through both hops, as ``dental-etl run --all`` works it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ops.benchmarks import verify
from ops.benchmarks.contestants import Contestant, Hop, Kind, Verdict
from ops.benchmarks.datasets import Dataset, Shape
from ops.benchmarks.laboratory import Laboratory, forget_copies
from ops.benchmarks.measure import ClientCost, Worker
from ops.benchmarks.ours import ALL


def all_of(tables: Sequence[Dataset]) -> Dataset:
    """Stand for all tables where one is expected."""
    return Dataset(
        table=f"clinic of {len(tables)} tables",
        shape=Shape.CLEAN,
        rows=sum(table.rows for table in tables),
        engine=tables[0].engine,
    )


def contestant(tables: Sequence[Dataset]) -> Contestant:
    return Contestant(
        name="dental_etl run --all",
        kind=Kind.OURS,
        hop=Hop.BOTH,
        prepare=_prepare,
        verify=lambda lab, _all: _verify(lab, tables),
    )


def _prepare(lab: Laboratory, _all: Dataset) -> Callable[[], ClientCost]:
    forget_copies(lab)
    return Worker([str(lab.sandbox.directory), ALL], lab.directory / "dental_etl.log").work


def _verify(lab: Laboratory, tables: Sequence[Dataset]) -> Verdict:
    differing = [table.table for table in tables if not verify.replica_and_raw(lab, table).is_equal]
    detail = (
        f"tables that differ: {', '.join(differing)}" if differing else f"{len(tables)} tables, both hops"
    )
    return Verdict(is_equal=not differing, detail=detail)
