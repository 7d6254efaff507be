"""The report as one HTML file that needs nothing else: no scripts, fonts or images from anywhere."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape

from dental_etl.report import charts, contents, wording
from dental_etl.report.advice import next_steps, run_again
from dental_etl.report.contents import Outcome, RunReport
from dental_etl.run import DbtResult, TableStatus

_TONES = {
    Outcome.REFUSED: "bad",
    Outcome.FAILED: "bad",
    Outcome.TRANSFORM_FAILED: "bad",
    Outcome.INCOMPLETE: "warn",
    Outcome.RUNNING: "plain",
    Outcome.SUCCEEDED: "good",
}
_TABLE_TONES = {
    TableStatus.FAILED: "bad",
    TableStatus.NOT_RUN: "warn",
    TableStatus.LOADED: "good",
}
_NODE_TONES = {
    "success": "good",
    "warn": "warn",
    "fail": "bad",
    "error": "bad",
    "upstream_failed": "bad",
    "skipped": "plain",
}


def to_html(report: RunReport) -> str:
    """Return the page; every text in it is escaped."""
    return _template().render(
        report=report,
        title=f"{wording.outcome_word(report)}: {wording.run_name(report)}",
        headline=wording.headline(report),
        outcome=wording.outcome_word(report),
        tone=_TONES[report.outcome],
        steps=next_steps(report),
        timeline=charts.timeline(report),
        timeline_width=charts.TIMELINE_WIDTH,
        slowest=charts.slowest(report),
        categories=charts.categories(report),
        dbt=None if report.dbt is None else _dbt(report.dbt),
        run_again=lambda table: run_again([table], report.header.kind),
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("dental_etl.report", "."),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=wording.count,
        size=wording.size,
        duration=wording.duration,
        clock=wording.clock,
        moment=wording.day_and_clock,
        rate=_rate,
        words=lambda text: str(text).replace("_", " "),
    )
    environment.globals.update(
        counted=wording.counted,
        paused=wording.paused,
        run_name=wording.run_name,
        dbt_sentence=wording.dbt_sentence,
        seconds_of=contents.seconds_of,
        rows_per_second=contents.rows_per_second,
        retries=contents.retries,
        table_tone=lambda table: _TABLE_TONES.get(table.status, "plain"),
        node_tone=lambda status: _NODE_TONES[str(status)],
    )
    return environment.get_template("page.html.j2")


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f} rows/s"


def _dbt(dbt: DbtResult) -> dict[str, Any]:
    counts = Counter(node.status.value for node in dbt.nodes)
    return {
        "status": dbt.status.value,
        "counts": [(status, counts[status]) for status in _NODE_TONES if counts[status]],
        "failed": contents.failed_nodes(dbt),
        "held_back": contents.held_back_nodes(dbt),
        "warned": contents.warned_nodes(dbt),
        "slowest": contents.slowest_nodes(dbt),
        "artifacts": dbt.artifacts,
    }
