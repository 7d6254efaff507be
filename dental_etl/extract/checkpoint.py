"""Where an unfinished extract stands, as it is kept in ``etl_copy_status``.

It stays in the replication database: a key of a table can be a person's name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from dental_etl.extract import keys
from dental_etl.extract.keys import Key
from dental_etl.run import Cursor


class Phase(StrEnum):
    #: The shadow is being filled.
    FILL = "fill"
    #: The shadow is complete and is being renamed into place; must be finished before anything else.
    PUBLISH = "publish"
    #: A pass for changes is under way.
    CHANGES = "changes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Everything that another attempt needs to go on."""

    phase: Phase
    #: The run that began it.
    run_id: str
    #: Digest of the source's structure at the time; of another shape, the work is of no use.
    shape: str
    #: The source's own clock before the first read, as text in the cursor's type.
    clock: str | None = None
    #: Inclusive lower bound of a pass for changes.
    lower: str | None = None
    #: Highest cursor value committed by this pass so far.
    highest: str | None = None
    #: Last key that is done; None before the first batch.
    position: Key | None = None
    #: Cursor that holds once the shadow is published.
    cursor: Cursor | None = None
    #: Structure of the source, JSON; only while publishing.
    source_schema: str | None = None
    #: Name of a copy in key ranges, whose positions are in ``etl_chunk``; None for one that goes in order.
    copy_id: str | None = None

    def to_text(self) -> str:
        return json.dumps(
            {
                "phase": self.phase,
                "run_id": self.run_id,
                "shape": self.shape,
                "clock": self.clock,
                "lower": self.lower,
                "highest": self.highest,
                "position": None if self.position is None else keys.to_json(self.position),
                "cursor": self.cursor.to_json() if self.cursor else None,
                "source_schema": self.source_schema,
                "copy_id": self.copy_id,
            }
        )

    @classmethod
    def from_text(cls, text: str | None) -> Checkpoint | None:
        if text is None:
            return None
        raw = json.loads(text)
        position, cursor = raw.pop("position"), raw.pop("cursor")
        return cls(
            **{**raw, "phase": Phase(raw["phase"])},
            position=None if position is None else keys.from_json(position),
            cursor=None if cursor is None else Cursor.from_json(cursor),
        )
