from __future__ import annotations

import pytest

from dental_etl.run import Category, Stage
from workers.routing import Queue, TaskName, broker_queues, table_queue, task_routes, time_limit


@pytest.mark.parametrize(
    ("stage", "category", "queue"),
    [
        (Stage.EXTRACT, Category.LARGE, Queue.LARGE),
        (Stage.EXTRACT, Category.MEDIUM, Queue.EXTRACT),
        (Stage.EXTRACT, Category.SMALL, Queue.EXTRACT),
        (Stage.EXTRACT, Category.TINY, Queue.EXTRACT),
        (Stage.LOAD, Category.LARGE, Queue.LOAD),
        (Stage.LOAD, Category.TINY, Queue.LOAD),
    ],
)
def test_a_phase_goes_to_the_queue_of_its_stage_and_size(
    stage: Stage, category: Category, queue: Queue
) -> None:
    assert table_queue(stage, category) is queue


def test_every_task_has_a_route() -> None:
    assert set(task_routes()) == {name.value for name in TaskName}


def test_every_route_leads_to_a_declared_queue() -> None:
    declared = {queue.name for queue in broker_queues()}
    assert {route["queue"] for route in task_routes().values()} <= declared


def test_larger_tables_may_take_longer() -> None:
    limits = [time_limit(category).soft_seconds for category in Category]
    assert limits == sorted(limits, reverse=True)


def test_a_worker_is_interrupted_before_it_is_killed() -> None:
    assert all(time_limit(c).soft_seconds < time_limit(c).hard_seconds for c in Category)
