"""What `opendental.sql` says: its statements, and each table's columns, key and change stamp."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

_CREATE = re.compile(r"CREATE TABLE `(\w+)` \(\n(.*?)\n\) ENGINE=", re.DOTALL)
_COLUMN = re.compile(r"^  `(\w+)` ([^\s,]+(?:\([\d,]+\))?)(.*?),?$", re.MULTILINE)
_KEY = re.compile(r"PRIMARY KEY \(`(\w+)`\)")
_DEFAULT = re.compile(r"DEFAULT ('[^']*'|-?\d+)")

#: What Open Dental writes where it has nothing to say, by the beginning of the type.
_EMPTY: dict[str, Any] = {
    "datetime": "0001-01-01 00:00:00",
    "date": "0001-01-01",
    "timestamp": None,
    "time": "00:00:00",
    "double": 0.0,
    "float": 0.0,
}
_TEXTS = ("varchar", "char", "text", "mediumtext", "longtext")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table of the sandbox's source."""

    name: str
    columns: tuple[str, ...]
    #: MySQL type per column as declared: ``bigint(20)``, ``tinyint(3) unsigned``.
    types: dict[str, str]
    #: Value per column of a row that says nothing.
    defaults: dict[str, Any]
    #: Single column; None for the scratch copy.
    key: str | None
    #: The server sets it on every edit; None if the table has no such column.
    stamp: str | None


def statements() -> list[str]:
    """Return one CREATE TABLE per table."""
    without_comments = re.sub(r"^--.*\n", "", _text(), flags=re.MULTILINE)
    return [statement.strip() for statement in without_comments.split(";\n") if statement.strip()]


@cache
def tables() -> dict[str, Table]:
    """Return every table by name, in the order of the file."""
    return {name: _table(name, body) for name, body in _CREATE.findall(_text())}


def _table(name: str, body: str) -> Table:
    columns = _COLUMN.findall(body)
    key = _KEY.search(body)
    stamps = [column for column, _, rest in columns if "ON UPDATE" in rest]
    return Table(
        name=name,
        columns=tuple(column for column, _, _ in columns),
        types={
            column: f"{kind} unsigned" if rest.startswith(" unsigned") else kind
            for column, kind, rest in columns
        },
        defaults={column: _default(kind, rest) for column, kind, rest in columns},
        key=key.group(1) if key else None,
        stamp=stamps[0] if stamps else None,
    )


def _default(kind: str, rest: str) -> Any:
    found = _DEFAULT.search(rest)
    if found:
        return found.group(1).strip("'")
    if "NOT NULL" not in rest:
        return None
    if kind.startswith(_TEXTS):
        return ""
    return next((value for start, value in _EMPTY.items() if kind.startswith(start)), 0)


def _text() -> str:
    return resources.files("dental_etl.sandbox").joinpath("opendental.sql").read_text(encoding="utf-8")
