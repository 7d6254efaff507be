"""What a check has found; never raised, always reported."""

from __future__ import annotations

from dataclasses import dataclass

from dental_etl.run.states import Severity
from dental_etl.run.values import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Value):
    """One failed quality check; never raised, always reported."""

    #: ``row_count``, ``primary_key``, ``freshness``, ``orphans``, ``drift``, ``tables_yml_age``, ...
    check: str
    severity: Severity
    #: None for a finding about the whole run.
    table: str | None
    #: Counts and names in words, and what to do.
    message: str
