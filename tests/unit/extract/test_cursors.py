from __future__ import annotations

import pytest

from dental_etl.config import Column
from dental_etl.extract.cursors import (
    CursorKind,
    capped,
    clock_expression,
    condition,
    cursor_kind,
    later,
    lower_bound,
)


def _column(data_type: str, *, is_nullable: bool = False) -> Column:
    return Column(name="c", data_type=data_type, column_type=data_type, is_nullable=is_nullable)


@pytest.mark.parametrize(
    ("data_type", "kind"),
    [
        ("timestamp", CursorKind.INSTANT),
        ("datetime", CursorKind.LOCAL),
        ("date", CursorKind.DAY),
        ("bigint", CursorKind.NUMBER),
        ("varchar", None),
        ("double", None),
        ("time", None),
    ],
)
def test_the_type_of_a_column_decides_what_cursor_it_is(data_type: str, kind: CursorKind | None) -> None:
    assert cursor_kind(_column(data_type)) is kind


@pytest.mark.parametrize(
    ("kind", "value", "lower"),
    [
        pytest.param(CursorKind.INSTANT, "2026-03-01 10:00:00", "2026-03-01 09:45:00", id="instant"),
        pytest.param(CursorKind.INSTANT, "2026-03-01 10:00:00.900000", "2026-03-01 09:45:00", id="fraction"),
        pytest.param(CursorKind.LOCAL, "2026-11-01 01:59:00", "2026-11-01 00:44:00", id="autumn-hour"),
        pytest.param(CursorKind.DAY, "2026-03-01", "2026-02-28", id="day"),
        pytest.param(CursorKind.NUMBER, "5000", "4000", id="number"),
        pytest.param(CursorKind.DAY, "0001-01-01", None, id="first-day"),
        pytest.param(CursorKind.LOCAL, "2020-00-15 00:00:00", None, id="partial-date"),
    ],
)
def test_the_next_pass_starts_below_the_cursor(kind: CursorKind, value: str, lower: str | None) -> None:
    assert lower_bound(kind, value, 15) == lower


def test_the_lower_bound_is_inclusive_and_zero_dates_are_always_read() -> None:
    assert condition(_column("timestamp"), CursorKind.INSTANT, "2026-01-01 00:00:00") == (
        "(`c` >= '2026-01-01 00:00:00' OR `c` = '0000-00-00 00:00:00')"
    )


def test_rows_without_a_cursor_are_always_read() -> None:
    assert condition(_column("bigint", is_nullable=True), CursorKind.NUMBER, "7") == (
        "(`c` >= 7 OR `c` = 0 OR `c` IS NULL)"
    )


def test_without_a_lower_bound_every_row_is_read() -> None:
    assert condition(_column("date"), CursorKind.DAY, None) is None


def test_a_growing_key_has_no_clock() -> None:
    assert clock_expression(CursorKind.NUMBER) is None


def test_local_stamps_are_measured_in_the_servers_own_zone() -> None:
    assert "@@global.time_zone" in (clock_expression(CursorKind.LOCAL) or "")


@pytest.mark.parametrize(
    ("kind", "left", "right", "expected"),
    [
        (CursorKind.NUMBER, "9", "10", "10"),
        (CursorKind.INSTANT, "2026-01-01 00:00:00", "2026-01-01 00:00:00.5", "2026-01-01 00:00:00.5"),
        (CursorKind.INSTANT, "0000-00-00 00:00:00", "2026-01-01 00:00:00", "2026-01-01 00:00:00"),
        (CursorKind.DAY, None, "2026-01-01", "2026-01-01"),
        (CursorKind.DAY, "2026-01-01", None, "2026-01-01"),
    ],
)
def test_a_cursor_only_moves_forward(
    kind: CursorKind, left: str | None, right: str | None, expected: str
) -> None:
    assert later(kind, left, right) == expected


def test_a_cursor_never_passes_the_sources_clock() -> None:
    assert capped(CursorKind.DAY, "2099-01-01", "2026-03-01") == "2026-03-01"


def test_a_cursor_below_the_clock_stays() -> None:
    assert capped(CursorKind.DAY, "2026-02-01", "2026-03-01") == "2026-02-01"


def test_a_growing_key_is_not_capped() -> None:
    assert capped(CursorKind.NUMBER, "12", None) == "12"
