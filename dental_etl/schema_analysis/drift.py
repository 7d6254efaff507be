"""How two states of the schema differ, in values and as a changelog; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from dental_etl.config import Column, TableConfig, Tables
from dental_etl.run import Value
from dental_etl.schema_analysis.type_changes import TypeChange, type_change


class ChangeKind(StrEnum):
    """What changed; the value is the changelog's heading."""

    TABLE_ADDED = "Tables added"
    TABLE_DROPPED = "Tables dropped"
    COLUMN_ADDED = "Columns added"
    COLUMN_DROPPED = "Columns dropped"
    COLUMN_RENAMED = "Columns maybe renamed"
    TYPE_WIDENED = "Types widened"
    TYPE_NARROWED = "Types narrowed"
    TYPE_CHANGED = "Types changed"
    NULLABILITY = "Nullability"
    DEFAULT = "Defaults"
    KEY = "Primary keys"
    #: Not drift: what we do with the table, because its size or its columns changed.
    TREATMENT = "Treatment"

    @property
    def is_drift(self) -> bool:
        return self is not ChangeKind.TREATMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Value):
    kind: ChangeKind
    table: str
    #: None for a change of the whole table.
    column: str | None
    #: What changed, in words, beginning with the table's name.
    message: str


_TYPE_KINDS = {
    TypeChange.WIDENED: ChangeKind.TYPE_WIDENED,
    TypeChange.NARROWED: ChangeKind.TYPE_NARROWED,
    TypeChange.CHANGED: ChangeKind.TYPE_CHANGED,
}


def schema_hash(tables: Iterable[TableConfig]) -> str:
    """Return a fingerprint over every column's name, type, nullability and default.

    The same in every process and whatever order tables and columns come in.
    """
    lines = sorted(
        repr((table.table_name, column.name, column.column_type, column.is_nullable, column.default))
        for table in tables
        for column in table.columns
    )
    return hashlib.sha256("\n".join(lines).encode("utf-8")).hexdigest()


def compare(before: Tables, after: Tables) -> tuple[Change, ...]:
    """Return every change between two analyses, by kind, table and column."""
    changes = [
        *_table_changes(before, after),
        *(
            change
            for table in after
            if table.table_name in before.by_name
            for change in _changes_within(before.by_name[table.table_name], table)
        ),
    ]
    kinds = list(ChangeKind)
    return tuple(sorted(changes, key=lambda c: (kinds.index(c.kind), c.table, c.column or "")))


def changelog(changes: Iterable[Change], before: Tables | None, after: Tables) -> str:
    """Write the changes as Markdown, for the person who reviews ``tables.yml``."""
    return "\n".join([*_head(before, after), *_sections(list(changes), before)]) + "\n"


def _head(before: Tables | None, after: Tables) -> Iterator[str]:
    yield f"# Schema of {after.metadata.generated_at:%Y-%m-%d %H:%M} UTC ({after.metadata.environment})"
    yield ""
    if before is not None:
        yield f"- Compared with: {before.metadata.generated_at:%Y-%m-%d %H:%M} UTC"
        yield f"- Tables: {len(before)} before, {len(after)} now"
        yield f"- Schema hash: {before.metadata.schema_hash[:12]} before, {after.metadata.schema_hash[:12]} now"
    else:
        yield "- First analysis; there is nothing to compare with"
        yield f"- Tables: {len(after)}"
        yield f"- Schema hash: {after.metadata.schema_hash[:12]}"
    yield from (f"- Left out: {reason}" for reason in after.metadata.excluded)


def _sections(changes: list[Change], before: Tables | None) -> Iterator[str]:
    if not changes and before is not None:
        yield from ("", "Nothing changed.")
    for kind in ChangeKind:
        messages = [f"- {change.message}" for change in changes if change.kind is kind]
        if messages:
            yield from ("", f"## {kind}", "", *messages)


def _table_changes(before: Tables, after: Tables) -> Iterator[Change]:
    for table in after:
        if table.table_name not in before.by_name:
            yield _change(
                ChangeKind.TABLE_ADDED,
                table,
                f"{table.extraction_strategy}, {table.performance_category} ({table.strategy_reason})",
            )
    for table in before:
        if table.table_name not in after.by_name:
            yield _change(ChangeKind.TABLE_DROPPED, table, "no longer in the source; raw keeps its rows")


def _changes_within(before: TableConfig, after: TableConfig) -> Iterator[Change]:
    yield from _column_changes(before, after)
    if before.primary_key != after.primary_key:
        yield _change(
            ChangeKind.KEY, after, f"primary key {_key(before.primary_key)} is now {_key(after.primary_key)}"
        )
    for what, old, new in _treatments(before, after):
        if old != new:
            yield _change(ChangeKind.TREATMENT, after, f"{what} {old} is now {new} ({after.strategy_reason})")


def _treatments(before: TableConfig, after: TableConfig) -> Iterator[tuple[str, object, object]]:
    yield "strategy", before.extraction_strategy, after.extraction_strategy
    yield "cursor", before.primary_incremental_column, after.primary_incremental_column
    yield "category", before.performance_category, after.performance_category


def _key(columns: tuple[str, ...]) -> str:
    return f"({', '.join(columns)})"


def _column_changes(before: TableConfig, after: TableConfig) -> Iterator[Change]:
    old = {column.name: column for column in before.columns}
    new = {column.name: column for column in after.columns}
    renamed = _renamed(before, after)
    for was, now in renamed.items():
        yield _change(
            ChangeKind.COLUMN_RENAMED,
            after,
            f"maybe renamed from {was}: the same type in the same place",
            now,
        )
    for name in old.keys() - new.keys() - renamed.keys():
        yield _change(
            ChangeKind.COLUMN_DROPPED, after, "dropped; raw keeps the column, empty from now on", name
        )
    for name in new.keys() - old.keys() - set(renamed.values()):
        yield _change(ChangeKind.COLUMN_ADDED, after, f"added, {new[name].column_type}", name)
    for name in old.keys() & new.keys():
        yield from _changes_of_column(after, old[name], new[name])


def _renamed(before: TableConfig, after: TableConfig) -> dict[str, str]:
    """Guess renames: a name gone and a new one of the same type in the same place. MySQL keeps no trace."""
    old_names = {column.name for column in before.columns}
    new_names = {column.name for column in after.columns}
    return {
        was.name: now.name
        for was, now in zip(before.columns, after.columns, strict=False)
        if was.name not in new_names and now.name not in old_names and was.column_type == now.column_type
    }


def _changes_of_column(table: TableConfig, before: Column, after: Column) -> Iterator[Change]:
    change = type_change(before, after)
    if change is not None:
        charsets = (before.charset, after.charset) if before.charset != after.charset else ("", "")
        old, new = f"{before.column_type} {charsets[0]}", f"{after.column_type} {charsets[1]}"
        message = f"{old.strip()} {change} to {new.strip()}"
        yield _change(_TYPE_KINDS[change], table, message, after.name)
    if before.is_nullable != after.is_nullable:
        message = "may be NULL now" if after.is_nullable else "may no longer be NULL"
        yield _change(ChangeKind.NULLABILITY, table, message, after.name)
    if before.default != after.default or before.is_change_stamp != after.is_change_stamp:
        yield _change(
            ChangeKind.DEFAULT, table, f"default {_default(before)} is now {_default(after)}", after.name
        )


def _default(column: Column) -> str:
    shown = "none" if column.default is None else column.default
    return f"{shown} on update" if column.is_change_stamp else shown


def _change(kind: ChangeKind, table: TableConfig, message: str, column: str | None = None) -> Change:
    where = f"{table.table_name}.{column}" if column else table.table_name
    return Change(kind=kind, table=table.table_name, column=column, message=f"{where}: {message}")
