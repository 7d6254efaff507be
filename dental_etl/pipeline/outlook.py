"""What a run would do if it began now, or tonight: looked at, not begun.

By day nothing is asked of the clinic's server; tables.yml and our own databases answer. Inside the window its
information_schema tells what tables.yml does not know yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dental_etl import preflight
from dental_etl.config import Settings, TableConfig, read_generated_tables, read_tables, with_added
from dental_etl.connections import connect
from dental_etl.exceptions import DatabaseError
from dental_etl.extract.ranges import chunk_rows
from dental_etl.pipeline.night import choose, select
from dental_etl.pipeline.planning import night_at, read_knowledge
from dental_etl.plan import Knowledge, Night, TablePlan, Timetable, plan_night, timetable, with_rows
from dental_etl.run import Category, CopyStatus, RefreshMode, Value
from dental_etl.schema_analysis.classification import TableFacts, classify, exclusion
from dental_etl.schema_analysis.introspection import read_facts


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLook(Value):
    """What the source's information_schema says beyond tables.yml."""

    #: Whether it was asked; by day it is not.
    is_asked: bool = False
    #: Code of the error when it did not answer.
    error_code: str | None = None
    #: Tables that tables.yml does not know; a rule or the owner leaves none of them out.
    new_tables: tuple[str, ...] = ()
    #: Tables of tables.yml that are no longer there.
    dropped_tables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A run that has not begun."""

    night: Night
    #: When the run would begin: now, or when the window opens.
    begins_at: datetime
    closes_at: datetime | None
    plans: tuple[TablePlan, ...]
    timetable: Timetable
    statuses: dict[str, CopyStatus]
    source: SourceLook
    #: What validation will say about tables.yml then.
    warnings: tuple[str, ...] = ()

    def would_resume(self, plan: TablePlan) -> bool:
        """Tell whether an attempt left something to go on with."""
        status = self.statuses.get(plan.table)
        return status is not None and status.checkpoint is not None and not plan.refresh.is_full

    def ranges(self, plan: TablePlan) -> int:
        """Return into how many key ranges a copy is cut; 1 for a table that one worker reads."""
        rows = plan.config.estimated_rows
        is_cut = plan.is_shared and self.night.workers > 1
        return max(1, -(-rows // chunk_rows(plan.config))) if is_cut else 1

    def to_json(self) -> dict[str, Any]:
        slots = {slot.table: slot for slot in self.timetable.slots}
        return {
            "begins_at": self.begins_at.isoformat(),
            "closes_at": None if self.closes_at is None else self.closes_at.isoformat(),
            "workers": self.night.workers,
            "expected_seconds": round(self.timetable.seconds, 3),
            "seconds_left": self.night.seconds_left,
            "fits": not (self.timetable.left_out or self.timetable.beyond_budget),
            "left_out": list(self.timetable.left_out),
            "beyond_budget": list(self.timetable.beyond_budget),
            "source": self.source.to_json(),
            "warnings": list(self.warnings),
            "tables": [
                self._table(plan) | {"starts_after_seconds": round(slots[plan.table].starts_seconds, 3)}
                for plan in self.plans
            ],
        }

    def _table(self, plan: TablePlan) -> dict[str, Any]:
        config = plan.config
        return {
            "table": plan.table,
            "category": config.performance_category,
            "strategy": plan.strategy,
            "action": plan.action,
            "reason": plan.reason,
            "refresh": plan.refresh,
            "cursor": config.primary_incremental_column,
            "overlap_minutes": config.overlap_minutes if config.primary_incremental_column else None,
            "resumes": self.would_resume(plan),
            "batch_size": config.batch_size,
            "ranges": self.ranges(plan),
            "reconcile": config.reconcile,
            "table_rows": config.estimated_rows,
            "estimate": None if plan.estimate is None else plan.estimate.to_json(),
            "notes": list(plan.notes),
        }


def look_ahead(
    settings: Settings,
    now: datetime,
    *,
    names: Iterable[str] = (),
    category: Category | None = None,
    refresh: RefreshMode = RefreshMode.INCREMENTAL,
    workers: int | None = None,
) -> Outlook:
    """Plan a run as it would be planned at its beginning; writes nothing.

    Args:
        settings: Where.
        now: Aware.
        names: Only these tables; all when empty.
        category: Only tables of this category.
        refresh: What would be asked for.
        workers: That read tables at the same time; default as many as there are places at the source.

    Raises:
        ConfigurationError: A name is not in tables.yml.
        DatabaseError: One of our own databases could not be read.
    """
    begins_at = settings.window.opens_at(now)
    known = read_knowledge(settings, begins_at)
    look, facts = _look(settings) if settings.window.is_open(now) else (SourceLook(), {})
    if facts:
        configs = _chosen_now(settings, look, facts, names=tuple(names), category=category)
    else:
        configs = choose(settings, names=names, category=category)
    night = night_at(settings, begins_at, refresh=refresh, workers=workers)
    plans = plan_night([_sized(config, known, facts) for config in configs], known, night)
    return Outlook(
        night=night,
        begins_at=begins_at,
        closes_at=settings.window.closes_at(begins_at),
        plans=plans,
        timetable=timetable(plans, night),
        statuses=dict(known.statuses),
        source=look,
        warnings=tuple(
            finding.message for finding in preflight.age(read_tables(settings.tables_file), begins_at)
        ),
    )


def _sized(config: TableConfig, known: Knowledge, facts: dict[str, TableFacts]) -> TableConfig:
    """A table that was never loaded is as large as the source says, if it was asked."""
    found = facts.get(config.table_name)
    is_known = found is None or config.table_name in known.histories
    return config if is_known or found is None else with_rows(config, found.rows)


def _look(settings: Settings) -> tuple[SourceLook, dict[str, TableFacts]]:
    try:
        with connect(settings.source) as connection:
            facts = read_facts(connection, settings.source.database)
    except DatabaseError as error:
        return SourceLook(is_asked=True, error_code=error.code), {}
    found = {table.schema.name: table for table in facts}
    copied = {name for name, table in found.items() if exclusion(table) is None}
    # As it was generated: a table that the owner left out has not come anew.
    generated = read_generated_tables(settings.tables_file).by_name
    look = SourceLook(
        is_asked=True,
        new_tables=tuple(sorted(copied - generated.keys())),
        dropped_tables=tuple(sorted(generated.keys() - found.keys())),
    )
    return look, found


def _chosen_now(
    settings: Settings,
    look: SourceLook,
    facts: dict[str, TableFacts],
    *,
    names: tuple[str, ...],
    category: Category | None,
) -> tuple[TableConfig, ...]:
    """Return the tables that a run would have that validates now: with new ones, without those that went."""
    tables = with_added(
        read_tables(settings.tables_file), (classify(facts[name]) for name in look.new_tables)
    )
    gone = frozenset[str]() if names else frozenset(look.dropped_tables)
    configs = select(tables, names=names, category=category)
    return tuple(config for config in configs if config.table_name not in gone)
