"""What is taken from dbt's lines, and what is not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from dental_etl.run import NodeResult, NodeStatus
from dental_etl.transform import events


def line(name: str, **data: Any) -> str:
    return json.dumps({"info": {"name": name}, "data": data})


def node(status: str, **info: Any) -> dict[str, Any]:
    return {"unique_id": "model.p.m", "resource_type": "model", "node_status": status, **info}


def ended(text: str) -> NodeResult | None:
    event = events.parse(text)
    return events.node_result(event) if event else None


def status(text: str) -> NodeStatus | None:
    result = ended(text)
    return result.status if result else None


def test_a_model_that_ended_is_a_node_result() -> None:
    info = node(
        "success",
        node_started_at="2026-01-31T04:00:00.500000",
        node_finished_at="2026-01-31T04:00:02",
    )
    text = line("LogModelResult", node_info=info, status="SELECT 120", execution_time=1.5)
    assert ended(text) == NodeResult(
        unique_id="model.p.m",
        resource_type="model",
        status=NodeStatus.SUCCESS,
        seconds=1.5,
        started_at=datetime(2026, 1, 31, 4, 0, 0, 500000, tzinfo=UTC),
        finished_at=datetime(2026, 1, 31, 4, 0, 2, tzinfo=UTC),
        rows=120,
    )


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("pass", NodeStatus.SUCCESS),
        ("warn", NodeStatus.WARN),
        ("fail", NodeStatus.FAIL),
        ("error", NodeStatus.ERROR),
        ("runtime error", NodeStatus.ERROR),
        ("something new", NodeStatus.ERROR),
    ],
)
def test_an_unknown_status_is_never_a_success(word: str, expected: NodeStatus) -> None:
    assert status(line("LogTestResult", node_info=node(word), num_failures=0)) is expected


def test_a_unit_test_has_its_status_beside_the_node() -> None:
    assert status(line("LogTestResult", node_info=node("None"), status="pass")) is NodeStatus.SUCCESS


@pytest.mark.parametrize("name", ["SkippingDetails", "LogSkipBecauseError"])
def test_a_node_below_a_failed_one_is_upstream_failed(name: str) -> None:
    assert status(line(name, node_info=node("skipped"))) is NodeStatus.UPSTREAM_FAILED


def test_the_start_of_a_node_is_not_its_end() -> None:
    assert ended(line("LogStartLine", node_info=node("started"))) is None


@pytest.mark.parametrize("text", ["", "Traceback (most recent call last):", "[1]", '{"a": 1}', "null"])
def test_a_line_of_something_else_is_not_an_event(text: str) -> None:
    assert events.parse(text) is None


def test_of_an_error_only_its_class_remains() -> None:
    text = 'Database Error in model m (models/m.sql)\n  invalid input syntax for type integer: "Smith"'
    assert events.error_class(text) == "Database Error"


def test_an_error_without_a_class_is_just_an_error() -> None:
    assert events.error_class("Smith, John could not be read") == "Error"


@pytest.mark.parametrize(
    "text",
    [
        "deadlock detected",
        "canceling statement due to lock timeout",
        "server closed the connection unexpectedly",
        "terminating connection due to administrator command",
        'connection to server at "127.0.0.1", port 5432 failed: Connection refused',
    ],
)
def test_a_fault_that_passes_is_worth_another_attempt(text: str) -> None:
    assert events.is_transient(f"Database Error in model m\n  {text}")


@pytest.mark.parametrize("text", ["Got 3 results, configured to fail if != 0", "numeric field overflow"])
def test_a_fault_that_stays_is_not(text: str) -> None:
    assert not events.is_transient(text)


def test_a_stray_line_is_described_and_not_quoted() -> None:
    assert events.stray_label("ValueError: invalid literal 'Smith'") == "ValueError"
