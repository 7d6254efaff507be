"""Rows as the text that LOAD DATA reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from dental_etl.sandbox.schema import Table
from dental_etl.sandbox.synthetic.world import Row

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})


def encode(table: Table, rows: Iterable[Row]) -> Iterator[str]:
    """Yield one line per row with every column of the table, in its order."""
    defaults = [(column, _field(table.defaults[column])) for column in table.columns]
    for row in rows:
        yield (
            "\t".join([_field(row[column]) if column in row else default for column, default in defaults])
            + "\n"
        )


def _field(value: Any) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return value if value.isalnum() else value.translate(_ESCAPES)
    if isinstance(value, timedelta):
        return duration(value)
    return str(value)


def duration(value: timedelta) -> str:
    """Return a signed duration as MySQL writes it; hours may pass 24: ``-12:30:00``."""
    seconds = int(abs(value).total_seconds())
    sign = "-" if value < timedelta() else ""
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
