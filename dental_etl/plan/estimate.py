"""How much a table will cost in a run, from its history or, before there is one, from its analysis; pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dental_etl.config import TableConfig
from dental_etl.plan.history import ExtractAction, TableHistory
from dental_etl.run import Value

_MEGABYTE = 1024 * 1024
#: Defaults before the first results: both servers' checksums, statements of a table, a day's changes.
_COMPARED_ROWS_PER_SECOND = 400_000
_SECONDS_PER_TABLE = 0.2
_CHANGED_SHARE = 0.01


class Basis(StrEnum):
    #: The last results of the table itself.
    HISTORY = "history"
    #: What information_schema said when tables.yml was written, and defaults.
    ANALYSIS = "analysis"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate(Value):
    """What a table is expected to cost."""

    #: Rows that will be read from the source.
    rows: int
    bytes: int
    #: Of both hops, as one worker needs them.
    seconds: float
    basis: Basis


def estimate(config: TableConfig, history: TableHistory, action: ExtractAction) -> Estimate:
    """Return what a table will cost if it is extracted in this way.

    Args:
        config: Its size as it is now known.
        history: Its results; may be empty.
        action: What the extract will do.
    """
    if action is ExtractAction.WHOLE:
        return _whole(config, history)
    return _usual(config, history)


def _whole(config: TableConfig, history: TableHistory) -> Estimate:
    rows = config.estimated_rows
    seconds = history.whole_seconds(rows)
    return Estimate(
        rows=rows,
        bytes=int(rows * (history.row_bytes or row_bytes(config))),
        seconds=_analysed_seconds(config) if seconds is None else seconds,
        basis=Basis.ANALYSIS if seconds is None else Basis.HISTORY,
    )


def _usual(config: TableConfig, history: TableHistory) -> Estimate:
    seconds = history.usual_seconds
    if seconds is not None:
        return Estimate(
            rows=round(history.usual_rows or 0),
            bytes=round(history.usual_bytes or 0),
            seconds=seconds,
            basis=Basis.HISTORY,
        )
    rows = round(config.estimated_rows * _CHANGED_SHARE)
    return Estimate(
        rows=rows,
        bytes=int(rows * (history.row_bytes or row_bytes(config))),
        seconds=_SECONDS_PER_TABLE + config.estimated_rows / _COMPARED_ROWS_PER_SECOND,
        basis=Basis.ANALYSIS,
    )


def row_bytes(config: TableConfig) -> float:
    """Return the average size of a row by the table's configuration."""
    return config.estimated_size_mb * _MEGABYTE / max(config.estimated_rows, 1)


def _analysed_seconds(config: TableConfig) -> float:
    return max(config.estimated_processing_time_minutes * 60, _SECONDS_PER_TABLE)
