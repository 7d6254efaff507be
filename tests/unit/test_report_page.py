"""The HTML page: complete, self-contained, harmless."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser

import pytest

from dental_etl.report import build, to_html
from dental_etl.report.charts import categories, slowest, timeline
from dental_etl.report.contents import RunReport
from dental_etl.run import (
    Category,
    Coercion,
    DbtResult,
    DbtStatus,
    Finding,
    NodeResult,
    NodeStatus,
    RunHeader,
    RunKind,
    RunStatus,
    Severity,
    Strategy,
    TableResult,
    TableStatus,
)

START = datetime(2026, 1, 31, 3, tzinfo=UTC)
HOSTILE = "<script>alert('x')</script>"


def header(status: RunStatus = RunStatus.SUCCEEDED, deadline_at: datetime | None = None) -> RunHeader:
    return RunHeader(
        run_id="20260131T030000-1f9c2a",
        kind=RunKind.NIGHTLY,
        run_date=date(2026, 1, 30),
        status=status,
        started_at=START,
        finished_at=START + timedelta(seconds=100),
        deadline_at=deadline_at,
    )


def table(name: str, *, start: float = 0, seconds: float = 10, **changes: object) -> TableResult:
    values: dict[str, object] = {
        "status": TableStatus.LOADED,
        "category": Category.TINY,
        "strategy": Strategy.FULL_TABLE,
        "reason": "no column moves with every change",
        "extract_seconds": seconds * 0.6,
        "load_seconds": seconds * 0.4,
        "rows_total": 100,
        "started_at": START + timedelta(seconds=start),
        "finished_at": START + timedelta(seconds=start + seconds),
    }
    return TableResult(run_id="r", table=name, **values | changes)  # type: ignore[arg-type]  # a case's values


def full() -> RunReport:
    nodes = tuple(
        NodeResult(unique_id=f"model.d.{status}", resource_type="model", status=status, seconds=1.0, rows=3)
        for status in NodeStatus
    )
    return build(
        header(deadline_at=START + timedelta(seconds=50)),
        [
            table(
                "patient",
                drift=("column Pronouns was added",),
                category=Category.LARGE,
                proven_at=START,
                proven_by="checksums of 90 rows in 1 range",
                raw_proven_by="loaded whole; compared after the last table",
            ),
            table("broken", status=TableStatus.FAILED, error_code="E_LOAD", error_detail=HOSTILE, attempts=3),
            table("late", status=TableStatus.NOT_RUN, started_at=None, finished_at=None, seconds=0),
            table("working", status=TableStatus.LOADING, finished_at=None),
        ],
        generated_at=START + timedelta(seconds=101),
        findings=[Finding(check="row_count", severity=Severity.CRITICAL, table=None, message="apart")],
        coercions=[Coercion(table="patient", column="Birthdate", kind="zero_date", rows=7)],
        dbt=DbtResult(status=DbtStatus.FAILED, reason="1 node failed", seconds=3.0, nodes=nodes),
    )


def refused() -> RunReport:
    return build(header(RunStatus.REFUSED), [], generated_at=START)


def many() -> RunReport:
    tables = [table(f"table_{number}", start=number / 5, seconds=1) for number in range(436)]
    return build(header(), tables, generated_at=START)


class Balance(HTMLParser):
    """Counts elements that were opened and not closed, or closed and not opened."""

    VOID = frozenset({"meta", "link", "input", "br", "rect", "line"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


@pytest.mark.parametrize(
    "report", [pytest.param(full(), id="full"), pytest.param(refused(), id="refused"), pytest.param(many(), id="436")]
)  # fmt: skip
def test_the_page_is_well_formed(report: RunReport) -> None:
    parser = Balance()
    parser.feed(re.sub(r"<rect([^>]*)>(?=<title>)", r"<g\1>", to_html(report)).replace("</rect>", "</g>"))
    assert (parser.wrong, parser.open) == ([], [])


def test_the_page_asks_the_network_for_nothing() -> None:
    assert re.findall(r"(?:https?:)?//[a-z]|@import|url\(", to_html(full())) == []


def test_a_text_from_the_ledger_is_escaped() -> None:
    assert HOSTILE not in to_html(full())


@pytest.mark.parametrize(
    "text",
    [
        "dental-etl enqueue table broken",
        "column Pronouns was added",
        "zero date",
        "model.d.upstream_failed",
        "What to do next",
        "window closed",
    ],
)
def test_the_page_shows(text: str) -> None:
    assert text in to_html(full())


def test_a_refused_run_has_no_empty_charts() -> None:
    assert "<svg" not in to_html(refused())


def test_tables_one_after_the_other_share_a_lane() -> None:
    one_by_one = [table(f"t{number}", start=10 * number) for number in range(5)]
    drawn = timeline(build(header(), one_by_one, generated_at=START))
    assert drawn is not None
    assert drawn.lanes == 1


def test_tables_at_the_same_time_get_lanes_of_their_own() -> None:
    together = [table(f"t{number}") for number in range(5)]
    drawn = timeline(build(header(), together, generated_at=START))
    assert drawn is not None
    assert drawn.lanes == 5


def test_nothing_in_the_timeline_leaves_the_page() -> None:
    drawn = timeline(many())
    assert drawn is not None
    assert all(block.x >= 0 and block.x + block.width <= 962 for block in drawn.blocks)


def test_a_run_without_started_tables_has_no_timeline() -> None:
    assert timeline(refused()) is None


def test_the_slowest_table_fills_the_chart() -> None:
    bars = slowest(build(header(), [table("a", seconds=10), table("b", seconds=5)], generated_at=START))
    assert [round(sum(share for _, share in bar.parts)) for bar in bars] == [100, 50]


def test_categories_without_tables_are_left_out() -> None:
    assert [bar.name for bar in categories(build(header(), [table("a")], generated_at=START))] == ["tiny"]


def test_the_page_says_what_proved_a_table() -> None:
    page = to_html(full())
    assert "checksums of 90 rows in 1 range" in page
    assert "raw not yet" in page
