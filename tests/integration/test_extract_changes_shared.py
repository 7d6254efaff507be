"""A pass for changes over a large table, walked by several: killed, overtaken, late; no change is lost or doubled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Connection, text

from dental_etl.config import Settings, TableConfig
from dental_etl.exceptions import FencedError
from dental_etl.extract.checkpoint import Checkpoint
from dental_etl.extract.helper import extract_chunk
from dental_etl.extract.replicator import extract_table
from dental_etl.plan import TablePlan, plan_table
from dental_etl.run import Category, CopyStatus, ExtractResult, RefreshMode, Strategy
from dental_etl.tracking import status as tracking
from dental_etl.tracking.chunks import read_chunk
from tests import crashes
from tests.counting import counted
from tests.crashes import Killed

_FENCES = count(1)
ROWS = 1000
#: Of 80 rows each.
CHUNKS = 13
CHANGED = 100
LONG_AGO, LAST_NIGHT = "2020-01-01 00:00:00", "2026-01-01 03:00:00"
CONFIG = TableConfig(
    table_name="visit",
    extraction_strategy=Strategy.INCREMENTAL_CHUNKED,
    strategy_reason="test",
    primary_incremental_column="Stamp",
    batch_size=10,
    performance_category=Category.LARGE,
    processing_priority="low",
    estimated_rows=1280,
    estimated_size_mb=1000.0,  # too large for one read
    reconcile="rotating",
)


@dataclass(kw_only=True)
class Night:
    """Attempts at one table of a run, and what its owner has called for."""

    settings: Settings
    replication: Connection
    run_id: str = "tonight"
    called: list[int] = field(default_factory=list)

    def status(self) -> CopyStatus:
        self.replication.rollback()
        found = tracking.read_copy_status(self.replication, "visit")
        self.replication.rollback()
        assert found is not None
        return found

    def plan(self) -> TablePlan:
        tracking.ensure_copy_status(self.replication)
        found = tracking.read_copy_status(self.replication, "visit")
        self.replication.rollback()
        return plan_table(CONFIG, found, RefreshMode.INCREMENTAL, datetime.now(UTC))

    def extract(
        self,
        *,
        helpers: Callable[[Sequence[int]], None] | None = None,
        killed_after: int | None = None,
    ) -> ExtractResult:
        return extract_table(
            self.settings,
            self.plan(),
            run_id=self.run_id,
            fence=next(_FENCES),
            deadline=None,
            clock=lambda: datetime.now(UTC),
            progress=crashes.killed_after(killed_after),
            helpers=helpers or self.called.extend,
        )

    def help(self, number: int, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> int:
        return extract_chunk(
            self.settings,
            plan_table(CONFIG, None, RefreshMode.INCREMENTAL, datetime.now(UTC)),
            number,
            run_id=self.run_id,
            deadline=datetime.now(UTC) + timedelta(hours=1),
            clock=clock,
        )


@pytest.fixture
def visits(source_admin: Connection) -> Connection:
    source_admin.exec_driver_sql(
        "CREATE TABLE visit (VisitNum bigint NOT NULL PRIMARY KEY, Note varchar(100), "
        "Stamp timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp()) ENGINE=MyISAM"
    )
    source_admin.exec_driver_sql(
        f"INSERT INTO visit SELECT seq * 3, 'old', '{LONG_AGO}' FROM {counted(1, ROWS)}"
    )
    source_admin.commit()
    return source_admin


@pytest.fixture
def night(sandbox_settings: Settings, visits: Connection, replication: Connection) -> Night:
    """The night after the first one: a hundred rows all over the table have changed since."""
    night = Night(settings=sandbox_settings, replication=replication)
    night.extract()
    replication.execute(text("UPDATE etl_copy_status SET last_primary_value = :at"), {"at": LAST_NIGHT})
    replication.commit()
    change(visits)
    night.run_id = "the second night"
    night.called.clear()
    return night


def change(visits: Connection) -> None:
    visits.exec_driver_sql(f"UPDATE visit SET Note = 'new' WHERE MOD(VisitNum, {3 * ROWS // CHANGED}) = 0")
    visits.commit()


def rows(connection: Connection) -> list[Any]:
    connection.rollback()
    found = connection.exec_driver_sql("SELECT * FROM visit ORDER BY VisitNum").all()
    connection.rollback()
    return list(found)


def outbox(night: Night) -> tuple[int, int, int]:
    """Return how many keys it holds, how many of them once, and the highest generation."""
    statement = text("SELECT COUNT(*), COUNT(DISTINCT VisitNum), MAX(etl_generation) FROM etl_changed__visit")
    night.replication.rollback()
    found = night.replication.execute(statement).one()
    night.replication.rollback()
    return (int(found[0]), int(found[1]), int(found[2]))


def test_a_pass_that_walks_a_large_table_is_called_for(night: Night, visits: Connection) -> None:
    result = night.extract()
    assert night.called == list(range(1, CHUNKS))
    assert (rows(night.replication), result.rows_written) == (rows(visits), CHANGED)


def test_a_transactional_table_is_walked_as_of_one_moment_by_one(night: Night, visits: Connection) -> None:
    visits.exec_driver_sql("ALTER TABLE visit ENGINE=InnoDB")
    visits.commit()
    night.extract()
    assert (night.called, rows(night.replication)) == ([], rows(visits))


def test_helpers_and_owner_merge_each_change_once(night: Night, visits: Connection) -> None:
    helped: list[Future[int]] = []

    def call(numbers: Sequence[int]) -> None:
        helped.extend(pool.submit(night.help, number) for number in numbers)
        helped[0].result()  # the owner goes on when the first of them has something to show

    with ThreadPoolExecutor(max_workers=3) as pool:
        result = night.extract(helpers=call)
        by_helpers = sum(future.result() for future in helped)
    assert rows(night.replication) == rows(visits)
    assert (result.rows_read, result.rows_written, by_helpers > 0) == (CHANGED, CHANGED, True)
    assert outbox(night) == (CHANGED, CHANGED, result.generation)
    assert night.status().generation == result.generation


def test_the_cursor_moves_when_every_range_is_done(night: Night) -> None:
    before = night.status().cursor
    with pytest.raises(Killed):
        night.extract(killed_after=15)
    between = night.status().cursor
    night.extract()
    after = night.status().cursor
    assert (between, after is not None and before is not None and after.value > before.value) == (  # type: ignore[operator]  # stamps are texts here
        before,
        True,
    )


def test_ranges_that_are_done_are_not_walked_again(night: Night, visits: Connection) -> None:
    with pytest.raises(Killed):
        night.extract(killed_after=15)
    night.called.clear()
    result = night.extract()
    assert len(night.called) < CHUNKS - 1
    assert (rows(night.replication), result.rows_read, outbox(night)[0]) == (rows(visits), CHANGED, CHANGED)


def test_helpers_go_on_when_the_owner_has_died(night: Night, visits: Connection) -> None:
    with pytest.raises(Killed):
        night.extract(killed_after=1)
    assert sum(night.help(number) for number in range(1, CHUNKS)) > 0
    night.extract()
    assert rows(night.replication) == rows(visits)


def test_another_night_starts_again_and_finds_what_changed_meanwhile(
    night: Night, visits: Connection
) -> None:
    with pytest.raises(Killed):
        night.extract(killed_after=15)
    visits.exec_driver_sql("UPDATE visit SET Note = 'newer' WHERE VisitNum < 300")
    visits.commit()
    night.run_id = "the third night"
    night.extract()
    assert rows(night.replication) == rows(visits)


def test_a_helper_of_a_pass_that_was_given_up_writes_nothing(night: Night) -> None:
    """Its rows may be older than what the pass that followed has written already."""
    with pytest.raises(Killed):
        night.extract(killed_after=1)
    before, looks = rows(night.replication), count(1)

    def clock() -> datetime:
        if next(looks) == 2:  # before its first page is read; what follows is read ahead
            now = Checkpoint.from_text(night.status().checkpoint)
            assert now is not None
            given_up = replace(now, copy_id="another")
            night.replication.execute(
                text("UPDATE etl_copy_status SET checkpoint = :text"), {"text": given_up.to_text()}
            )
            night.replication.commit()
        return datetime.now(UTC)

    with pytest.raises(FencedError):
        night.help(1, clock)
    assert rows(night.replication) == before


def test_a_pass_leaves_no_ranges_behind(night: Night) -> None:
    night.extract()
    assert (read_chunk(night.replication, "visit", 1), night.help(1)) == (None, 0)


def test_rows_beyond_the_replicas_keys_are_found(night: Night, visits: Connection) -> None:
    visits.exec_driver_sql(
        f"INSERT INTO visit (VisitNum, Note) SELECT {ROWS * 3} + seq, 'x' FROM {counted(1, 50)}"
    )
    visits.exec_driver_sql("INSERT INTO visit (VisitNum, Note) VALUES (-7, 'before the first')")
    visits.commit()
    night.extract()
    assert rows(night.replication) == rows(visits)


def test_an_emptied_replica_is_filled_by_one_range(night: Night, visits: Connection) -> None:
    visits.exec_driver_sql("UPDATE visit SET Note = 'all'")
    visits.commit()
    night.replication.exec_driver_sql("DELETE FROM visit")
    night.replication.commit()
    night.extract()
    assert rows(night.replication) == rows(visits)
