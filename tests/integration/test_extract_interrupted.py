"""Extracts that are killed, overtaken or stopped by the window, and what the next attempt makes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Connection, text

from dental_etl.config import Settings, TableConfig
from dental_etl.connections import connect
from dental_etl.exceptions import DeadlineError, FencedError, TableBusyError
from dental_etl.extract import publishing, shadow
from dental_etl.extract.attempt import Attempt
from dental_etl.extract.proof import Basis, Proof
from dental_etl.extract.replicator import Progress, extract_table
from dental_etl.plan import plan_table
from dental_etl.reconciliation.source import SourceProver
from dental_etl.run import Category, CopyStatus, ExtractResult, RefreshMode, Strategy
from dental_etl.tracking import status as tracking
from dental_etl.tracking.locks import table_lock
from tests.counting import counted
from tests.crashes import Killed

Extract = Callable[..., ExtractResult]
_FENCES = count(1)
ROWS = 1000


@pytest.fixture
def extract(
    sandbox_settings: Settings,
    visits: Connection,
    replication: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> Extract:
    """Plan and extract `visit` as a run would, killed after some batches of one page if asked to."""
    monkeypatch.setattr(shadow, "_BATCH_BYTES", 1)

    def run(
        *,
        run_id: str = "tonight",
        killed_after: int | None = None,
        deadline_after: int | None = None,
        fence: int | None = None,
        strategy: Strategy = Strategy.INCREMENTAL,
        refresh: RefreshMode = RefreshMode.INCREMENTAL,
        prover: SourceProver | None = None,
    ) -> ExtractResult:
        visits.commit()
        now = datetime.now(UTC)
        clock = _Clock(now)
        plan = plan_table(_config(strategy), _status(replication), refresh, now)
        return extract_table(
            sandbox_settings,
            plan,
            run_id=run_id,
            fence=fence or next(_FENCES),
            deadline=now + timedelta(hours=1),
            clock=clock.read,
            progress=_Watcher(killed_after, deadline_after, clock).see,
            prover=prover,
        )

    return run


class _Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def read(self) -> datetime:
        return self.now


class _Watcher:
    """Kills the attempt, or closes the window, after a number of batches."""

    def __init__(self, killed_after: int | None, deadline_after: int | None, clock: _Clock) -> None:
        self._killed_after = killed_after
        self._deadline_after = deadline_after
        self._clock = clock
        self._batches = 0

    def see(self, progress: Progress) -> None:
        self._batches += 1
        if self._batches == self._killed_after:
            raise Killed
        if self._batches == self._deadline_after:
            self._clock.now += timedelta(hours=2)


class _Dying(SourceProver):
    """Dies when the copy is published, before it is compared."""

    def prove(self, attempt: Attempt, basis: Basis) -> Proof:
        raise Killed


def _config(strategy: Strategy) -> TableConfig:
    return TableConfig(
        table_name="visit",
        extraction_strategy=strategy,
        strategy_reason="test",
        primary_incremental_column="Stamp" if strategy is Strategy.INCREMENTAL else None,
        batch_size=100,
        performance_category=Category.TINY,
        processing_priority="low",
        estimated_rows=10,
        estimated_size_mb=10.0,  # rows so long that no pass is one read
    )


@pytest.fixture
def visits(source_admin: Connection) -> Connection:
    source_admin.exec_driver_sql("SET time_zone='+00:00', sql_mode=''")
    source_admin.exec_driver_sql(
        "CREATE TABLE visit (VisitNum bigint NOT NULL PRIMARY KEY, Note varchar(100), Stamp timestamp NULL)"
        " ENGINE=MyISAM"
    )
    source_admin.exec_driver_sql(
        f"INSERT INTO visit SELECT seq, 'old', NOW() - INTERVAL 1 DAY FROM {counted(1, ROWS)}"
    )
    return source_admin


def _status(replication: Connection) -> CopyStatus | None:
    tracking.ensure_copy_status(replication)
    status = tracking.read_copy_status(replication, "visit")
    replication.commit()
    return status


def _rows(connection: Connection) -> list[Any]:
    rows = connection.exec_driver_sql("SELECT * FROM visit ORDER BY 1").all()
    connection.commit()
    return list(rows)


def _change_all(visits: Connection, note: str) -> None:
    visits.execute(text("UPDATE visit SET Note = :note, Stamp = NOW()"), {"note": note})


def test_a_killed_full_copy_goes_on_within_its_run(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    with pytest.raises(Killed):
        extract(killed_after=4)
    result = extract()
    assert _rows(replication) == _rows(visits)
    assert result.rows_read < ROWS


def test_a_killed_full_table_copy_starts_again_on_another_night(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    """Nothing would tell that its first pages changed since."""
    with pytest.raises(Killed):
        extract(killed_after=4, strategy=Strategy.FULL_TABLE)
    visits.exec_driver_sql("UPDATE visit SET Note = 'unstamped' WHERE VisitNum = 1")
    extract(run_id="tomorrow", strategy=Strategy.FULL_TABLE)
    assert _rows(replication) == _rows(visits)


@pytest.mark.parametrize("engine", ["MyISAM", "InnoDB"])
def test_a_copy_that_is_compared_afterwards_goes_on_another_night(
    extract: Extract, visits: Connection, replication: Connection, engine: str
) -> None:
    """What changed since in its first pages shows in the comparison, with a stamp or without."""
    visits.exec_driver_sql(f"ALTER TABLE visit ENGINE={engine}")
    with pytest.raises(Killed):
        extract(killed_after=4, strategy=Strategy.FULL_TABLE, prover=SourceProver(60))
    visits.exec_driver_sql("UPDATE visit SET Note = 'unstamped' WHERE VisitNum = 1")
    visits.exec_driver_sql("DELETE FROM visit WHERE VisitNum = 2")
    result = extract(run_id="tomorrow", strategy=Strategy.FULL_TABLE, prover=SourceProver(60))
    assert _rows(replication) == _rows(visits)
    assert result.rows_read < ROWS


def test_a_copy_that_went_on_is_not_done_before_it_was_compared(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    with pytest.raises(Killed):
        extract(killed_after=4, strategy=Strategy.FULL_TABLE, prover=SourceProver(60))
    visits.exec_driver_sql("UPDATE visit SET Note = 'unstamped' WHERE VisitNum = 1")
    with pytest.raises(Killed):
        extract(run_id="tomorrow", strategy=Strategy.FULL_TABLE, prover=_Dying(60))
    assert _rows(replication) != _rows(visits)
    result = extract(run_id="tomorrow", strategy=Strategy.FULL_TABLE, prover=SourceProver(60))
    assert (_rows(replication) == _rows(visits), result.proven_at is not None) == (True, True)


def test_a_killed_first_copy_of_an_incremental_table_goes_on_another_night_and_catches_up(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    with pytest.raises(Killed):
        extract(killed_after=4)
    visits.exec_driver_sql("UPDATE visit SET Note = 'stamped', Stamp = NOW() WHERE VisitNum = 1")
    result = extract(run_id="tomorrow")
    assert _rows(replication) == _rows(visits)
    assert result.rows_read < ROWS


def test_a_shadow_of_another_shape_is_dropped(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    with pytest.raises(Killed):
        extract(killed_after=4)
    visits.exec_driver_sql("ALTER TABLE visit ADD Amount double NOT NULL DEFAULT 1.5")
    extract()
    assert _rows(replication) == _rows(visits)


def test_a_full_refresh_does_not_trust_an_earlier_shadow(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    with pytest.raises(Killed):
        extract(killed_after=4)
    visits.exec_driver_sql("UPDATE visit SET Note = 'unstamped' WHERE VisitNum = 1")
    extract(run_id="tomorrow", refresh=RefreshMode.FULL)
    assert _rows(replication) == _rows(visits)


@pytest.mark.parametrize("batches", [1, 2, 4])
def test_a_killed_pass_for_changes_is_completed(
    extract: Extract, visits: Connection, replication: Connection, batches: int
) -> None:
    extract()
    _change_all(visits, "new")
    with pytest.raises(Killed):
        extract(killed_after=batches)
    extract()
    assert _rows(replication) == _rows(visits)


def test_every_row_of_a_killed_pass_is_announced_to_load(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    extract()
    _change_all(visits, "new")
    with pytest.raises(Killed):
        extract(killed_after=3)
    extract()
    keys = replication.exec_driver_sql("SELECT COUNT(DISTINCT VisitNum) FROM etl_changed__visit")
    assert keys.scalar_one() == ROWS


def test_a_pass_that_was_killed_last_night_starts_again(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    extract()
    _change_all(visits, "new")
    with pytest.raises(Killed):
        extract(killed_after=3)
    visits.exec_driver_sql("UPDATE visit SET Note = 'newer', Stamp = NOW() WHERE VisitNum = 1")
    extract(run_id="tomorrow")
    assert _rows(replication) == _rows(visits)


def test_the_cursor_does_not_move_before_the_pass_is_complete(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    extract()
    before = _status(replication)
    _change_all(visits, "new")
    with pytest.raises(Killed):
        extract(killed_after=3)
    after = _status(replication)
    assert before is not None
    assert after is not None
    assert after.cursor == before.cursor


def _die(*_: object, **__: object) -> None:
    raise Killed


@pytest.mark.parametrize("step", ["_renew_outbox", "record_copied"])
@pytest.mark.parametrize("run_id", ["tonight", "tomorrow"])
def test_a_rewrite_that_died_around_its_rename_still_reaches_load(
    extract: Extract,
    visits: Connection,
    replication: Connection,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    run_id: str,
) -> None:
    """The replica is new, and only the checkpoint knows."""
    extract()
    _change_all(visits, "new")
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "_ALWAYS_CHANGES_ROWS", 10)
        patch.setattr(publishing, step, _die)
        with pytest.raises(Killed):
            extract(refresh=RefreshMode.FULL)
    result = extract(run_id=run_id)
    status = _status(replication)
    assert _rows(replication) == _rows(visits)
    assert status is not None
    assert result.generation == status.generation == status.full_generation


def test_a_rewrite_that_died_before_its_rename_is_finished(
    extract: Extract, visits: Connection, replication: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "finish_publication", _die)
        with pytest.raises(Killed):
            extract()
    assert extract().rows_read == 0
    assert _rows(replication) == _rows(visits)


def test_a_rewrite_that_died_after_indexing_its_cursor_is_finished(
    extract: Extract, visits: Connection, replication: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = publishing._index_cursor

    def index_and_die(*arguments: Any) -> None:
        index(*arguments)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "_index_cursor", index_and_die)
        with pytest.raises(Killed):
            extract()
    assert extract().rows_read == 0
    assert _rows(replication) == _rows(visits)


def test_the_window_stops_a_copy_between_two_reads_and_keeps_its_pages(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    with pytest.raises(DeadlineError):
        extract(deadline_after=3)
    status = _status(replication)
    assert status is not None
    # The fourth page was being read ahead when the window closed.
    assert (status.rows_copied in {300, 400}, status.copy_status) == (True, "running")
    extract()
    assert _rows(replication) == _rows(visits)


def test_a_table_without_a_key_that_the_window_cuts_off_says_that_it_begins_anew(
    visits: Connection, replication: Connection, sandbox_settings: Settings
) -> None:
    visits.exec_driver_sql("ALTER TABLE visit DROP PRIMARY KEY")
    replication.commit()
    now = datetime.now(UTC)
    plan = plan_table(_config(Strategy.FULL_TABLE), None, RefreshMode.INCREMENTAL, now)
    visits.exec_driver_sql("LOCK TABLES visit WRITE")
    try:
        with pytest.raises(DeadlineError, match="begins anew every night"):
            extract_table(
                sandbox_settings,
                plan,
                run_id="tonight",
                fence=next(_FENCES),
                deadline=now + timedelta(seconds=3),
                clock=lambda: datetime.now(UTC),
            )
    finally:
        visits.exec_driver_sql("UNLOCK TABLES")


def test_nothing_is_read_after_the_deadline(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    extract()
    with pytest.raises(DeadlineError):
        extract(deadline_after=1)
    status = _status(replication)
    assert status is not None
    assert status.rows_copied == 0


def test_an_attempt_that_was_overtaken_stops_without_writing(
    extract: Extract, visits: Connection, replication: Connection
) -> None:
    extract(fence=10_000)
    _change_all(visits, "new")
    with pytest.raises(FencedError):
        extract(fence=9_999)
    assert {row.Note for row in _rows(replication)} == {"old"}


def test_an_attempt_that_is_overtaken_half_way_loses_its_batch(
    extract: Extract, visits: Connection, replication: Connection, sandbox_settings: Settings
) -> None:
    extract(fence=20_000)
    _change_all(visits, "new")
    replication.exec_driver_sql(
        "CREATE TRIGGER overtake BEFORE INSERT ON etl_changed__visit FOR EACH ROW"
        " UPDATE etl_copy_status SET fence = 30000"
    )
    replication.commit()
    with pytest.raises(FencedError):
        extract(fence=20_001)
    assert {row.Note for row in _rows(replication)} == {"old"}


def test_two_attempts_never_write_at_once(
    extract: Extract, replication: Connection, sandbox_settings: Settings
) -> None:
    with (
        connect(sandbox_settings.replication, is_dedicated=True) as other,
        table_lock(other, "visit", purpose="write"),
        pytest.raises(TableBusyError),
    ):
        extract()


def test_a_caller_may_hold_the_tables_lock(extract: Extract, replication: Connection) -> None:
    with table_lock(replication, "visit"):
        extract()


def test_a_failed_attempt_is_recorded(extract: Extract, visits: Connection, replication: Connection) -> None:
    extract()
    replication.exec_driver_sql("DROP TABLE etl_changed__visit")
    replication.exec_driver_sql("CREATE TABLE etl_changed__visit (wrong int)")
    _change_all(visits, "new")
    with pytest.raises(Exception, match="error"):
        extract()
    status = _status(replication)
    assert status is not None
    assert status.copy_status == "failed"
