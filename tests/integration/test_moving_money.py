"""Writers that never stop move money between rows, so that its sum never changes, while we read.

Pages and ranges are made tiny, so that a table of a few thousand rows is read in as many pieces as one of
millions is. Nobody sees a wrong sum of a transactional table, in no night that ends without a finding.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg2
import pytest

from dental_etl.config import Settings, TableConfig
from dental_etl.connections import connect
from dental_etl.exceptions import DatabaseTransactionError
from dental_etl.extract import reading
from dental_etl.extract.attempt import Progress
from dental_etl.extract.helper import extract_chunk
from dental_etl.extract.replicator import extract_table
from dental_etl.load.loader import LoadOptions, load_table
from dental_etl.plan import plan_table
from dental_etl.reconciliation import comparison, ranges
from dental_etl.reconciliation.raw import prove_raw
from dental_etl.reconciliation.source import SourceProver
from dental_etl.run import Category, ExtractResult, RefreshMode, Severity, Strategy
from dental_etl.sandbox import family
from dental_etl.sandbox.state import SOURCE_DATABASE, Sandbox
from dental_etl.tracking.status import ensure_copy_status, read_copy_status
from tests.comparison import differences
from tests.counting import counted
from tests.nights import Nights

ROWS = 1200
EACH = 1000
_FENCES = count(1)
_WRITERS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Accounts at the source, and nights over them."""

    settings: Settings
    sandbox: Sandbox
    config: TableConfig

    def create(self, engine: str) -> None:
        self.run("DROP TABLE IF EXISTS account")
        self.run(
            "CREATE TABLE account (AccountNum int NOT NULL PRIMARY KEY, Amount int NOT NULL, Note varchar(200), "
            "Stamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) "
            f"ENGINE={engine}"
        )
        self.run(
            f"INSERT INTO account SELECT seq, {EACH}, REPEAT('n', 200), '2020-01-01' FROM {counted(1, ROWS)}"
        )

    @contextmanager
    def writers(self) -> Iterator[None]:
        """Move money until the block ends; every block moves some."""
        is_over, moves = threading.Event(), [0] * _WRITERS
        threads = [
            threading.Thread(target=self._move, args=(number, is_over, moves)) for number in range(_WRITERS)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        assert all(moves)

    def night(
        self,
        refresh: RefreshMode = RefreshMode.INCREMENTAL,
        *,
        run_id: str = "",
        progress: Callable[[Progress], None] | None = None,
        helpers: Callable[[Sequence[int]], None] | None = None,
    ) -> ExtractResult:
        fence = next(_FENCES)
        result = extract_table(
            self.settings,
            self._plan(refresh),
            run_id=run_id or f"run-{fence}",
            fence=fence,
            progress=progress,
            helpers=helpers,
            deadline=None,
            clock=lambda: datetime.now(UTC),
            prover=SourceProver(60.0),
        )
        load_table(
            self.settings,
            self.config,
            run_id=f"run-{fence}",
            before_commit=lambda _connection, _result: None,
            clock=lambda: datetime.now(UTC),
            options=LoadOptions(prove=prove_raw),
        )
        return result

    def help(self, numbers: Sequence[int]) -> None:
        """Copy some of the ranges here and now, in another session."""
        for number in numbers[:3]:
            extract_chunk(
                self.settings,
                self._plan(RefreshMode.INCREMENTAL),
                number,
                run_id="help",
                deadline=None,
                clock=lambda: datetime.now(UTC),
            )

    def run(self, statement: str, *, patience_seconds: int = 60) -> None:
        connection = self._open()
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_wait_timeout = {patience_seconds}")
            cursor.execute(statement)
        connection.commit()
        connection.close()

    def sum_in_raw(self) -> int:
        analytics = self.settings.analytics
        with psycopg2.connect(
            host=analytics.host,
            port=analytics.port,
            user=analytics.user,
            password=analytics.password,
            dbname=analytics.database,
        ) as connection:
            cursor = connection.cursor()
            cursor.execute('SELECT sum("Amount") FROM raw.account')
            (total,) = cursor.fetchone() or (0,)
        return int(total)

    def _plan(self, refresh: RefreshMode) -> Any:
        with connect(self.settings.replication) as connection:
            ensure_copy_status(connection)
            status = read_copy_status(connection, "account")
        return plan_table(self.config, status, refresh, datetime.now(UTC))

    def _move(self, number: int, is_over: threading.Event, moves: list[int]) -> None:
        """Take from one account and give to another far away, one transaction each."""
        dice = random.Random(number)  # noqa: S311  # repeatable, nothing secret
        connection = self._open()
        with connection.cursor() as cursor:
            while not is_over.is_set():
                one, other = sorted((dice.randint(1, ROWS // 2), dice.randint(ROWS // 2 + 1, ROWS)))
                cursor.execute(
                    "UPDATE account SET Amount = Amount + CASE AccountNum WHEN %s THEN -1 ELSE 1 END "
                    "WHERE AccountNum IN (%s, %s)",
                    (one, one, other),
                )
                connection.commit()
                moves[number] += 1
        connection.close()

    def _open(self) -> Any:
        connection = family.connect(self.sandbox.source)
        connection.select_db(SOURCE_DATABASE)
        return connection


class _BrokenOffError(Exception):
    """The process ends here."""


def _break_off_at(page: int) -> Callable[[Progress], None]:
    pages = count(1)

    def progress(_progress: Progress) -> None:
        if next(pages) == page:
            raise _BrokenOffError

    return progress


CONFIG = TableConfig(
    table_name="account",
    extraction_strategy=Strategy.INCREMENTAL,
    strategy_reason="test",
    primary_incremental_column="Stamp",
    batch_size=100,
    performance_category=Category.TINY,
    processing_priority="low",
    estimated_rows=ROWS,
    # As if rows were wide: then a table is compared and read by ranges, and never at once.
    estimated_size_mb=500.0,
)
UNSTAMPED = replace(CONFIG, extraction_strategy=Strategy.FULL_TABLE, primary_incremental_column=None)
ROTATING = replace(CONFIG, reconcile="rotating")
CONFIGS = [
    pytest.param(CONFIG, id="stamped"),
    pytest.param(UNSTAMPED, id="unstamped"),
    pytest.param(ROTATING, id="rotating"),
]


@pytest.fixture
def accounts(sandbox: Sandbox, sandbox_settings: Settings, tmp_path: Path) -> Iterator[Ledger]:
    Nights(sandbox, sandbox_settings, tmp_path)  # empties all three databases
    with (
        patch.object(ranges, "LEAF_ROWS", 50),
        patch.object(comparison, "WHOLE_ROWS", 100),
        patch.object(comparison, "AT_ONCE_ROWS", 20),
        patch.object(comparison, "_FIRST_ROWS", 100),
        patch.object(comparison, "_MOST_ROWS", 200),
    ):
        yield Ledger(settings=sandbox_settings, sandbox=sandbox, config=CONFIG)


@pytest.mark.parametrize("config", CONFIGS)
def test_no_sum_of_a_transactional_table_is_ever_wrong(accounts: Ledger, config: TableConfig) -> None:
    _watch_sums(replace(accounts, config=config), nights=2)


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS)
def test_no_sum_is_wrong_in_many_nights(accounts: Ledger, config: TableConfig) -> None:
    _watch_sums(replace(accounts, config=config), nights=40)


def _watch_sums(ledger: Ledger, *, nights: int) -> None:
    ledger.create("InnoDB")
    ways = [RefreshMode.INCREMENTAL, RefreshMode.FULL, *[RefreshMode.INCREMENTAL] * nights]
    with ledger.writers():
        seen = [(ledger.night(way).findings, ledger.sum_in_raw()) for way in ways]
    assert seen == [((), ROWS * EACH)] * len(ways)
    ledger.night()
    assert differences(ledger.settings) == []


@pytest.mark.parametrize("config", CONFIGS)
def test_what_moves_in_a_table_without_transactions_is_mended_once_it_rests(
    accounts: Ledger, config: TableConfig
) -> None:
    ledger = replace(accounts, config=config)
    ledger.create("MyISAM")
    with ledger.writers():
        for _ in range(2):
            ledger.night()
    ledger.night()
    assert differences(ledger.settings) == []


def test_a_table_that_is_never_seen_as_of_one_moment_is_not_called_whole(accounts: Ledger) -> None:
    accounts.create("InnoDB")
    with accounts.writers(), patch.object(reading, "MOMENT_SECONDS", 0.0):
        night = accounts.night()
    assert night.findings
    assert {one.severity for one in night.findings} == {Severity.WARNING}


def test_a_copy_that_was_broken_off_ends_as_of_one_moment(accounts: Ledger) -> None:
    accounts.create("InnoDB")
    with accounts.writers():
        with pytest.raises(_BrokenOffError):
            accounts.night(run_id="same", progress=_break_off_at(6))
        night = accounts.night(run_id="same")
        assert accounts.sum_in_raw() == ROWS * EACH
    assert night.findings == ()
    assert night.rows_read < 2 * ROWS


def test_a_copy_by_many_ends_as_of_one_moment(accounts: Ledger) -> None:
    large = replace(CONFIG, performance_category=Category.LARGE)
    ledger = replace(accounts, config=large)
    ledger.create("InnoDB")
    with ledger.writers():
        night = ledger.night(helpers=ledger.help)
        assert ledger.sum_in_raw() == ROWS * EACH
    assert night.findings == ()


def test_the_clinic_can_alter_a_table_that_is_being_read(accounts: Ledger) -> None:
    accounts.create("InnoDB")
    altered: list[bool] = []

    def alter(_progress: Progress) -> None:
        if not altered:
            accounts.run(
                "ALTER TABLE account ADD COLUMN Extra int DEFAULT 7, ALGORITHM=COPY", patience_seconds=5
            )
            altered.append(True)

    with pytest.raises(DatabaseTransactionError):
        accounts.night(progress=alter)
    accounts.night()
    assert altered == [True]
    assert differences(accounts.settings) == []
