"""How a replica gets the source's new structure without being copied again, as clauses of one ALTER TABLE; pure.

Its rows may then differ from the source's in the columns that were altered: comparing both sides by value
afterwards is part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self

from dental_etl.config import Column, TableSchema
from dental_etl.wire.catalog import column_ddl
from dental_etl.wire.names import mysql


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What separates the structure that was copied last from the source's."""

    #: Columns that came; renamed ones are none of them.
    added: tuple[Column, ...]
    #: New name by old name: one went and one of its type came in the same place.
    renamed: Mapping[str, str]
    #: Names of columns that stayed and hold other values, or hold them in another way.
    changed: frozenset[str]
    #: Columns under their new names.
    under_new_names: tuple[Column, ...]

    def without_renames(self, names: Iterable[str]) -> Self:
        """Take some new names for columns of their own."""
        doubted = set(names) & set(self.renamed.values())
        return replace(
            self,
            added=(*self.added, *(column for column in self.under_new_names if column.name in doubted)),
            renamed={was: new for was, new in self.renamed.items() if new not in doubted},
        )


def changes(before: TableSchema, now: TableSchema) -> Changes:
    """Compare two structures of the source's table. MySQL keeps no trace of a rename, so those are guesses."""
    old = {column.name: column for column in before.columns}
    renamed = _renamed(before, now)
    return Changes(
        added=tuple(c for c in now.columns if c.name not in old and c.name not in renamed.values()),
        renamed=renamed,
        changed=frozenset(
            c.name for c in now.columns if c.name in old and _as_copied(old[c.name]) != _as_copied(c)
        ),
        under_new_names=tuple(now.column(name) for name in renamed.values()),
    )


def is_possible(before: TableSchema, now: TableSchema, found: Changes) -> bool:
    """Tell whether altering is enough: another key needs another outbox, and another order of the rows."""
    key = set(now.primary_key)
    is_key_touched = key & (found.changed | set(found.renamed.values()))
    return before.primary_key == now.primary_key and not is_key_touched


def clauses(
    replica: TableSchema, now: TableSchema, found: Changes, fills: Mapping[str, str]
) -> tuple[str, ...]:
    """Write what makes a replica as it stands have the columns of `now`, in their order.

    An attempt that died in the middle leaves a replica that is altered already, so what is added, renamed
    or dropped is decided by the replica itself.

    Args:
        replica: As the replication server describes it.
        now: The source's table.
        found: What changed in it.
        fills: Value that the rows which are there get in an added column, as SQL, by the column's name.
    """
    order = [column.name for column in replica.columns]
    written = [*_renames(order, now, found), *_drops(order, now)]
    return (*written, *_placed(order, now, found, fills))


def _renamed(before: TableSchema, now: TableSchema) -> dict[str, str]:
    old_names = {column.name for column in before.columns}
    new_names = {column.name for column in now.columns}
    return {
        was.name: new.name
        for was, new in zip(before.columns, now.columns, strict=False)
        if was.name not in new_names and new.name not in old_names and _type(was) == _type(new)
    }


def _renames(order: list[str], now: TableSchema, found: Changes) -> Iterator[str]:
    for was, new in found.renamed.items():
        if was in order and new not in order:
            order[order.index(was)] = new
            yield f"CHANGE COLUMN {mysql(was)} {column_ddl(now.column(new))}"


def _drops(order: list[str], now: TableSchema) -> Iterator[str]:
    kept = {column.name for column in now.columns}
    for name in [name for name in order if name not in kept]:
        order.remove(name)
        yield f"DROP COLUMN {mysql(name)}"


def _placed(order: list[str], now: TableSchema, found: Changes, fills: Mapping[str, str]) -> Iterator[str]:
    """Add, move and change columns from the first to the last, so that each finds the one before it in place."""
    for place, column in enumerate(now.columns):
        where = f"AFTER {mysql(now.columns[place - 1].name)}" if place else "FIRST"
        if column.name not in order:
            order.insert(place, column.name)
            yield f"ADD COLUMN {column_ddl(column, default=fills.get(column.name))} {where}"
        elif order[place] != column.name:
            order.remove(column.name)
            order.insert(place, column.name)
            yield f"MODIFY COLUMN {column_ddl(column)} {where}"
        elif column.name in found.changed:
            yield f"MODIFY COLUMN {column_ddl(column)}"


def _as_copied(column: Column) -> tuple[object, ...]:
    """A default is no part of a row."""
    return (*_type(column), column.is_nullable)


def _type(column: Column) -> tuple[object, ...]:
    return column.column_type, column.charset, column.collation
