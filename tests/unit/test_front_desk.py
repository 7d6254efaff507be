"""What the front desk's waiting comes to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ops.benchmarks.desk_results import WRITES, Condition, DeskResults, Played, to_markdown, waiting

PLAYED = Played(
    condition=Condition.FIRST,
    round=1,
    seconds=10.0,
    lock_waits=5,
    server_cpu_seconds=1.0,
    source_seconds=3.0,
    longest_read_seconds=0.12,
    paused_seconds=1.5,
    statements=(("read", 0.001), ("change", 0.004)),
)
RESULTS = DeskResults(
    begun_at=datetime(2026, 11, 20, tzinfo=UTC),
    machine="2 cores, 8 GB",
    load_average=0.1,
    tables={"patient": 1000},
    desks=4,
    period_ms=25,
    played=(PLAYED, replace(PLAYED, round=2, statements=(("add", 0.2),))),
)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param([], (0, 0.0, 0.0, 0.0), id="nothing"),
        pytest.param([0.5], (1, 500.0, 500.0, 500.0), id="one"),
        pytest.param([0.001] * 98 + [0.25, 0.75], (100, 1.0, 750.0, 750.0), id="two-slow-in-a-hundred"),
        pytest.param([0.001] * 999 + [9.0], (1000, 1.0, 1.0, 9000.0), id="one-slow-in-a-thousand"),
    ],
)
def test_the_slowest_hundredth(seconds: list[float], expected: tuple[float, ...]) -> None:
    found = waiting(seconds)
    assert (found.statements, found.p50_ms, found.p99_ms, found.most_ms) == pytest.approx(expected)


def test_the_statements_of_all_rounds_count_together() -> None:
    assert RESULTS.waiting(Condition.FIRST).statements == 3


def test_reads_do_not_dilute_what_writes_wait() -> None:
    assert RESULTS.waiting(Condition.FIRST, kinds=WRITES).p50_ms == pytest.approx(200.0)


def test_the_table_shows_every_condition_and_what_we_did() -> None:
    lines = to_markdown(RESULTS).splitlines()
    (ours,) = [line for line in lines if line.startswith("| dental_etl, first night |")]
    assert ours.endswith("| 200 | 0.5 | 6.0 | 0.12 | 3.0 |")


def test_no_single_statement_is_kept() -> None:
    assert "statements" not in RESULTS.to_json()["rounds"][0]
