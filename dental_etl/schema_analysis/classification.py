"""How each table is treated, decided from what the server says about it; pure.

Only the DDL is evidence. A column's name is not: ``DateTEntry`` is a creation stamp in one table and
moved by the program in the next, and a primary key says nothing about changed rows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from dental_etl.config import Column, TableConfig, TableSchema
from dental_etl.config.tables import Monitoring, category_of
from dental_etl.plan.treatment import AIM_BYTES, LEAST_BATCH_ROWS, MOST_BATCH_ROWS
from dental_etl.run import Category, Strategy, Value
from dental_etl.wire.names import is_ours

MEGABYTE = 1024 * 1024

#: Tables whose rows Open Dental only adds, and what is known about them. Everything else is taken to
#: change. A table belongs here only if the manual or the program's own statements say so.
APPEND_ONLY: Mapping[str, str] = MappingProxyType(
    {
        "securitylog": "the audit trail: entries are added, never edited, but FKey is set to 0 when the "
        "object an entry points to is deleted, so content is proven by rotation",
        "securityloghash": "one hash for each entry of the audit trail, written with the entry",
        "entrylog": "one row for each created object, never edited",
        "insbluebooklog": "log of changed insurance estimates, never edited",
        "dbmlog": "log of the database maintenance tool, never edited",
    }
)
#: Of those, the ones of which a column is known to change after all.
_APPENDED_BUT_EDITED = frozenset({"securitylog"})

#: Clinical and financial core: what the models of a practice's money and chairs are built from.
CORE_TABLES = frozenset({
    "adjustment", "appointment", "benefit", "carrier", "claim", "claimpayment", "claimproc", "claimsnapshot",
    "clinic", "definition", "fee", "feesched", "histappointment", "insplan", "inssub", "patient", "patplan",
    "payment", "payplan", "payplancharge", "payplanlink", "paysplit", "preference", "procedurecode",
    "procedurelog", "procmultivisit", "proctp", "provider", "recall", "recalltype", "refattach", "referral",
    "schedule", "treatplan", "treatplanattach",
})  # fmt: skip
#: Housekeeping of the program itself: nothing downstream waits for it.
HOUSEKEEPING_TABLES = frozenset({
    "activeinstance", "apikey", "computer", "computerpref", "databasemaintenance", "emailmessageuid",
    "eservicelog", "eservicesignal", "hl7msg", "inseditlog", "inseditpatlog", "loginattempt",
    "mobilenotification", "orthochartlog", "promotionlog", "replicationserver", "sessiontoken", "signalod",
    "taskhist", "tasksubscription", "taskunread", "terminalactive", "tsitranslog", "updatehistory",
    "wikilisthist", "wikipagehist", *APPEND_ONLY,
})  # fmt: skip

_SCRATCH_NAME = re.compile(r"^(tmp|temp(?!late))|backup|(^|_)(bak|copy|tmp|temp)(_|\d|$)", re.IGNORECASE)
#: Taken for an empty table, whose average row length is not known.
_UNKNOWN_ROW_BYTES = 1000
#: Both hops of the bulk path on two cores: a cost per row, a cost per byte and a cost per table.
_ROWS_PER_SECOND, _MB_PER_SECOND, _SECONDS_PER_TABLE = 200_000, 45, 0.2
_WORKER_MB = 32
#: A DATETIME stamp is written in the clinic's local time, which repeats an hour in autumn.
_LOCAL_OVERLAP_MINUTES, _OVERLAP_MINUTES = 75, 15
_SLOW_ROWS_PER_SECOND = MappingProxyType({
    Category.LARGE: 5000, Category.MEDIUM: 2000, Category.SMALL: 500, Category.TINY: 100,
})  # fmt: skip


class KeyOrder(StrEnum):
    """How Open Dental gives out primary keys (preference ``RandomPrimaryKeys``)."""

    ASCENDING = "ascending"
    #: For replication between servers: a new row's key may lie anywhere.
    RANDOM = "random"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts(Value):
    """What information_schema says about one table."""

    schema: TableSchema
    #: Exact for MyISAM, an estimate for InnoDB.
    rows: int
    #: Bytes of the rows, without indexes.
    data_bytes: int
    index_bytes: int
    #: 0 when the server does not know.
    average_row_bytes: int
    #: Columns that lead an index; a range over them is cheap for the server.
    indexed_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    strategy: Strategy
    reason: str
    columns: tuple[str, ...] = ()
    overlap_minutes: int = _OVERLAP_MINUTES
    reconcile: str = "nightly"


def exclusion(facts: TableFacts) -> str | None:
    """Return the rule that leaves a table out, in words; None for a table that is copied.

    Source: on a real clinic ten tables without a key, all named so, held copies made by hand.
    """
    if is_ours(facts.schema.name):
        return "named like a table that dental_etl keeps for itself beside the copies"
    if facts.schema.primary_key or not _SCRATCH_NAME.search(facts.schema.name):
        return None
    return "scratch copy: no primary key, and named like a temporary table or a backup"


def classify(facts: TableFacts, key_order: KeyOrder = KeyOrder.ASCENDING) -> TableConfig:
    """Decide how a table is treated, with the reason.

    Args:
        facts: What the server says about the table.
        key_order: Random keys make every key cursor useless.
    """
    schema, category = facts.schema, category_of(facts.rows)
    choice = _strategy(facts, category, key_order)
    batch_rows, row_bytes = _batch_rows(facts), _row_bytes(facts)
    return TableConfig(
        table_name=schema.name,
        extraction_strategy=choice.strategy,
        strategy_reason=choice.reason,
        incremental_columns=choice.columns,
        primary_incremental_column=choice.columns[0] if choice.columns else None,
        overlap_minutes=choice.overlap_minutes,
        batch_size=batch_rows,
        performance_category=category,
        processing_priority=_priority(schema.name),
        estimated_rows=facts.rows,
        estimated_size_mb=round(facts.data_bytes / MEGABYTE, 2),
        estimated_processing_time_minutes=_minutes(facts),
        memory_requirements_mb=_WORKER_MB + math.ceil(2 * batch_rows * row_bytes / MEGABYTE),
        monitoring=_monitoring(category),
        primary_key=schema.primary_key,
        engine=schema.engine,
        reconcile=choice.reconcile,
        columns=schema.columns,
    )


def _strategy(facts: TableFacts, category: Category, key_order: KeyOrder) -> _Choice:
    schema = facts.schema
    stamps = sorted((c for c in schema.columns if c.is_change_stamp), key=_stamp_place)
    proof = "rotating" if category is Category.LARGE else "nightly"
    if not schema.primary_key:
        return _whole("no primary key, so a changed row cannot be told from a new one", proof)
    if stamps:
        return _by_stamp(facts, stamps, category, proof)
    if schema.name.lower() in APPEND_ONLY:
        return _by_key(facts, category, key_order, proof)
    return _whole("no column that the server itself moves when a row changes", proof)


def _whole(reason: str, proof: str) -> _Choice:
    return _Choice(strategy=Strategy.FULL_TABLE, reason=reason, reconcile=proof)


def _stamp_place(column: Column) -> bool:
    """A TIMESTAMP is in UTC and never repeats; a DATETIME stamp is taken only when there is no other."""
    return column.data_type != "timestamp"


def _by_stamp(facts: TableFacts, stamps: list[Column], category: Category, proof: str) -> _Choice:
    stamp = stamps[0]
    is_indexed = stamp.name in facts.indexed_columns
    read = "read by its index" if is_indexed else "it has no index, so changes are found in one pass by key"
    is_local = stamp.data_type != "timestamp"
    return _Choice(
        strategy=_changes(category),
        reason=f"{stamp.name} is moved by the server whenever a row changes; {read}",
        columns=tuple(column.name for column in stamps),
        overlap_minutes=_LOCAL_OVERLAP_MINUTES if is_local else _OVERLAP_MINUTES,
        reconcile=proof,
    )


def _by_key(facts: TableFacts, category: Category, key_order: KeyOrder, proof: str) -> _Choice:
    schema = facts.schema
    why = APPEND_ONLY[schema.name.lower()]
    if key_order is KeyOrder.RANDOM:
        return _whole("only grows, but this clinic's primary keys are random and do not order it", proof)
    if not _is_counted_up(schema):
        return _whole("only grows, but its key is not one the server counts up", proof)
    return _Choice(
        strategy=_changes(category),
        reason=f"only grows, by {schema.primary_key[0]} ({why})",
        columns=schema.primary_key,
        reconcile="rotating" if schema.name.lower() in _APPENDED_BUT_EDITED else "audit",
    )


def _is_counted_up(schema: TableSchema) -> bool:
    return len(schema.primary_key) == 1 and "auto_increment" in schema.key_columns[0].extra.lower()


def key_order_of(tables: Iterable[TableConfig]) -> KeyOrder:
    """Return the order of keys by which tables were classified; ascending where none of them shows it."""
    is_random = any(
        table.extraction_strategy is Strategy.FULL_TABLE and _is_counted_up(table.schema)
        for table in tables
        if table.table_name.lower() in APPEND_ONLY
    )
    return KeyOrder.RANDOM if is_random else KeyOrder.ASCENDING


def _changes(category: Category) -> Strategy:
    return Strategy.INCREMENTAL_CHUNKED if category is Category.LARGE else Strategy.INCREMENTAL


def _row_bytes(facts: TableFacts) -> int:
    return facts.average_row_bytes or _UNKNOWN_ROW_BYTES


def _batch_rows(facts: TableFacts) -> int:
    return min(max(AIM_BYTES // _row_bytes(facts), LEAST_BATCH_ROWS), MOST_BATCH_ROWS)


def _minutes(facts: TableFacts) -> float:
    """Minutes of a full copy over both hops."""
    work = facts.rows / _ROWS_PER_SECOND + facts.data_bytes / MEGABYTE / _MB_PER_SECOND
    return round((work + _SECONDS_PER_TABLE) / 60, 3)


def _priority(table: str) -> str:
    name = table.lower()
    if name in CORE_TABLES:
        return "high"
    return "low" if name in HOUSEKEEPING_TABLES else "medium"


def _monitoring(category: Category) -> Monitoring:
    return Monitoring(
        alert_on_slow_extraction=category in {Category.LARGE, Category.MEDIUM},
        performance_threshold_records_per_second=_SLOW_ROWS_PER_SECOND[category],
    )
