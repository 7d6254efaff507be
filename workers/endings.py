"""What becomes of a phase that raised, decided in one place; pure."""

from __future__ import annotations

import random
from enum import Enum, auto

from dental_etl.config import Role
from dental_etl.exceptions import (
    RETRYABLE,
    ETLPipelineError,
    FencedError,
    ServerAwayError,
    ServerFullError,
    TableBusyError,
)
from dental_etl.run import Stage
from dental_etl.tracking.ledger import OpenTable

_FIRST_PAUSE_SECONDS = 15.0
_LONGEST_PAUSE_SECONDS = 300.0


class Ending(Enum):
    #: Another delivery does this work, or it is done: forget this one.
    DROP = auto()
    #: Somebody else has the table or the last place at a server: come again, nothing is counted.
    WAIT = auto()
    #: A server is away: wait for the sweep, which asks it, and publishes the table when it answers.
    PARK = auto()
    #: Worth another attempt after a pause.
    RETRY = auto()
    #: The table ends here.
    FAIL = auto()


def ending(error: BaseException, stage: Stage, where: OpenTable | None, max_attempts: int) -> Ending:
    """Decide what becomes of a phase.

    Args:
        error: What the phase raised.
        stage: The phase.
        where: The table in the ledger; None when it has ended meanwhile.
        max_attempts: Per phase.
    """
    if isinstance(error, FencedError) or where is None or where.stage is not stage:
        return Ending.DROP
    if isinstance(error, TableBusyError):
        return _of_busy(error, where)
    if isinstance(error, ServerFullError):
        return Ending.WAIT
    if isinstance(error, ServerAwayError) and error.server != Role.ANALYTICS:
        # A table that is being worked although its server is known to be away is another delivery's.
        return Ending.PARK if where.is_waiting or not error.is_known else Ending.DROP
    if isinstance(error, RETRYABLE) and where.phase_failures + 1 < max_attempts:
        return Ending.RETRY
    return Ending.FAIL


def _of_busy(error: TableBusyError, where: OpenTable) -> Ending:
    """A table that this run has claimed is being worked by another delivery of the same message."""
    is_source_full = error.table is None
    return Ending.WAIT if where.is_waiting or is_source_full else Ending.DROP


def pause_seconds(failures: int) -> float:
    """Return how long to wait after that many failures: doubling, half of it left to chance."""
    longest = min(_FIRST_PAUSE_SECONDS * 2**failures, _LONGEST_PAUSE_SECONDS)
    return random.uniform(longest / 2, longest)  # noqa: S311  # jitter, not a secret


def error_code(error: BaseException) -> str:
    """Return what Celery, Redis and Flower may know of an error."""
    return error.code if isinstance(error, ETLPipelineError) else "E_INTERNAL"
