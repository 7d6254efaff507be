"""Geometry of the report's charts: values in, rectangles and labels out; the template draws them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dental_etl.report.contents import RunReport, seconds_of
from dental_etl.report.wording import clock, count, counted, duration
from dental_etl.run import Category, TableResult, TableStatus
from dental_etl.run_window import CENTRAL

TIMELINE_WIDTH = 960.0
_TIMELINE_HEIGHT = 240.0
_LANE_MOST = 22.0
_LANE_LEAST = 5.0
_BAR_LEAST = 1.5
_MAX_TICKS = 9
#: Half a label; nearer to the edge it would be cut.
_LABEL_ROOM = 24.0
_TICK_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A table in the timeline, in SVG units."""

    x: float
    y: float
    width: float
    height: float
    #: CSS class: the category, or ``failed``.
    kind: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    x: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """When each table was worked; one lane holds tables that did not overlap."""

    height: float
    blocks: tuple[Block, ...]
    ticks: tuple[Tick, ...]
    #: Where the window closed, when that was during the run.
    deadline: Tick | None
    #: Most tables at work at one time.
    lanes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One line of a bar chart; parts are per cent of the longest bar."""

    name: str
    #: ``(CSS class, per cent)`` from left to right.
    parts: tuple[tuple[str, float], ...]
    value: str
    note: str = ""


def timeline(report: RunReport) -> Timeline | None:
    """Lay the tables out over the run's time; None when no table was started."""
    spans = [span for table in report.tables if (span := _span(table, report.generated_at)) is not None]
    if not spans:
        return None
    start = min(report.header.started_at, *(begin for _, begin, _ in spans))
    end = max(end for _, _, end in spans)
    scale = TIMELINE_WIDTH / max((end - start).total_seconds(), 0.001)
    lanes = _lanes(spans)
    pitch = min(_LANE_MOST, max(_LANE_LEAST, _TIMELINE_HEIGHT / len(lanes)))
    return Timeline(
        height=pitch * len(lanes),
        blocks=tuple(
            _block(span, start, scale, row * pitch, pitch) for row, lane in enumerate(lanes) for span in lane
        ),
        ticks=tuple(_ticks(start, end, scale)),
        deadline=_deadline(report, start, end, scale),
        lanes=len(lanes),
    )


_Span = tuple[TableResult, datetime, datetime]


def _span(table: TableResult, now: datetime) -> _Span | None:
    return None if table.started_at is None else (table, table.started_at, table.finished_at or now)


def _lanes(spans: Sequence[_Span]) -> list[list[_Span]]:
    """Put each table in the first lane that is free when it begins."""
    lanes: list[list[_Span]] = []
    for span in sorted(spans, key=lambda span: (span[1], span[0].table)):
        free = next((lane for lane in lanes if lane[-1][2] <= span[1]), None)
        if free is None:
            lanes.append([span])
        else:
            free.append(span)
    return lanes


def _block(span: _Span, start: datetime, scale: float, y: float, pitch: float) -> Block:
    table, begin, end = span
    gap = 1.0 if pitch <= 2 * _LANE_LEAST else 3.0
    return Block(
        x=(begin - start).total_seconds() * scale,
        y=y,
        width=max(_BAR_LEAST, (end - begin).total_seconds() * scale - 0.75),
        height=pitch - gap,
        kind="failed" if table.status is TableStatus.FAILED else table.category.value,
        title=f"{table.table}: {table.status.value.replace('_', ' ')}, {clock(begin)}, {duration(seconds_of(table))}",
    )


def _ticks(start: datetime, end: datetime, scale: float) -> Iterator[Tick]:
    span = (end - start).total_seconds()
    step = next((step for step in _TICK_SECONDS if span / step <= _MAX_TICKS), _TICK_SECONDS[-1])
    pattern = "%H:%M:%S" if step < 60 else "%H:%M"
    moment = start + timedelta(seconds=step - start.timestamp() % step)
    while moment <= end:
        x = (moment - start).total_seconds() * scale
        if _LABEL_ROOM <= x <= TIMELINE_WIDTH - _LABEL_ROOM:
            yield Tick(x=x, label=f"{moment.astimezone(CENTRAL):{pattern}}")
        moment += timedelta(seconds=step)


def _deadline(report: RunReport, start: datetime, end: datetime, scale: float) -> Tick | None:
    deadline = report.header.deadline_at
    if deadline is None or not start <= deadline <= end:
        return None
    return Tick(x=(deadline - start).total_seconds() * scale, label=f"window closed {clock(deadline)}")


def slowest(report: RunReport, limit: int = 15) -> tuple[Bar, ...]:
    """Return the tables that took the longest, extract and load apart."""
    worked = sorted((t for t in report.tables if seconds_of(t) > 0), key=lambda t: (-seconds_of(t), t.table))
    longest = seconds_of(worked[0]) if worked else 1.0
    return tuple(
        Bar(
            name=table.table,
            parts=(
                ("extract", 100 * table.extract_seconds / longest),
                ("load", 100 * table.load_seconds / longest),
            ),
            value=duration(seconds_of(table)),
            note=f"extract {duration(table.extract_seconds)}, load {duration(table.load_seconds)}",
        )
        for table in worked[:limit]
    )


def categories(report: RunReport) -> tuple[Bar, ...]:
    """Return rows in raw by category, largest category first, those that tables have."""
    rows = {c: sum(t.rows_total or 0 for t in report.tables if t.category is c) for c in Category}
    most = max(rows.values()) or 1
    bars = []
    for category in Category:
        tables = [table for table in report.tables if table.category is category]
        if tables:
            bars.append(
                Bar(
                    name=category.value,
                    parts=((category.value, 100 * rows[category] / most),),
                    value=count(rows[category]),
                    note=f"{counted(len(tables), 'table')}, {count(sum(t.rows_read for t in tables))} rows read",
                )
            )
    return tuple(bars)
