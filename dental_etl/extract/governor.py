"""How large the next read of the source may be; pure.

A read should end within 300 ms and 8 MB, so that a MyISAM table is never locked for longer than a front
desk notices. Looking at the source itself (running threads, lock waits) before each read belongs here too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dental_etl.config import TableConfig

AIM_SECONDS = 0.3
AIM_BYTES = 8 * 1024 * 1024
#: Below this a read costs more in round trips than in rows.
LEAST_ROWS = 100
#: A pass for changes passes over rows that it does not fetch, so it may look at more of them at once.
SCAN_FACTOR = 4
#: So much is scanned within the 300 ms by any disk of this century. In the order of a key a MyISAM table is
#: read row by row, about 15 times slower than by a scan, so a pass that is this small is one read.
SCAN_BYTES = 64 * 1024 * 1024
_UNKNOWN_ROW_BYTES = 1024.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Number of rows that the next read covers, and the bounds it moves in."""

    rows: int
    #: Rows that one read may bring (the table's batch size).
    batch_size: int
    #: Rows that one read may cover.
    most_rows: int
    least_rows: int = LEAST_ROWS

    def after(self, *, read_rows: int, read_bytes: int, seconds: float) -> Pace:
        """Return the pace of the next read: half as many rows, as many, or twice as many.

        Args:
            read_rows: Rows that the last read brought.
            read_bytes: Their bytes.
            seconds: Time that the source needed for it.
        """
        if read_rows > self.batch_size:  # a mass update: far more rows changed than usual
            return replace(self, rows=self.batch_size, most_rows=self.batch_size)
        load = max(seconds / AIM_SECONDS, read_bytes / AIM_BYTES)
        if load > 1.0:
            return replace(self, rows=max(self.least_rows, self.rows // 2))
        if load < 0.4:  # twice as many rows then still stay below the aim
            return replace(self, rows=min(self.most_rows, self.rows * 2))
        return self


def first_pace(config: TableConfig, *, is_scan: bool = False) -> Pace:
    """Return the pace of the first read of a table.

    Args:
        config: Its batch size is the upper bound; its size decides the rows that make up 8 MB.
        is_scan: Whether most rows are only looked at (a pass for changes), not fetched.
    """
    first = min(config.batch_size, int(AIM_BYTES / _row_bytes(config)))
    least = min(LEAST_ROWS, config.batch_size)
    return Pace(
        rows=max(first, least),
        batch_size=config.batch_size,
        most_rows=config.batch_size * (SCAN_FACTOR if is_scan else 1),
        least_rows=least,
    )


def fits_one_read(config: TableConfig, rows: int) -> bool:
    """Return whether a pass that examines so many rows may do it in one read."""
    return rows * _row_bytes(config) <= SCAN_BYTES


def _row_bytes(config: TableConfig) -> float:
    if not config.estimated_rows:
        return _UNKNOWN_ROW_BYTES
    return max(config.estimated_size_mb * 1024 * 1024 / config.estimated_rows, 1.0)
