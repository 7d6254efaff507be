"""dbt's nodes as tasks that Flower shows and nobody can run.

dbt is one process of one task. Each of its nodes is told to Flower in Celery's own events, as a task
called ``dbt.model``, ``dbt.test``, ... with the run and the node as its arguments.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from celery import Celery
from kombu.exceptions import OperationalError

from dental_etl.run import NodeResult, NodeStatus

logger = logging.getLogger(__name__)

_GOOD = frozenset({NodeStatus.SUCCESS, NodeStatus.WARN})
#: The models do not wait for a picture of themselves.
_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.2}


class NodeEvents:
    """Tells Flower how the nodes of one run ended; a broker that is away ends the telling, not dbt."""

    def __init__(self, app: Celery, *, run_id: str, task_id: str, hostname: str) -> None:
        """Tell about the nodes of a run.

        Args:
            app: Whose broker Flower listens to.
            run_id: The run that dbt works for.
            task_id: The task that dbt works in; Flower shows it as the nodes' parent.
            hostname: The worker that it runs on.
        """
        self._app = app
        self._run_id = run_id
        self._task_id = task_id
        self._hostname = hostname
        self._is_heard = True

    def __call__(self, node: NodeResult) -> None:
        """Tell how a node ended; one that ended again replaces what was told before."""
        if not self._is_heard:
            return
        try:
            self._send(node)
        except OperationalError:
            self._is_heard = False
            logger.warning(
                "The broker took no events; Flower shows no more nodes of this dbt, the report shows all",
                extra={"action": "dbt_untold", "run_id": self._run_id},
            )

    def _send(self, node: NodeResult) -> None:
        begun_at, ended_at = _times(node)
        uuid = str(uuid5(NAMESPACE_OID, f"{self._run_id} {node.unique_id}"))
        received: dict[str, Any] = {
            "name": f"dbt.{node.resource_type}",
            "args": repr((self._run_id, node.unique_id.split(".", 2)[-1])),
            "kwargs": "{}",
            "retries": 0,
            "root_id": self._task_id,
            "parent_id": self._task_id,
        }
        ending, facts = _ending(node)
        with self._app.events.default_dispatcher(hostname=self._hostname) as dispatcher:
            for kind, timestamp, fields in (
                ("task-received", begun_at, received),
                ("task-started", begun_at, {}),
                (ending, ended_at, facts),
            ):
                dispatcher.send(
                    kind,
                    retry=True,
                    retry_policy=_RETRY_POLICY,
                    uuid=uuid,
                    timestamp=timestamp.timestamp(),
                    **fields,
                )


def _times(node: NodeResult) -> tuple[datetime, datetime]:
    ended_at = node.finished_at or datetime.now(UTC)
    return node.started_at or ended_at - timedelta(seconds=node.seconds), ended_at


def _ending(node: NodeResult) -> tuple[str, dict[str, Any]]:
    if node.status in _GOOD:
        result = {"status": node.status.value, "rows": node.rows}
        return "task-succeeded", {"result": repr(result), "runtime": node.seconds}
    if node.status is NodeStatus.SKIPPED:  # a table below it did not arrive
        return "task-revoked", {"terminated": False, "signum": None, "expired": False}
    reason = f"{node.status}: {node.error_class}" if node.error_class else node.status.value
    return "task-failed", {"exception": reason, "traceback": None}
