"""What every load's transaction begins and ends with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from dental_etl.config import Settings
from dental_etl.connections import value_at_once
from dental_etl.exceptions import TableBusyError
from dental_etl.load.action import Action
from dental_etl.load.moved import Moved
from dental_etl.load.progress import Watch
from dental_etl.load.proof import Loaded, RawProof
from dental_etl.load.raw_table import RUN_ID_SETTING, RawTable
from dental_etl.load.replica import Replica, open_replica
from dental_etl.run import LoadResult, LoadStatus
from dental_etl.tracking.locks import advisory_key
from dental_etl.tracking.status import ensure_load_status, record_loaded
from dental_etl.wire.names import postgres

_TAKE_PLACE = text("SELECT pg_try_advisory_xact_lock(:key), set_config(:name, :run_id, true)")
# The column that came last.
_IS_CURRENT = (
    "SELECT EXISTS (SELECT 1 FROM pg_attribute"
    " WHERE attrelid = to_regclass(%(name)s) AND attname = 'proof_started_at')"
)
_SET_RUN_ID = text("SELECT set_config(:name, :run_id, true)")


def ensure_status_table(analytics: Connection, schema: str) -> None:
    """Make ``etl_load_status`` once; in a transaction of its own, which other loads wait for."""
    if not value_at_once(analytics, _IS_CURRENT, {"name": f"{postgres(schema)}.etl_load_status"}):
        with analytics.begin():
            ensure_load_status(analytics, schema)


def set_run_id(analytics: Connection, run_id: str) -> None:
    """Say which run writes the rows of this transaction."""
    analytics.execute(_SET_RUN_ID, {"name": RUN_ID_SETTING, "run_id": run_id})


@contextmanager
def open_for_load(
    settings: Settings, analytics: Connection, table: str, run_id: str, watch: Watch
) -> Iterator[Replica]:
    """Take the table's place in the current transaction, then open the replica.

    In that order: a snapshot that waited for another load would be older than what raw holds.

    Raises:
        TableBusyError: Another process loads this table.
        DataLoadingError: The replica holds no complete copy of the table.
    """
    key = advisory_key(f"load-transaction:{settings.analytics.schema}.{table}")
    place = {"key": key, "name": RUN_ID_SETTING, "run_id": run_id}
    is_free: bool = analytics.execute(_TAKE_PLACE, place).one()[0]
    if not is_free:
        raise TableBusyError(
            f"Another process is loading table {table}; this is tried again.", table=table, stage="load"
        )
    with open_replica(settings.replication, table, watch) as replica:
        yield replica


def finish(loaded: Loaded, proof: RawProof, *, run_id: str) -> None:
    """Write ``etl_load_status`` in the transaction of the rows."""
    result = loaded.result
    status = LoadStatus(
        table=result.table,
        last_loaded=loaded.now,
        rows_loaded=result.rows_total,
        load_status="success",
        loaded_generation=result.generation,
        run_id=run_id,
        proven_at=proof.proven_at,
        proof_position=proof.position,
        proof_started_at=proof.round_started_at,
    )
    record_loaded(loaded.analytics, loaded.raw.schema, status, cursor=loaded.replica.status.cursor)


def as_result(
    replica: Replica, action: Action, moved: Moved, *, rows_total: int, started: float
) -> LoadResult:
    """Put the counters of a load into the value that travels on."""
    return LoadResult(
        table=replica.schema.name,
        action=action,
        generation=replica.status.generation,
        rows_written=moved.written,
        rows_deleted=moved.deleted,
        rows_total=rows_total,
        bytes_written=moved.bytes,
        seconds=time.monotonic() - started,
        coercions=moved.coercions,
        drift=moved.drift,
    )


def record_progress(analytics: Connection, raw: RawTable, table: str, *, rows: int, run_id: str) -> None:
    """Show in ``etl_load_status`` how far the first load of a large table has come."""
    status = LoadStatus(table=table, rows_loaded=rows, load_status="running", run_id=run_id)
    record_loaded(analytics, raw.schema, status)
