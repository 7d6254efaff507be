"""Who copies: each contestant clears its own target, copies one table, and is checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ops.benchmarks.datasets import Dataset
from ops.benchmarks.laboratory import Laboratory
from ops.benchmarks.measure import ClientCost


class Hop(StrEnum):
    """From where to where."""

    #: The source is read and the rows are thrown away.
    READ = "read"
    #: Source to replication, MySQL to MySQL.
    FIRST = "source to replication"
    #: MySQL to PostgreSQL.
    SECOND = "to PostgreSQL"
    BOTH = "both hops"


class Kind(StrEnum):
    OURS = "ours"
    #: Ours, by as many processes as are free: what a table takes that is larger than these.
    SHARED = "ours, shared"
    #: What the servers do without any client.
    LIMIT = "limit"
    #: What a user would take instead.
    PEER = "peer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of looking at the copy with other eyes."""

    is_equal: bool
    #: What was compared, or what differs; column names, never a value.
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One way to copy a table."""

    name: str
    kind: Kind
    hop: Hop
    #: Clears the target and returns the copy, ready to go.
    prepare: Callable[[Laboratory, Dataset], Callable[[], ClientCost]]
    #: Compares the copy with the source; None where nothing was written.
    verify: Callable[[Laboratory, Dataset], Verdict] | None
    #: Whether it can copy zero dates; else it is given the table without.
    takes_zero_dates: bool = True
    #: Makes it available; raises `NotInstallableError`.
    install: Callable[[Laboratory], None] = lambda _lab: None


class NotInstallableError(Exception):
    """A tool cannot be had on this machine; says why."""
