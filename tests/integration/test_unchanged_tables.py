"""One look ends the tables that did not change; every doubt gives a table its turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from dental_etl import pipeline
from dental_etl.config import Role, Settings
from dental_etl.connections import connect
from dental_etl.pipeline import unchanged
from dental_etl.plan import plan_table
from dental_etl.reconciliation import fingerprint
from dental_etl.report import RunReport, to_text
from dental_etl.run import RefreshMode, RunKind, RunStatus, new_run_id
from dental_etl.sandbox.state import Sandbox
from dental_etl.tracking import ledger
from dental_etl.tracking.configured import configured_tables
from dental_etl.tracking.locks import advisory_lock, source_slot, table_lock
from dental_etl.tracking.status import read_copy_statuses
from dental_etl.wire.names import primary_key
from tests.comparison import differences
from tests.counting import counted
from tests.nights import Nights

#: With a stamp, without one, without a row, and with a file's own time.
TABLES = frozenset({"patient", "claim", "unused", "note"})
_NOW = datetime(2026, 2, 4, 4, 0, tzinfo=UTC)
#: Before and after that many reads of the clock somebody else comes; a look reads it less often.
_MOMENTS = 8


@pytest.fixture
def nights(
    sandbox: Sandbox, sandbox_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Nights:
    """Four tables that were copied and proven, and have not been written since."""
    monkeypatch.setattr(fingerprint, "_MARGIN_SECONDS", 0)
    made = Nights(sandbox, sandbox_settings, tmp_path)
    made.execute(
        "CREATE TABLE patient (PatNum bigint NOT NULL PRIMARY KEY, LName varchar(20), DateTStamp timestamp NOT NULL "
        "DEFAULT current_timestamp() ON UPDATE current_timestamp(), KEY (LName)) ENGINE=InnoDB"
    )
    made.execute(f"INSERT INTO patient SELECT seq, CONCAT('n', seq), '2020-01-01' FROM {counted(1, 50)}")
    for name, engine in (("claim", "InnoDB"), ("unused", "InnoDB"), ("note", "MyISAM")):
        made.execute(
            f"CREATE TABLE {name} (Id bigint NOT NULL PRIMARY KEY, Fee decimal(9,2)) ENGINE={engine}"
        )
    made.execute(f"INSERT INTO claim SELECT seq, seq FROM {counted(1, 50)}")
    made.execute(f"INSERT INTO note SELECT seq, seq FROM {counted(1, 50)}")
    made.execute(
        "INSERT INTO unused VALUES (1, 1)"
    )  # of a table that was never written the server says nothing
    made.execute("DELETE FROM unused")
    _await_next_second(made)
    made.play()
    made.play(is_analyzed=False)  # what was copied whole is compared, and its raw with it
    return made


def _await_next_second(nights: Nights) -> None:
    second = nights.execute("SELECT UTC_TIMESTAMP()")
    while nights.execute("SELECT UTC_TIMESTAMP()") == second:
        nights.execute("DO SLEEP(0.1)")


def _without_a_turn(report: RunReport) -> frozenset[str]:
    return frozenset(table.table for table in report.tables if not table.attempts)


def _turns(nights: Nights) -> frozenset[str]:
    """Plan a run of everything; return which tables of it have a turn."""
    run_id = new_run_id(_NOW)
    pipeline.open_rerun(nights.settings, run_id, RunKind.RERUN, _NOW)
    return frozenset(plan.table for plan in pipeline.plan_run(nights.settings, run_id, lambda: _NOW))


def test_a_clinic_that_did_not_change_is_told_by_one_look(nights: Nights) -> None:
    report = nights.play(is_analyzed=False)
    assert _without_a_turn(report) == TABLES
    assert (report.pipeline_success, report.source_cost.connections) == (True, 1)


def test_the_message_says_how_many_did_not_change_and_what_it_took(nights: Nights) -> None:
    assert "4 tables were unchanged and not read; to know that took 0" in to_text(
        nights.play(is_analyzed=False)
    )


def test_the_end_is_that_of_a_turn(nights: Nights) -> None:
    by_turns, by_look = (nights.play(is_analyzed=False, names=names) for names in (tuple(TABLES), ()))
    assert (_without_a_turn(by_turns), _without_a_turn(by_look)) == (frozenset(), TABLES)
    assert _ends(by_look) == _ends(by_turns)


def _ends(report: RunReport) -> dict[str, object]:
    own = {
        "run_id", "attempts", "reads", "source_seconds", "longest_read_seconds", "extract_seconds", "load_seconds",
        "started_at", "finished_at", "proven_at", "expected_seconds", "reason",
    }  # fmt: skip
    return {
        table.table: {name: value for name, value in table.to_json().items() if name not in own}
        | {"why": (table.reason or "").partition(";")[0]}
        for table in report.tables
    }


def test_what_is_recorded_beside_the_rows_is_that_of_a_turn(nights: Nights) -> None:
    nights.play(is_analyzed=False, names=tuple(TABLES))
    by_turns = _recorded(nights)
    report = nights.play(is_analyzed=False)
    assert _recorded(nights) == by_turns
    assert _runs(nights) == {(report.header.run_id, report.header.run_id)}


def _recorded(nights: Nights) -> list[tuple[object, ...]]:
    with connect(nights.settings.replication) as replication:
        copies = replication.execute(
            text(
                "SELECT c.table_name, c.copy_status, c.checkpoint, c.generation, c.strategy, c.overlap_minutes, "
                "c.last_primary_value, c.source_schema, p.generation, p.fingerprint, p.compared_at, "
                "p.proven_at < c.last_copied + INTERVAL 1 SECOND FROM etl_copy_status c "
                "JOIN etl_proof p USING (table_name) ORDER BY 1"
            )
        ).all()
    loads = nights.in_raw(
        "SELECT table_name, rows_loaded, load_status, loaded_generation, proven_at, proof_position, "
        "last_primary_value, primary_column_name FROM raw.etl_load_status ORDER BY 1"
    )
    return [*map(tuple, copies), *loads]


def _runs(nights: Nights) -> set[tuple[str, str]]:
    with connect(nights.settings.replication) as replication:
        rows = replication.execute(text("SELECT table_name, run_id FROM etl_copy_status"))
        copied = {row[0]: row[1] for row in rows}
    loaded = nights.in_raw("SELECT table_name, run_id FROM raw.etl_load_status")
    return {(copied[table], run_id) for table, run_id in loaded}


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("patient", "UPDATE patient SET LName = 'x' WHERE PatNum = 7"),
        ("patient", "UPDATE patient SET LName = 'x', DateTStamp = DateTStamp WHERE PatNum = 7"),
        ("patient", "ALTER TABLE patient ADD COLUMN FName varchar(9) NOT NULL DEFAULT 'f'"),
        ("patient", "ALTER TABLE patient DROP KEY LName"),
        ("patient", "ALTER TABLE patient MODIFY LName varchar(30)"),
        ("claim", "INSERT INTO claim VALUES (51, 1)"),
        ("claim", "DELETE FROM claim WHERE Id = 3"),
        ("claim", "DELETE FROM claim"),
        ("claim", "TRUNCATE TABLE claim"),
        ("unused", "INSERT INTO unused VALUES (1, 1)"),
        ("note", "UPDATE note SET Fee = 5 WHERE Id = 1"),
        ("note", "TRUNCATE TABLE note"),
    ],
)
def test_what_moved_at_the_source_has_its_turn(nights: Nights, table: str, statement: str) -> None:
    nights.execute(statement)
    report = nights.play(is_analyzed=False)
    assert _without_a_turn(report) == TABLES - {table}
    assert (nights.differing_replicas(), differences(nights.settings)) == ([], [])


def test_a_table_of_which_the_server_says_nothing_has_its_turn(nights: Nights) -> None:
    """As every InnoDB table after a restart of the server, until it is written again."""
    nights.execute("CREATE TABLE silent LIKE claim")
    nights.play()
    nights.play(is_analyzed=False)
    report = nights.play(is_analyzed=False)
    assert (_without_a_turn(report), len(report.tables)) == (TABLES, len(TABLES) + 1)


def test_an_emptied_table_that_was_filled_again_has_its_turn(nights: Nights) -> None:
    nights.execute("TRUNCATE TABLE claim")
    nights.execute("INSERT INTO claim VALUES (1, 1)")
    assert _without_a_turn(nights.play(is_analyzed=False)) == TABLES - {"claim"}
    assert differences(nights.settings) == []


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE claim",
        "ALTER TABLE claim DROP COLUMN Fee",
        "ALTER TABLE claim ENGINE=MyISAM",
        "ALTER TABLE claim DROP PRIMARY KEY",
        "DELETE FROM etl_proof WHERE table_name = 'claim'",
        "UPDATE etl_proof SET compared_at = '2020-01-01' WHERE table_name = 'claim'",
        "UPDATE etl_proof SET generation = generation + 1 WHERE table_name = 'claim'",
        "UPDATE etl_copy_status SET copy_status = 'failed' WHERE table_name = 'claim'",
        "UPDATE etl_copy_status SET last_copied = '2020-01-01' WHERE table_name = 'claim'",
        "UPDATE etl_copy_status SET source_schema = NULL WHERE table_name = 'claim'",
    ],
)
def test_what_moved_in_replication_has_its_turn(nights: Nights, statement: str) -> None:
    nights.in_replication(statement)
    report = nights.play(is_analyzed=False)
    assert (_without_a_turn(report), report.pipeline_success) == (TABLES - {"claim"}, True)
    assert (nights.differing_replicas(), differences(nights.settings)) == ([], [])


def test_a_replica_that_raw_has_not_loaded_yet_has_its_turn(nights: Nights) -> None:
    nights.in_replication(
        "UPDATE etl_copy_status c JOIN etl_proof p USING (table_name) SET c.generation = c.generation + 1, "
        "p.generation = p.generation + 1 WHERE table_name = 'claim'"
    )
    assert _without_a_turn(nights.play(is_analyzed=False)) == TABLES - {"claim"}
    assert differences(nights.settings) == []


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE raw.claim",
        'ALTER TABLE raw.claim DROP COLUMN "Fee"',
        'ALTER TABLE raw.claim ALTER COLUMN "Fee" TYPE numeric(5,1)',
        f'ALTER TABLE raw.claim DROP CONSTRAINT "{primary_key("claim")}"',
        "DELETE FROM raw.etl_load_status WHERE table_name = 'claim'",
        "UPDATE raw.etl_load_status SET loaded_generation = loaded_generation - 1 WHERE table_name = 'claim'",
        "UPDATE raw.etl_load_status SET load_status = 'running' WHERE table_name = 'claim'",
        "UPDATE raw.etl_load_status SET proven_at = NULL WHERE table_name = 'claim'",
        "UPDATE raw.etl_load_status SET proven_at = '2020-01-01' WHERE table_name = 'claim'",
    ],
)
def test_what_moved_in_analytics_has_its_turn(nights: Nights, statement: str) -> None:
    nights.in_raw(statement)
    report = nights.play(is_analyzed=False)
    assert (_without_a_turn(report), report.pipeline_success) == (TABLES - {"claim"}, True)
    assert differences(nights.settings) == []


def test_rows_that_somebody_deleted_in_raw_are_noticed(nights: Nights) -> None:
    """Nobody asks raw for its rows before they are counted at the end of the run."""
    nights.in_raw('DELETE FROM raw.claim WHERE "Id" < 3')
    report = nights.play(is_analyzed=False)
    assert _without_a_turn(report) == TABLES
    assert ("row_count", "claim") in [(one.check, one.table) for one in report.findings]


@pytest.mark.parametrize("refresh", [RefreshMode.FULL, RefreshMode.CONFIRMED])
def test_what_a_person_asks_for_has_its_turn(nights: Nights, refresh: RefreshMode) -> None:
    assert _without_a_turn(nights.play(is_analyzed=False, refresh=refresh)) == frozenset()


def test_a_table_that_tables_yml_does_not_know_has_its_turn(nights: Nights) -> None:
    nights.execute("CREATE TABLE late (Id bigint NOT NULL PRIMARY KEY) ENGINE=InnoDB")
    _await_next_second(nights)
    for _ in range(2):
        nights.play(is_analyzed=False)
    report = nights.play(is_analyzed=False)
    assert _without_a_turn(report) == TABLES
    assert [table.table for table in report.drifted] == ["late"]


@contextmanager
def _at_the_replica(settings: Settings) -> Iterator[None]:
    with connect(settings.replication, is_dedicated=True) as session, table_lock(session, "claim"):
        yield


@contextmanager
def _in_a_batch(settings: Settings) -> Iterator[None]:
    """A batch holds its table's status until it is committed, which may take longer than the look waits."""
    with _at_the_replica(settings), connect(settings.replication) as session, session.begin():
        session.execute(text("SELECT 1 FROM etl_copy_status WHERE table_name = 'claim' FOR UPDATE"))
        yield


@contextmanager
def _at_its_proof(settings: Settings) -> Iterator[None]:
    with _at_the_replica(settings), connect(settings.replication) as session, session.begin():
        session.execute(text("SELECT 1 FROM etl_proof WHERE table_name = 'claim' FOR UPDATE"))
        yield


@contextmanager
def _at_raw(settings: Settings) -> Iterator[None]:
    with connect(settings.analytics, is_dedicated=True) as session, advisory_lock(session, "load:claim"):
        yield


@contextmanager
def _at_its_status(settings: Settings) -> Iterator[None]:
    with connect(settings.analytics) as session, session.begin():
        session.execute(text("SELECT 1 FROM raw.etl_load_status WHERE table_name = 'claim' FOR UPDATE"))
        yield


@pytest.mark.parametrize("worker", [_at_the_replica, _in_a_batch, _at_its_proof, _at_raw, _at_its_status])
def test_a_table_that_somebody_works_has_its_turn(
    nights: Nights, worker: Callable[[Settings], Iterator[None]]
) -> None:
    with worker(nights.settings):  # type: ignore[attr-defined]  # a context manager, as parametrize hands it out
        assert _turns(nights) == {"claim"}


def test_a_table_that_the_clinic_has_locked_is_not_waited_for(nights: Nights) -> None:
    nights.execute("LOCK TABLES claim WRITE")
    try:
        assert _turns(nights) == {"patient", "claim", "unused"}  # one statement asks for all of InnoDB's
    finally:
        nights.execute("UNLOCK TABLES")


def test_with_all_places_taken_every_table_has_its_turn(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unchanged, "_PATIENCE_SECONDS", 0.0)
    places = nights.settings.source_max_connections
    with ExitStack() as stack:
        for _ in range(places):
            taken = stack.enter_context(connect(nights.settings.source, is_dedicated=True))
            stack.enter_context(source_slot(taken, places))
        assert _turns(nights) == TABLES


def test_a_source_that_is_known_to_be_away_is_not_asked(nights: Nights) -> None:
    run_id = new_run_id(_NOW)
    pipeline.open_rerun(nights.settings, run_id, RunKind.RERUN, _NOW)
    with pipeline.ledger_transaction(nights.settings) as connection:
        ledger.open_outage(connection, Role.SOURCE, run_id, _NOW)
        ledger.ask_later(connection, Role.SOURCE, _NOW)
    left = pipeline.plan_run(nights.settings, run_id, lambda: _NOW)
    with pipeline.ledger_transaction(nights.settings) as connection:
        assert ledger.visits(connection, run_id) == ()
    assert {plan.table for plan in left} == TABLES


def test_after_the_window_has_closed_nobody_is_asked(nights: Nights) -> None:
    run_id = new_run_id(_NOW)
    with pipeline.ledger_transaction(nights.settings) as connection:
        ledger.open_run(
            connection, run_id=run_id, kind=RunKind.RERUN, run_date=_NOW.date(), now=_NOW, deadline=_NOW
        )
    left = pipeline.plan_run(nights.settings, run_id, lambda: _NOW)
    with pipeline.ledger_transaction(nights.settings) as connection:
        assert ledger.visits(connection, run_id) == ()
    assert {plan.table for plan in left} == TABLES


def test_who_is_killed_before_the_ledger_was_told_has_lied_to_nobody(nights: Nights) -> None:
    found = _look(nights, lambda: _NOW)
    assert found.tables.keys() == TABLES
    nights.execute("UPDATE claim SET Fee = 0 WHERE Id = 9")
    assert _without_a_turn(nights.play(is_analyzed=False)) == TABLES - {"claim"}
    assert differences(nights.settings) == []


def test_a_plan_that_is_delivered_again_publishes_what_is_open(nights: Nights) -> None:
    """Not what the first one ended, and nothing of a run that has come to its report meanwhile."""
    nights.execute("UPDATE claim SET Fee = 0 WHERE Id = 9")
    run_id = new_run_id(_NOW)
    pipeline.open_rerun(nights.settings, run_id, RunKind.RERUN, _NOW)

    def planned() -> set[str]:
        return {plan.table for plan in pipeline.plan_run(nights.settings, run_id, lambda: _NOW)}

    assert (planned(), planned()) == ({"claim"}, {"claim"})
    assert pipeline.run_table(nights.settings, run_id, "claim", clock=lambda: _NOW) is None
    with pipeline.ledger_transaction(nights.settings) as connection:
        assert ledger.finalise_once(connection, run_id, "chord", _NOW)
    assert planned() == set()
    with pipeline.ledger_transaction(nights.settings) as connection:
        assert ledger.run(connection, run_id).status is RunStatus.REPORTING


def _look(nights: Nights, clock: Callable[[], datetime]) -> unchanged.Look:
    with connect(nights.settings.replication) as connection:
        copies = read_copy_statuses(connection)
    plans = [
        plan_table(config, copies[config.table_name], RefreshMode.INCREMENTAL, _NOW)
        for config in configured_tables(nights.settings)
    ]
    run_id = new_run_id(_NOW)
    pipeline.open_rerun(nights.settings, run_id, RunKind.RERUN, _NOW)
    return unchanged.look(nights.settings, run_id, plans, clock)


@pytest.mark.parametrize("moment", range(1, _MOMENTS))
def test_whoever_comes_at_any_moment_of_the_look_is_not_overwritten(nights: Nights, moment: int) -> None:
    """A person edits a row and reruns the table while the look is under way."""
    meddler = _Meddler(nights, moment)
    run_id = new_run_id(_NOW)
    pipeline.open_rerun(nights.settings, run_id, RunKind.RERUN, _NOW)
    left = pipeline.plan_run(nights.settings, run_id, meddler)
    assert meddler.has_come
    assert differences(nights.settings) == []
    for plan in left:
        assert pipeline.run_table(nights.settings, run_id, plan.table, clock=lambda: _NOW) is None
    assert (nights.differing_replicas(), differences(nights.settings)) == ([], [])
    with pipeline.ledger_transaction(nights.settings) as connection:
        assert all(result.status == "loaded" for result in ledger.results(connection, run_id))


class _Meddler:
    """A clock at whose nth reading somebody comes."""

    def __init__(self, nights: Nights, moment: int) -> None:
        self._nights = nights
        self._left = moment
        self.has_come = False

    def __call__(self) -> datetime:
        self._left -= 1
        if self._left == 0:
            self._nights.execute("UPDATE claim SET Fee = Fee + 1 WHERE Id = 5")
            self._nights.play(is_analyzed=False, names=("claim",))
            self.has_come = True
        return _NOW + timedelta(seconds=1)


def test_a_table_that_is_gone_has_a_turn_to_say_so(nights: Nights) -> None:
    nights.execute("DROP TABLE claim")
    assert _turns(nights) == {"claim"}
