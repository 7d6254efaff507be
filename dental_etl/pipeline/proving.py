"""After the tables: what was loaded whole, and too large to be compared on the way, is compared now.

A load compares what it wrote before it commits, except for large tables that arrive whole: others would
wait for it. Only our own two servers work here, so the clinic's night is over by then.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from dental_etl.config import Role, Settings, TableConfig
from dental_etl.connections import connect, database_errors
from dental_etl.exceptions import ETLPipelineError, TableBusyError
from dental_etl.load.action import Action
from dental_etl.load.loader import LoadOptions, load_table
from dental_etl.pipeline.tables import Clock
from dental_etl.reconciliation.raw import prove_all_of_raw
from dental_etl.run import Finding, LoadResult, Severity
from dental_etl.tracking import ledger
from dental_etl.tracking.status import read_load_statuses

logger = logging.getLogger(__name__)


def prove_loaded(
    settings: Settings, configs: Iterable[TableConfig], run_id: str, *, clock: Clock
) -> tuple[Finding, ...]:
    """Compare every row of the tables whose raw was never proven equal; mend what differs.

    Args:
        settings: Where; the source is not read.
        configs: The tables that this run has loaded.
        run_id: Whose report says that they were compared.
        clock: Gives the time, aware.

    Returns:
        What a person should know: tables that differed, and those that could not be compared.
    """
    loaded = tuple(configs)
    unproven = _unproven(settings) if loaded else frozenset()
    return tuple(
        finding
        for config in loaded
        if config.table_name in unproven
        for finding in _prove(settings, config, run_id, clock)
    )


def _unproven(settings: Settings) -> frozenset[str]:
    with connect(settings.analytics) as connection, database_errors(Role.ANALYTICS):
        statuses = read_load_statuses(connection, settings.analytics.schema)
    return frozenset(name for name, status in statuses.items() if status.proven_at is None)


def _prove(settings: Settings, config: TableConfig, run_id: str, clock: Clock) -> Iterator[Finding]:
    """Load once more: raw holds the replica's generation already, so nothing moves but the proof."""
    table = config.table_name
    try:
        result = load_table(
            settings,
            config,
            run_id=run_id,
            before_commit=lambda connection, done: ledger.record_raw_proof(connection, run_id, done),
            clock=clock,
            options=LoadOptions(prove=prove_all_of_raw),
        )
    except TableBusyError:
        return  # a rerun is loading it, and compares what it loads
    except ETLPipelineError as error:
        yield _finding(
            table, f"Its comparison with the replica failed ({error.code}); the next night compares it."
        )
        return
    yield from _differed(result)
    logger.info(
        "Compared %s with its replica: %s",
        table,
        result.proven_by,
        extra={"action": "proven", "run_id": run_id, "table": table, "seconds": result.seconds},
    )


def _differed(result: LoadResult) -> Iterator[Finding]:
    yield from result.findings
    if result.action == Action.FULL:
        yield _finding(
            result.table,
            "raw differed from the replica after a load whose rows added up, and was loaded again. Look for "
            "triggers on the raw table and for errors in PostgreSQL's log.",
        )


def _finding(table: str, message: str) -> Finding:
    return Finding(check="reconcile", severity=Severity.WARNING, table=table, message=message)
