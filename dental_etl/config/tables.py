"""Tables and their configuration: the only reader and writer of ``tables.yml``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from dental_etl.exceptions import ConfigurationError, ValidationError
from dental_etl.run import Category, Strategy, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Value):
    """One column of a MySQL table, as information_schema describes it."""

    name: str
    #: Type without its parameters, lower case: ``bigint``, ``varchar``, ``double``.
    data_type: str
    #: Type as declared: ``bigint(20) unsigned``, ``enum('a','b')``.
    column_type: str
    is_nullable: bool
    #: None for columns that are not text.
    charset: str | None = None
    collation: str | None = None
    #: Default as information_schema prints it; None when there is none.
    default: str | None = None
    #: ``auto_increment``, ``on update current_timestamp()``, ``VIRTUAL GENERATED``, ...
    extra: str = ""

    @property
    def is_unsigned(self) -> bool:
        return "unsigned" in self.column_type

    @property
    def is_generated(self) -> bool:
        return "generated" in self.extra.lower() and "default_generated" not in self.extra.lower()

    @property
    def is_change_stamp(self) -> bool:
        """Whether the server itself moves this column whenever the row changes."""
        return "on update current_timestamp" in self.extra.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSchema(Value):
    """Structure of one MySQL table."""

    name: str
    engine: str
    #: In ordinal order, generated columns included.
    columns: tuple[Column, ...]
    #: Columns of the primary key in key order; empty when there is none.
    primary_key: tuple[str, ...] = ()

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """Columns that hold data of their own (not generated)."""
        return tuple(column for column in self.columns if not column.is_generated)

    @property
    def key_columns(self) -> tuple[Column, ...]:
        return tuple(self.column(name) for name in self.primary_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring(Value):
    alert_on_failure: bool = True
    alert_on_slow_extraction: bool = True
    performance_threshold_records_per_second: int = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class TableConfig(Value):
    """What is done to one table, and why. Written by ``dental-etl analyze``."""

    table_name: str
    extraction_strategy: Strategy
    #: Why this strategy, in words.
    strategy_reason: str
    #: Columns that order changes; empty for full_table.
    incremental_columns: tuple[str, ...] = ()
    #: The one that extract uses.
    primary_incremental_column: str | None = None
    #: Overlap below the last cursor that is read again, minutes.
    overlap_minutes: int = 15
    #: Rows moved in one read of the source at most.
    batch_size: int
    performance_category: Category
    #: ``high``, ``medium`` or ``low``.
    processing_priority: str
    #: From information_schema: exact for MyISAM, an estimate for InnoDB.
    estimated_rows: int
    estimated_size_mb: float
    time_gap_threshold_days: int = 30
    estimated_processing_time_minutes: float = 0.0
    memory_requirements_mb: int = 64
    monitoring: Monitoring = Monitoring()
    #: Columns of the primary key in key order; empty when there is none.
    primary_key: tuple[str, ...] = ()
    engine: str = ""
    #: ``nightly``, ``rotating`` or ``audit``: how the table is proven equal.
    reconcile: str = "nightly"
    columns: tuple[Column, ...] = ()

    @property
    def schema(self) -> TableSchema:
        return TableSchema(
            name=self.table_name, engine=self.engine, columns=self.columns, primary_key=self.primary_key
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TablesMetadata(Value):
    generated_at: datetime
    analyzer_version: str
    environment: str
    total_tables: int
    #: Over every column's name, type, nullability and default; stable over processes.
    schema_hash: str
    #: Tables that a rule left out, each with the rule: ``tmp_patient: scratch copy, no key``.
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The whole of ``tables.yml``."""

    metadata: TablesMetadata
    by_name: Mapping[str, TableConfig]

    def __iter__(self) -> Iterator[TableConfig]:
        return iter(self.by_name.values())

    def __len__(self) -> int:
        return len(self.by_name)

    def get(self, name: str) -> TableConfig:
        """Return the configuration of a table.

        Raises:
            ConfigurationError: The table is not configured; the message names close matches.
        """
        if name not in self.by_name:
            raise ConfigurationError(_unknown_table(name, list(self.by_name)))
        return self.by_name[name]


def _unknown_table(name: str, known: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, n=3) or [t for t in known if t.lower() == name.lower()]
    hint = f" Did you mean {', '.join(close)}?" if close else " Run `dental-etl analyze` if it is new."
    return f"Table {name!r} is not in tables.yml.{hint}"


def read_tables(path: Path, *, overrides: Path | None = None) -> Tables:
    """Read ``tables.yml``, then the owner's ``tables.overrides.yml`` beside it (or `overrides`).

    Raises:
        ConfigurationError: The file is missing or is not YAML.
        ValidationError: Values are wrong; every problem names its YAML path.
    """
    raw = _read_yaml(path)
    owner = overrides or path.with_name("tables.overrides.yml")
    changes = _mapping(_read_yaml(owner).get("tables")) if owner.exists() else {}
    problems: list[str] = []
    tables = {
        name: config
        for name, entry in _mapping(raw.get("tables")).items()
        if (config := _table(name, {**entry, **_mapping(changes.get(name))}, problems)) is not None
    }
    problems += [
        f"{owner.name}: tables.{n}: no such table in {path.name}" for n in changes if n not in tables
    ]
    metadata = _metadata(_mapping(raw.get("metadata")), problems)
    if problems or metadata is None:
        raise ValidationError(problems, subject=str(path))
    return Tables(metadata=metadata, by_name=tables)


def write_tables(tables: Tables, path: Path) -> None:
    """Write ``tables.yml`` through a temporary file, so that a reader sees the old or the new one."""
    document = {
        "metadata": tables.metadata.to_json(),
        "tables": {table.table_name: table.to_json() for table in tables},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        yaml.dump(document, file, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    partial.replace(path)


class _Dumper(yaml.CSafeDumper):
    """YAML without anchors; enums as their text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _enum in (Strategy, Category):
    _Dumper.add_representer(_enum, lambda dumper, value: dumper.represent_str(str(value)))


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise ConfigurationError(f"{path} does not exist. Run `dental-etl analyze` to write it.")
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not valid YAML: {error}") from error
    return _mapping(loaded)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _table(name: str, entry: dict[str, Any], problems: list[str]) -> TableConfig | None:
    known = {field.name for field in fields(TableConfig)}
    problems += [f"tables.{name}.{key}: unknown setting" for key in entry if key not in known]
    try:
        config = TableConfig.from_json({"table_name": name, **entry})
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        problems.append(f"tables.{name}: {error}")
        return None
    problems += [f"tables.{name}.{problem}" for problem in _table_problems(config)]
    return config


def _table_problems(config: TableConfig) -> Iterator[str]:
    names = {column.name for column in config.columns}
    if not isinstance(config.batch_size, int) or config.batch_size < 1:
        yield "batch_size: must be a whole number of rows, 1 or more"
    if config.processing_priority not in {"high", "medium", "low"}:
        yield "processing_priority: must be high, medium or low"
    if config.extraction_strategy is not Strategy.FULL_TABLE and config.primary_incremental_column is None:
        yield f"primary_incremental_column: {config.extraction_strategy} needs one, or choose full_table"
    cursor = config.primary_incremental_column
    if cursor is not None and names and cursor not in names:
        yield f"primary_incremental_column: the table has no column {cursor!r}"


def _metadata(entry: dict[str, Any], problems: list[str]) -> TablesMetadata | None:
    if isinstance(entry.get("generated_at"), datetime):  # YAML reads an unquoted time stamp by itself
        entry = {**entry, "generated_at": entry["generated_at"].isoformat()}
    try:
        return TablesMetadata.from_json(entry)
    except (TypeError, ValueError, KeyError) as error:
        problems.append(f"metadata: {error}")
        return None
