"""Verify what was loaded: freshness, counts, keys, orphans; bad data is a finding, never an exception.

The source is not read here: extract has proven what it read, and the clinic's server is read for rows only.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection, TextClause, text

from dental_etl.config import Role, Settings, TableConfig
from dental_etl.connections import connect, database_errors, driver_connection
from dental_etl.exceptions import (
    DatabaseConnectionError,
    DatabaseError,
    DatabaseQueryError,
    DatabaseTransactionError,
)
from dental_etl.run import CopyStatus, Finding, LoadStatus, Severity
from dental_etl.tracking.status import read_copy_statuses, read_load_statuses
from dental_etl.wire.names import mysql, postgres, raw_name

logger = logging.getLogger(__name__)

#: Tables that one statement counts.
_COUNTED_AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A column that points to a row of another table; 0 points to none."""

    child: str
    column: str
    parent: str
    parent_key: str


def _relations(parent: str, key: str, *children: str) -> tuple[Relation, ...]:
    return tuple(
        Relation(child=child, column=column, parent=parent, parent_key=key)
        for child, _, column in (name.partition(".") for name in children)
    )


#: Open Dental declares no foreign keys. These are the relations that money and visits are joined by.
RELATIONS = (
    *_relations(
        "patient", "PatNum", "patient.Guarantor", "appointment.PatNum", "procedurelog.PatNum", "claim.PatNum",
        "claimproc.PatNum", "payment.PatNum", "paysplit.PatNum", "adjustment.PatNum", "payplan.PatNum",
        "patplan.PatNum", "recall.PatNum",
    ),
    *_relations("procedurelog", "ProcNum", "claimproc.ProcNum", "paysplit.ProcNum", "adjustment.ProcNum"),
    *_relations("procedurecode", "CodeNum", "procedurelog.CodeNum", "fee.CodeNum"),
    *_relations("provider", "ProvNum", "procedurelog.ProvNum"),
    *_relations("claim", "ClaimNum", "claimproc.ClaimNum"),
    *_relations("claimpayment", "ClaimPaymentNum", "claimproc.ClaimPaymentNum"),
    *_relations("payment", "PayNum", "paysplit.PayNum"),
    *_relations("payplan", "PayPlanNum", "payplancharge.PayPlanNum", "payplanlink.PayPlanNum"),
    *_relations("insplan", "PlanNum", "claim.PlanNum", "claimproc.PlanNum", "inssub.PlanNum"),
    *_relations("inssub", "InsSubNum", "patplan.InsSubNum"),
    *_relations("carrier", "CarrierNum", "insplan.CarrierNum"),
    *_relations("feesched", "FeeSchedNum", "fee.FeeSched"),
)  # fmt: skip

_KEYS = text("""
    SELECT c.relname AS table_name, array_agg(a.attname::text ORDER BY k.place) AS columns
      FROM pg_index i
      JOIN pg_class c ON c.oid = i.indrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
     CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
     WHERE n.nspname = :schema AND i.indisprimary AND i.indisvalid
     GROUP BY c.relname
""")
_COLUMNS = text("""
    SELECT c.relname AS table_name, array_agg(a.attname::text) AS columns
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE n.nspname = :schema AND c.relkind IN ('r', 'p')
     GROUP BY c.relname
""")
# One hash anti-join per relation over two columns; reads raw only and takes no lock that a writer feels.
_ORPHANS = """
    SELECT count(*) FROM {child} AS child
     WHERE child.{column} IS NOT NULL AND child.{column} <> 0
       AND NOT EXISTS (SELECT 1 FROM {parent} AS parent WHERE parent.{key} = child.{column})
"""
_BAD_KEYS = """
    SELECT count(*) FILTER (WHERE {is_null}) AS nulls,
           (SELECT count(*) FROM (SELECT 1 FROM {table} GROUP BY {key} HAVING count(*) > 1) AS twice) AS twice
      FROM {table}
"""


def verify(settings: Settings, tables: Iterable[TableConfig], run_id: str) -> tuple[Finding, ...]:
    """Check what a run has loaded.

    Args:
        settings: Where replication and analytics are.
        tables: Those that the run loaded; a relation is checked when both of its tables are among them.
        run_id: The run that loaded them.

    Returns:
        Every failed check. A check that could not be made is a finding too; nothing is raised.
    """
    try:
        with (
            connect(settings.replication, is_dedicated=True) as replication,
            connect(settings.analytics) as analytics,
        ):
            # Each check is its own transaction: one that fails must not take the next one with it. MySQL is
            # told through its driver, or SQLAlchemy would ask it to forget that when the session may be lost.
            with database_errors(Role.REPLICATION):
                driver_connection(replication).autocommit(True)  # noqa: FBT003  # the driver's own signature
            verifier = _Verifier(
                settings,
                replication,
                analytics.execution_options(isolation_level="AUTOCOMMIT"),
                run_id,
            )
            findings = tuple(verifier.findings(list(tables)))
    except DatabaseError as error:
        findings = (
            Finding(
                check="verify",
                severity=Severity.WARNING,
                table=None,
                message=f"What was loaded could not be verified: {error}",
            ),
        )
    logger.info(
        "verified the run: %s finding(s)", len(findings),
        extra={"action": "verified", "run_id": run_id, "stage": "verify", "findings": len(findings)},
    )  # fmt: skip
    return findings


@dataclass(frozen=True, slots=True)
class _State:
    """What both databases say about themselves."""

    copies: Mapping[str, CopyStatus]
    loads: Mapping[str, LoadStatus]
    #: Columns of every raw table.
    columns: Mapping[str, list[str]]
    #: Primary keys that PostgreSQL enforces.
    keys: Mapping[str, list[str]]


class _Verifier:
    """The checks of one run over two open connections."""

    def __init__(
        self, settings: Settings, replication: Connection, analytics: Connection, run_id: str
    ) -> None:
        self._schema = settings.analytics.schema
        self._replication = replication
        self._analytics = analytics
        self._run_id = run_id

    def findings(self, tables: list[TableConfig]) -> Iterator[Finding]:
        state = self._state()
        even = self._with_equal_counts([table.table_name for table in tables])
        for table in tables:
            is_even = table.table_name in even
            yield from self._guarded(table.table_name, self._table_findings(table, state, is_even=is_even))
        names = {table.table_name for table in tables}
        for relation in RELATIONS:
            if {relation.child, relation.parent} <= names:
                yield from self._guarded(relation.child, self._orphans(relation, state))

    def _guarded(self, table: str, findings: Iterator[Finding]) -> Iterator[Finding]:
        """Yield findings; a statement that a server refuses costs this table's check and no other's."""
        try:
            yield from findings
        except DatabaseConnectionError:
            raise
        except DatabaseError as error:
            yield _finding("verify", Severity.WARNING, table, f"could not be verified: {error}")

    def _state(self) -> _State:
        schema = {"schema": self._schema}
        with database_errors(Role.REPLICATION):
            copies = read_copy_statuses(self._replication)
        with database_errors(Role.ANALYTICS):
            loads = read_load_statuses(self._analytics, self._schema)
            columns = {row.table_name: row.columns for row in self._analytics.execute(_COLUMNS, schema)}
            keys = {row.table_name: row.columns for row in self._analytics.execute(_KEYS, schema)}
        return _State(copies, loads, columns, keys)

    def _with_equal_counts(self, tables: Sequence[str]) -> frozenset[str]:
        """Return tables that have as many rows in raw as in replication; the others are counted by themselves."""
        found: set[str] = set()
        for first in range(0, len(tables), _COUNTED_AT_ONCE):
            some = tables[first : first + _COUNTED_AT_ONCE]
            # A table that is missing spoils it for the others of its statement.
            with suppress(DatabaseQueryError, DatabaseTransactionError):
                with database_errors(Role.REPLICATION):
                    replicas = self._replication.execute(_count_all(map(mysql, some))).one()
                with database_errors(Role.ANALYTICS):
                    raws = self._analytics.execute(_count_all(map(self._raw, some))).one()
                rows = zip(some, replicas, raws, strict=True)
                found.update(table for table, replica, raw in rows if replica == raw)
        return frozenset(found)

    def _table_findings(self, table: TableConfig, state: _State, *, is_even: bool) -> Iterator[Finding]:
        name = table.table_name
        if raw_name(name) not in state.columns or name not in state.loads:
            yield _finding("freshness", Severity.CRITICAL, name, f"was never loaded. {_run_again(name)}")
            return
        copied, loaded = state.copies.get(name), state.loads[name]
        yield from self._freshness(name, copied, loaded)
        if copied is not None and copied.generation == loaded.loaded_generation and not is_even:
            yield from self._counts(name)
        yield from self._primary_key(table, state)

    def _freshness(self, table: str, copied: CopyStatus | None, loaded: LoadStatus) -> Iterator[Finding]:
        if loaded.run_id != self._run_id:
            message = f"was last loaded by run {loaded.run_id}, not by this one. {_run_again(table)}"
            yield _finding("freshness", Severity.WARNING, table, message)
        elif copied is None or copied.generation != loaded.loaded_generation:
            copies = copied.generation if copied else 0
            yield _finding(
                "freshness",
                Severity.WARNING,
                table,
                f"raw holds generation {loaded.loaded_generation}, the replica generation {copies}. "
                f"{_run_again(table)}",
            )

    def _counts(self, table: str) -> Iterator[Finding]:
        for _ in range(2):  # a rerun may commit between two counts; a real difference stays
            replica, raw = self._rows_of_replica(table), self._rows_of_raw(table)
            if replica == raw:
                return
        yield _finding(
            "row_count",
            Severity.CRITICAL,
            table,
            f"raw has {raw} rows and the replica has {replica}. {_run_again(table, is_full=True)}",
        )

    def _rows_of_replica(self, table: str) -> int:
        with database_errors(Role.REPLICATION, table=table):
            rows: int = self._replication.execute(_count(mysql(table))).scalar_one()
        return rows

    def _rows_of_raw(self, table: str) -> int:
        with database_errors(Role.ANALYTICS, table=table):
            rows: int = self._analytics.execute(_count(self._raw(table))).scalar_one()
        return rows

    def _primary_key(self, table: TableConfig, state: _State) -> Iterator[Finding]:
        """Trust a constraint of PostgreSQL; count only where there is none."""
        name = table.table_name
        wanted = [raw_name(column) for column in table.primary_key]
        if not wanted or state.keys.get(raw_name(name)) == wanted or _has_date_in_key(table):
            return
        key = [postgres(column) for column in wanted]
        statement = _BAD_KEYS.format(
            table=self._raw(name), key=", ".join(key), is_null=" OR ".join(f"{part} IS NULL" for part in key)
        )
        with database_errors(Role.ANALYTICS, table=name):
            found = self._analytics.execute(_text(statement)).one()
        if found.nulls or found.twice:
            yield _finding(
                "primary_key",
                Severity.CRITICAL,
                name,
                f"{found.nulls} rows without a key and {found.twice} keys held by several rows in raw. "
                f"{_run_again(name, is_full=True)}",
            )

    def _orphans(self, relation: Relation, state: _State) -> Iterator[Finding]:
        """Information only: raw equals the source, so an orphan is the clinic's own."""
        ends = ((relation.child, relation.column), (relation.parent, relation.parent_key))
        if any(column not in state.columns.get(table, ()) for table, column in ends):
            return
        statement = _ORPHANS.format(
            child=self._raw(relation.child),
            column=postgres(relation.column),
            parent=self._raw(relation.parent),
            key=postgres(relation.parent_key),
        )
        with database_errors(Role.ANALYTICS, table=relation.child):
            rows: int = self._analytics.execute(_text(statement)).scalar_one()
        if rows:
            yield _finding(
                "orphans",
                Severity.INFORMATION,
                relation.child,
                f"{relation.column} of {rows} rows points to no row of {relation.parent}, as in the source. "
                f"Models that join them leave these rows out.",
            )

    def _raw(self, table: str) -> str:
        return f"{postgres(self._schema)}.{postgres(raw_name(table))}"


def _has_date_in_key(table: TableConfig) -> bool:
    """Tell whether keys of raw may be NULL with reason: zero dates are, and several of them are alike."""
    kinds = {column.name: column.data_type for column in table.columns}
    return any(kinds.get(name) in {"date", "datetime", "timestamp"} for name in table.primary_key)


def _count_all(quoted: Iterable[str]) -> TextClause:
    return _text(f"SELECT {', '.join(f'(SELECT count(*) FROM {table})' for table in quoted)}")


def _count(quoted: str) -> TextClause:
    return _text(f"SELECT count(*) FROM {quoted}")


def _text(statement: str) -> TextClause:
    """Return a statement without parameters; a colon in a quoted name is not one."""
    return text(statement.replace(":", "\\:"))


def _finding(name: str, severity: Severity, table: str, message: str) -> Finding:
    return Finding(check=name, severity=severity, table=table, message=message)


def _run_again(table: str, *, is_full: bool = False) -> str:
    return f"Run `dental-etl run --table {table}{' --force-full' if is_full else ''}`."
