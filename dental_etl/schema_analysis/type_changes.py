"""Whether a changed MySQL type still holds every value that it held before; pure."""

from __future__ import annotations

import re
from enum import StrEnum
from types import MappingProxyType

from dental_etl.config import Column


class TypeChange(StrEnum):
    #: Everything that fitted still fits: a target is altered.
    WIDENED = "widened"
    #: Values may have been cut or refused: a target is altered only on a full refresh.
    NARROWED = "narrowed"
    #: Another kind of value.
    CHANGED = "changed"


_INTEGER_BYTES = MappingProxyType({"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8})
_CAPACITY = MappingProxyType({
    "tinytext": 2**8 - 1, "text": 2**16 - 1, "mediumtext": 2**24 - 1, "longtext": 2**32 - 1,
    "tinyblob": 2**8 - 1, "blob": 2**16 - 1, "mediumblob": 2**24 - 1, "longblob": 2**32 - 1,
})  # fmt: skip
_TEXT = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
_BINARY = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_MOMENTS = frozenset({"date", "datetime"})
_UTF8MB4_HOLDS = frozenset({"utf8mb3", "utf8", "ascii", "latin1"})
_ARGUMENTS = re.compile(r"\((?P<inside>.*)\)")
_LABEL = re.compile(r"'((?:[^']|'')*)'")


def type_change(before: Column, after: Column) -> TypeChange | None:
    """Return how a column's type changed; None when it holds the same values as before.

    A display width (``int(11)`` or ``int``) is not part of a type.
    """
    changes = {_charset_change(before, after), _kind_change(before, after)} - {None}
    if TypeChange.CHANGED in changes or len(changes) == 2:  # wider in one way, narrower in another
        return TypeChange.CHANGED
    return next(iter(changes), None)


def _kind_change(before: Column, after: Column) -> TypeChange | None:
    if before.column_type.lower() == after.column_type.lower():
        return None
    kinds = {before.data_type, after.data_type}
    if kinds <= _INTEGER_BYTES.keys():
        return _by_range(_integer_range(before), _integer_range(after))
    if kinds <= _TEXT or kinds <= _BINARY:
        return _by_size(_capacity(before), _capacity(after))
    if kinds == {"decimal"}:
        return _by_range(_decimal_range(before), _decimal_range(after))
    if kinds == {"float", "double"}:
        return TypeChange.WIDENED if after.data_type == "double" else TypeChange.NARROWED
    if kinds <= _MOMENTS or kinds in ({"time"}, {"timestamp"}):
        return _by_size(_precision(before), _precision(after))
    if kinds in ({"enum"}, {"set"}):
        return _by_labels(_labels(before), _labels(after))
    return TypeChange.CHANGED


def _charset_change(before: Column, after: Column) -> TypeChange | None:
    old, new = before.charset, after.charset
    if old == new or None in {old, new} or {old, new} == {"utf8", "utf8mb3"}:
        return None
    if new == "utf8mb4" and old in _UTF8MB4_HOLDS:
        return TypeChange.WIDENED
    return TypeChange.NARROWED if old == "utf8mb4" and new in _UTF8MB4_HOLDS else TypeChange.CHANGED


def _by_size(before: int, after: int) -> TypeChange | None:
    return _by_range((0, before), (0, after))


def _by_range(before: tuple[int, int], after: tuple[int, int]) -> TypeChange | None:
    """Compare what two types reach to, as (least, most)."""
    if before == after:
        return None
    if after[0] <= before[0] and before[1] <= after[1]:
        return TypeChange.WIDENED
    return TypeChange.NARROWED if before[0] <= after[0] and after[1] <= before[1] else TypeChange.CHANGED


def _by_labels(before: list[str], after: list[str]) -> TypeChange | None:
    if before == after:
        return None
    if set(before) <= set(after):
        return TypeChange.WIDENED
    return TypeChange.NARROWED if set(after) <= set(before) else TypeChange.CHANGED


def _integer_range(column: Column) -> tuple[int, int]:
    bits = 8 * _INTEGER_BYTES[column.data_type]
    return (0, 2**bits - 1) if column.is_unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _decimal_range(column: Column) -> tuple[int, int]:
    """Return (minus digits after the point, digits before it): both may only grow."""
    precision, scale = (*(_numbers(column) or [10]), 0)[:2]
    return (-scale, precision - scale)


def _capacity(column: Column) -> int:
    numbers = _numbers(column)
    return _CAPACITY.get(column.data_type) or (numbers[0] if numbers else 1)


def _precision(column: Column) -> int:
    """Return fractional digits, a time of day counting more than any of them."""
    numbers = _numbers(column)
    return (0 if column.data_type == "date" else 10) + (numbers[0] if numbers else 0)


def _numbers(column: Column) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", _inside(column))]


def _labels(column: Column) -> list[str]:
    return _LABEL.findall(_inside(column))


def _inside(column: Column) -> str:
    found = _ARGUMENTS.search(column.column_type)
    return found["inside"] if found else ""
