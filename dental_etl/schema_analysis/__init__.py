"""Analyse the source's schema: read it, decide how each table is treated, compare, write ``tables.yml``."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dental_etl import __version__
from dental_etl.config import (
    Settings,
    Tables,
    TablesMetadata,
    read_generated_tables,
    read_tables,
    require_matched,
    write_tables,
)
from dental_etl.connections import connect
from dental_etl.exceptions import ConfigurationError
from dental_etl.schema_analysis.classification import KeyOrder, TableFacts, classify, exclusion, key_order_of
from dental_etl.schema_analysis.drift import Change, changelog, compare, schema_hash
from dental_etl.schema_analysis.introspection import read_facts, read_key_order, read_left_out

__all__ = ["AnalysisResult", "analyze", "tables_of"]

logger = logging.getLogger(__name__)

#: An analysis that lost more than this share of the tables is more likely a wrong or half-restored
#: database than a clean-up.
_LOST_SHARE = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisResult:
    """What an analysis found and, unless it only checked, wrote."""

    tables: Tables
    #: What ``tables.yml`` said before; None on the first analysis of this environment.
    previous: Tables | None
    changes: tuple[Change, ...]
    tables_file: Path
    #: Copy of the previous file; None when there was none or nothing was written.
    backup: Path | None = None
    #: The Markdown changelog; None when nothing was written.
    changelog: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what was found as plain JSON types; the tables themselves are in the file."""
        return {
            "tables_file": str(self.tables_file),
            "metadata": self.tables.metadata.to_json(),
            "is_first": self.previous is None,
            "changes": [change.to_json() for change in self.changes],
            "backup": str(self.backup) if self.backup else None,
            "changelog": str(self.changelog) if self.changelog else None,
        }

    def describe(self) -> str:
        """Return what was found and written, in lines for a terminal."""
        was_written = self.changelog is not None
        strategies = Counter(str(table.extraction_strategy) for table in self.tables)
        lines = [
            f"{'Wrote' if was_written else 'Compared with'} {self.tables_file}",
            f"{len(self.tables)} tables: {', '.join(f'{n} {name}' for name, n in sorted(strategies.items()))}",
            *(f"Left out {excluded}" for excluded in self.tables.metadata.excluded),
            "There was nothing to compare with"
            if self.previous is None
            else f"{len(self.changes)} change(s)",
            *(f"  {change.message}" for change in self.changes),
            *([f"Changelog: {self.changelog}"] if was_written else []),
            *([f"Previous file: {self.backup}"] if self.backup else []),
        ]
        return "\n".join(lines)


def analyze(
    settings: Settings, *, confirm_loss: bool = False, is_check: bool = False, now: datetime
) -> AnalysisResult:
    """Write ``tables.yml`` anew, beside a copy of the previous one and a changelog.

    By day the source's catalog is read and no row: whether keys are random, which a preference of Open Dental
    says, is then taken from the previous file.

    Args:
        settings: Where the source and the file are.
        confirm_loss: Accept a result that lost more than 10 % of its tables, and a previous file that
            cannot be read.
        is_check: Write nothing; the result then holds only the changes of the schema itself.
        now: Aware.

    Raises:
        ConfigurationError: The source has no tables, lost too many, or an override fits no longer.
        DatabaseError: The source could not be read.
    """
    previous = _previous(settings, is_needed=not confirm_loss)
    tables = _read_source(settings, now, previous)
    changes = compare(previous, tables) if previous else ()
    result = AnalysisResult(
        tables=tables,
        previous=previous,
        changes=tuple(change for change in changes if change.kind.is_drift or not is_check),
        tables_file=settings.tables_file,
    )
    if is_check:
        return result
    if not confirm_loss:
        _refuse_loss(result)
    return _write(result, now)


def tables_of(
    facts: Iterable[TableFacts],
    key_order: KeyOrder,
    *,
    environment: str,
    now: datetime,
    left_out: Iterable[str] = (),
) -> Tables:
    """Classify every table and leave out what a rule excludes; pure.

    Args:
        facts: About the tables.
        key_order: How this clinic gives out keys.
        environment: Recorded with the tables.
        now: Aware.
        left_out: What else the database holds, each with the reason why it is no table of ours.
    """
    excluded, configs = list(left_out), []
    for table in facts:
        rule = exclusion(table)
        if rule is None:
            configs.append(classify(table, key_order))
        else:
            excluded.append(f"{table.schema.name}: {rule}")
    metadata = TablesMetadata(
        generated_at=now.astimezone(UTC).replace(microsecond=0),
        analyzer_version=__version__,
        environment=str(environment),
        total_tables=len(configs),
        schema_hash=schema_hash(configs),
        excluded=tuple(excluded),
    )
    return Tables(metadata=metadata, by_name={config.table_name: config for config in configs})


def _read_source(settings: Settings, now: datetime, previous: Tables | None) -> Tables:
    with connect(settings.source) as connection:
        facts = read_facts(connection, settings.source.database)
        if settings.window.is_open(now):
            key_order = read_key_order(connection, settings.source.database, facts)
        else:  # by day no row is read; validation at night says if this was wrong
            key_order = key_order_of(previous or ())
        left_out = read_left_out(connection, settings.source.database)
    if not facts:
        raise ConfigurationError(
            f"The source database {settings.source.database} has no tables that this account can see. "
            f"Check OPENDENTAL_SOURCE_DB and the account's SELECT right."
        )
    return tables_of(facts, key_order, environment=settings.environment, now=now, left_out=left_out)


def _write(result: AnalysisResult, now: datetime) -> AnalysisResult:
    path, stamp = result.tables_file, f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    written = replace(
        result,
        backup=_back_up(path, stamp),
        changelog=_write_changelog(result, path.parent / "changelogs" / f"schema-{stamp}.md"),
    )
    write_tables(result.tables, path)
    require_matched(read_tables(path))  # an override that fits no longer has to be heard of now, not at 21:00
    logger.info(
        "wrote %s: %s tables, %s changes", path, len(result.tables), len(result.changes),
        extra={"action": "analyze", "tables": len(result.tables), "changes": len(result.changes)},
    )  # fmt: skip
    return written


def _previous(settings: Settings, *, is_needed: bool) -> Tables | None:
    """Return what the file said; a file of another environment says nothing about this clinic."""
    path = settings.tables_file
    if not path.exists():
        return None
    try:
        previous = read_generated_tables(path)
    except ConfigurationError:
        if is_needed:
            raise
        logger.warning("%s could not be read and is replaced", path, extra={"action": "analyze"})
        return None
    return previous if previous.metadata.environment == settings.environment else None


def _refuse_loss(result: AnalysisResult) -> None:
    if result.previous is None:
        return
    lost = sorted(result.previous.by_name.keys() - result.tables.by_name.keys())
    if len(lost) > _LOST_SHARE * len(result.previous):
        raise ConfigurationError(
            f"The source lost {len(lost)} of {len(result.previous)} tables ({', '.join(lost[:5])}"
            f"{', ...' if len(lost) > len(lost[:5]) else ''}): {result.tables_file} was left as it is. "
            f"If this is the right database and they are gone for good, add --confirm-loss."
        )


def _back_up(path: Path, stamp: str) -> Path | None:
    if not path.exists():
        return None
    backup = path.with_name(f"{path.stem}.{stamp}{path.suffix}")
    backup.write_bytes(path.read_bytes())
    return backup


def _write_changelog(result: AnalysisResult, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(changelog(result.changes, result.previous, result.tables), encoding="utf-8")
    return path
