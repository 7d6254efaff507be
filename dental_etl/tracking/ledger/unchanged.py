"""Tables that end without a turn: one look has told that there is nothing to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from dental_etl.config import Role
from dental_etl.connections import database_errors
from dental_etl.run import RunStatus, Strategy, TableStatus
from dental_etl.tracking.ledger import tables

# All tables in one statement; only those that nobody has begun to work.
_END = text(f"""
    UPDATE {tables.SCHEMA}.run_table AS ended
       SET status = :loaded, strategy = told.strategy, reason = told.reason, rows_total = told.rows_total,
           extract_action = :extract_action, load_action = :load_action,
           proven_at = :proven_at, proven_by = :proven_by,
           raw_proven_at = told.raw_proven_at, raw_proven_by = :raw_proven_by,
           extract_seconds = :seconds, finished_at = :now
      FROM unnest(CAST(:tables AS text[]), CAST(:strategies AS text[]), CAST(:reasons AS text[]),
                  CAST(:rows AS bigint[]), CAST(:raw_proven AS timestamptz[]))
           AS told (table_name, strategy, reason, rows_total, raw_proven_at)
     WHERE ended.run_id = :run_id AND ended.table_name = told.table_name AND ended.status = :planned
       AND EXISTS (SELECT FROM {tables.SCHEMA}.run WHERE run_id = :run_id AND status = :active)
 RETURNING ended.table_name
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """What one look has told about one table."""

    table: str
    strategy: Strategy
    #: Why nothing was to be done, in words for the report.
    reason: str
    #: In raw.
    rows_total: int
    #: When all of raw was last proven equal to the replica.
    raw_proven_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnchangedTables:
    """What one look has told about all of them."""

    tables: Sequence[Unchanged]
    extract_action: str
    load_action: str
    #: When the look began: as of then raw equals the source.
    proven_at: datetime
    proven_by: str
    raw_proven_by: str
    #: That the look has taken, each table's share.
    seconds: float


@database_errors(Role.ANALYTICS)
def end_unchanged(
    connection: Connection, run_id: str, found: UnchangedTables, now: datetime
) -> frozenset[str]:
    """End planned tables as loaded; return those that were still waiting for their turn."""
    ended = connection.execute(
        _END,
        {
            "run_id": run_id,
            "tables": [one.table for one in found.tables],
            "strategies": [one.strategy for one in found.tables],
            "reasons": [one.reason for one in found.tables],
            "rows": [one.rows_total for one in found.tables],
            "raw_proven": [one.raw_proven_at for one in found.tables],
            "extract_action": found.extract_action,
            "load_action": found.load_action,
            "proven_at": found.proven_at,
            "proven_by": found.proven_by,
            "raw_proven_by": found.raw_proven_by,
            "seconds": found.seconds,
            "now": now,
            "loaded": TableStatus.LOADED,
            "planned": TableStatus.PLANNED,
            "active": RunStatus.ACTIVE,
        },
    )
    return frozenset(ended.scalars())
