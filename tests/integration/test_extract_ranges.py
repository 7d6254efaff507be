"""Large tables copied by key ranges: alone, with helpers, killed, overtaken, stopped by the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Connection

from dental_etl.config import Settings, TableConfig
from dental_etl.connections import connect
from dental_etl.exceptions import DeadlineError, FencedError, TableBusyError
from dental_etl.extract.attempt import Attempt
from dental_etl.extract.helper import extract_chunk
from dental_etl.extract.replicator import Progress, extract_table
from dental_etl.plan import TablePlan, plan_table
from dental_etl.run import Category, CopyStatus, ExtractResult, RefreshMode, Strategy
from dental_etl.tracking import status as tracking
from dental_etl.tracking.chunks import advance_chunk, read_chunk, write_chunks
from dental_etl.tracking.locks import source_slot, table_lock
from tests import crashes
from tests.counting import counted
from tests.crashes import Killed

_FENCES = count(1)
ROWS = 1000
BATCH_ROWS = 10
#: Of 80 rows each.
CHUNKS = 13


@dataclass(kw_only=True)
class Night:
    """Attempts at one table of a run, and what its owner has called for."""

    settings: Settings
    replication: Connection
    config: TableConfig
    run_id: str = "tonight"
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    called: list[int] = field(default_factory=list)

    def plan(self, refresh: RefreshMode = RefreshMode.INCREMENTAL) -> TablePlan:
        tracking.ensure_copy_status(self.replication)
        status: CopyStatus | None = tracking.read_copy_status(self.replication, self.config.table_name)
        self.replication.commit()
        return plan_table(self.config, status, refresh, self.now)

    def extract(
        self,
        *,
        helpers: Callable[[Sequence[int]], None] | None = None,
        killed_after: int | None = None,
        refresh: RefreshMode = RefreshMode.INCREMENTAL,
        progress: Callable[[Progress], None] | None = None,
    ) -> ExtractResult:
        return extract_table(
            self.settings,
            self.plan(refresh),
            run_id=self.run_id,
            fence=next(_FENCES),
            deadline=self.now + timedelta(hours=1),
            clock=lambda: self.now,
            progress=progress or crashes.killed_after(killed_after),
            helpers=helpers or self.called.extend,
        )

    def help(self, number: int) -> int:
        return extract_chunk(
            self.settings,
            plan_table(self.config, None, RefreshMode.INCREMENTAL, self.now),
            number,
            run_id=self.run_id,
            deadline=self.now + timedelta(hours=1),
            clock=lambda: self.now,
        )


@pytest.fixture
def night(sandbox_settings: Settings, visits: Connection, replication: Connection) -> Night:
    return Night(settings=sandbox_settings, replication=replication, config=_config("visit"))


@pytest.fixture
def visits(source_admin: Connection) -> Connection:
    source_admin.exec_driver_sql(
        "CREATE TABLE visit (VisitNum bigint NOT NULL PRIMARY KEY, Note varchar(100), Stamp datetime)"
        " ENGINE=MyISAM"
    )
    source_admin.exec_driver_sql(f"INSERT INTO visit SELECT seq * 3, 'old', NOW() FROM {counted(1, ROWS)}")
    source_admin.commit()
    return source_admin


def _config(table: str) -> TableConfig:
    return TableConfig(
        table_name=table,
        extraction_strategy=Strategy.FULL_TABLE,
        strategy_reason="test",
        batch_size=BATCH_ROWS,
        performance_category=Category.LARGE,
        processing_priority="low",
        estimated_rows=1280,
        estimated_size_mb=1.0,
    )


def _rows(connection: Connection, table: str = "visit") -> list[Any]:
    rows = connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1, 2").all()
    connection.commit()
    return list(rows)


def test_a_table_that_nobody_helps_with_is_copied_by_its_owner(night: Night, visits: Connection) -> None:
    result = night.extract()
    assert _rows(night.replication) == _rows(visits)
    assert result.rows_read == ROWS


def test_every_range_but_the_owners_first_is_called_for(night: Night) -> None:
    night.extract()
    assert night.called == list(range(1, CHUNKS))


def test_helpers_and_owner_copy_each_row_once(night: Night, visits: Connection) -> None:
    helped: list[Future[int]] = []

    def call(numbers: Sequence[int]) -> None:
        helped.extend(pool.submit(night.help, number) for number in numbers)
        helped[0].result()  # the owner goes on when the first of them has something to show

    with ThreadPoolExecutor(max_workers=3) as pool:
        result = night.extract(helpers=call)
        by_helpers = sum(future.result() for future in helped)
    assert _rows(night.replication) == _rows(visits)
    assert (result.rows_read, by_helpers > 0) == (ROWS, True)


def test_progress_is_the_sum_over_owner_and_helpers(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dental_etl.extract.ranges._ADD_UP_SECONDS", 0.0)
    seen: list[int] = []
    by_helpers: list[int] = []

    def call(numbers: Sequence[int]) -> None:
        by_helpers.extend(night.help(number) for number in numbers)

    night.extract(helpers=call, progress=lambda one: seen.append(one.rows))
    assert sum(by_helpers) == 80 * (CHUNKS - 1)
    assert seen[0] == sum(by_helpers) + BATCH_ROWS
    assert seen[-1] == ROWS


@pytest.mark.parametrize(
    ("table", "key"),
    [
        pytest.param("by_text", "Code varchar(20) NOT NULL, PRIMARY KEY (Code)", id="text"),
        pytest.param("by_two", "A int NOT NULL, Code varchar(20) NOT NULL, PRIMARY KEY (A, Code)", id="two"),
    ],
)
def test_other_keys_than_one_number_are_cut_as_well(
    night: Night, source_admin: Connection, table: str, key: str
) -> None:
    source_admin.exec_driver_sql(f"CREATE TABLE {table} ({key}, Note varchar(9)) ENGINE=MyISAM")
    columns = "Code, Note" if "A int" not in key else "A, Code, Note"
    values = "CONCAT('k', seq), 'n'" if "A int" not in key else "MOD(seq, 7), CONCAT('k', seq), 'n'"
    source_admin.exec_driver_sql(f"INSERT INTO {table} ({columns}) SELECT {values} FROM {counted(1, ROWS)}")
    source_admin.commit()
    night.config = _config(table)
    result = night.extract()
    assert _rows(night.replication, table) == _rows(source_admin, table)
    assert (result.rows_read, len(night.called)) == (ROWS, CHUNKS - 1)


def test_an_owner_that_died_leaves_what_was_done_to_the_next(night: Night, visits: Connection) -> None:
    with pytest.raises(Killed):
        night.extract(killed_after=15)
    night.called.clear()
    night.extract()
    assert _rows(night.replication) == _rows(visits)
    assert len(night.called) < CHUNKS - 1


def test_helpers_go_on_when_the_owner_has_died(night: Night, visits: Connection) -> None:
    with pytest.raises(Killed):
        night.extract(killed_after=1)
    read = [night.help(number) for number in range(1, CHUNKS)]
    night.extract()
    assert read == [80] * (CHUNKS - 1)
    assert _rows(night.replication) == _rows(visits)


def test_a_range_that_a_dead_helper_began_is_finished_by_the_owner(
    night: Night, visits: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The helper dies after its third page: the fourth would be told to nobody."""
    with pytest.raises(Killed):
        night.extract(killed_after=1)
    counted = Attempt.count
    pages = count(1)

    def die(attempt: Any, stream: Any) -> None:
        counted(attempt, stream)
        if next(pages) == 3:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Attempt, "count", die)
        with pytest.raises(Killed):
            night.help(1)
    begun = read_chunk(night.replication, "visit", 1)
    assert begun is not None
    assert (begun.is_done, 0 < begun.moved.rows < 80) == (False, True)
    result = night.extract()
    assert (_rows(night.replication), result.rows_read) == (_rows(visits), ROWS)


def test_a_range_that_somebody_works_is_left_to_them(night: Night) -> None:
    with pytest.raises(Killed):
        night.extract(killed_after=1)
    with (
        connect(night.settings.replication, is_dedicated=True) as other,
        table_lock(other, "visit#1", purpose="chunk"),
    ):
        assert night.help(1) == 0


def test_a_range_that_is_done_is_not_done_again(night: Night) -> None:
    with pytest.raises(Killed):
        night.extract(killed_after=1)
    assert [night.help(1), night.help(1)] == [80, 0]


def test_a_range_of_a_copy_that_was_given_up_is_not_written(night: Night) -> None:
    with pytest.raises(Killed):
        night.extract(killed_after=1)
    stale = read_chunk(night.replication, "visit", 1)
    assert stale is not None
    night.replication.commit()
    night.run_id = "the night after"
    with pytest.raises(Killed):
        night.extract(killed_after=1)
    with pytest.raises(FencedError):
        advance_chunk(night.replication, stale, stale)


def test_two_workers_of_one_range_cannot_both_write(night: Night) -> None:
    with pytest.raises(Killed):
        night.extract(killed_after=1)
    seen = read_chunk(night.replication, "visit", 1)
    assert seen is not None
    night.replication.commit()
    night.help(1)
    with pytest.raises(FencedError):
        advance_chunk(night.replication, seen, seen)


def test_a_helper_reads_nothing_after_the_window(night: Night) -> None:
    with pytest.raises(Killed):
        night.extract(killed_after=1)
    night_end = night.now + timedelta(hours=1)
    with pytest.raises(DeadlineError):
        extract_chunk(
            night.settings, night.plan(), 1, run_id="tonight", deadline=night_end, clock=lambda: night_end
        )


def test_a_helper_without_a_place_at_the_source_leaves_at_once(night: Night) -> None:
    with pytest.raises(Killed):
        night.extract(killed_after=1)
    night.settings = replace(night.settings, source_max_connections=1)
    with (
        connect(night.settings.source, is_dedicated=True) as source,
        source_slot(source, 1),
        pytest.raises(TableBusyError),
    ):
        night.help(1)


def test_a_helper_finds_nothing_when_the_copy_is_published(night: Night) -> None:
    night.extract()
    assert night.help(1) == 0
    assert read_chunk(night.replication, "visit", 1) is None


def test_a_copy_whose_ranges_are_gone_starts_again(night: Night, visits: Connection) -> None:
    with pytest.raises(Killed):
        night.extract(killed_after=15)
    write_chunks(night.replication, "visit", [])
    night.replication.commit()
    assert night.extract().rows_read == ROWS
    assert _rows(night.replication) == _rows(visits)


def test_an_empty_large_table_is_copied(night: Night, visits: Connection) -> None:
    visits.exec_driver_sql("DELETE FROM visit")
    visits.commit()
    assert night.extract().rows_read == 0
    assert _rows(night.replication) == []


def test_a_smaller_table_is_copied_in_order(night: Night) -> None:
    night.config = TableConfig(
        **{name: getattr(night.config, name) for name in ("table_name", "extraction_strategy")},
        strategy_reason="test",
        batch_size=BATCH_ROWS,
        performance_category=Category.MEDIUM,
        processing_priority="low",
        estimated_rows=1280,
        estimated_size_mb=1.0,
    )
    night.extract()
    assert night.called == []
