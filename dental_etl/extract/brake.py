"""The delete brake: an emptied or half-restored source must not empty the warehouse."""

from __future__ import annotations

from dental_etl.exceptions import DeleteBrakeError
from dental_etl.extract.attempt import Attempt
from dental_etl.plan.brake import may_delete


def require_deletes_allowed(attempt: Attempt, *, rows: int, gone: int) -> None:
    """Pass if a table may lose so many of its rows.

    Args:
        attempt: The table; a person may have confirmed that it loses its rows.
        rows: Rows of the replica before.
        gone: Rows that would be deleted, at least.

    Raises:
        DeleteBrakeError: Too many, and nobody has confirmed it.
    """
    if may_delete(
        rows=rows,
        gone=gone,
        brake_percent=attempt.delete_brake_percent,
        refresh=attempt.plan.refresh,
    ):
        return
    raise DeleteBrakeError(
        f"Table {attempt.table} would lose {gone:,} of its {rows:,} rows, more than DELETE_BRAKE_PERCENT "
        f"({attempt.delete_brake_percent} %) allows; none of them was deleted. An emptied or half-restored "
        f"source looks like this. If the rows are meant to be gone: "
        f"`dental-etl run --table {attempt.table} --confirm-deletes`.",
        table=attempt.table,
        stage="extract",
        run_id=attempt.run_id,
    )
