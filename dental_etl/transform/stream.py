"""dbt's lines as they come: nodes that ended, and what dbt gave up with."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable

from dental_etl.run import NodeResult
from dental_etl.transform import artifacts, events

logger = logging.getLogger(__name__)


class NodeStream:
    """Turns dbt's lines into node results as they come."""

    def __init__(self, on_node: Callable[[NodeResult], None]) -> None:
        self._on_node = on_node
        self._ended: dict[str, NodeResult] = {}
        self._stray: str | None = None
        self.fatal_text = ""
        #: Criteria of a selection that no node answers to.
        self.unmatched: list[str] = []

    @property
    def nodes(self) -> int:
        return len(self._ended)

    @property
    def fatal_class(self) -> str | None:
        return events.error_class(self.fatal_text) if self.fatal_text else self._stray

    def on_line(self, line: str) -> None:
        event = events.parse(line)
        if event is None:
            self._on_stray(line)
            return
        self.fatal_text = events.fatal_error(event) or self.fatal_text
        if (warning := events.project_warning(event)) is not None:
            logger.warning("dbt: %s", warning, extra={"action": "dbt_warning"})
        if (criterion := events.unmatched_criterion(event)) is not None:
            self.unmatched.append(criterion)
        node = events.node_result(event)
        if node is not None:
            self._end(node)

    def complete(self, outcomes: tuple[artifacts.NodeOutcome, ...]) -> bool:
        """Add what only the artifacts know; return whether a transient error is among it."""
        for outcome in outcomes:
            known = self._ended.get(outcome.result.unique_id)
            if known is None:
                self._end(outcome.result)
            elif (known.status, known.error_class) != (outcome.result.status, outcome.result.error_class):
                status, error_class = outcome.result.status, outcome.result.error_class
                self._end(dataclasses.replace(known, status=status, error_class=error_class))
        return any(outcome.is_transient for outcome in outcomes)

    def _end(self, node: NodeResult) -> None:
        self._ended[node.unique_id] = node
        self._on_node(node)

    def _on_stray(self, line: str) -> None:
        if not line.strip():
            return
        label = events.stray_label(line)
        if self._stray is None or label != "text":
            self._stray = label
            logger.warning("dbt printed a line that is not JSON (%s)", label, extra={"action": "dbt_stray"})
