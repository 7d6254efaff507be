"""Structure of MySQL tables: read from information_schema, written as DDL of the replica.

information_schema takes no lock on the clinic's tables and reads no rows. A generated column is
copied like any other: the replica holds its value, not its expression.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, TextClause, bindparam, text

from dental_etl.config.tables import Column, TableSchema
from dental_etl.wire.names import changed_table, generation_column, mysql

# Base tables only: views and sequences hold no rows of their own. No engine: the server cannot open it.
_TABLES = text("""
    SELECT table_name AS table_name, engine AS engine
      FROM information_schema.tables
     WHERE table_schema = :database AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
       AND engine IS NOT NULL
     ORDER BY table_name
""")
_COLUMNS = """
    SELECT table_name AS table_name, column_name AS name, data_type AS data_type, column_type AS column_type,
           is_nullable AS is_nullable, character_set_name AS charset, collation_name AS collation,
           column_default AS column_default, extra AS extra
      FROM information_schema.columns
     WHERE table_schema = :database {one_table}
     ORDER BY table_name, ordinal_position
"""
_KEYS = """
    SELECT table_name AS table_name, column_name AS name, sub_part AS sub_part
      FROM information_schema.statistics
     WHERE table_schema = :database AND index_name = 'PRIMARY' {one_table}
     ORDER BY table_name, seq_in_index
"""
#: Of a replica, beside its primary key.
CURSOR_INDEX = "etl_cursor"
_KEY_PARTS, _KEY_BYTES = 16, 3000
_SIZED = frozenset({"char", "varchar", "binary", "varbinary"})
#: Beyond any number, date or label in a key.
_UNSIZED_BYTES = 32
_CHARACTER_BYTES = {"latin1": 1, "ascii": 1, "utf8": 3, "utf8mb3": 3, "ucs2": 2}
#: Instead of an ENUM or SET whose labels are not known; a label has 255 characters at most.
_LABEL_TEXT = {"enum": "varchar(255)", "set": "text"}
#: MySQL 8's name of a type that MariaDB knows by its older one.
_KNOWN_EVERYWHERE = {"geomcollection": "geometrycollection"}
_ONE_TABLE = "AND table_name = :table"
_ONE = text(_TABLES.text.replace("ORDER BY", _ONE_TABLE + " ORDER BY"))
_SOME_TABLES = "AND table_name IN :tables"


def read_schema(connection: Connection, database: str, table: str) -> TableSchema | None:
    """Return the structure of one table, None when there is no such base table.

    Args:
        connection: To the source or to replication.
        database: Where to look; our account may see several.
        table: As the server spells it.
    """
    found = _schemas(
        connection, _ONE, text(_COLUMNS.format(one_table=_ONE_TABLE)), text(_KEYS.format(one_table=_ONE_TABLE)),
        {"database": database, "table": table},
    )  # fmt: skip
    # information_schema may compare without case, while the server's tables differ by it.
    return found.get(table)


def has_table(connection: Connection, database: str, table: str) -> bool:
    """Tell whether there is such a base table, for a third of what `read_schema` costs."""
    found = connection.execute(_ONE, {"database": database, "table": table}).mappings()
    return any(str(row["table_name"]) == table for row in found)


def read_schemas(
    connection: Connection, database: str, tables: Collection[str] | None = None
) -> dict[str, TableSchema]:
    """Return the structure of base tables of a database, by name, in three queries.

    Args:
        connection: To the source or to replication.
        database: Where to look.
        tables: Those that are wanted; all by default.
    """
    if tables is None:
        return _schemas(
            connection, _TABLES, text(_COLUMNS.format(one_table="")), text(_KEYS.format(one_table="")),
            {"database": database},
        )  # fmt: skip
    found = _schemas(
        connection, _TABLES, _of_some(_COLUMNS), _of_some(_KEYS),
        {"database": database, "tables": list(tables)},
    )  # fmt: skip
    return {name: schema for name, schema in found.items() if name in tables}


def _of_some(statement: str) -> TextClause:
    return text(statement.format(one_table=_SOME_TABLES)).bindparams(bindparam("tables", expanding=True))


def create_table_ddl(schema: TableSchema, *, name: str | None = None, engine: str = "InnoDB") -> str:
    """Write the CREATE TABLE of a replica, without the index of `cursor_index_ddl`.

    Same columns, types, character sets and collations, so that equal text on both sides proves equal
    rows. Left out on purpose: AUTO_INCREMENT (LOAD DATA would take its table lock, and parallel loads
    would queue), defaults, ON UPDATE, foreign keys, the expressions of generated columns, and every
    index but the primary key.

    Args:
        schema: Structure of the source's table.
        name: Name of the new table; default the same.
        engine: InnoDB, unless it cannot hold the row.
    """
    lines = [column_ddl(column) for column in schema.columns]
    if schema.primary_key:
        lines.append(f"PRIMARY KEY ({_names(schema.primary_key)})")
    return _create(name or schema.name, lines, engine)


def cursor_index_ddl(schema: TableSchema, name: str, cursor: str) -> str | None:
    """Write the index of a full replica's cursor; None where the primary key begins with it.

    Sorted once it takes the server half of what keeping it in order costs while the rows come in.

    Args:
        schema: Structure of the table.
        name: Its name.
        cursor: Column to index.
    """
    if cursor == next(iter(schema.primary_key), None):
        return None
    return f"ALTER TABLE {mysql(name)} ADD KEY {mysql(CURSOR_INDEX)} ({mysql(cursor)})"


def changed_table_ddl(schema: TableSchema, *, engine: str = "InnoDB") -> str:
    """Write the CREATE TABLE IF NOT EXISTS of a table's outbox: its key and the generation that changed it."""
    generation = mysql(generation_column(schema.primary_key))
    lines = [column_ddl(column) for column in schema.key_columns]
    lines.append(f"{generation} bigint NOT NULL")
    if is_short_key(schema.key_columns):
        lines.append(f"PRIMARY KEY ({_names(schema.primary_key)}, {generation})")
    else:
        lines += [f"KEY ({_names(schema.primary_key)})", f"KEY ({generation})"]
    return _create(changed_table(schema.name), lines, engine, only_if_missing="IF NOT EXISTS ")


def is_short_key(columns: Iterable[Column]) -> bool:
    """Tell whether a key leaves room for one more column: MySQL allows 16 of them and 3072 bytes."""
    sizes = [_key_bytes(column) for column in columns]
    return len(sizes) < _KEY_PARTS and sum(sizes) <= _KEY_BYTES


def _key_bytes(column: Column) -> int:
    width = _CHARACTER_BYTES.get(column.charset, 4) if column.charset else 1
    return column.length * width if column.data_type in _SIZED else _UNSIZED_BYTES


def column_ddl(column: Column, *, default: str | None = None) -> str:
    """Write one column of a replica, for CREATE TABLE and for ALTER TABLE ... ADD or MODIFY.

    Args:
        column: As the source has it.
        default: Value for the rows that are there already, as SQL; None for the server's own.
    """
    known = _KNOWN_EVERYWHERE.get(column.column_type, column.column_type)
    kind = _LABEL_TEXT[column.data_type] if column.has_uncertain_labels else known
    parts = [mysql(column.name), kind]
    if column.charset and column.data_type != "json":
        parts.append(f"CHARACTER SET {column.charset} COLLATE {column.collation}")
    parts.append("NULL" if column.is_nullable else "NOT NULL")
    if default is not None:
        parts.append(f"DEFAULT {default}")
    elif column.data_type == "timestamp":
        # Without a default of its own, the first TIMESTAMP of a table moves by itself on some servers.
        parts.append("DEFAULT NULL" if column.is_nullable else "DEFAULT '0000-00-00 00:00:00'")
    return " ".join(parts)


def _create(name: str, lines: Iterable[str], engine: str, *, only_if_missing: str = "") -> str:
    body = ",\n  ".join(lines)
    row_format = " ROW_FORMAT=DYNAMIC" if engine.lower() == "innodb" else ""
    return f"CREATE TABLE {only_if_missing}{mysql(name)} (\n  {body}\n) ENGINE={engine}{row_format}"


def _names(columns: Iterable[str]) -> str:
    return ", ".join(mysql(column) for column in columns)


def _schemas(
    connection: Connection, tables: TextClause, columns: TextClause, keys: TextClause, values: dict[str, Any]
) -> dict[str, TableSchema]:
    by_table = _grouped(connection.execute(columns, values).mappings())
    key_parts = _grouped(connection.execute(keys, values).mappings())
    return {
        name: TableSchema(
            name=name,
            engine=str(row["engine"] or ""),
            columns=tuple(_column(part) for part in by_table[name]),
            primary_key=_primary_key(key_parts[name]),
        )
        for row in connection.execute(tables, values).mappings()
        if (name := str(row["table_name"])) in by_table
    }


def _grouped(rows: Iterable[Any]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        groups[str(row["table_name"])].append(row)
    return groups


def _column(row: Any) -> Column:
    return Column(
        name=str(row["name"]),
        data_type=str(row["data_type"]).lower(),
        column_type=_plain(row["column_type"]),
        is_nullable=row["is_nullable"] == "YES",
        charset=row["charset"],
        collation=row["collation"],
        default=None if row["column_default"] is None else _plain(row["column_default"]),
        extra=str(row["extra"] or ""),
    )


def _plain(value: Any) -> str:
    """MySQL 8 hands out some of these columns as binary text."""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _primary_key(parts: list[Any]) -> tuple[str, ...]:
    """A key over the first letters of a column cannot find a row by value: treat it as no key."""
    return () if any(part["sub_part"] is not None for part in parts) else tuple(_part_names(parts))


def _part_names(parts: list[Any]) -> Iterator[str]:
    return (str(part["name"]) for part in parts)
