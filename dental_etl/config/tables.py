"""Tables and their configuration, as values; `tables_file` reads and writes them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from dental_etl.exceptions import ConfigurationError
from dental_etl.run import Category, Strategy, Value

_LENGTH = re.compile(r"\w+\((\d+)\)")
_TOLD_EXACTLY = frozenset({"latin1", "ascii", "utf8", "utf8mb3"})


def category_of(rows: int) -> Category:
    """Return the size of a table by its number of rows."""
    if rows >= 1_000_000:
        return Category.LARGE
    if rows >= 100_000:
        return Category.MEDIUM
    return Category.SMALL if rows >= 10_000 else Category.TINY


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
    #: The replica's server does not know the source's collation; this is another one, with another order.
    is_recollated: bool = False

    @property
    def is_unsigned(self) -> bool:
        return "unsigned" in self.column_type

    @property
    def length(self) -> int:
        """Number in the type's parentheses: characters of text, bytes of binary; 0 when there is none."""
        found = _LENGTH.match(self.column_type)
        return int(found[1]) if found else 0

    @property
    def has_uncertain_labels(self) -> bool:
        """Whether the labels of an ENUM or SET may not be those that the server told.

        Its catalog is in three-byte utf8, where an emoji becomes a question mark.
        """
        is_labelled = self.data_type in {"enum", "set"}
        return is_labelled and "?" in self.column_type and self.charset not in _TOLD_EXACTLY

    @property
    def is_change_stamp(self) -> bool:
        """Whether the server itself moves this column whenever the row changes."""
        return "on update current_timestamp" in self.extra.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSchema(Value):
    """Structure of one MySQL table."""

    name: str
    engine: str
    #: In ordinal order, generated and invisible ones included.
    columns: tuple[Column, ...]
    #: Columns of the primary key in key order; empty when there is none.
    primary_key: tuple[str, ...] = ()

    @property
    def is_transactional(self) -> bool:
        return self.engine.lower() == "innodb"

    def without(self, names: Iterable[str]) -> Self:
        """Return the table as if it lacked some of its columns."""
        left_out = set(names)
        return replace(self, columns=tuple(column for column in self.columns if column.name not in left_out))

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

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
    #: Columns that never leave the source; the owner's choice.
    exclude_columns: tuple[str, ...] = ()
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
    #: The owner's overrides for tables that the file does not know, as they were read.
    unmatched: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

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
    close = [other for other in known if other.lower() == name.lower()] or difflib.get_close_matches(
        name, known
    )
    hint = f" Did you mean {', '.join(close)}?" if close else " Run `dental-etl analyze` if it is new."
    return f"Table {name!r} is not in tables.yml.{hint}"
