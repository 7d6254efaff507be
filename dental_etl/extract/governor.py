"""How large the next read of the source may be, and how long it waits for its turn; pure.

A read should end within 300 ms and 8 MB, and within 100 ms where it locks the whole table, so that the
front desk does not notice. Once the source is seen to be busy, or others are seen to wait for locks, reads
become shorter still and rest longer between each other. Both are bounded: a source that is busy all night
is read at a fifth of the usual pace.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from dental_etl.config import Settings, TableConfig
from dental_etl.plan import AIM_BYTES, AIM_SECONDS

#: In an engine that locks whole tables everybody who writes waits for the end of our read, and everybody
#: who reads waits behind those.
AIM_SECONDS_LOCKING = 0.1
#: Below this a read costs more in round trips than in rows.
LEAST_ROWS = 100
#: A pass for changes passes over rows that it does not fetch, so it may look at more of them at once.
SCAN_FACTOR = 4
#: So much is scanned within the 300 ms by any disk of this century. In the order of a key a MyISAM table is
#: read row by row, at twice the processor time of a scan and more from a disk, so a pass this small is one read.
SCAN_BYTES = 64 * 1024 * 1024
#: How often a process looks at the source.
LOOK_SECONDS = 1.0
#: A look that long ago says nothing: the server's counters hold the clinic's own day, or another table's hour.
FORGET_SECONDS = 60.0
#: So long nothing is read at all while somebody waits for a lock; then at the least pace, until all is calm.
HOLD_SECONDS = 5.0
#: Rest after a read, as a multiple of the time it took, by level of strain; the settings say it for none.
_REST_RATIOS = (0.0, 1.0, 2.0, 4.0)
MOST_STRAIN = len(_REST_RATIOS) - 1
#: A shorter rest than this is saved up, a longer one than that is not taken.
_LEAST_REST_SECONDS, _MOST_REST_SECONDS = 0.01, 10.0
_UNKNOWN_ROW_BYTES = 1024.0


class Cause(StrEnum):
    """Why the source was not read for a while."""

    #: The rest that follows every read.
    PACE = "pace"
    #: Many statements of others were at work.
    BUSY = "busy"
    #: Others waited for a lock.
    WAITING = "waiting"
    #: Others held a lock that our read waited for.
    LOCKED = "locked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of the source we take, by the settings."""

    #: Rest after every read, percent of the time that it took.
    rest_percent: int = 25
    #: More statements of others than this, at the same moment, are a busy source.
    busy_threads: int = 4

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        return cls(rest_percent=settings.source_rest_percent, busy_threads=settings.source_busy_threads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the source says about itself at one moment."""

    #: Statements of others that are at work or wait.
    others_running: int
    #: Sessions of others that wait for a lock.
    waiting: int
    #: Requests for a table's lock that had to wait, since the server was started.
    lock_waits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Strain:
    """How hard the source has it, over the last looks."""

    #: From 0, calm, to `MOST_STRAIN`.
    level: int = 0
    #: Why it is not calm.
    cause: Cause = Cause.PACE
    #: Whether nothing should be read until the next look.
    must_hold: bool = False
    #: For how long nothing has been read at all; a calm moment begins anew.
    held_seconds: float = 0.0
    #: Counter of the last look; None before the first.
    lock_waits: int | None = None

    def after(self, look: Look, *, seconds: float, limits: Limits) -> Strain:
        """Return the strain that another look shows.

        Args:
            look: What it saw.
            seconds: Since the look before.
            limits: When a source is busy.
        """
        if seconds > FORGET_SECONDS:
            return Strain().after(look, seconds=LOOK_SECONDS, limits=limits)
        # Whoever waited for one of our reads is gone when we look after it; the counter remembers.
        waited = 0 if self.lock_waits is None else look.lock_waits - self.lock_waits
        if not (look.waiting or waited > 0 or look.others_running > limits.busy_threads):
            level = max(0, self.level - 1)
            return Strain(level=level, cause=self.cause if level else Cause.PACE, lock_waits=look.lock_waits)
        is_pressing = look.waiting > 0 or look.others_running > 2 * limits.busy_threads
        held = self.held_seconds + (seconds if self.must_hold else 0.0)
        return Strain(
            level=min(MOST_STRAIN, self.level + (2 if is_pressing or waited > 0 else 1)),
            cause=Cause.WAITING if look.waiting or waited > 0 else Cause.BUSY,
            must_hold=is_pressing and held < HOLD_SECONDS,
            held_seconds=held,
            lock_waits=look.lock_waits,
        )

    def rest_ratio(self, limits: Limits) -> float:
        """Return how long to rest after a read, as a multiple of the time that it took."""
        return max(limits.rest_percent / 100, _REST_RATIOS[self.level])


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """Rest that one connection still owes the source."""

    seconds: float = 0.0

    def read(self, seconds: float, ratio: float) -> Debt:
        """Return the debt after a read; however long it took, the rest has an end."""
        return Debt(seconds=min(self.seconds + seconds * ratio, _MOST_REST_SECONDS))

    def idle(self, seconds: float) -> Debt:
        """Return the debt after the connection did nothing: the replica was being written, for example."""
        return Debt(seconds=max(0.0, self.seconds - seconds))

    @property
    def due_seconds(self) -> float:
        """How long to rest now; a short rest is saved up for the next time."""
        return self.seconds if self.seconds >= _LEAST_REST_SECONDS else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Number of rows that the next read covers, and the bounds it moves in."""

    rows: int
    #: Rows that one read may bring (the table's batch size).
    batch_size: int
    #: Rows that one read may cover.
    most_rows: int
    least_rows: int = LEAST_ROWS
    #: Time that a read should take at a calm source.
    aim_seconds: float = AIM_SECONDS

    def after(self, *, read_rows: int, read_bytes: int, seconds: float, strain: int = 0) -> Pace:
        """Return the pace of the next read: as many rows, twice as many, or at most half as many.

        Args:
            read_rows: Rows that the last read brought.
            read_bytes: Their bytes.
            seconds: Time that the source needed for it.
            strain: Level of the source's strain; each halves the aim.
        """
        if read_rows > self.batch_size:  # a mass update: far more rows changed than usual
            return replace(self, rows=self.batch_size, most_rows=self.batch_size)
        load = max(seconds / (self.aim_seconds / 2**strain), read_bytes / AIM_BYTES)
        if load > 1.0:
            return replace(self, rows=max(self.least_rows, self.rows // max(2, math.ceil(load))))
        if load < 0.4:  # twice as many rows then still stay below the aim
            return replace(self, rows=min(self.most_rows, self.rows * 2))
        return self


def first_pace(config: TableConfig, *, is_scan: bool = False, strain: int = 0) -> Pace:
    """Return the pace of the first read of a table.

    Args:
        config: Its batch size is the upper bound; its size decides the rows that make up 8 MB.
        is_scan: Whether most rows are only looked at (a pass for changes), not fetched.
        strain: Level of the source's strain; the reads before the first one have shown it.
    """
    first = min(config.batch_size, int(AIM_BYTES * share(config.engine) / _row_bytes(config))) >> strain
    least = min(LEAST_ROWS, config.batch_size)
    return Pace(
        rows=max(first, least),
        batch_size=config.batch_size,
        most_rows=config.batch_size * (SCAN_FACTOR if is_scan else 1),
        least_rows=least,
        aim_seconds=aim_seconds(config.engine),
    )


def aim_seconds(engine: str) -> float:
    """Return how long a read of a table of this engine should take at a calm source."""
    return AIM_SECONDS if engine.lower() == "innodb" else AIM_SECONDS_LOCKING


def share(engine: str, strain: int = 0) -> float:
    """Return which part of what a calm source gives in one read is taken, by engine and strain."""
    return aim_seconds(engine) / AIM_SECONDS / float(4**strain)


def fits_one_read(config: TableConfig, rows: int, strain: int = 0) -> bool:
    """Return whether a pass that examines so many rows may do it in one read; less at a strained source."""
    return rows * _row_bytes(config) <= SCAN_BYTES * share(config.engine, strain)


def _row_bytes(config: TableConfig) -> float:
    if not config.estimated_rows:
        return _UNKNOWN_ROW_BYTES
    return max(config.estimated_size_mb * 1024 * 1024 / config.estimated_rows, 1.0)
