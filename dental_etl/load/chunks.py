"""The first load of a large table in chunks, each committed with its checkpoint, published at once.

Chunks go to a staging table that no reader knows. Its comment holds the checkpoint, so rows and
checkpoint commit together and vanish together. Chunks may belong to different generations of the
replica; before publishing, the changes since the oldest of them are applied from the outbox.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from sqlalchemy import Connection, text

from dental_etl.load.changes import apply_changes
from dental_etl.load.moved import Moved, added, coercions
from dental_etl.load.postgres_schema import add_primary_key, create_table, find_table
from dental_etl.load.postgres_types import is_exact_key
from dental_etl.load.range_table import forget_ranges
from dental_etl.load.raw_table import RawTable
from dental_etl.load.replica import Replica
from dental_etl.load.statements import execute
from dental_etl.run import Coercion, Value
from dental_etl.wire.copy_feed import copy_rows
from dental_etl.wire.names import mysql, postgres, stage_table

logger = logging.getLogger(__name__)

_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_COMMENT = text("SELECT obj_description(to_regclass(:table), 'pg_class')")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint(Value):
    """How far the staging table has come."""

    #: Of the columns that it was made with.
    shape: str
    #: The replica's when the first chunk was read.
    generation: int
    #: Highest key that is in the staging table; None before the first row.
    last_key: int | None = None
    is_complete: bool = False
    rows: int = 0
    bytes: int = 0
    coercions: tuple[Coercion, ...] = ()
    #: Of a load by key ranges, whose progress is in ``etl_load_chunk``; None for one that goes in order.
    load_id: str | None = None

    def after(self, *, rows: int, bytes_: int, found: Iterable[Coercion], last_key: int | None) -> Self:
        """Return the checkpoint after one more chunk."""
        return replace(
            self,
            rows=self.rows + rows,
            bytes=self.bytes + bytes_,
            coercions=added(self.coercions, found),
            last_key=self.last_key if last_key is None else last_key,
        )


def is_left_to_copy(analytics: Connection, replica: Replica, raw: RawTable) -> bool:
    """Tell whether a table is to be loaded in chunks and has rows that are in no chunk yet.

    Only the first load of a table with one whole-number key: later ones replace rows that people read,
    which takes one transaction anyway.
    """
    key = replica.schema.key_columns
    if len(key) != 1 or key[0].data_type not in _INTEGERS or find_table(analytics, raw.qualified) is not None:
        return False
    checkpoint = usable_checkpoint(analytics, replica, raw)
    return checkpoint is None or not checkpoint.is_complete


def copy_chunk(analytics: Connection, replica: Replica, raw: RawTable, chunk_rows: int) -> Checkpoint:
    """Copy the next rows to the staging table, in the caller's transaction."""
    before = usable_checkpoint(analytics, replica, raw)
    checkpoint = before or start_staging(analytics, replica, raw)
    key = replica.schema.primary_key[0]
    above = "" if checkpoint.last_key is None else f"WHERE {mysql(key)} > {checkpoint.last_key} "
    wanted, blocks = replica.rows(f"{above}ORDER BY {mysql(key)} LIMIT {int(chunk_rows)}")
    rows = copy_rows(analytics, staging(raw), wanted, blocks, freeze=before is None)
    last = blocks.last_values.get(key)
    checkpoint = replace(
        checkpoint.after(
            rows=rows,
            bytes_=blocks.bytes,
            found=coercions(replica.schema.name, blocks),
            last_key=None if last is None else int(last),
        ),
        is_complete=rows < chunk_rows,
    )
    write_checkpoint(analytics, raw, checkpoint)
    return checkpoint


def publish(analytics: Connection, replica: Replica, raw: RawTable) -> Moved | None:
    """Make a complete staging table the raw table, in the caller's transaction.

    Returns:
        What was loaded; None when there is no complete staging table, and then none is left.
    """
    checkpoint = usable_checkpoint(analytics, replica, raw)
    if checkpoint is None or not checkpoint.is_complete:
        forget_ranges(analytics, raw.schema, replica.schema.name)
        execute(analytics, f"DROP TABLE IF EXISTS {staging(raw)}")
        return None
    execute(analytics, f"COMMENT ON TABLE {staging(raw)} IS NULL")
    execute(analytics, f"ALTER TABLE {staging(raw)} RENAME TO {postgres(raw.name)}")
    add_primary_key(analytics, raw.qualified, raw)
    found = checkpoint.coercions
    if replica.status.generation > checkpoint.generation:
        late = apply_changes(analytics, replica, raw, checkpoint.generation)
        found = added(found, late.coercions)
    execute(analytics, f"ANALYZE {raw.qualified}")
    return Moved(written=checkpoint.rows, bytes=checkpoint.bytes, coercions=found)


def usable_checkpoint(analytics: Connection, replica: Replica, raw: RawTable) -> Checkpoint | None:
    """Return the checkpoint, if the staging table can still become the raw table."""
    written: str | None = analytics.execute(_COMMENT, {"table": staging(raw)}).scalar_one()
    if written is None:
        return None
    checkpoint = Checkpoint.from_json(json.loads(written))
    status = replica.status
    is_same = checkpoint.shape == _shape(raw) and status.full_generation <= checkpoint.generation
    is_ahead = status.generation > checkpoint.generation
    is_explained = replica.has_outbox and is_exact_key(replica.schema.key_columns)
    can_catch_up = status.generation == checkpoint.generation or (is_ahead and is_explained)
    return checkpoint if is_same and can_catch_up else None


def start_staging(analytics: Connection, replica: Replica, raw: RawTable) -> Checkpoint:
    """Make an empty staging table and return its first checkpoint, which is not written yet."""
    forget_ranges(analytics, raw.schema, replica.schema.name)  # before their staging table goes
    execute(analytics, f"DROP TABLE IF EXISTS {staging(raw)}")
    create_table(analytics, staging(raw), raw)
    return Checkpoint(shape=_shape(raw), generation=replica.status.generation)


def write_checkpoint(analytics: Connection, raw: RawTable, checkpoint: Checkpoint) -> None:
    """Write how far the staging table has come, in the transaction of its rows."""
    written = json.dumps(checkpoint.to_json()).replace("'", "''")
    execute(analytics, f"COMMENT ON TABLE {staging(raw)} IS '{written}'")


def staging(raw: RawTable) -> str:
    """Return the quoted name of the staging table of a raw table."""
    return f"{postgres(raw.schema)}.{postgres(stage_table(raw.name))}"


def _shape(raw: RawTable) -> str:
    spelled = json.dumps([list(raw.definitions.items()), raw.primary_key])
    return hashlib.sha256(spelled.encode()).hexdigest()
