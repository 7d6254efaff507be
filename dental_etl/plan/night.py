"""All tables of a run: their order, and what fits into the time that is left; pure."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import accumulate

from dental_etl.config import TableConfig
from dental_etl.plan.estimate import Basis, estimate
from dental_etl.plan.history import TableHistory
from dental_etl.plan.tables import TablePlan, plan_table
from dental_etl.plan.treatment import treatment
from dental_etl.run import Category, CopyStatus, RefreshMode, Value

_CATEGORIES = tuple(Category)
_PRIORITIES = ("high", "medium", "low")

_KEYLESS_REMEDY = "give it a key, or leave it out with `exclude: true` in tables.overrides.yml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What is known about the tables before anything is read, each by table."""

    #: Where their extracts stand; a table that was never copied is missing.
    statuses: Mapping[str, CopyStatus] = field(default_factory=dict)
    #: Their last results.
    histories: Mapping[str, TableHistory] = field(default_factory=dict)
    #: Settings that the owner has set in tables.overrides.yml.
    owners: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What a run is given."""

    now: datetime
    refresh: RefreshMode = RefreshMode.INCREMENTAL
    #: Until the window closes; None if it never does.
    seconds_left: float | None = None
    #: Tables that are read at the same time.
    workers: int = 1
    #: That may be read from the source; None for any number.
    bytes_left: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot(Value):
    """When a table is expected to have its turn; seconds from the beginning of the run."""

    table: str
    starts_seconds: float
    ends_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable(Value):
    """When every table is expected to have its turn."""

    slots: tuple[Slot, ...]
    #: Tables that do not end before the window closes; those that were begun go on the next night.
    left_out: tuple[str, ...]
    #: Tables whose rows are more than what may still be read when their turn comes.
    beyond_budget: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Until the last table has ended, whether the window is open or not."""
        return max((slot.ends_seconds for slot in self.slots), default=0.0)


def plan_night(configs: Iterable[TableConfig], knowledge: Knowledge, night: Night) -> tuple[TablePlan, ...]:
    """Plan tables by their history, in the order in which they are published."""
    return order(_plan(config, knowledge, night) for config in configs)


def order(plans: Iterable[TablePlan]) -> tuple[TablePlan, ...]:
    """Return plans as they are published: large, medium, small, tiny; then the more important, then the
    larger, so that the longest work starts first; then by name, so that every night looks alike. What
    would keep the others out of the window comes after all of them.
    """
    return tuple(sorted(plans, key=_place))


def timetable(plans: Sequence[TablePlan], night: Night) -> Timetable:
    """Let each worker take the next table as soon as it is free, and see what is done in time.

    Tables that are copied in ranges occupy every worker.
    """
    free_at = [0.0] * night.workers
    slots = []
    for plan in plans:
        starts = max(free_at) if plan.is_shared else free_at[0]
        ends = starts + (plan.expected_seconds or 0.0)
        slots.append(Slot(table=plan.table, starts_seconds=starts, ends_seconds=ends))
        if plan.is_shared:
            free_at = [ends] * night.workers
        else:
            heapq.heapreplace(free_at, ends)
    limit = night.seconds_left
    late = [slot.table for slot in slots if limit is not None and slot.ends_seconds > limit]
    return Timetable(
        slots=tuple(slots), left_out=tuple(late), beyond_budget=_beyond_budget(plans, night.bytes_left)
    )


def _beyond_budget(plans: Sequence[TablePlan], bytes_left: int | None) -> tuple[str, ...]:
    if bytes_left is None:
        return ()
    sizes = [0 if plan.estimate is None else plan.estimate.bytes for plan in plans]
    read = accumulate(sizes)
    return tuple(
        plan.table
        for plan, size, sofar in zip(plans, sizes, read, strict=True)
        if size and sofar > bytes_left
    )


def _plan(config: TableConfig, knowledge: Knowledge, night: Night) -> TablePlan:
    name = config.table_name
    history = knowledge.histories.get(name, TableHistory(table=name))
    treated = treatment(config, history, knowledge.owners.get(name, ()))
    planned = plan_table(treated.config, knowledge.statuses.get(name), night.refresh, night.now)
    expected = estimate(treated.config, history, planned.action)
    planned = replace(planned, estimate=expected, notes=treated.notes)
    if planned.is_shared and expected.basis is Basis.ANALYSIS:  # its history would be that of all workers
        planned = _divided(planned, night.workers)
    return _within(planned, night)


def _within(plan: TablePlan, night: Night) -> TablePlan:
    """Share a copy that is longer than the time left, or let it come last: the others are to arrive."""
    seconds = plan.expected_seconds or 0.0
    if night.seconds_left is None or seconds <= night.seconds_left:
        return plan
    too_long = f"about {_minutes(seconds)} expected, {_minutes(night.seconds_left)} left in the window"
    shared = replace(plan, config=replace(plan.config, performance_category=Category.LARGE))
    if shared.is_shared and not plan.is_shared and seconds / night.workers <= night.seconds_left:
        note = f"{too_long}: treated as large, so that idle workers share it in ranges"
        return replace(_divided(shared, night.workers), notes=(*plan.notes, note))
    note = f"{too_long}: put last, so that the others arrive"
    if not plan.config.primary_key:
        note = f"{note}; without a primary key it begins anew every night: {_KEYLESS_REMEDY}"
    return replace(plan, is_last=True, notes=(*plan.notes, note))


def _divided(plan: TablePlan, workers: int) -> TablePlan:
    """Return the plan of a copy that so many workers share."""
    if plan.estimate is None:
        return plan
    return replace(plan, estimate=replace(plan.estimate, seconds=plan.estimate.seconds / workers))


def _minutes(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def _place(plan: TablePlan) -> tuple[bool, int, int, float, int, str]:
    config = plan.config
    return (
        plan.is_last,
        _CATEGORIES.index(config.performance_category),
        _PRIORITIES.index(config.processing_priority),
        -config.estimated_size_mb,
        -config.estimated_rows,
        config.table_name,
    )
