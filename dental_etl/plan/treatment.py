"""How a table is treated tonight where its history knows better than tables.yml; pure.

tables.yml is as old as the last analysis. A table that has grown since is treated by its real size, and
its reads are cut by its real rows; the file stays as it is, and what the owner set there is not touched.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from dental_etl.config import TableConfig
from dental_etl.config.tables import category_of
from dental_etl.plan.estimate import row_bytes
from dental_etl.plan.history import TableHistory
from dental_etl.run import Category, Value

#: What one read of the source aims at: short enough that a front desk does not notice a MyISAM lock.
AIM_SECONDS = 0.3
AIM_BYTES = 8 * 1024 * 1024
LEAST_BATCH_ROWS, MOST_BATCH_ROWS = 500, 100_000
#: Less of a change than this factor is noise.
_WORTH_CHANGING = 1.5
_CATEGORIES = tuple(Category)


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment(Value):
    """A table's configuration for one run."""

    config: TableConfig
    #: What differs from tables.yml, and why, each in words.
    notes: tuple[str, ...] = ()


def treatment(config: TableConfig, history: TableHistory, owners: Collection[str] = ()) -> Treatment:
    """Return how a table is treated by what its history says.

    Args:
        config: As tables.yml and the owner have it.
        history: May be empty; nothing is then changed.
        owners: Settings that the owner has set, which stay.
    """
    known = with_rows(config, history.rows)
    changes = (
        None if "performance_category" in owners else _category(config, known),
        None if "batch_size" in owners else _batch_size(known, history),
    )
    notes = []
    for change in changes:
        if change is not None:
            known, note = replace(known, **change[0]), change[1]
            notes.append(note)
    return Treatment(config=known, notes=tuple(notes))


def with_rows(config: TableConfig, rows: int | None) -> TableConfig:
    """Return a configuration with the rows that a table really has; a row stays as large as it was."""
    if rows is None or rows == config.estimated_rows:
        return config
    size_mb = row_bytes(config) * rows / (1024 * 1024) if config.estimated_rows else config.estimated_size_mb
    return replace(config, estimated_rows=rows, estimated_size_mb=size_mb)


def as_planned(
    config: TableConfig, *, category: Category, batch_size: int | None, rows: int | None
) -> TableConfig:
    """Return a configuration as a run's plan has decided it; None leaves what tables.yml says."""
    planned = replace(config, performance_category=category)
    if batch_size is not None:
        planned = replace(planned, batch_size=batch_size)
    return with_rows(planned, rows)


def _category(config: TableConfig, known: TableConfig) -> tuple[dict[str, Category], str] | None:
    """A table that shrank is no harm where it is; one that grew would be read by one worker alone."""
    real = category_of(known.estimated_rows)
    if _CATEGORIES.index(real) >= _CATEGORIES.index(config.performance_category):
        return None
    note = (
        f"treated as {real}: {known.estimated_rows:,} rows by the last load, "
        f"tables.yml says {config.performance_category}"
    )
    return {"performance_category": real}, note


def _batch_size(config: TableConfig, history: TableHistory) -> tuple[dict[str, int], str] | None:
    size = history.row_bytes
    if size is None:
        return None
    pace = history.source_rows_per_second
    aims = [AIM_BYTES / max(size, 1.0), *([] if pace is None else [pace * AIM_SECONDS])]
    rows = min(max(round(min(aims)), LEAST_BATCH_ROWS), MOST_BATCH_ROWS)
    least, most = sorted((rows, config.batch_size))
    if most < _WORTH_CHANGING * least or config.estimated_rows <= least:
        return None
    paced = "" if pace is None else f", {pace:,.0f} rows/s at the source"
    note = f"reads of {rows:,} rows instead of {config.batch_size:,}: a row has {size:,.0f} bytes{paced}"
    return {"batch_size": rows}, note
