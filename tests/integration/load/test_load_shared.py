"""The first load of a large table by several processes: each range once, published at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection

from dental_etl.config import Settings, TableConfig
from dental_etl.load import loader
from dental_etl.load.loader import LoadOptions, load_chunk, load_table_chunked
from dental_etl.reconciliation.raw import prove_raw
from dental_etl.run import Coercion, LoadResult
from tests.counting import counted
from tests.crashes import Killed

Copy = Callable[..., int]
Rows = Callable[..., list[tuple[Any, ...]]]
Share = Callable[..., LoadResult]

_TABLE = "CREATE TABLE histappointment (HistApptNum bigint PRIMARY KEY, AptDateTime datetime NOT NULL)"
_HUNDRED = f"INSERT INTO histappointment SELECT seq * 10, '0000-00-00' FROM {counted(1, 100)}"
_KEYS = [(number * 10,) for number in range(1, 101)]
RANGES = 10


def _nobody(_: Sequence[int]) -> None:
    return


@pytest.fixture
def share(analytics: Connection, sandbox_settings: Settings, config: Callable[[str], TableConfig]) -> Share:
    """Load the table in ten ranges as its owner."""

    def run(
        helpers: Callable[[Sequence[int]], None] | None = _nobody,
        *,
        run_id: str = "run-1",
        chunk_rows: int = 40,
    ) -> LoadResult:
        analytics.rollback()
        result = load_table_chunked(
            replace(sandbox_settings, load_parts_from_mb=0),
            replace(config("histappointment"), estimated_rows=100),
            run_id=run_id,
            before_commit=lambda _connection, _result: None,
            clock=lambda: datetime(2026, 1, 31, 3, 0, tzinfo=UTC),
            options=LoadOptions(helpers=helpers, range_rows=10, chunk_rows=chunk_rows, prove=prove_raw),
        )
        assert result.findings == (), "raw differs from the replica"
        return result

    return run


@pytest.fixture
def help_with(sandbox_settings: Settings) -> Callable[[int], int]:
    return lambda number: load_chunk(sandbox_settings, "histappointment", number, run_id="run-1")


@pytest.fixture
def begun(copy_whole: Copy, share: Share) -> None:
    """A load whose owner died before its own first range."""
    copy_whole("histappointment", _TABLE, _HUNDRED)

    def die(_: Sequence[int]) -> None:
        raise Killed

    with pytest.raises(Killed):
        share(die)


def test_a_load_that_nobody_helps_with_is_done_by_its_owner(
    copy_whole: Copy, share: Share, raw_rows: Rows
) -> None:
    copy_whole("histappointment", _TABLE, _HUNDRED)
    called: list[int] = []
    result = share(called.extend)
    assert (result.action, result.rows_written, result.rows_total) == ("full", 100, 100)
    assert raw_rows("histappointment", '"HistApptNum"') == _KEYS
    assert called == list(range(1, RANGES))


def test_helpers_and_owner_load_each_row_once(
    copy_whole: Copy, share: Share, help_with: Callable[[int], int], raw_rows: Rows
) -> None:
    copy_whole("histappointment", _TABLE, _HUNDRED)
    helped: list[Future[int]] = []

    def call(numbers: Sequence[int]) -> None:
        helped.extend(pool.submit(help_with, number) for number in numbers)
        helped[0].result()  # the owner goes on when the first of them has something to show

    with ThreadPoolExecutor(max_workers=3) as pool:
        result = share(call)
        by_helpers = sum(future.result() for future in helped)
    assert (result.rows_written, by_helpers > 0) == (100, True)
    assert raw_rows("histappointment", '"HistApptNum"') == _KEYS


def test_coercions_of_all_ranges_are_counted(copy_whole: Copy, share: Share) -> None:
    copy_whole("histappointment", _TABLE, _HUNDRED)
    assert share().coercions == (
        Coercion(table="histappointment", column="AptDateTime", kind="zero_date", rows=100),
    )


@pytest.mark.usefixtures("begun")
def test_helpers_go_on_when_the_owner_has_died(
    share: Share, help_with: Callable[[int], int], raw_rows: Rows
) -> None:
    rows = [help_with(number) for number in range(1, RANGES + 1)]
    result = share(run_id="run-2")
    assert (sum(rows), result.rows_written) == (100, 100)
    assert raw_rows("histappointment", '"HistApptNum"') == _KEYS


@pytest.mark.usefixtures("begun")
def test_an_owner_goes_on_with_the_ranges_that_are_left(
    share: Share, help_with: Callable[[int], int]
) -> None:
    help_with(1)
    called: list[int] = []
    share(called.extend)
    assert called == list(range(2, RANGES))


@pytest.mark.usefixtures("begun")
def test_an_owner_whom_nobody_may_help_finishes_the_ranges(
    share: Share, help_with: Callable[[int], int], raw_rows: Rows
) -> None:
    help_with(1)
    share(None)
    assert raw_rows("histappointment", '"HistApptNum"') == _KEYS


@pytest.mark.usefixtures("begun")
def test_a_helper_that_dies_gives_its_range_back(
    share: Share, help_with: Callable[[int], int], raw_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> int:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(loader, "copy_range", die)
        with pytest.raises(Killed):
            help_with(1)
    share()
    assert raw_rows("histappointment", '"HistApptNum"') == _KEYS


@pytest.mark.usefixtures("begun")
def test_a_range_is_loaded_once(help_with: Callable[[int], int]) -> None:
    assert [help_with(1), help_with(1)] == [10, 0]


@pytest.mark.usefixtures("begun")
def test_a_rewritten_replica_ends_what_was_begun(
    copy_whole: Copy, share: Share, help_with: Callable[[int], int], raw_rows: Rows
) -> None:
    help_with(1)
    copy_whole("histappointment", "DELETE FROM histappointment WHERE HistApptNum <= 50")
    assert help_with(2) == 0
    share(run_id="run-2")
    assert raw_rows("histappointment", '"HistApptNum"') == _KEYS[5:]


@pytest.mark.usefixtures("begun")
def test_changes_between_ranges_are_in_the_result(
    copy_changes: Copy, share: Share, help_with: Callable[[int], int], raw_rows: Rows
) -> None:
    help_with(1)
    copy_changes(
        "histappointment",
        [(10,), (1000,), (1001,)],
        "DELETE FROM histappointment WHERE HistApptNum IN (10, 1000)",
        "INSERT INTO histappointment VALUES (1001, '0000-00-00')",
    )
    assert share().rows_total == 99
    assert raw_rows("histappointment", '"HistApptNum"') == [*_KEYS[1:-1], (1001,)]


def test_a_helper_finds_nothing_when_the_load_has_ended(
    copy_whole: Copy, share: Share, help_with: Callable[[int], int]
) -> None:
    copy_whole("histappointment", _TABLE, _HUNDRED)
    assert help_with(1) == 0
    share()
    assert help_with(1) == 0


def test_an_empty_table_is_loaded(copy_whole: Copy, share: Share) -> None:
    copy_whole("histappointment", _TABLE)
    assert share().rows_total == 0
