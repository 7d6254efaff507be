"""Statements of an extract as text; pure.

Text because the rows are selected by an expression that the server concatenates, and because both sides
are whole tables. Names are quoted in `wire.names`, values rendered by its `literal`. What each costs:

- `boundary`: walks the primary key's index only; reads no row, so MyISAM holds its lock for milliseconds.
- `page`: reads one range of the primary key, or whatever the optimiser prefers for an open one.
- everything below `STAGE` runs on the replication server alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dental_etl.config import Column, TableSchema
from dental_etl.extract import keys
from dental_etl.extract.keys import Key
from dental_etl.wire import names

#: Temporary tables belong to one session, so their names need not tell tables apart.
STAGE = "etl_stage"
CHANGED = "etl_changed_keys"
GONE = "etl_gone_keys"

_WHOLE = frozenset({"tinyint", "smallint", "mediumint", "int", "integer", "bigint", "year", "bit", "decimal"})
_BY_VALUE = _WHOLE | {"float", "double", "date", "datetime", "timestamp", "time", "uuid", "inet4", "inet6"}


def retired_table(table: str) -> str:
    """Name the replaced replica between its rename and its end; swept with the shadows."""
    return names.shadow_table(f"{table}#retired")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRange:
    """Rows beyond one key and up to another; None is an open end."""

    after: Key | None = None
    up_to: Key | None = None
    #: Of a whole-number key: only what lies between these, first and last included; all when empty.
    parts: tuple[tuple[int, int], ...] = ()

    def conditions(self, schema: TableSchema) -> list[str]:
        terms = []
        if self.after is not None:
            terms.append(keys.after(schema, self.after))
        if self.up_to is not None:
            terms.append(keys.up_to(schema, self.up_to))
        if self.parts:
            terms.append(keys.within(schema, self.parts))
        return terms


def boundary(schema: TableSchema, after: Key | None, rows: int, within: Key | None = None) -> str:
    """Select the key that lies `rows` rows beyond `after`; no row when fewer are left, up to `within`."""
    conditions = KeyRange(after=after, up_to=within).conditions(schema)
    return (
        f"SELECT {keys.select_list(schema)} FROM {names.mysql(schema.name)} FORCE INDEX (PRIMARY)"
        f"{_where(conditions)} ORDER BY {keys.order_by(schema)} LIMIT 1 OFFSET {max(rows, 1) - 1}"
    )


def page(schema: TableSchema, select_list: str, key_range: KeyRange, condition: str | None) -> str:
    """Select the rows of a range of keys, only those that meet a further condition."""
    conditions = key_range.conditions(schema)
    # A range wants its index; with an open end, a scan or the cursor's own index may be better.
    hint = " FORCE INDEX (PRIMARY)" if key_range.up_to is not None else ""
    if condition is not None:
        conditions.append(condition)
    return f"SELECT {select_list} FROM {names.mysql(schema.name)}{hint}{_where(conditions)}"


def first_rows(schema: TableSchema, select_list: str, key_range: KeyRange, rows: int) -> str:
    """Select the first rows of a range, in the order of the key; costs the server no more than a range."""
    conditions = key_range.conditions(schema)
    return (
        f"SELECT {select_list} FROM {names.mysql(schema.name)} FORCE INDEX (PRIMARY){_where(conditions)}"
        f" ORDER BY {keys.order_by(schema)} LIMIT {int(rows)}"
    )


def highest(table: str, column: Column, clock: str | None) -> str:
    """Select the highest value of an indexed column of the replica that is not later than a clock."""
    quoted = names.mysql(column.name)
    bound = f" WHERE {quoted} <= {names.literal(clock)}" if clock is not None else ""
    return f"SELECT CAST(MAX({quoted}) AS CHAR) FROM {names.mysql(table)}{bound}"


def explain(schema: TableSchema, key_range: KeyRange, condition: str | None) -> str:
    """Ask how many rows a read would examine; reads none of them."""
    return f"EXPLAIN FORMAT=TRADITIONAL {page(schema, '*', key_range, condition)}"


def find_index(table: str, index: str) -> str:
    """Select the columns of an index of a replica or shadow; none when there is no such index."""
    return (
        "SELECT column_name FROM information_schema.statistics WHERE table_schema = DATABASE() "
        f"AND table_name = {names.literal(table)} AND index_name = {names.literal(index)}"
    )


def create_stage(table: str) -> str:
    """Create this session's stage with the structure of a replica; does not commit."""
    return f"CREATE TEMPORARY TABLE {names.mysql(STAGE)} LIKE {names.mysql(table)}"


def record_changed_keys(schema: TableSchema, generation: int) -> str:
    """Put the keys of staged rows that the replica lacks, or holds differently, into the outbox."""
    return (
        f"INSERT INTO {names.mysql(names.changed_table(schema.name))} "
        f"({_list(schema.primary_key)}, {_generation(schema)}) "
        f"SELECT {_list(schema.primary_key, 's')}, {generation} {_differing(schema, STAGE)}"
    )


def replace_changed_rows(schema: TableSchema, generation: int) -> str:
    """Write the staged rows whose keys the outbox holds for this generation into the replica."""
    columns = [column.name for column in schema.columns]
    outbox = names.mysql(names.changed_table(schema.name))
    return (
        f"REPLACE INTO {names.mysql(schema.name)} ({_list(columns)}) SELECT {_list(columns, 's')} "
        f"FROM {names.mysql(STAGE)} s JOIN {outbox} o ON {_same_key(schema, 's', 'o')} "
        f"WHERE o.{_generation(schema)} = {generation}"
    )


def collect_changed_keys(schema: TableSchema, limit: int) -> str:
    """Create a temporary table of the keys whose shadow row is new or differs, `limit` of them at most."""
    shadow = names.shadow_table(schema.name)
    return (
        f"CREATE TEMPORARY TABLE {names.mysql(CHANGED)} (PRIMARY KEY ({_list(schema.primary_key)})) "
        f"ENGINE=InnoDB SELECT {_list(schema.primary_key, 's')} {_differing(schema, shadow)} LIMIT {limit}"
    )


def collect_gone_keys(schema: TableSchema, limit: int) -> str:
    """Create a temporary table of the replica's keys that the shadow lacks, `limit` of them at most."""
    shadow = names.mysql(names.shadow_table(schema.name))
    return (
        f"CREATE TEMPORARY TABLE {names.mysql(GONE)} (PRIMARY KEY ({_list(schema.primary_key)})) "
        f"ENGINE=InnoDB SELECT {_list(schema.primary_key, 'r')} FROM {names.mysql(schema.name)} r "
        f"WHERE NOT EXISTS (SELECT 1 FROM {shadow} s WHERE {_same_key(schema, 'r', 's')}) LIMIT {limit}"
    )


def count_gone_keys(schema: TableSchema) -> str:
    """Count the replica's keys that the shadow lacks."""
    shadow = names.mysql(names.shadow_table(schema.name))
    return (
        f"SELECT COUNT(*) FROM {names.mysql(schema.name)} r "
        f"WHERE NOT EXISTS (SELECT 1 FROM {shadow} s WHERE {_same_key(schema, 'r', 's')})"
    )


def record_collected_keys(schema: TableSchema, collected: str, generation: int) -> str:
    """Put collected keys into the outbox; no key is both new and gone."""
    return (
        f"INSERT INTO {names.mysql(names.changed_table(schema.name))} "
        f"({_list(schema.primary_key)}, {_generation(schema)}) "
        f"SELECT {_list(schema.primary_key)}, {generation} FROM {names.mysql(collected)}"
    )


def replace_from_shadow(schema: TableSchema) -> str:
    """Write the shadow's rows of the collected keys into the replica."""
    columns = [column.name for column in schema.columns]
    return (
        f"REPLACE INTO {names.mysql(schema.name)} ({_list(columns)}) SELECT {_list(columns, 's')} "
        f"FROM {names.mysql(CHANGED)} c JOIN {names.mysql(names.shadow_table(schema.name))} s "
        f"ON {_same_key(schema, 'c', 's')}"
    )


def delete_gone_rows(schema: TableSchema) -> str:
    """Delete the collected keys from the replica."""
    return (
        f"DELETE r FROM {names.mysql(schema.name)} r JOIN {names.mysql(GONE)} g "
        f"ON {_same_key(schema, 'r', 'g')}"
    )


def checksum(schema: TableSchema, table: str) -> str:
    """Select what two tables with equal rows have in common, duplicates counted and order ignored.

    The second column counts the rows whose text did not fit into a packet; such tables prove nothing.
    """
    values = ", ".join(_canonical(column) for column in schema.columns)
    row = f"CONCAT_WS(0xFF, {values})"
    return (
        f"SELECT COUNT(*), COALESCE(SUM({row} IS NULL), 0), COALESCE(SUM(CRC32({row})), 0), "
        f"COALESCE(SUM(CAST(CONV(LEFT(SHA2({row}, 256), 14), 16, 10) AS UNSIGNED)), 0) FROM {names.mysql(table)}"
    )


def _generation(schema: TableSchema) -> str:
    return names.mysql(names.generation_column(schema.primary_key))


def _differing(schema: TableSchema, table: str) -> str:
    same = " AND ".join(_same_value(column) for column in schema.columns)
    return (
        f"FROM {names.mysql(table)} s LEFT JOIN {names.mysql(schema.name)} r "
        # A missing row differs in its key. Not IS NULL: MySQL answers yes to that for a zero date.
        f"ON {_same_key(schema, 's', 'r')} WHERE NOT ({same})"
    )


def _same_value(column: Column) -> str:
    """Compare by value what has one spelling, and everything else byte by byte: 'a' is not 'A' here.

    Zero and negative zero are one value, in PostgreSQL too. An ENUM's error value and an empty label are two.
    """
    quoted = names.mysql(column.name)
    if column.data_type in _BY_VALUE:
        return f"s.{quoted} <=> r.{quoted}"
    if _is_numbered(column):
        return f"s.{quoted} + 0 <=> r.{quoted} + 0"
    return f"CAST(s.{quoted} AS BINARY) <=> CAST(r.{quoted} AS BINARY)"


def _is_numbered(column: Column) -> bool:
    return column.data_type == "enum" and not column.has_uncertain_labels


def _canonical(column: Column) -> str:
    quoted = names.mysql(column.name)
    if column.data_type in {"float", "bit"} or _is_numbered(column):
        value = f"{quoted}+0e0" if column.data_type == "float" else f"{quoted}+0"
    elif column.data_type in _BY_VALUE:
        value = quoted
    else:
        value = f"HEX({quoted})"  # free of the separator, whatever the character set
    return f"IFNULL({value}, '~')" if column.is_nullable else value


def _same_key(schema: TableSchema, left: str, right: str) -> str:
    return " AND ".join(
        f"{left}.{names.mysql(name)} = {right}.{names.mysql(name)}" for name in schema.primary_key
    )


def _list(columns: Sequence[str], alias: str | None = None) -> str:
    prefix = f"{alias}." if alias else ""
    return ", ".join(f"{prefix}{names.mysql(column)}" for column in columns)


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
