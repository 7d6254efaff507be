"""How names and values are written into SQL; pure.

Identifiers cannot be bound and the packet path has no binding at all, so both are quoted here and
nowhere else. Every text made here is safe whatever the server's ``sql_mode`` says about backslashes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

#: MySQL counts characters, PostgreSQL counts bytes.
_MYSQL_NAME_CHARACTERS = 64
_POSTGRES_NAME_BYTES = 63
#: A MySQL table is a file: each character but letters, digits and underscores takes up to five bytes of
#: its name, of which most file systems allow 255.
_FILE_NAME_BYTES = 230
_ESCAPED_BYTES = 5

#: Tables that we keep beside the copied ones.
_OUR_TABLES = frozenset({
    "etl_copy_status", "etl_chunk", "etl_load_chunk", "etl_load_status", "etl_stage", "etl_changed_keys", "etl_gone_keys", "etl_proof",
})  # fmt: skip
_OUR_PREFIXES = ("etl_changed__", "etl_shadow__", "etl_stage__", "etl_pkey__")
_GENERATION = "etl_generation"

#: Columns that every PostgreSQL table has, or that we add to every table of raw.
_TAKEN_IN_RAW = frozenset({
    "ctid", "xmin", "cmin", "xmax", "cmax", "tableoid", "oid", "_loaded_at", "_run_id",
})  # fmt: skip


def mysql(name: str) -> str:
    """Quote a table or column for MySQL."""
    return "`" + _checked(name).replace("`", "``") + "`"


def postgres(name: str) -> str:
    """Quote a table or column for PostgreSQL, keeping its spelling."""
    return '"' + _checked(name).replace('"', '""') + '"'


def changed_table(table: str) -> str:
    """Name the outbox of changed keys of a table (replication)."""
    return _mysql_name("etl_changed__" + table)


def shadow_table(table: str) -> str:
    """Name the table that a rewrite fills before it is renamed into place (replication)."""
    return _mysql_name("etl_shadow__" + table)


def is_ours(table: str) -> bool:
    """Tell whether a table of the source is called like one that we keep beside the copied ones."""
    return table.lower() in _OUR_TABLES or table.lower().startswith(_OUR_PREFIXES)


def generation_column(primary_key: Iterable[str]) -> str:
    """Name the last column of an outbox: ``etl_generation``, unless the table's own key has one."""
    taken = {name.lower() for name in primary_key}
    name = _GENERATION
    while name in taken:
        name += "_"
    return name


def stage_table(table: str) -> str:
    """Name the table that receives a COPY before rows are merged (analytics)."""
    return _postgres_name("etl_stage__" + table)


def primary_key(table: str) -> str:
    """Name the primary key of a raw table; PostgreSQL's own choice may be the name of another table."""
    return _postgres_name("etl_pkey__" + table)


def raw_name(name: str) -> str:
    """Return the name of a table or column of the source as raw spells it.

    It is the source's own, but for two cases that get a stable suffix of eight hexadecimal digits:
    names beyond PostgreSQL's 63 bytes, which it would cut without a word, and names that belong to
    PostgreSQL itself (``ctid``, ``xmin``, ...) or to us (``_loaded_at``, ``_run_id``).
    """
    if name in _TAKEN_IN_RAW:
        return f"{name}_{_digest(name)}"
    return _postgres_name(name)


def literal(value: object) -> str:
    """Write a value as MySQL SQL.

    Args:
        value: None, bool, int, float, Decimal, str, bytes, date, datetime or timedelta (TIME). An aware
            datetime is rendered in UTC, the time zone of all our sessions.

    Raises:
        TypeError: Another type, or a number that MySQL has not (infinity, not a number).
    """
    match value:
        case None:
            return "NULL"
        case bool() | int():
            return str(int(value))
        case float() if math.isfinite(value):
            return repr(value)
        case Decimal() if value.is_finite():
            return format(value, "f")
        case str():
            return _text_literal(value)
        case bytes() | bytearray() | memoryview():
            return f"x'{bytes(value).hex()}'"
        case datetime():
            return f"'{_moment(value)}'"
        case date():
            return f"'{value.isoformat()}'"
        case timedelta():
            return f"'{_duration(value)}'"
        case _:
            raise TypeError(f"no MySQL literal for a value of type {type(value).__name__}")


def _text_literal(text: str) -> str:
    # A backslash means one thing or another depending on NO_BACKSLASH_ESCAPES; hexadecimal does not.
    if text.isprintable() and "\\" not in text:
        return "'" + text.replace("'", "''") + "'"
    return f"_utf8mb4 x'{text.encode('utf-8').hex()}'"


def _moment(value: datetime) -> str:
    local = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    return local.isoformat(sep=" ")


def _duration(value: timedelta) -> str:
    sign = "-" if value < timedelta() else ""
    microseconds = abs(value) // timedelta(microseconds=1)
    seconds, fraction = divmod(microseconds, 1_000_000)
    return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{fraction:06d}"


def _mysql_name(name: str) -> str:
    if len(name) <= _MYSQL_NAME_CHARACTERS and _file_bytes(name) <= _FILE_NAME_BYTES:
        return name
    kept = name[: _MYSQL_NAME_CHARACTERS - 9]
    while _file_bytes(kept) > _FILE_NAME_BYTES - 9:
        kept = kept[:-1]
    return f"{kept}_{_digest(name)}"


def _file_bytes(name: str) -> int:
    return sum(
        1 if letter.isascii() and (letter.isalnum() or letter == "_") else _ESCAPED_BYTES for letter in name
    )


def _postgres_name(name: str) -> str:
    encoded = name.encode("utf-8")
    if len(encoded) <= _POSTGRES_NAME_BYTES:
        return name
    return f"{encoded[: _POSTGRES_NAME_BYTES - 9].decode('utf-8', 'ignore')}_{_digest(name)}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8")).hexdigest()[:8]


def _checked(name: str) -> str:
    if not name or "\0" in name:
        raise ValueError("a table or column needs a name without NUL characters")
    return name
