"""What one way of loading has moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from dental_etl.run import Coercion
from dental_etl.wire.reader import BlockStream


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Counters of a load, before they become a `LoadResult`."""

    written: int = 0
    deleted: int = 0
    bytes: int = 0
    coercions: tuple[Coercion, ...] = ()
    drift: tuple[str, ...] = ()

    def with_drift(self, *drift: str) -> Self:
        return replace(self, drift=(*self.drift, *drift))


def coercions(table: str, *streams: BlockStream) -> tuple[Coercion, ...]:
    """Return the coercions that streams counted, by column and kind; complete once they are read."""
    total: Counter[tuple[str, str]] = Counter()
    for stream in streams:
        total.update(stream.coercions)
    return tuple(
        Coercion(table=table, column=column, kind=kind, rows=rows)
        for (column, kind), rows in sorted(total.items())
        if rows
    )


def added(before: Iterable[Coercion], found: Iterable[Coercion]) -> tuple[Coercion, ...]:
    """Add counts of coercions up by table, column and kind."""
    total: Counter[tuple[str, str, str]] = Counter()
    for coercion in (*before, *found):
        total[coercion.table, coercion.column, coercion.kind] += coercion.rows
    return tuple(
        Coercion(table=table, column=column, kind=kind, rows=rows)
        for (table, column, kind), rows in sorted(total.items())
    )
