"""What changed in a table's structure since its last complete copy, in words; pure."""

from __future__ import annotations

import json

from dental_etl.config import Column, TableSchema


def changes(before: str | None, now: TableSchema) -> tuple[str, ...]:
    """Compare the source's structure with the one that was copied last.

    Defaults and the like are no part of a row, so they do not count.

    Args:
        before: Structure at the last complete copy, JSON; None when there was none.
        now: Structure of the source's table now.

    Returns:
        One line per change, empty when rows can be copied as before.
    """
    if before is None:
        return ()
    old = TableSchema.from_json(json.loads(before))
    columns = {column.name: column for column in old.columns}
    found = [_added_or_changed(columns.get(column.name), column) for column in now.columns]
    remaining = {column.name for column in now.columns}
    found += [f"column {name} was dropped" for name in columns if name not in remaining]
    if old.primary_key != now.primary_key:
        found.append(f"primary key changed from ({_list(old)}) to ({_list(now)})")
    return tuple(line for line in found if line is not None) or _reordered(old, now)


def _added_or_changed(old: Column | None, new: Column) -> str | None:
    if old is None:
        return f"column {new.name} ({new.column_type}) was added"
    if old.column_type != new.column_type:
        return f"column {new.name} changed from {old.column_type} to {new.column_type}"
    if old.is_nullable != new.is_nullable:
        return f"column {new.name} became {'nullable' if new.is_nullable else 'not nullable'}"
    if (old.charset, old.collation) != (new.charset, new.collation):
        return f"column {new.name} changed its collation from {old.collation} to {new.collation}"
    return None


def _reordered(old: TableSchema, new: TableSchema) -> tuple[str, ...]:
    before = [column.name for column in old.columns]
    after = [column.name for column in new.columns]
    return () if before == after else ("columns were put into another order",)


def _list(schema: TableSchema) -> str:
    return ", ".join(schema.primary_key)
