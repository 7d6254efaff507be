"""dbt's nodes as Celery's own events, as whoever listens to the broker understands them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from celery.events.receiver import EventReceiver

from dental_etl.config import Settings
from dental_etl.run import NodeResult, NodeStatus
from workers.node_events import NodeEvents

BEGUN_AT = datetime(2026, 1, 31, 3, tzinfo=UTC)
#: Events of one node.
EACH = 3


class _Listener:
    """Takes every event in a thread of its own; what is published before it listens is lost."""

    def __init__(self, app: Celery, events: int) -> None:
        self.state = app.events.State()
        self._app = app
        self._left = events
        self._listens = threading.Event()

    @contextmanager
    def listening(self) -> Iterator[None]:
        with self._app.connection_for_read() as connection:
            receiver = EventReceiver(connection, handlers={"*": self._take}, app=self._app)
            self._receiver: Any = receiver
            thread = threading.Thread(target=receiver.capture, kwargs={"timeout": 20, "wakeup": False})
            thread.start()
            while not self._listens.wait(0.1):
                with self._app.events.default_dispatcher() as dispatcher:
                    dispatcher.send("probe-sent")
            yield
            thread.join()
        assert self._left <= 0

    def _take(self, event: dict[str, Any]) -> None:
        self._listens.set()
        if event["type"] == "probe-sent":
            return
        self.state.event(event)
        self._left -= 1
        self._receiver.should_stop = self._left <= 0


@pytest.fixture
def app(sandbox_settings: Settings) -> Iterator[Celery]:
    made = Celery("test", broker=sandbox_settings.broker_url, set_as_current=False)
    yield made
    made.close()


def test_nodes_that_ended_are_tasks_with_a_state(app: Celery) -> None:
    nodes = [_node("mart_a", NodeStatus.SUCCESS), _node("mart_b", NodeStatus.ERROR), _node("mart_c")]
    seen = _told(app, nodes)
    assert {task.args: task.state for task in seen.tasks.values()} == {
        "('r1', 'mart_a')": "SUCCESS",
        "('r1', 'mart_b')": "FAILURE",
        "('r1', 'mart_c')": "FAILURE",
    }


def test_a_node_is_shown_with_its_kind_its_time_and_its_parent(app: Celery) -> None:
    (task,) = _told(app, [_node("mart_a", NodeStatus.SUCCESS)]).tasks.values()
    assert (task.name, task.runtime, task.parent_id, task.worker.hostname) == (
        "dbt.model",
        2.0,
        "build",
        "dbt@host",
    )
    assert (task.started, task.succeeded) == (BEGUN_AT.timestamp(), BEGUN_AT.timestamp() + 2)


def test_a_node_that_went_well_in_another_attempt_is_one_task(app: Celery) -> None:
    nodes = [_node("mart_a", NodeStatus.ERROR), _node("mart_a", NodeStatus.SUCCESS)]
    assert [task.state for task in _told(app, nodes).tasks.values()] == ["SUCCESS"]


def test_a_model_held_back_is_no_failure(app: Celery) -> None:
    (task,) = _told(app, [_node("mart_a", NodeStatus.SKIPPED)]).tasks.values()
    assert task.state == "REVOKED"


def test_a_broker_that_is_away_costs_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    nobody = Celery("test", broker="redis://127.0.0.1:9/0", set_as_current=False)
    tell = NodeEvents(nobody, run_id="r1", task_id="build", hostname="dbt@host")
    for name in ("mart_a", "mart_b", "mart_c"):
        tell(_node(name))
    assert [record.message.split(";")[0] for record in caplog.records] == ["The broker took no events"]


def _told(app: Celery, nodes: list[NodeResult]) -> Any:  # a State; Celery's stubs know no tasks of it
    listener = _Listener(app, EACH * len(nodes))
    with listener.listening():
        tell = NodeEvents(app, run_id="r1", task_id="build", hostname="dbt@host")
        for node in nodes:
            tell(node)
    return listener.state


def _node(name: str, status: NodeStatus = NodeStatus.UPSTREAM_FAILED) -> NodeResult:
    return NodeResult(
        unique_id=f"model.dental_models.{name}",
        resource_type="model",
        status=status,
        seconds=2.0,
        started_at=BEGUN_AT,
        finished_at=BEGUN_AT + timedelta(seconds=2),
    )
