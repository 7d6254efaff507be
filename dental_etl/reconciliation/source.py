"""Source and replica: proven equal after every extract, mended where they are not.

Time stamps lie and deletes leave none, so what a pass for changes brought is compared with the source:
ranges of keys by count and checksum on both servers, differing ones by value.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from dental_etl.exceptions import DeadlineError
from dental_etl.extract import keys
from dental_etl.extract.attempt import Attempt
from dental_etl.extract.brake import require_deletes_allowed
from dental_etl.extract.keys import Key
from dental_etl.extract.proof import Basis, Proof
from dental_etl.plan import is_gap_too_long
from dental_etl.reconciliation import comparison, fingerprint
from dental_etl.reconciliation.comparison import Compared
from dental_etl.reconciliation.ranges import Depth
from dental_etl.reconciliation.repair import Unmended, mend
from dental_etl.run import CopyStatus, Finding, Severity
from dental_etl.tracking.on_demand import created_if_missing
from dental_etl.tracking.proofs import ProofStatus, ensure_proofs, read_proof, record_proof
from dental_etl.wire.catalog import read_schema

logger = logging.getLogger(__name__)

#: A rotation gets through a table in so many nights, whatever the budget says.
_ROTATION_NIGHTS = 6
#: Ranges that are compared before what differs among them is mended and the rotation moves on.
_STRETCH = 32


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What a comparison has come to so far."""

    compared_rows: int = 0
    ranges: int = 0
    mended: int = 0
    unmended: list[Unmended]


class SourceProver:
    """Proves one replica in one attempt.

    Args:
        budget_seconds: Source time that the comparison of a large table may take.
    """

    def __init__(self, budget_seconds: float) -> None:
        self._budget_seconds = budget_seconds
        self._fingerprint: str | None = None
        self._status = ProofStatus(table="")
        self._started_at: datetime | None = None
        self._is_gap_too_long = False

    def why_unchanged(self, attempt: Attempt, status: CopyStatus) -> str | None:
        """Say why the table need not be read, from what the source says about its file."""
        with attempt.errors():
            self._status = created_if_missing(
                attempt.replication,
                ensure_proofs,
                lambda: read_proof(attempt.replication, attempt.table),
            )
        self._started_at = attempt.clock()
        self._is_gap_too_long = is_gap_too_long(attempt.plan.config, status.last_copied, self._started_at)
        self._fingerprint = fingerprint.take(attempt)
        return fingerprint.why_unchanged(
            self._status, self._fingerprint, generation=status.generation, now=self._started_at
        )

    def unchanged(self, attempt: Attempt) -> Proof:
        """Record that the table's file is what it was when the table was last compared."""
        self._record(attempt, replace(self._status, proven_at=self._started_at))
        return Proof(proven_at=self._started_at, proven_by=fingerprint.PROVEN_BY)

    def prove(self, attempt: Attempt, basis: Basis) -> Proof:
        """Compare and mend by the table's policy; see `Prover`.

        Raises:
            DeleteBrakeError: More rows would go than anybody loses by accident.
            DeadlineError: The window closed before a comparison that is the extract itself was done.
        """
        is_copied = basis in {Basis.COPIED, Basis.COPIED_IN_PARTS}
        if is_copied and (attempt.is_of_one_moment or not _can_be_mended(attempt)):
            return self._copied(attempt, basis)
        is_whole = basis is not Basis.CHANGES or not attempt.is_of_one_moment
        if not attempt.is_of_one_moment:  # what was read before goes by one later moment now
            attempt.reader.hold_moment()
        moments = attempt.reader.moments
        try:
            proof = self._compared(attempt, is_whole=is_whole)
            return proof if attempt.reader.moments == moments else _with_finding(proof, _scattered(attempt))
        except DeadlineError:
            if basis in {Basis.NOTHING, Basis.BEGUN_EARLIER}:
                raise
            return self._cut_off(attempt)

    def _copied(self, attempt: Attempt, basis: Basis) -> Proof:
        # Of a table that was read in two sittings, the first may be older than what its file says now.
        seen = self._fingerprint if basis is Basis.COPIED else None
        self._record(attempt, self._whole(attempt, seen))
        proof = Proof(proven_at=self._started_at, proven_by="every row was read")
        return proof if attempt.is_of_one_moment else _with_finding(proof, _scattered(attempt))

    def _compared(self, attempt: Attempt, *, is_whole: bool) -> Proof:
        tally = _Tally(unmended=[])
        source_rows, replica_rows = comparison.row_counts(attempt)
        require_deletes_allowed(
            attempt, rows=replica_rows, gone=attempt.rows_deleted + max(0, replica_rows - source_rows)
        )
        policy, is_changed = attempt.plan.config.reconcile, self._is_changed(attempt)
        if comparison.fits_one_scan(attempt, max(source_rows, replica_rows)):
            whole = comparison.compare_all(attempt, source_rows, replica_rows, is_changed=is_changed)
            self._mend(attempt, tally, [whole], replica_rows)
            return self._finish(attempt, tally)
        if is_whole or policy == "nightly" or self._is_gap_too_long:
            self._mend(attempt, tally, comparison.steps(attempt, None, is_changed=is_changed), replica_rows)
            return self._finish(attempt, tally)
        if policy == "audit":
            # Rows of such a table are only added, so deletes and additions show in the keys alone.
            self._mend(attempt, tally, comparison.steps(attempt, None, Depth.KEYS), replica_rows)
        return self._rotate(attempt, tally, replica_rows)

    def _is_changed(self, attempt: Attempt) -> bool:
        """Tell whether rows are likely to differ: some did already, or the table was written since it was compared."""
        is_written = self._fingerprint is not None and self._fingerprint != self._status.fingerprint
        return attempt.rows_written > 0 or is_written

    def _mend(self, attempt: Attempt, tally: _Tally, compared: Iterable[Compared], replica_rows: int) -> None:
        leaves: list[Compared] = []
        for one in compared:
            tally.ranges += 1
            tally.compared_rows += one.source.rows
            if not one.is_equal:
                leaves += comparison.narrow(attempt, one)
        if leaves:
            unmended = mend(attempt, leaves, replica_rows=replica_rows)
            tally.unmended += unmended
            tally.mended += len(leaves) - len(unmended)

    def _rotate(self, attempt: Attempt, tally: _Tally, replica_rows: int) -> Proof:
        """Go on where the last night stopped, as far as the budget goes; at most once around."""
        until_seconds = attempt.reader.totals.seconds + self._budget_seconds
        least_rows = tally.compared_rows + replica_rows // _ROTATION_NIGHTS
        stretches = _Stretches(
            comparison.steps(attempt, self._begin_round(), is_changed=self._is_changed(attempt))
        )
        for stretch in stretches:
            self._mend(attempt, tally, stretch, replica_rows)
            if stretches.is_done:
                return self._end_round(attempt, tally)
            self._pass(attempt, tally, _text(stretches.position))
            if tally.compared_rows >= least_rows and attempt.reader.totals.seconds >= until_seconds:
                break
        return self._unfinished(
            attempt, tally, "the source time for it is used up; the next night goes on from here"
        )

    def _begin_round(self) -> Key | None:
        if self._status.position is not None:
            return keys.from_json(json.loads(self._status.position))
        self._status = replace(self._status, round_started_at=self._started_at)
        return None

    def _pass(self, attempt: Attempt, tally: _Tally, position: str | None) -> None:
        """Move the rotation on. A round that leaves a difference behind proves nothing: it has no beginning."""
        began_at = None if tally.unmended else self._status.round_started_at
        self._record(attempt, replace(self._status, position=position, round_started_at=began_at))

    @property
    def _has_left_differences(self) -> bool:
        return self._status.position is not None and self._status.round_started_at is None

    def _end_round(self, attempt: Attempt, tally: _Tally) -> Proof:
        if not self._has_left_differences and not tally.unmended:
            return self._finish(attempt, tally)
        proof = self._unfinished(attempt, tally, "a difference stayed; the next night begins a new round")
        self._record(attempt, replace(self._status, position=None))
        return proof

    def _finish(self, attempt: Attempt, tally: _Tally) -> Proof:
        if tally.unmended:
            return self._unfinished(attempt, tally, "a difference stayed")
        # A round over several nights proves what its first night saw.
        round_started_at = self._status.round_started_at
        is_over_nights = self._status.position is not None and round_started_at is not None
        whole = self._whole(attempt, None if is_over_nights else self._fingerprint)
        if is_over_nights:
            whole = replace(whole, proven_at=round_started_at)
        self._record(attempt, whole)
        return Proof(proven_at=whole.proven_at, proven_by=_words(tally))

    def _unfinished(self, attempt: Attempt, tally: _Tally, why: str) -> Proof:
        self._record(attempt, replace(self._status, fingerprint=None))
        findings = _findings(attempt, tally.unmended)
        if self._has_left_differences and not findings:
            findings = (_left_behind(attempt),)
        proven_at = self._status.proven_at
        if not findings and proven_at is not None and self._is_old(proven_at):
            findings = (_overdue(attempt, proven_at),)
        return Proof(proven_at=proven_at, proven_by=f"{_words(tally)}; {why}", findings=findings)

    def _cut_off(self, attempt: Attempt) -> Proof:
        self._record(attempt, replace(self._status, fingerprint=None))
        finding = Finding(
            check="reconcile",
            severity=Severity.WARNING,
            table=attempt.table,
            message="The window closed, or SOURCE_BUDGET_MB was used up, before the table was compared with the "
            "source: its changes are here, but edits without a stamp and deletes may be missing until the next "
            "night.",
        )
        return Proof(
            proven_at=self._status.proven_at,
            proven_by="the comparison was cut short",
            findings=(finding,),
        )

    def _whole(self, attempt: Attempt, seen: str | None) -> ProofStatus:
        return ProofStatus(
            table=attempt.table,
            proven_at=self._started_at,
            compared_at=self._started_at,
            generation=attempt.generation,
            fingerprint=seen,
        )

    def _record(self, attempt: Attempt, status: ProofStatus) -> None:
        with attempt.transaction():
            record_proof(attempt.replication, replace(status, generation=attempt.generation))
        self._status = status

    def _is_old(self, moment: datetime) -> bool:
        return self._started_at is None or fingerprint.is_old(moment, self._started_at)


class _Stretches:
    """Cuts a sequence of compared ranges into stretches; each must be used up before the next."""

    def __init__(self, compared: Iterator[Compared]) -> None:
        self._compared = compared
        #: Last key of what was handed out.
        self.position: Key | None = None
        self.is_done = False

    def __iter__(self) -> Iterator[Iterator[Compared]]:
        while not self.is_done:
            yield self._stretch()

    def _stretch(self) -> Iterator[Compared]:
        for _ in range(_STRETCH):
            one = next(self._compared)
            self.position = one.key_range.up_to
            self.is_done = self.position is None
            yield one
            if self.is_done:
                return


def _can_be_mended(attempt: Attempt) -> bool:
    """Tell whether single rows can be found by key, and written together with their outbox."""
    with attempt.errors():
        replica = read_schema(
            attempt.replication, attempt.replication.engine.url.database or "", attempt.table
        )
    return keys.is_pageable(attempt.schema) and replica is not None and replica.is_transactional


def _with_finding(proof: Proof, finding: Finding) -> Proof:
    return replace(proof, findings=(*proof.findings, finding))


def _text(position: Key | None) -> str | None:
    return None if position is None else json.dumps(keys.to_json(position))


def _words(tally: _Tally) -> str:
    ranges = f"{tally.ranges} range" + ("" if tally.ranges == 1 else "s")
    compared = f"checksums of {tally.compared_rows:,} rows in {ranges}"
    return f"{compared}, {tally.mended} mended" if tally.mended else compared


def _findings(attempt: Attempt, unmended: Iterable[Unmended]) -> tuple[Finding, ...]:
    ranges = list(unmended)
    staying = [one for one in ranges if not one.is_moving]
    found = []
    if staying:
        found.append(
            Finding(
                check="reconcile",
                severity=Severity.CRITICAL,
                table=attempt.table,
                message=f"{len(staying)} range(s) of {sum(one.rows for one in staying)} rows differ from the "
                f"source even after they were read again. Look for triggers or other writers on the replica, "
                f"then `dental-etl run --table {attempt.table} --force-full`.",
            )
        )
    if len(ranges) > len(staying):
        found.append(
            Finding(
                check="reconcile",
                severity=Severity.WARNING,
                table=attempt.table,
                message=f"{len(ranges) - len(staying)} range(s) changed at the source faster than they could "
                f"be compared; the next run compares them again.",
            )
        )
    return tuple(found)


def _scattered(attempt: Attempt) -> Finding:
    return Finding(
        check="reconcile",
        severity=Severity.WARNING,
        table=attempt.table,
        message="The table could not be read as of one moment: sums over rows that were changed meanwhile may "
        "be wrong until the next run compares it again.",
    )


def _left_behind(attempt: Attempt) -> Finding:
    return Finding(
        check="reconcile",
        severity=Severity.WARNING,
        table=attempt.table,
        message="A range that differed from the source on an earlier night of this round is compared again in the "
        f"next one. `dental-etl verify --table {attempt.table}` says whether it still differs.",
    )


def _overdue(attempt: Attempt, proven_at: datetime) -> Finding:
    return Finding(
        check="reconcile",
        severity=Severity.WARNING,
        table=attempt.table,
        message=f"The whole table was last proven equal on {proven_at:%Y-%m-%d}, more than {fingerprint.PROOF_DAYS} days "
        f"ago. Raise RECONCILE_BUDGET_MINUTES.",
    )
