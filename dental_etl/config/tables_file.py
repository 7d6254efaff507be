"""The only reader and writer of ``tables.yml``, and the reader of the owner's overrides beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, fields, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from dental_etl.config.tables import Column, TableConfig, Tables, TablesMetadata
from dental_etl.exceptions import ConfigurationError, ValidationError
from dental_etl.run import Category, Strategy

#: Tells one content of a file from another; None when there is no file.
Version = tuple[int, int, int] | None

OVERRIDES_NAME = "tables.overrides.yml"
_OWNERS_CHOICE = f"set by the owner in {OVERRIDES_NAME}"
_HEADER = f"""\
# Written by `dental-etl analyze` from the source's information_schema. Do not edit it: put what you want
# different into {OVERRIDES_NAME} beside it, for example
#   tables:
#     patient: {{batch_size: 2000, processing_priority: low}}
"""


def read_tables(path: Path) -> Tables:
    """Read ``tables.yml`` with the owner's ``tables.overrides.yml`` beside it applied.

    Raises:
        ConfigurationError: A file is missing or is not YAML.
        ValidationError: Values are wrong; every problem names its YAML path.
    """
    overrides = path.with_name(OVERRIDES_NAME)
    return _read(path, _version(path), overrides, _version(overrides))


@lru_cache(maxsize=4)
def _read(path: Path, version: Version, overrides: Path, overrides_version: Version) -> Tables:
    """Parse once per version of the files: every phase of every table asks for its configuration."""
    return _tables(path, _tables_of(overrides) if overrides_version else {})


def _version(path: Path) -> Version:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def read_generated_tables(path: Path) -> Tables:
    """Read ``tables.yml`` as it was generated, without the owner's overrides.

    Raises:
        ConfigurationError: The file is missing or is not YAML.
        ValidationError: Values are wrong; every problem names its YAML path.
    """
    return _read(path, _version(path), path.with_name(OVERRIDES_NAME), None)


def read_overrides(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return what the owner has set beside ``tables.yml``, by table and setting; empty without a file.

    Raises:
        ConfigurationError: The file is not YAML.
    """
    overrides = path.with_name(OVERRIDES_NAME)
    if not overrides.exists():
        return {}
    return {name: _mapping(entry) for name, entry in _tables_of(overrides).items()}


def write_tables(tables: Tables, path: Path) -> None:
    """Write ``tables.yml`` through a temporary file, so that a reader sees the old or the new one."""
    document = {
        "metadata": tables.metadata.to_json(),
        "tables": {table.table_name: _table_entry(table) for table in tables},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(_HEADER)
        yaml.dump(document, file, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    partial.replace(path)


class _Flow(dict[str, Any]):
    """A mapping that is written on one line."""


class _FlowList(list[str]):
    """A list that is written on one line."""


class _Dumper(yaml.CSafeDumper):
    """YAML without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    _Flow, lambda dumper, value: dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)
)
_Dumper.add_representer(
    _FlowList,
    lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True),
)
for _enum in (Strategy, Category):
    _Dumper.add_representer(_enum, lambda dumper, value: dumper.represent_str(str(value)))


def _table_entry(table: TableConfig) -> dict[str, Any]:
    """Return a table as it is written: its name is the key above, short things stay on one line."""
    entry = table.to_json()
    del entry["table_name"], entry["exclude_columns"]
    return {
        **entry,
        "incremental_columns": _FlowList(table.incremental_columns),
        "monitoring": _Flow(entry["monitoring"]),
        "primary_key": _FlowList(table.primary_key),
        "columns": [_column_entry(column) for column in table.columns],
    }


def _column_entry(column: Column) -> _Flow:
    """Return a column without what follows from the rest of it."""
    said = {
        "nullable": column.is_nullable or None,
        "charset": column.charset if column.charset != _charset_of(column.collation) else None,
        "collation": column.collation,
        "default": column.default,
        "extra": column.extra or None,
    }
    shown = {name: value for name, value in said.items() if value is not None}
    return _Flow({"name": column.name, "type": column.column_type, **shown})


def _column(entry: dict[str, Any]) -> Column:
    collation = entry.get("collation")
    return Column(
        name=entry["name"],
        data_type=_data_type_of(entry["type"]),
        column_type=entry["type"],
        is_nullable=entry.get("nullable", False),
        charset=entry.get("charset", _charset_of(collation)),
        collation=collation,
        default=entry.get("default"),
        extra=entry.get("extra", ""),
    )


def _charset_of(collation: str | None) -> str | None:
    """Return the character set that a collation's name begins with (``utf8mb4_bin``)."""
    return collation.split("_", 1)[0] if collation else None


def _data_type_of(column_type: str) -> str:
    """Return a type's name without its parameters and attributes."""
    return column_type.split("(", 1)[0].split(" ", 1)[0].lower()


def _tables(path: Path, changes: Mapping[str, Any]) -> Tables:
    raw = _read_yaml(path)
    entries = {str(name): entry for name, entry in _mapping(raw.get("tables")).items()}
    problems = list(_override_problems(changes))
    problems += [] if entries else ["tables: there are none"]
    tables = {}
    for name, entry in entries.items():
        wrong = [f"tables.{name}.{problem}" for problem in _entry_problems(entry, is_complete=True)]
        problems += wrong
        if _mapping(changes.get(name)).get("exclude") is True:
            continue
        if not wrong and not list(_entry_problems(changes.get(name, {}))):
            tables[name] = _table(name, _merged(entry, changes.get(name, {})))
            problems += [f"tables.{name}.{problem}" for problem in _table_problems(tables[name])]
    metadata = _metadata(_mapping(raw.get("metadata")), problems)
    if problems or metadata is None:
        raise ValidationError(problems, subject=str(path))
    unmatched = {name: change for name, change in changes.items() if name not in entries}
    return Tables(metadata=metadata, by_name=tables, unmatched=unmatched)


def with_added(tables: Tables, added: Iterable[TableConfig]) -> Tables:
    """Return tables with some that the file does not know, the owner's overrides for them applied.

    Raises:
        ValidationError: An override does not fit its table.
    """
    by_name, problems, known = dict(tables.by_name), [], set()
    for config in added:
        name = config.table_name
        known.add(name)
        change = dict(tables.unmatched.get(name, {}))
        if name in by_name or change.get("exclude") is True:
            continue
        entry = _table_entry(config) | {"exclude_columns": list(config.exclude_columns)}
        by_name[name] = _table(name, _merged(entry, change))
        problems += [f"tables.{name}.{problem}" for problem in _table_problems(by_name[name])]
    if problems:
        raise ValidationError(problems, subject=OVERRIDES_NAME)
    left = {name: change for name, change in tables.unmatched.items() if name not in known}
    return replace(tables, by_name=by_name, unmatched=left)


def require_matched(tables: Tables) -> None:
    """Refuse overrides for tables that nobody knows: one letter off, an excluded column would be copied.

    Raises:
        ValidationError: There are such.
    """
    problems = [f"{OVERRIDES_NAME}: tables.{name}: no such table" for name in tables.unmatched]
    if problems:
        raise ValidationError(problems, subject=OVERRIDES_NAME)


def _tables_of(path: Path) -> dict[str, Any]:
    return {str(name): entry for name, entry in _mapping(_read_yaml(path).get("tables")).items()}


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise ConfigurationError(f"{path} does not exist. Run `dental-etl analyze` to write it.")
    try:
        return _mapping(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid YAML: {error}") from error


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _table(name: str, entry: dict[str, Any]) -> TableConfig:
    columns = tuple(_column(column) for column in entry.get("columns", ()))
    return replace(TableConfig.from_json({**entry, "columns": (), "table_name": name}), columns=columns)


def _merged(entry: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with the owner's change; a mapping inside it keeps what the change leaves alone."""
    change = {key: value for key, value in change.items() if key != "exclude"}
    inner = {key: {**entry.get(key, {}), **value} for key, value in change.items() if isinstance(value, dict)}
    reason = {"strategy_reason": _OWNERS_CHOICE} if "extraction_strategy" in change else {}
    return {**entry, **reason, **change, **inner}


def _is_rows(value: Any) -> bool:
    return _is_count(value) and value >= 1


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_columns(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict) and _is_text(item.get("name")) and _is_text(item.get("type")) for item in value
    )


def _one_of(*allowed: str) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: value in allowed), f"must be one of {', '.join(allowed)}"


_COUNT = (_is_count, "must be a whole number, 0 or more")
_NUMBER = (_is_number, "must be a number, 0 or more")
_TEXT = (_is_text, "must be text")
_NAMES = (_is_names, "must be a list of column names")
_SWITCH: tuple[Callable[[Any], bool], str] = (lambda value: isinstance(value, bool), "must be true or false")
#: What each setting has to be, and how that is said.
_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = MappingProxyType({
    "extraction_strategy": _one_of(*Strategy),
    "strategy_reason": _TEXT,
    "incremental_columns": _NAMES,
    "primary_incremental_column": (lambda value: value is None or _is_text(value), "must be a column's name"),
    "overlap_minutes": _COUNT,
    "batch_size": (_is_rows, "must be a whole number of rows, 1 or more"),
    "performance_category": _one_of(*Category),
    "processing_priority": _one_of("high", "medium", "low"),
    "estimated_rows": _COUNT,
    "estimated_size_mb": _NUMBER,
    "time_gap_threshold_days": (_is_rows, "must be a whole number of days, 1 or more"),
    "estimated_processing_time_minutes": _NUMBER,
    "memory_requirements_mb": _COUNT,
    "monitoring": (lambda value: isinstance(value, dict), "must be a mapping"),
    "primary_key": _NAMES,
    "engine": _TEXT,
    "reconcile": _one_of("nightly", "rotating", "audit"),
    "exclude": _SWITCH,
    "exclude_columns": _NAMES,
    "columns": (_is_columns, "must be a list of columns, each with a name and a type"),
})  # fmt: skip
_MONITORING_RULES = MappingProxyType({
    "alert_on_failure": _SWITCH,
    "alert_on_slow_extraction": _SWITCH,
    "performance_threshold_records_per_second": _COUNT,
})  # fmt: skip
_REQUIRED = tuple(
    field.name for field in fields(TableConfig) if field.default is MISSING and field.name != "table_name"
)
#: What the server says is not the owner's to change.
_FACTS = ("columns", "engine", "primary_key")


def _override_problems(changes: Mapping[str, Any]) -> Iterator[str]:
    for name, change in changes.items():
        where = f"{OVERRIDES_NAME}: tables.{name}"
        yield from (f"{where}.{problem}" for problem in _entry_problems(change))
        yield from (
            f"{where}.{key}: is read from the server and cannot be overridden"
            for key in _FACTS
            if key in _mapping(change)
        )


def _entry_problems(entry: Any, *, is_complete: bool = False) -> Iterator[str]:
    """Yield what is wrong with the settings of a table, each beginning with the setting's name."""
    if not isinstance(entry, dict):
        yield "*: must be a mapping of settings"
        return
    if is_complete:
        yield from (f"{name}: is missing" for name in _REQUIRED if name not in entry)
    yield from _rule_problems(entry, _RULES)
    inner = _rule_problems(_mapping(entry.get("monitoring")), _MONITORING_RULES)
    yield from (f"monitoring.{problem}" for problem in inner)


def _rule_problems(
    entry: dict[str, Any], rules: Mapping[str, tuple[Callable[[Any], bool], str]]
) -> Iterator[str]:
    for name, value in entry.items():
        if name == "table_name":  # told by the key above; files of other tools repeat it
            continue
        if name not in rules:
            yield f"{name}: unknown setting"
        elif not rules[name][0](value):
            yield f"{name}: {rules[name][1]}"


def _table_problems(config: TableConfig) -> Iterator[str]:
    """Yield settings that are sound alone but not together."""
    names = {column.name for column in config.columns}
    cursor = config.primary_incremental_column
    if config.extraction_strategy is not Strategy.FULL_TABLE and cursor is None:
        yield f"primary_incremental_column: {config.extraction_strategy} needs one, or choose full_table"
    if config.extraction_strategy is not Strategy.FULL_TABLE and not config.primary_key:
        yield f"extraction_strategy: {config.extraction_strategy} needs a primary key; choose full_table"
    needed = {*config.primary_key} | ({cursor} if cursor else set())
    yield from (
        f"exclude_columns: {name!r} is needed to tell rows or changes apart"
        for name in sorted(needed & set(config.exclude_columns))
    )
    named = needed | {*config.incremental_columns, *config.exclude_columns}
    for column in sorted(named - names) if names else ():
        yield f"columns: the table has no column {column!r}, which another setting names"


_METADATA = tuple(field.name for field in fields(TablesMetadata) if field.default is MISSING)


def _metadata(entry: dict[str, Any], problems: list[str]) -> TablesMetadata | None:
    if isinstance(entry.get("generated_at"), datetime):  # YAML reads an unquoted time stamp by itself
        entry = {**entry, "generated_at": entry["generated_at"].isoformat()}
    missing = [name for name in _METADATA if name not in entry]
    if missing:
        problems.append(f"metadata: {', '.join(missing)} missing; write the file with `dental-etl analyze`")
        return None
    try:
        metadata = TablesMetadata.from_json(entry)
    except (TypeError, ValueError, KeyError) as error:
        problems.append(f"metadata: {error}")
        return None
    if metadata.generated_at.tzinfo is None:
        problems.append("metadata.generated_at: must carry its time zone")
    return metadata
