"""What a run did, in the order in which a person wants to know it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import accumulate

from dental_etl.run import (
    ALL_TABLES,
    Category,
    Coercion,
    DbtResult,
    DbtStatus,
    Finding,
    NodeResult,
    NodeStatus,
    RunHeader,
    RunStatus,
    Severity,
    SourceVisit,
    Stage,
    TableResult,
    TableStatus,
)


class Outcome(StrEnum):
    """The one word for a run, worst reason first."""

    #: Guard or validation said no; no table was touched.
    REFUSED = "refused"
    #: At least one table failed.
    FAILED = "failed"
    #: No table failed, but some had no turn before the window closed.
    INCOMPLETE = "incomplete"
    #: Tables are still being worked; the report is a snapshot.
    RUNNING = "running"
    #: Every table is loaded, but dbt failed: the marts are last night's.
    TRANSFORM_FAILED = "transform_failed"
    SUCCEEDED = "succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over the tables of a run."""

    rows_read: int
    rows_written: int
    rows_deleted: int
    #: Rows in raw afterwards, over the tables that know.
    rows_total: int
    bytes_read: int
    #: Attempts beyond the first of each phase.
    retries: int


#: A source whose strain has cost us that many seconds of pauses, and twice its reading, was busy.
_BUSY_SECONDS, _BUSY_RATIO = 60.0, 2.0
#: Causes of pauses that are others' needs.
STRAIN = ("busy", "waiting", "locked")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCost:
    """What the clinic's server was asked to do, attempts that failed included."""

    reads: int
    seconds: float
    bytes_read: int
    longest_read_seconds: float
    #: Table of that read; None when nothing was read.
    longest_read_table: str | None
    #: Connections that were opened to read.
    connections: int
    #: Of them at the same time.
    most_connections: int
    #: Seconds in which a connection left the source alone, by cause, the longest first.
    pauses: dict[str, float]

    @property
    def strain_seconds(self) -> float:
        """Pauses that were made because others needed the source."""
        return sum(self.pauses.get(cause, 0.0) for cause in STRAIN)

    @property
    def was_busy(self) -> bool:
        """Whether the source was in use for much of the time in which it was read."""
        return self.strain_seconds > max(_BUSY_SECONDS, _BUSY_RATIO * self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """A run with everything that is said about it; made by `build`."""

    header: RunHeader
    generated_at: datetime
    #: Failed first, then not run, then unfinished, then loaded with the slowest first.
    tables: tuple[TableResult, ...]
    #: Critical first.
    findings: tuple[Finding, ...]
    #: Most rows first.
    coercions: tuple[Coercion, ...]
    #: None while dbt has not been decided on.
    dbt: DbtResult | None
    #: Connections to the source that are over.
    visits: tuple[SourceVisit, ...] = ()

    @property
    def failed(self) -> tuple[TableResult, ...]:
        return self._with(TableStatus.FAILED)

    @property
    def left_out(self) -> tuple[TableResult, ...]:
        return self._with(TableStatus.NOT_RUN)

    @property
    def loaded(self) -> tuple[TableResult, ...]:
        return self._with(TableStatus.LOADED)

    @property
    def unfinished(self) -> tuple[TableResult, ...]:
        return tuple(table for table in self.tables if not table.status.is_terminal)

    @property
    def unchanged(self) -> tuple[TableResult, ...]:
        """Tables of which no row was read, since the source had not written them."""
        return tuple(table for table in self.tables if table.extract_action == "unchanged")

    @property
    def unchanged_seconds(self) -> float:
        """Time of the source that it took to tell which they are."""
        looks = sum(visit.seconds for visit in self.visits if visit.table == ALL_TABLES)
        return looks + sum(table.source_seconds for table in self.unchanged)

    @property
    def drifted(self) -> tuple[TableResult, ...]:
        return tuple(sorted((t for t in self.tables if t.drift), key=lambda t: t.table))

    @property
    def pipeline_success(self) -> bool:
        """Whether dbt may run: no table failed and none was left out.

        Source: requirement "Nightly ETL + dbt run", part 4.
        """
        return bool(self.tables) and len(self.loaded) == len(self.tables) and not self._is_refused

    @property
    def outcome(self) -> Outcome:
        if self._is_refused:
            return Outcome.REFUSED
        if self.failed:
            return Outcome.FAILED
        if self.unfinished or not (self.tables or self.header.status.is_terminal):
            return Outcome.RUNNING
        if not self.pipeline_success:
            return Outcome.INCOMPLETE
        is_dbt_failed = self.dbt is not None and self.dbt.status is DbtStatus.FAILED
        return Outcome.TRANSFORM_FAILED if is_dbt_failed else Outcome.SUCCEEDED

    @property
    def severity(self) -> Severity:
        """How loudly to say it: the outcome's, or that of the worst finding."""
        worst = _OUTCOME_SEVERITY.get(self.outcome, Severity.INFORMATION)
        return min((worst, *(finding.severity for finding in self.findings)), key=_SEVERITIES.index)

    @property
    def seconds(self) -> float:
        """Wall time from the start to the end, or to now while it runs."""
        return ((self.header.finished_at or self.generated_at) - self.header.started_at).total_seconds()

    @property
    def tables_seconds(self) -> float:
        """Wall time from the start to the end of the last table; all of it while none has ended."""
        ends = [table.finished_at for table in self.tables if table.finished_at is not None]
        return (max(ends) - self.header.started_at).total_seconds() if ends else self.seconds

    @property
    def totals(self) -> Totals:
        return Totals(
            rows_read=sum(table.rows_read for table in self.tables),
            rows_written=sum(table.rows_written for table in self.tables),
            rows_deleted=sum(table.rows_deleted for table in self.tables),
            rows_total=sum(table.rows_total or 0 for table in self.tables),
            bytes_read=sum(table.bytes_read for table in self.tables),
            retries=sum(retries(table) for table in self.tables),
        )

    @property
    def source_cost(self) -> SourceCost:
        # A run of an older version, and one that is at its first tables, knows its tables only.
        read: tuple[SourceVisit | TableResult, ...] = self.visits or self.tables
        longest = max(read, key=lambda one: one.longest_read_seconds, default=None)
        was_read = longest is not None and longest.longest_read_seconds > 0
        return SourceCost(
            reads=sum(one.reads for one in read),
            seconds=sum(one.seconds if isinstance(one, SourceVisit) else one.source_seconds for one in read),
            bytes_read=sum(one.bytes_read for one in read),
            longest_read_seconds=longest.longest_read_seconds if longest else 0.0,
            longest_read_table=longest.table if longest and was_read else None,
            connections=len(self.visits),
            most_connections=_most_at_once(self.visits),
            pauses=_pauses(self.visits),
        )

    @property
    def _is_refused(self) -> bool:
        return self.header.status is RunStatus.REFUSED

    def _with(self, status: TableStatus) -> tuple[TableResult, ...]:
        return tuple(table for table in self.tables if table.status is status)


def build(
    header: RunHeader,
    tables: Iterable[TableResult],
    *,
    generated_at: datetime,
    findings: Iterable[Finding] = (),
    coercions: Iterable[Coercion] = (),
    dbt: DbtResult | None = None,
    visits: Iterable[SourceVisit] = (),
) -> RunReport:
    """Put the ledger's values in the report's order.

    Args:
        header: The run itself.
        tables: Every table of the run, in any order and any state.
        generated_at: Now, aware.
        findings: Everything the checks found.
        coercions: Counted values that PostgreSQL could not hold as they were.
        dbt: None before dbt has run or was skipped.
        visits: Every connection to the source that is over.
    """
    return RunReport(
        header=header,
        generated_at=generated_at,
        tables=tuple(sorted(tables, key=_urgency)),
        findings=tuple(sorted(findings, key=_finding_order)),
        coercions=tuple(sorted(coercions, key=lambda c: (-c.rows, c.table, c.column, c.kind))),
        dbt=dbt,
        visits=tuple(visits),
    )


def seconds_of(table: TableResult) -> float:
    """Return the seconds of work, without the time a table waited for a worker."""
    return table.extract_seconds + table.load_seconds


def rows_per_second(table: TableResult) -> float | None:
    """Return rows read over the seconds of both hops; None when nothing was read."""
    seconds = seconds_of(table)
    return table.rows_read / seconds if table.rows_read and seconds > 0 else None


def retries(table: TableResult) -> int:
    """Return the attempts beyond the first of each phase that the table reached."""
    reached_load = table.status is TableStatus.LOADED or table.error_stage == Stage.LOAD
    return max(0, table.attempts - (2 if reached_load else 1))


def failed_nodes(dbt: DbtResult) -> tuple[NodeResult, ...]:
    return tuple(n for n in dbt.nodes if n.status in {NodeStatus.ERROR, NodeStatus.FAIL})


def warned_nodes(dbt: DbtResult) -> tuple[NodeResult, ...]:
    return tuple(n for n in dbt.nodes if n.status is NodeStatus.WARN)


def held_back_nodes(dbt: DbtResult) -> tuple[NodeResult, ...]:
    return tuple(n for n in dbt.nodes if n.status in {NodeStatus.UPSTREAM_FAILED, NodeStatus.SKIPPED})


def left_out_models(dbt: DbtResult) -> list[str]:
    """Return the names of the models that a missing table held back; not those below a failed node."""
    return [n.unique_id.rpartition(".")[2] for n in dbt.nodes if n.status is NodeStatus.SKIPPED]


def slowest_nodes(dbt: DbtResult, limit: int = 10) -> tuple[NodeResult, ...]:
    return tuple(sorted(dbt.nodes, key=lambda node: (-node.seconds, node.unique_id))[:limit])


#: Loudest first; `min` over this order is the worst.
_SEVERITIES = (Severity.CRITICAL, Severity.WARNING, Severity.INFORMATION)
_OUTCOME_SEVERITY = {
    Outcome.REFUSED: Severity.CRITICAL,
    Outcome.FAILED: Severity.CRITICAL,
    Outcome.TRANSFORM_FAILED: Severity.CRITICAL,
    Outcome.INCOMPLETE: Severity.WARNING,
}
_CATEGORIES = tuple(Category)


def _most_at_once(visits: Sequence[SourceVisit]) -> int:
    """Return how many visits overlap at most; who leaves makes room before the next one comes."""
    moments = sorted([*((v.ended_at, -1) for v in visits), *((v.began_at, 1) for v in visits)])
    # A visit of no time at all leaves before it comes; it was there all the same.
    return max(1 if moments else 0, *accumulate((change for _, change in moments), initial=0))


def _pauses(visits: Iterable[SourceVisit]) -> dict[str, float]:
    total: dict[str, float] = {}
    for visit in visits:
        for cause, seconds in visit.pauses.items():
            total[cause] = total.get(cause, 0.0) + seconds
    return dict(sorted(total.items(), key=lambda pause: -pause[1]))


def _urgency(table: TableResult) -> tuple[int, float, int, str]:
    ranks = {TableStatus.FAILED: 0, TableStatus.NOT_RUN: 1, TableStatus.LOADED: 3}
    return (
        ranks.get(table.status, 2),
        -seconds_of(table),
        _CATEGORIES.index(table.category),
        table.table.lower(),
    )


def _finding_order(finding: Finding) -> tuple[int, str, str]:
    return _SEVERITIES.index(finding.severity), finding.table or "", finding.check
