"""The shape of a run; nothing here is published."""

from __future__ import annotations

import json
from typing import Any

from dental_etl.run import Category, Stage
from workers import canvas
from workers.canvas import Step

TABLES = [("procedurelog", Category.LARGE), ("patient", Category.SMALL), ("clinic", Category.TINY)]


def names(signature: Any) -> list[str]:
    return [task.task for task in signature.tasks]


def all_tasks(signature: Any) -> list[Any]:
    """Every task below a chord, its finaliser first."""
    return [signature.body, *(task for chain in signature.tasks for task in chain.tasks)]


def test_a_run_begins_with_its_guard() -> None:
    assert names(canvas.beginning("r1")) == ["etl.guard", "etl.validate", "etl.plan"]


def test_each_failure_at_the_beginning_aborts_the_run() -> None:
    chain: Any = canvas.beginning("r1")
    errbacks = [dict(task.options["link_error"][0]) for task in chain.tasks]
    assert [(e["task"], e["args"]) for e in errbacks] == [("etl.abort", ("r1",))] * 3


def test_a_table_is_extracted_then_loaded_on_its_queues() -> None:
    chain: Any = canvas.table_chain("r1", "procedurelog", Category.LARGE)
    assert [(task.task, task.options["queue"]) for task in chain.tasks] == [
        ("etl.extract", "large"),
        ("etl.load", "load"),
    ]


def test_tables_are_published_in_the_order_given() -> None:
    chord: Any = canvas.tables("r1", TABLES)
    assert [chain.tasks[0].args[1] for chain in chord.tasks] == ["procedurelog", "patient", "clinic"]


def test_the_finaliser_runs_however_the_tables_end() -> None:
    chord: Any = canvas.tables("r1", TABLES)
    body = chord.body
    (errback,) = body.options["link_error"]
    assert (body.task, body.args, errback.task, errback.args) == (
        "etl.finalise",
        ("r1", "chord"),
        "etl.finalise",
        ("r1", "errback"),
    )


def test_no_message_depends_on_another_ones_result() -> None:
    assert all(task.immutable for task in all_tasks(canvas.tables("r1", TABLES)))


def test_no_message_of_the_chord_expires() -> None:
    """An expired header part would stall the chord for ever."""
    assert not any("expires" in task.options for task in all_tasks(canvas.tables("r1", TABLES)))


def test_messages_carry_run_table_and_category_only() -> None:
    chord: Any = canvas.tables("r1", TABLES)
    assert chord.tasks[1].tasks[0].args == ("r1", "patient", "small")


def test_the_canvas_is_json() -> None:
    chord = canvas.tables("r1", TABLES)
    assert json.loads(json.dumps(chord))["task"] == "celery.chord"


def test_a_run_without_tables_is_finalised_at_once() -> None:
    assert canvas.tables("r1", []).task == "etl.finalise"


def test_a_lost_load_is_published_without_its_extract() -> None:
    assert names(canvas.repeated("r1", "patient", Category.TINY, Stage.LOAD)) == ["etl.load", "etl.finalise"]


def test_a_lost_extract_is_published_with_its_load() -> None:
    repeated = canvas.repeated("r1", "patient", Category.TINY, Stage.EXTRACT)
    assert names(repeated) == ["etl.extract", "etl.load", "etl.finalise"]


def test_a_repeated_table_is_finalised_also_when_it_fails() -> None:
    repeated: Any = canvas.repeated("r1", "patient", Category.TINY, Stage.EXTRACT)
    errbacks = [task.options["link_error"][0]["task"] for task in repeated.tasks[:2]]
    assert errbacks == ["etl.finalise"] * 2


def test_after_the_tables_comes_the_report_and_dbt_after_the_message() -> None:
    assert names(canvas.closing("r1")) == [
        "etl.verify",
        "etl.report",
        "etl.notify",
        "etl.dbt",
        "etl.close",
    ]


def test_the_end_can_go_on_after_a_step() -> None:
    assert names(canvas.closing("r1", after=Step.REPORT)) == ["etl.notify", "etl.dbt", "etl.close"]


def test_dbt_runs_on_its_own_queue() -> None:
    closing: Any = canvas.closing("r1")
    assert closing.tasks[3].options["queue"] == "dbt"


def test_a_range_of_a_large_table_is_a_message_without_keys() -> None:
    tasks = [
        canvas.chunk(stage, "r1", "procedurelog", Category.LARGE, 7) for stage in (Stage.EXTRACT, Stage.LOAD)
    ]
    assert [(task.task, task.options["queue"]) for task in tasks] == [
        ("etl.extract_chunk", "large"),
        ("etl.load_chunk", "load"),
    ]
    assert {tuple(task.args) for task in tasks} == {("r1", "procedurelog", "large", 7)}
