"""What the front desk's waiting comes to; pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Condition(StrEnum):
    """What happens beside the front desk's work."""

    ALONE = "nothing else"
    FIRST = "dental_etl, first night"
    CHANGES = "dental_etl, a night of changes"
    PROCESSORS = "busy processors, no reads"
    DUMP = "mariadb-dump piped into a database"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """The front desk in one round under one condition."""

    condition: Condition
    round: int
    seconds: float
    #: Requests for a table's lock that had to wait, whosever.
    lock_waits: int
    #: Of all three databases, for the desks too.
    server_cpu_seconds: float
    #: In which the source worked for us, and our longest read; 0 where we did nothing.
    source_seconds: float
    longest_read_seconds: float
    #: In which we left the source alone.
    paused_seconds: float
    #: Kind and seconds of every statement of the desks.
    statements: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How long statements took."""

    statements: int
    p50_ms: float
    p99_ms: float
    most_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskResults:
    """All rounds of one run of the benchmark."""

    begun_at: datetime
    machine: str
    load_average: float
    #: Rows of each table when it was made.
    tables: dict[str, int]
    desks: int
    period_ms: int
    played: tuple[Played, ...]

    def of(self, condition: Condition) -> tuple[Played, ...]:
        return tuple(one for one in self.played if one.condition is condition)

    def waiting(self, condition: Condition, *, kinds: frozenset[str] | None = None) -> Waiting:
        """Return the waiting over all rounds of a condition, of all statements or of some kinds."""
        return waiting(
            took for one in self.of(condition) for kind, took in one.statements if not kinds or kind in kinds
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything but the single statements as plain JSON types."""
        return {
            "begun_at": self.begun_at.isoformat(),
            "machine": self.machine,
            "load_average": self.load_average,
            "tables": self.tables,
            "desks": self.desks,
            "period_ms": self.period_ms,
            "conditions": {
                condition.value: {
                    "all": dataclasses.asdict(self.waiting(condition)),
                    "writes": dataclasses.asdict(self.waiting(condition, kinds=WRITES)),
                }
                for condition in Condition
            },
            "rounds": [
                {
                    **{
                        name: value for name, value in dataclasses.asdict(one).items() if name != "statements"
                    },
                    "waiting": dataclasses.asdict(waiting(took for _, took in one.statements)),
                }
                for one in self.played
            ],
        }


WRITES = frozenset({"change", "add"})


def waiting(seconds: Iterable[float]) -> Waiting:
    """Return the middle, the slowest hundredth and the slowest of what statements took."""
    took = sorted(seconds)
    if not took:
        return Waiting(statements=0, p50_ms=0.0, p99_ms=0.0, most_ms=0.0)
    return Waiting(
        statements=len(took),
        p50_ms=_share(took, 0.50) * 1000,
        p99_ms=_share(took, 0.99) * 1000,
        most_ms=took[-1] * 1000,
    )


def _share(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


_HEADER = (
    "beside", "seconds", "statements", "p50 ms", "p99 ms", "max ms", "writes p99", "writes max",
    "lock waits/s", "our reads s", "longest s", "rests s",
)  # fmt: skip


def to_markdown(results: DeskResults) -> str:
    """Render one table for a person and for the repository."""
    rounds = max((one.round for one in results.played), default=0)
    tables = ", ".join(f"{name} {rows:,}" for name, rows in results.tables.items())
    lines = [_HEADER, ["---"] * len(_HEADER), *(_line(results, condition) for condition in Condition)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return (
        f"# A busy front desk, {results.begun_at:%Y-%m-%d %H:%M} UTC\n\n"
        f"{results.machine}; load average before: {results.load_average:.1f}; MyISAM tables: {tables} rows; "
        f"{results.desks} desks, each a statement every {results.period_ms} ms; {rounds} round(s), all in one "
        f"run.\n\n{table}\n\n{_LEGEND}\n"
    )


def _line(results: DeskResults, condition: Condition) -> Sequence[str]:
    played = results.of(condition)
    seconds = sum(one.seconds for one in played)
    every, writes = results.waiting(condition), results.waiting(condition, kinds=WRITES)
    is_ours = condition in {Condition.FIRST, Condition.CHANGES}
    return (
        condition,
        f"{seconds:.1f}",
        f"{every.statements:,}",
        f"{every.p50_ms:.1f}",
        f"{every.p99_ms:.1f}",
        f"{every.most_ms:.0f}",
        f"{writes.p99_ms:.1f}",
        f"{writes.most_ms:.0f}",
        f"{sum(one.lock_waits for one in played) / seconds:.1f}" if seconds else "",
        f"{sum(one.source_seconds for one in played):.1f}" if is_ours else "",
        f"{max(one.longest_read_seconds for one in played):.2f}" if is_ours and played else "",
        f"{sum(one.paused_seconds for one in played):.1f}" if is_ours else "",
    )


_LEGEND = """\
A statement counts from the moment it was planned for. lock waits: requests for a table's lock that had to
wait, the desks' own among themselves included. our reads, longest, rests: time in which the source worked
for us, its longest read, and time in which we left it alone. Desks, source, our databases and we share one
machine, the last two at a lower priority; what is slow beside busy processors is slow for want of a
processor, and only what is slower beside a copy waits for the copy's locks."""
