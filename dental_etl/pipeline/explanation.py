"""Everything about one table: how it is treated and why, where it stands, what the last runs did.

Rows are patients, and a key or a cursor may be part of one: only stamps are told, never the value of a key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dental_etl.config import Role, Settings, TableConfig, TableSchema, read_overrides
from dental_etl.connections import connect, database_errors
from dental_etl.exceptions import DataLoadingError, ETLPipelineError
from dental_etl.extract import collations, drift, healing, publishing
from dental_etl.load.preview import Preview, preview
from dental_etl.load.raw_table import raw_table
from dental_etl.pipeline.outlook import Outlook, look_ahead
from dental_etl.pipeline.tables import ledger_transaction
from dental_etl.plan import TableHistory, TablePlan, histories
from dental_etl.run import CopyStatus, LoadStatus, TableResult, Value
from dental_etl.tracking import ledger, proofs, status
from dental_etl.tracking.configured import configured_table
from dental_etl.wire.catalog import read_schema

_STAMPS = frozenset({"timestamp", "datetime", "date"})
_RESULTS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure(Value):
    """How the table's structure differs over the databases."""

    #: Whether the source's information_schema was asked, or only our own databases.
    is_source_asked: bool
    #: What would be done to raw.
    raw: Preview
    #: Code of the error where the source did not answer.
    error_code: str | None = None
    #: Whether the source has no such table.
    is_gone: bool = False
    #: Changes at the source since the last complete copy, in words.
    source_drift: tuple[str, ...] = ()
    #: What the next extract would execute at the replica.
    replica_statements: tuple[str, ...] = ()
    #: Why raw cannot take the structure; None where it can.
    raw_error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One table."""

    config: TableConfig
    #: What the owner has set for it.
    overrides: Mapping[str, Any]
    #: The next run, planned for this table alone.
    outlook: Outlook
    copied: CopyStatus | None
    loaded: LoadStatus | None
    proof: proofs.ProofStatus
    #: Of the newest runs, newest first, however they ended.
    results: tuple[TableResult, ...]
    structure: Structure

    @property
    def plan(self) -> TablePlan:
        return self.outlook.plans[0]

    @property
    def history(self) -> TableHistory:
        """What the newest of its results say together."""
        name = self.config.table_name
        return histories(self.results).get(name, TableHistory(table=name))

    @property
    def cursor_stamp(self) -> str | None:
        """The last committed cursor, if it is a stamp (UTC); a key may be a person's."""
        cursor = self.copied.cursor if self.copied else None
        if cursor is None or cursor.value is None or not self.is_stamp(cursor.column):
            return None
        return cursor.value

    def is_stamp(self, column: str) -> bool:
        """Tell whether a column holds a moment and is no part of the key."""
        types = {one.name: one.data_type for one in self.config.columns}
        return types.get(column) in _STAMPS and column not in self.config.primary_key

    def to_json(self) -> dict[str, Any]:
        return {
            "table": self.config.table_name,
            "config": {k: v for k, v in self.config.to_json().items() if k != "columns"},
            "overrides": dict(self.overrides),
            "next_run": self.outlook.to_json()["tables"][0],
            "cursor": {"column": self.config.primary_incremental_column, "stamp": self.cursor_stamp},
            "copied": None if self.copied is None else _without_values(self.copied),
            "loaded": None if self.loaded is None else _without_keys(self.loaded),
            "proven": {
                "source_at": _text(self.proof.proven_at),
                "source_compared_at": _text(self.proof.compared_at),
                "raw_at": _text(self.loaded.proven_at if self.loaded else None),
            },
            "usual_night": {
                "seconds": self.history.usual_seconds,
                "rows_read": self.history.usual_rows,
                "changed_share": self.history.changed_share,
                "row_bytes": self.history.row_bytes,
                "source_rows_per_second": self.history.source_rows_per_second,
            },
            "recognises_unchanged_by_file": self.proof.fingerprint is not None,
            "structure": self.structure.to_json(),
            "results": [result.to_json() for result in self.results],
        }


def explain(settings: Settings, table: str, now: datetime) -> Explanation:
    """Gather what is known about a table; changes nothing, reads no row.

    The source is asked inside the window only, and only its information_schema.

    Raises:
        ConfigurationError: The table is not in tables.yml.
        DatabaseError: One of our own databases could not be read.
    """
    config = configured_table(settings, table)
    with connect(settings.replication) as connection, database_errors(Role.REPLICATION, table=table):
        proof = proofs.find_proof(connection, table)
        copies = _Copies(
            replica=read_schema(connection, settings.replication.database, table),
            copied=status.find_source_schema(connection, table),
        )
    schema = settings.analytics.schema
    with ledger_transaction(settings) as connection:
        loaded = status.read_load_statuses(connection, schema).get(table)
        results = ledger.results_of(connection, table, most=_RESULTS)
    outlook = look_ahead(settings, now, names=[table])
    return Explanation(
        config=config,
        overrides=read_overrides(settings.tables_file).get(table, {}),
        outlook=outlook,
        copied=outlook.statuses.get(table),
        loaded=loaded,
        proof=proof,
        results=results,
        structure=_structure(settings, config, copies, is_open=settings.window.is_open(now)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copies:
    """What our databases know about the structure."""

    #: The replica's; None when there is none.
    replica: TableSchema | None
    #: The source's at the last complete copy, JSON; None before the first.
    copied: str | None


def _structure(settings: Settings, config: TableConfig, copies: _Copies, *, is_open: bool) -> Structure:
    source, code = _source_schema(settings, config) if is_open else (None, None)
    found = drift.changes(copies.copied, source) if source is not None else ()
    raw, raw_error = _raw(settings, source or copies.replica or config.schema)
    is_changed = bool(found) or copies.replica is None
    return Structure(
        is_source_asked=is_open,
        error_code=code,
        is_gone=is_open and source is None and code is None,
        source_drift=found,
        replica_statements=_at_replica(config, copies, source) if source and is_changed else (),
        raw=raw,
        raw_error=raw_error,
    )


def _at_replica(config: TableConfig, copies: _Copies, source: TableSchema) -> tuple[str, ...]:
    if copies.replica is not None and copies.copied is not None:
        before = TableSchema.from_json(json.loads(copies.copied))
        altered = healing.altering(before, copies.replica, source)
        if altered is not None:
            return altered
    has_replica = copies.replica is not None
    return publishing.rewriting(source, config.primary_incremental_column, has_replica=has_replica)


def _source_schema(settings: Settings, config: TableConfig) -> tuple[TableSchema | None, str | None]:
    try:
        with connect(settings.source) as connection, database_errors(Role.SOURCE, table=config.table_name):
            found = read_schema(connection, settings.source.database, config.table_name)
        if found is None:
            return None, None
        with connect(settings.replication) as connection:
            return collations.known_to(connection, found).without(config.exclude_columns), None
    except ETLPipelineError as error:
        return None, error.code


def _raw(settings: Settings, schema: TableSchema) -> tuple[Preview, str | None]:
    try:
        wanted = raw_table(settings.analytics.schema, schema)
    except DataLoadingError as error:
        return Preview(), str(error)
    with connect(settings.analytics) as connection, database_errors(Role.ANALYTICS, table=schema.name):
        return preview(connection, wanted), None


def _without_values(copied: CopyStatus) -> dict[str, Any]:
    """A cursor and a checkpoint may hold keys, and a key may be a person's."""
    told = copied.to_json()
    return {
        **{name: value for name, value in told.items() if name not in {"cursor", "checkpoint"}},
        "has_checkpoint": copied.checkpoint is not None,
    }


def _without_keys(loaded: LoadStatus) -> dict[str, Any]:
    return {name: value for name, value in loaded.to_json().items() if name != "proof_position"}


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
