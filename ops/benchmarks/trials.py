"""Which contestant copies which table, in which order; every second round in reverse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console

from ops.benchmarks import hops, limits, peers
from ops.benchmarks.contestants import Contestant, Kind, NotInstallableError
from ops.benchmarks.datasets import Dataset, Shape
from ops.benchmarks.laboratory import Laboratory
from ops.benchmarks.measure import ContestantError, measured
from ops.benchmarks.results import Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """One benchmark while it runs."""

    lab: Laboratory
    rounds: int
    console: Console
    #: Tools that cannot be had, and copies that failed, each with the reason.
    skipped: list[str] = field(default_factory=list)

    def run(self, contestants: Sequence[Contestant], tables: Sequence[Dataset]) -> Iterator[Measurement]:
        """Measure every contestant with every table that it is wanted for."""
        ready = [one for one in contestants if self._is_installed(one)]
        for number in range(1, self.rounds + 1):
            order = ready if number % 2 else ready[::-1]
            for dataset in tables:
                for one in order:
                    if is_wanted(one, dataset):
                        yield from self._tried(one, dataset, number)

    def _is_installed(self, one: Contestant) -> bool:
        try:
            one.install(self.lab)
        except NotInstallableError as error:
            self._skip(f"{one.name}: {error}")
            return False
        return True

    def _tried(self, one: Contestant, dataset: Dataset, number: int) -> Iterator[Measurement]:
        try:
            found = self._measure(one, dataset, number)
        except ContestantError as error:
            self._skip(f"{one.name} on {dataset.table}: {error}")
        else:
            self.console.print(_line(found), soft_wrap=True, highlight=False)
            yield found

    def _measure(self, one: Contestant, dataset: Dataset, number: int) -> Measurement:
        go = one.prepare(self.lab, dataset)
        self.lab.settle()
        cost = measured(self.lab, go)
        return Measurement(
            contestant=one.name,
            kind=one.kind,
            hop=one.hop,
            dataset=dataset.table,
            rows=dataset.rows,
            round=number,
            cost=cost,
            verdict=one.verify(self.lab, dataset) if one.verify else None,
        )

    def _skip(self, reason: str) -> None:
        if reason not in self.skipped:
            self.skipped.append(reason)
        self.console.print(f"skipped {reason}", style="red", soft_wrap=True)


def everybody(*, with_peers: bool) -> tuple[Contestant, ...]:
    return (*limits.contestants(), *hops.contestants(), *(peers.contestants() if with_peers else ()))


def is_wanted(one: Contestant, dataset: Dataset) -> bool:
    """Zero dates only for those who can copy them; limits and shares once for each kind of table."""
    if dataset.shape is Shape.WIDE:
        return one.takes_zero_dates
    return dataset.shape is Shape.NARROW or one.kind not in {Kind.LIMIT, Kind.SHARED}


def _line(found: Measurement) -> str:
    cost = found.cost
    return (
        f"{found.round} {found.dataset:13} {found.contestant:44} {found.seconds:7.2f} s"
        f"  client {cost.client.cpu_seconds:6.2f}  servers {cost.server_cpu_seconds:6.2f}"
        f"  peak {cost.client.peak_mb:5.0f} MB  source {cost.source_connections}"
        f"  others {cost.others_cores:.1f}"
        f"  {found.verdict.detail if found.verdict else ''}"
    )
