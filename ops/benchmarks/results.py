"""What was measured, as a value, a table and JSON; and the budgets that it is held against. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ops.benchmarks import limits
from ops.benchmarks.contestants import Hop, Kind, Verdict
from ops.benchmarks.datasets import Shape
from ops.benchmarks.measure import Cost

_MEMORY_MB = 64.0
_OWN_CPU_SECONDS = 2.5
#: Cores that the neighbours may keep busy before a comparison of wall times says nothing.
_MOST_OTHERS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One contestant's copy of one table, once."""

    contestant: str
    kind: Kind
    hop: Hop
    #: The table, or all of them.
    dataset: str
    rows: int
    #: Which time over all contestants, from 1.
    round: int
    cost: Cost
    #: None where nothing was written.
    verdict: Verdict | None

    @property
    def seconds(self) -> float:
        """Wall time without the program's own start, which a running worker does not have either."""
        return self.cost.client.wall_seconds - self.cost.client.start_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One promise, and what was measured."""

    promise: str
    measured: float
    #: As printed: ``0.92``, ``1.8 s``.
    unit: str
    #: None where the neighbours' work makes wall times worth nothing.
    is_met: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Everything of one benchmark."""

    begun_at: datetime
    #: Processors and memory.
    machine: str
    #: Average number of waiting or running processes before the first copy.
    load_average: float
    engine: str
    measurements: tuple[Measurement, ...]
    #: Tools that could not be had, or that failed, each with the reason.
    skipped: tuple[str, ...] = ()

    def best(self) -> tuple[Measurement, ...]:
        """Return each contestant's quickest copy of each table, in the order of the first round."""
        quickest: dict[tuple[str, str], Measurement] = {}
        for one in self.measurements:
            key = (one.dataset, one.contestant)
            if key not in quickest or one.seconds < quickest[key].seconds:
                quickest[key] = one
        return tuple(sorted(quickest.values(), key=lambda one: list(Hop).index(one.hop)))

    @property
    def datasets(self) -> tuple[str, ...]:
        """What was copied, in the order of the first round."""
        return tuple(dict.fromkeys(one.dataset for one in self.measurements))

    def to_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "begun_at": self.begun_at.isoformat(),
            "budgets": [asdict(budget) for budget in budgets(self)],
        }


def budgets(results: Results) -> tuple[Budget, ...]:
    """Hold what was measured against what is promised, as far as it was measured."""
    best = results.best()
    found: list[Budget] = []
    for dataset in results.datasets:
        found += _of_dataset([one for one in best if one.dataset == dataset], dataset)
    ours = [one for one in results.measurements if one.kind in {Kind.OURS, Kind.SHARED}]
    if ours:
        peak = max(one.cost.client.peak_mb for one in ours)
        found.append(_at_most("memory above the idle worker", peak, _MEMORY_MB, "MB"))
    return tuple(found)


def _of_dataset(best: Sequence[Measurement], dataset: str) -> list[Budget]:
    one = {(m.kind, m.hop): m for m in best if m.kind is Kind.OURS}
    limit = {m.contestant: m for m in best if m.kind is Kind.LIMIT}
    peers = [m for m in best if m.kind is Kind.PEER and m.verdict is not None]
    first, second, both = (one.get((Kind.OURS, hop)) for hop in (Hop.FIRST, Hop.SECOND, Hop.BOTH))
    found: list[Budget] = []
    if second and (file := limit.get(limits.COPY_FILE)):
        found.append(_at_least(f"{dataset}: load beside COPY from a server file", file, second, 0.85))
    if first and (file := limit.get(limits.LOAD_FILE)):
        found.append(_at_least(f"{dataset}: extract beside LOAD DATA from a server file", file, first, 0.95))
    if first and (read := limit.get(limits.SELECT_ALL)):
        ratio = first.cost.source_cpu_seconds / read.cost.source_cpu_seconds
        found.append(_at_most(f"{dataset}: source CPU of the extract beside SELECT *", ratio, 1.10, "x"))
    found += _beside_peers(dataset, second, both, [m for m in peers if m.hop is Hop.SECOND])
    if both and dataset in {Shape.WIDE, Shape.CLEAN}:
        per_million = both.cost.client.cpu_seconds * 1e6 / both.rows
        found.append(
            _at_most(f"{dataset}: our CPU, both hops, a million rows", per_million, _OWN_CPU_SECONDS, "s")
        )
    return found


def _beside_peers(
    dataset: str, second: Measurement | None, both: Measurement | None, peers: Sequence[Measurement]
) -> list[Budget]:
    if not peers:
        return []
    fastest = min(peers, key=lambda one: one.seconds)
    found = []
    if second:
        found.append(_at_least(f"{dataset}: load beside {fastest.contestant}", fastest, second, 2.0))
    if both:
        found.append(
            _at_least(f"{dataset}: both hops beside the one of {fastest.contestant}", fastest, both, 1.0)
        )
        found += [
            _at_least(f"{dataset}: both hops beside the one of {peer.contestant}", peer, both, 1.3)
            for peer in peers
            if peer is not fastest and peer.contestant.startswith(("dlt", "pgloader", "sling"))
        ]
    return found


def _at_least(what: str, other: Measurement, ours: Measurement, least: float) -> Budget:
    """Compare wall times; beside them the processor time of the busiest, which neighbours hardly change."""
    ratio = other.seconds / ours.seconds
    busiest = other.cost.busiest_cpu_seconds / ours.cost.busiest_cpu_seconds
    is_disturbed = max(other.cost.others_cores, ours.cost.others_cores) > _MOST_OTHERS
    return Budget(
        promise=f"{what}: at least {least:g} of its speed",
        measured=ratio,
        unit=f"x (CPU of the busiest: {busiest:.2f} x)",
        is_met=None if is_disturbed else ratio >= least,
    )


def _at_most(what: str, value: float, most: float, unit: str) -> Budget:
    return Budget(promise=f"{what}: at most {most:g} {unit}", measured=value, unit=unit, is_met=value <= most)


def to_markdown(results: Results) -> str:
    """Render tables for a person and for the repository."""
    rounds = max((one.round for one in results.measurements), default=0)
    parts = [
        f"# Copies compared, {results.begun_at:%Y-%m-%d %H:%M} UTC",
        (
            f"{results.machine}; source tables {results.engine}; load average before: "
            f"{results.load_average:.1f}; the quickest of {rounds} round(s) each, all in one run."
        ),
        *(_dataset_part(results, dataset) for dataset in results.datasets),
        "## Budgets",
        _table(
            ("promise", "measured", "met"),
            [(b.promise, f"{b.measured:.2f} {b.unit}", _MET[b.is_met]) for b in budgets(results)],
        ),
        *([f"Skipped: {'; '.join(results.skipped)}"] if results.skipped else []),
        _LEGEND,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_MET = {True: "yes", False: "NO", None: "disturbed"}
_LEGEND = """\
wall: seconds without the program's own start. client CPU and peak: of the copying process and what it
starts; peak of ours is above the idle worker, of the larger one where two share a table. source, replica, pg:
CPU seconds of the servers. connections: most that were open at the source at once. others: cores
that everything else on the machine kept busy meanwhile; above 0 the wall times are longer than they need be,
and above 0.5 promises about wall time are not judged. all CPU: of client and servers together. Up to 200,000
rows our load also compares every row with the replica by md5, which no other does."""


def _dataset_part(results: Results, dataset: str) -> str:
    best = [one for one in results.best() if one.dataset == dataset]
    if not best:
        return ""
    ours = {one.hop: one for one in best if one.kind is Kind.OURS}
    header = (
        "hop", "contestant", "wall", "rows/s", "client CPU", "source", "replica", "pg", "all CPU", "peak MB", "connections",
        "others",
        "beside ours", "equal",
    )  # fmt: skip
    table = _table(header, [_line(one, ours.get(one.hop)) for one in best])
    details = sorted(
        {
            f"{one.contestant}: {one.verdict.detail}"
            for one in best
            if one.verdict is not None and not one.verdict.is_equal
        }
    )
    notes = "".join(f"\n- {detail}" for detail in details)
    return f"## {dataset}, {best[0].rows:,} rows\n\n{table}{notes and chr(10) + notes}"


def _line(one: Measurement, ours: Measurement | None) -> tuple[str, ...]:
    cost = one.cost
    verdict = "-" if one.verdict is None else "yes" if one.verdict.is_equal else "NO"
    return (
        one.hop,
        one.contestant,
        f"{one.seconds:.1f}",
        f"{one.rows / one.seconds / 1000:,.0f}k",
        f"{cost.client.cpu_seconds:.2f}",
        f"{cost.source_cpu_seconds:.2f}",
        f"{cost.replication_cpu_seconds:.2f}",
        f"{cost.analytics_cpu_seconds:.2f}",
        f"{cost.all_cpu_seconds:.1f}",
        f"{cost.client.peak_mb:.0f}",
        str(cost.source_connections),
        f"{cost.others_cores:.1f}",
        "" if ours is None else f"{one.seconds / ours.seconds:.2f}x",
        verdict,
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
