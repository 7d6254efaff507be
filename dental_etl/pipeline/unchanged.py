"""Tables that need no turn tonight: told in one look at the source, and ended as their turns would have ended.

On most nights that is most of the tables, and to go from one to the next would cost more than all else.

Why raw equals the source as of the beginning of the look, whoever else is at work:

1. Our own databases are read: a replica of generation g was found equal to the source as its fingerprint F
   tells it, and raw holds g.
2. Then the source is asked. A table that still has the fingerprint F and the structure that was copied was
   not written between that comparison and this question. What the clinic writes after it, the next night
   reads.
3. At last the statuses of 1 are read again, and held until the end is recorded. Whoever copies a table
   takes its fence first, and whoever loads it writes its status with its rows. So where a status is as it
   was, replica and raw are as they were; where it is not, the table has its turn.

Replication is told before the ledger. Who is killed in between leaves a table that has its turn, and a
status that is true.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from dental_etl.config import Role, Settings, TableSchema, read_tables
from dental_etl.connections import connect, database_errors, value_at_once
from dental_etl.exceptions import DatabaseQueryError, DatabaseTransactionError, ETLPipelineError
from dental_etl.extract.attempt import schema_text
from dental_etl.extract.collations import known_to
from dental_etl.extract.structures import is_replica
from dental_etl.extract.visiting import visit
from dental_etl.load.action import Action
from dental_etl.load.standing import standing
from dental_etl.pipeline.account import RunAccount
from dental_etl.pipeline.tables import Clock, ledger_transaction
from dental_etl.plan import ExtractAction, TablePlan, is_gap_too_long
from dental_etl.reconciliation import fingerprint
from dental_etl.reconciliation.raw import NOTHING_LOADED, is_due
from dental_etl.run import ALL_TABLES, CopyStatus, LoadStatus, RefreshMode, Stage
from dental_etl.tracking import ledger, status, unchanged
from dental_etl.tracking.locks import advisory_key, busy_tables, held_advisory_keys
from dental_etl.tracking.proofs import ProofStatus, find_proofs, hold_proofs, record_proven
from dental_etl.wire.catalog import read_schemas

logger = logging.getLogger(__name__)

#: Nobody waits for long so that others need not wait: with all places at the source taken, every table has its turn.
_PATIENCE_SECONDS = 5.0
_BOUND_WAITS = "SET SESSION innodb_lock_wait_timeout = 2"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settled:
    """A table of which our own databases say that only the source could have moved."""

    plan: TablePlan
    copied: CopyStatus
    proof: ProofStatus
    loaded: LoadStatus
    replica: TableSchema
    #: Structure of the source at the last complete copy, JSON.
    source_schema: str

    @property
    def fingerprint(self) -> str:
        return self.proof.fingerprint or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look has told."""

    #: By name; nothing where the look failed.
    tables: Mapping[str, _Settled]
    #: Before the source was asked: as of then raw equals it.
    began_at: datetime
    seconds: float = 0.0


def look(settings: Settings, run_id: str, plans: Sequence[TablePlan], clock: Clock) -> Look:
    """Find the tables that need no turn, and record in replication that they were looked at.

    A look that fails costs nothing but itself: every table then has its turn, and meets what is the matter.

    Args:
        settings: Where.
        run_id: An opened run.
        plans: Its tables.
        clock: Gives the time, aware.
    """
    began_at, started = clock(), time.monotonic()
    try:
        found = _unchanged(settings, run_id, _settled(settings, plans, began_at), clock)
        kept = _keep(settings, run_id, found, began_at, clock()) if found else {}
    except ETLPipelineError as error:
        logger.warning(
            "It could not be told at one look which tables are unchanged; each has its turn: %s",
            error,
            extra={"action": "look_failed", "run_id": run_id},
        )
        return Look(tables={}, began_at=began_at)
    return Look(tables=kept, began_at=began_at, seconds=time.monotonic() - started)


def end(connection: Connection, settings: Settings, run_id: str, found: Look, now: datetime) -> None:
    """End in the ledger what was found, in the caller's transaction.

    Args:
        connection: Analytics; the run's tables are planned there, maybe in this transaction.
        settings: Where raw is.
        run_id: The run.
        found: By `look`.
        now: Aware.
    """
    if not found.tables:
        return
    try:
        with database_errors(Role.ANALYTICS), connection.begin_nested():
            ended = _end(connection, settings.analytics.schema, run_id, found, now)
    except (DatabaseQueryError, DatabaseTransactionError) as error:
        logger.warning(
            "Unchanged tables could not be ended together (%s); each has its turn",
            error.code,
            extra={"action": "look_failed", "run_id": run_id},
        )
        return
    logger.info(
        "%s tables are unchanged and need no turn; to tell took %.1f s",
        len(ended),
        found.seconds,
        extra={"action": "unchanged", "run_id": run_id, "tables": len(ended), "seconds": found.seconds},
    )


def _settled(settings: Settings, plans: Iterable[TablePlan], now: datetime) -> dict[str, _Settled]:
    """Return the tables that are equal everywhere if the source has not moved."""
    known = read_tables(settings.tables_file).by_name
    with connect(settings.replication) as connection, database_errors(Role.REPLICATION):
        copies, proofs = status.read_copy_statuses(connection), find_proofs(connection)
        likely = {
            plan.table: plan
            for plan in plans
            # A table that came since the last analysis has a turn, in which that is said.
            if plan.table in known and plan.table in copies and plan.table in proofs
            if _is_likely(plan, copies[plan.table], proofs[plan.table], now)
        }
        if not likely:
            return {}
        wanted = likely.keys() - busy_tables(connection)
        replicas = read_schemas(connection, settings.replication.database, wanted)
        source_schemas = unchanged.read_source_schemas(connection)
    loads = _standing(settings, copies, replicas, now)
    return {
        name: _Settled(
            plan=likely[name],
            copied=copies[name],
            proof=proofs[name],
            loaded=loaded,
            replica=replicas[name],
            source_schema=source_schemas[name],
        )
        for name, loaded in loads.items()
    }


def _is_likely(plan: TablePlan, copied: CopyStatus, proof: ProofStatus, now: datetime) -> bool:
    """Tell whether a turn would find the table unchanged, were its fingerprint still the same; pure."""
    return (
        plan.refresh is RefreshMode.INCREMENTAL
        and plan.action is not ExtractAction.WHOLE
        and copied.copy_status == "success"
        and copied.checkpoint is None
        and copied.last_copied is not None
        and not is_gap_too_long(plan.config, copied.last_copied, now)
        and _why(copied, proof, now) is not None
    )


def _why(copied: CopyStatus, proof: ProofStatus, now: datetime) -> str | None:
    return fingerprint.why_unchanged(proof, proof.fingerprint, generation=copied.generation, now=now)


def _standing(
    settings: Settings,
    copies: Mapping[str, CopyStatus],
    replicas: Mapping[str, TableSchema],
    now: datetime,
) -> dict[str, LoadStatus]:
    """Return the load status of the tables whose raw needs neither rows nor a comparison, and nobody loads."""
    schema = settings.analytics.schema
    with connect(settings.analytics) as connection, database_errors(Role.ANALYTICS):
        loads = standing(connection, schema, copies, replicas)
        held = held_advisory_keys(connection)
    return {
        name: loaded
        for name, loaded in loads.items()
        if not is_due(loaded, now) and held.isdisjoint(_load_keys(schema, name))
    }


def _load_keys(schema: str, table: str) -> tuple[int, int]:
    return advisory_key(f"load:{table}"), advisory_key(f"load-transaction:{schema}.{table}")


def _unchanged(
    settings: Settings, run_id: str, settled: Mapping[str, _Settled], clock: Clock
) -> dict[str, _Settled]:
    """Return the tables that the source has not written, nor altered."""
    if not settled:
        return {}
    with ledger_transaction(settings) as connection:
        ledger.require_servers(connection, Stage.EXTRACT)
        deadline = ledger.run(connection, run_id).deadline
    account = RunAccount(settings, run_id)
    with (
        account.kept(),
        visit(
            settings,
            ALL_TABLES,
            deadline=deadline,
            clock=clock,
            account=account,
            patience_seconds=_PATIENCE_SECONDS,
        ) as (source, reader),
    ):
        names = fingerprint.unchanged(reader, {name: one.fingerprint for name, one in settled.items()})
        with database_errors(Role.SOURCE):
            schemas = read_schemas(source, settings.source.database, names)
    with connect(settings.replication) as connection:
        return {
            name: settled[name]
            for name, schema in schemas.items()
            if _has_structure(settled[name], known_to(connection, schema))
        }


def _has_structure(settled: _Settled, source: TableSchema) -> bool:
    """Tell whether the source's structure is the very one on record: whatever else is written anew by a turn."""
    schema = source.without(settled.plan.config.exclude_columns)
    return schema_text(schema) == settled.source_schema and is_replica(settled.replica, schema)


def _keep(
    settings: Settings, run_id: str, found: Mapping[str, _Settled], began_at: datetime, now: datetime
) -> dict[str, _Settled]:
    """Record in replication that the replicas are equal; return those that nobody has begun to copy meanwhile."""
    with connect(settings.replication, is_dedicated=True) as connection, database_errors(Role.REPLICATION):
        value_at_once(connection, _BOUND_WAITS, {})
        with connection.begin():
            copies = unchanged.hold_copies(connection, found)
            proofs = hold_proofs(connection, found)
            kept = {
                name: one
                for name, one in found.items()
                if copies.get(name) == one.copied and proofs.get(name) == one.proof
            }
            unchanged.record_kept(connection, [_kept(one) for one in kept.values()], run_id, now)
            record_proven(connection, kept, began_at)
    return kept


def _kept(settled: _Settled) -> unchanged.KeptTable:
    config = settled.plan.config
    return unchanged.KeptTable(
        table=config.table_name,
        strategy=config.extraction_strategy,
        overlap_minutes=config.overlap_minutes,
    )


def _end(connection: Connection, schema: str, run_id: str, found: Look, now: datetime) -> frozenset[str]:
    loads = unchanged.hold_loads(connection, schema, found.tables)
    left = {name: one for name, one in found.tables.items() if loads.get(name) == one.loaded}
    told = ledger.UnchangedTables(
        tables=[_told(one, found.began_at) for one in left.values()],
        extract_action=ExtractAction.UNCHANGED,
        load_action=Action.NOTHING,
        proven_at=found.began_at,
        proven_by=fingerprint.PROVEN_BY,
        raw_proven_by=NOTHING_LOADED,
        seconds=found.seconds / len(found.tables),
    )
    ended = ledger.end_unchanged(connection, run_id, told, now)
    cursors = {name: left[name].copied.cursor for name in ended}
    unchanged.record_nothing_loaded(connection, schema, cursors, run_id, now)
    return ended


def _told(settled: _Settled, began_at: datetime) -> ledger.Unchanged:
    return ledger.Unchanged(
        table=settled.plan.table,
        strategy=settled.plan.config.extraction_strategy,
        reason=f"{_why(settled.copied, settled.proof, began_at)}; {settled.plan.reason}",
        rows_total=settled.loaded.rows_loaded,
        raw_proven_at=settled.loaded.proven_at,
    )
