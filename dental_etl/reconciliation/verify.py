"""Source = replica = raw on demand: looks at every row and changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from dental_etl.config import Role, Settings, TableConfig
from dental_etl.connections import connect, database_errors
from dental_etl.exceptions import DataError, TableBusyError
from dental_etl.extract import collations, keys
from dental_etl.extract.attempt import Attempt
from dental_etl.extract.queries import KeyRange
from dental_etl.extract.reading import SourceReader
from dental_etl.extract.visiting import visit
from dental_etl.load.action import Action
from dental_etl.load.errors import load_errors
from dental_etl.load.moved import Moved
from dental_etl.load.postgres_schema import find_table
from dental_etl.load.proof import Loaded, Reload
from dental_etl.load.raw_table import raw_table
from dental_etl.load.replica import open_replica
from dental_etl.load.statements import count_rows
from dental_etl.load.transaction import as_result
from dental_etl.plan import TablePlan
from dental_etl.reconciliation import comparison
from dental_etl.reconciliation.ranges import Depth
from dental_etl.reconciliation.raw import prove_all_of_raw
from dental_etl.run import RefreshMode, Value
from dental_etl.tracking.locks import table_lock
from dental_etl.wire.catalog import read_schema
from dental_etl.wire.rows import Target, row_format

_PURPOSE = "verify"


class Verdict(StrEnum):
    EQUAL = "equal"
    #: Replica and source hold different rows.
    REPLICA_DIFFERS = "replica differs"
    #: Raw and replica hold different rows.
    RAW_DIFFERS = "raw differs"
    BOTH_DIFFER = "both differ"
    #: One of the three could not be read.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified(Value):
    """What a look at one table in all three databases has shown."""

    table: str
    verdict: Verdict
    #: Rows by database; None where the table could not be read.
    source_rows: int | None = None
    replica_rows: int | None = None
    raw_rows: int | None = None
    #: What to do; empty when all is well.
    remark: str = ""


def verify_tables(
    settings: Settings, configs: Iterable[TableConfig], *, clock: Callable[[], datetime], is_deep: bool
) -> Iterator[Verified]:
    """Look at tables one after another; the caller has asked the window.

    Args:
        settings: The three databases.
        configs: Tables.
        clock: Returns the present, aware.
        is_deep: Take SHA-256 at the source, for CRC32.

    Raises:
        DeadlineError: The window closed meanwhile.
        DatabaseError: A server cannot be reached, or refused a statement.
    """
    deadline = settings.window.closes_at(clock())
    for config in configs:
        try:
            yield _verify(settings, config, deadline, clock, Depth.DEEP if is_deep else Depth.ROWS)
        except (DataError, TableBusyError) as error:
            yield Verified(table=config.table_name, verdict=Verdict.UNKNOWN, remark=str(error))


def _verify(
    settings: Settings,
    config: TableConfig,
    deadline: datetime | None,
    clock: Callable[[], datetime],
    depth: Depth,
) -> Verified:
    with (
        connect(settings.replication, is_dedicated=True) as replication,
        table_lock(replication, config.table_name),
    ):
        source_rows, replica_rows, is_replica_equal = _replica(
            settings, config, deadline, clock, replication, depth
        )
        raw_rows, is_raw_equal = _raw(settings, config, clock())
    verdict = _VERDICTS[is_replica_equal, is_raw_equal]
    return Verified(
        table=config.table_name,
        verdict=verdict,
        source_rows=source_rows,
        replica_rows=replica_rows,
        raw_rows=raw_rows,
        remark="" if verdict is Verdict.EQUAL else f"Run `dental-etl run --table {config.table_name}`.",
    )


_VERDICTS = {
    (True, True): Verdict.EQUAL,
    (False, True): Verdict.REPLICA_DIFFERS,
    (True, False): Verdict.RAW_DIFFERS,
    (False, False): Verdict.BOTH_DIFFER,
}


def _replica(
    settings: Settings,
    config: TableConfig,
    deadline: datetime | None,
    clock: Callable[[], datetime],
    replication: Connection,
    depth: Depth,
) -> tuple[int, int, bool]:
    """Return the rows of the source and of the replica, and whether they are the same."""
    with visit(settings, config.table_name, deadline=deadline, clock=clock) as (source, reader):
        return _compare(_attempt(settings, config, replication, source, reader, clock), depth)


def _compare(attempt: Attempt, depth: Depth) -> tuple[int, int, bool]:
    counted = comparison.row_counts(attempt)
    if not keys.is_pageable(attempt.schema) or comparison.fits_one_scan(attempt, max(counted)):
        compared: Iterable[comparison.Compared] = [comparison.compare(attempt, KeyRange(), depth)]
    else:
        compared = comparison.steps(attempt, None, depth)
    source_rows = replica_rows = 0
    is_equal = True
    for one in compared:
        source_rows += one.source.rows
        replica_rows += one.replica.rows
        is_equal &= one.is_equal
    return source_rows, replica_rows, is_equal


def _attempt(
    settings: Settings,
    config: TableConfig,
    replication: Connection,
    source: Connection,
    reader: SourceReader,
    clock: Callable[[], datetime],
) -> Attempt:
    """Return an attempt that only looks: it holds no fence, so it could not write."""
    with database_errors(Role.SOURCE, table=config.table_name):
        schema = read_schema(source, settings.source.database, config.table_name)
    with database_errors(Role.REPLICATION, table=config.table_name):
        replica = read_schema(replication, settings.replication.database, config.table_name)
    if schema is None or replica is None:
        missing = "source" if schema is None else "replication database"
        raise _unreadable(config.table_name, f"The {missing} has no table {config.table_name}.")
    schema = collations.known_to(replication, schema).without(config.exclude_columns)
    if [c.name for c in schema.columns] != [c.name for c in replica.columns]:
        raise _unreadable(config.table_name, f"Table {config.table_name} has other columns in its replica.")
    plan = TablePlan(
        config=config,
        strategy=config.extraction_strategy,
        reason=_PURPOSE,
        refresh=RefreshMode.INCREMENTAL,
    )
    return Attempt(
        plan=plan,
        run_id=_PURPOSE,
        fence=-1,
        clock=clock,
        replication=replication,
        reader=reader,
        schema=schema,
        row_format=row_format(schema, Target.MYSQL),
        cursor=None,
        progress=None,
    )


def _raw(settings: Settings, config: TableConfig, now: datetime) -> tuple[int, bool]:
    """Return the rows of raw, and whether they are those of the replica."""
    table = config.table_name
    with (
        load_errors(table, _PURPOSE, ()),
        connect(settings.analytics) as analytics,
        analytics.begin(),
        open_replica(settings.replication, table) as replica,
    ):
        raw = raw_table(settings.analytics.schema, replica.schema)
        found = find_table(analytics, raw.qualified)
        if found is None or not {column.name for column in raw.columns} <= set(found.by_name):
            raise _unreadable(table, f"Table {table} is missing in raw, or has other columns there.")
        rows = count_rows(analytics, raw.qualified)
        result = as_result(replica, Action.NOTHING, Moved(), rows_total=rows, started=time.monotonic())
        loaded = Loaded(
            analytics=analytics,
            replica=replica,
            raw=raw,
            result=result,
            before=None,
            reload=Reload.WHOLE,  # nothing is to be mended here, so nobody asks where it differs
            now=now,
        )
        return rows, prove_all_of_raw(loaded).is_equal


def _unreadable(table: str, message: str) -> DataError:
    return DataError(f"{message} Run `dental-etl run --table {table}`.", table=table, stage=_PURPOSE)
