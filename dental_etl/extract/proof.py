"""What extract asks of whoever proves a replica equal; the answer comes from above (`reconciliation`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from dental_etl.extract.attempt import Attempt
from dental_etl.run import CopyStatus, Finding


class Basis(StrEnum):
    """What has been done to the replica before it is proven."""

    #: Every row was read by this attempt.
    COPIED = "copied"
    #: Every row was read, some of them by an earlier attempt of this run.
    COPIED_IN_PARTS = "copied_in_parts"
    #: Every row was read, some of them on an earlier night; comparing brings them up to date.
    BEGUN_EARLIER = "begun_earlier"
    #: Only changes were read.
    CHANGES = "changes"
    #: Nothing was read: comparing and mending is the extract.
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How equal a replica is, as far as is known."""

    #: Every row was found equal at this moment or later; None if that never happened.
    proven_at: datetime | None
    #: What was done for it, in words for the report.
    proven_by: str
    findings: tuple[Finding, ...] = ()


class Prover(Protocol):
    """Proves the replica of one attempt."""

    def why_unchanged(self, attempt: Attempt, status: CopyStatus) -> str | None:
        """Say why nothing needs to be read, None if reading is needed; asked before any row is read."""

    def unchanged(self, attempt: Attempt) -> Proof:
        """Record that nothing had to be read."""

    def prove(self, attempt: Attempt, basis: Basis) -> Proof:
        """Compare replica and source, mend the replica, and say what came of it."""
