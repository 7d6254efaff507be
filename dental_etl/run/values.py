"""Values that travel as JSON: a dictionary of plain types, and back."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Self, get_type_hints


class Value:
    """Mixin: JSON in and out for the frozen dataclasses below."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}  # type: ignore[arg-type]  # the mixin is only used by dataclasses

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Self:
        hints = _hints(cls)  # type: ignore[arg-type]  # a class is hashable, its Self is not to mypy
        return cls(**{name: _typed(value, hints[name]) for name, value in raw.items() if name in hints})


@lru_cache(maxsize=64)  # a night makes ten thousands of columns out of JSON
def _hints(kind: type[Value]) -> dict[str, Any]:
    """Return what each field of a value holds."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # the mixin is only used by dataclasses


def _plain(value: Any) -> Any:
    if isinstance(value, Value):
        return value.to_json()
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _typed(value: Any, hint: Any) -> Any:
    candidates = getattr(hint, "__args__", None)
    if value is None:
        return None
    if getattr(hint, "__origin__", None) is tuple:
        return tuple(_typed(item, hint.__args__[0]) for item in value)
    if candidates is not None and getattr(hint, "__origin__", None) is None:  # X | None
        return _typed(value, next(kind for kind in candidates if kind is not type(None)))
    if isinstance(hint, type):
        return _scalar(value, hint)
    return value


def _scalar(value: Any, hint: type) -> Any:
    if issubclass(hint, Value):
        return hint.from_json(value)
    if issubclass(hint, StrEnum):
        return hint(value)
    if issubclass(hint, datetime):
        return datetime.fromisoformat(value)
    if issubclass(hint, date):
        return date.fromisoformat(value)
    return value
