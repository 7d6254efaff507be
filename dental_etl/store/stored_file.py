"""One file of a store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    key: str
    #: Aware, in UTC.
    modified_at: datetime
