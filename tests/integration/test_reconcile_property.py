"""Any table, any history: after every night source, replica and raw hold the same rows.

Ranges are made tiny, so that a table of a few dozen rows is cut as one of millions is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from dental_etl.config import Settings, TableConfig
from dental_etl.connections import connect
from dental_etl.extract.replicator import extract_table
from dental_etl.load.loader import LoadOptions, load_table
from dental_etl.plan import plan_table
from dental_etl.reconciliation import comparison, ranges
from dental_etl.reconciliation.raw import prove_raw
from dental_etl.reconciliation.source import SourceProver
from dental_etl.run import Category, CopyStatus, LoadResult, RefreshMode, Strategy
from dental_etl.tracking.status import ensure_copy_status, read_copy_status
from tests.comparison import differences

_FENCES = count(1)


class CrashError(Exception):
    """The process ends here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A primary key, how the n-th row gets its value, and how a row gets another one."""

    ddl: str
    value: str
    changed: str


KEYS = {
    "int": Key(ddl="K int NOT NULL PRIMARY KEY", value="seq", changed="K = K + 100000"),
    "negative": Key(
        ddl="K bigint NOT NULL PRIMARY KEY", value="-CAST(seq AS SIGNED)", changed="K = K - 100000"
    ),
    "unsigned": Key(
        ddl="K bigint unsigned NOT NULL PRIMARY KEY",
        value="18446744073709551615 - seq",
        changed="K = K - 100000",
    ),
    "text": Key(
        ddl="K varchar(20) CHARACTER SET utf8 COLLATE utf8_general_ci NOT NULL PRIMARY KEY",
        value="CONCAT('k', seq)",
        changed="K = UPPER(K)",
    ),
    "composite": Key(
        ddl="K int NOT NULL, L varchar(20) CHARACTER SET latin1 NOT NULL, PRIMARY KEY (K, L)",
        value="MOD(seq, 5), CONCAT('l', seq)",
        changed="L = CONCAT(L, 'x')",
    ),
    "none": Key(ddl="K int", value="MOD(seq, 9)", changed="K = K + 1"),
}
CHANGES = {
    "stamped edit": "UPDATE thing SET Note = CONCAT(Note, 'x') WHERE MOD(Num, 7) = {r}",
    "silent edit": "UPDATE thing SET Amount = Amount + 1, Stamp = Stamp WHERE MOD(Num, 5) = {r}",
    "exchange": "UPDATE thing SET Amount = 1000 - Amount, Stamp = Stamp WHERE MOD(Num, 11) IN ({r}, 7)",
    "zero date": "UPDATE thing SET Born = '0000-00-00', Stamp = Stamp WHERE MOD(Num, 13) = {r}",
    "null": "UPDATE thing SET Note = NULL, Stamp = Stamp WHERE MOD(Num, 6) = {r}",
    "delete": "DELETE FROM thing WHERE MOD(Num, 6) = {r}",
    "empty": "TRUNCATE TABLE thing",
    "widen": "ALTER TABLE thing MODIFY Note varchar(200) CHARACTER SET utf8",
    "back-date": "UPDATE thing SET Stamp = '2001-01-01' WHERE MOD(Num, 4) = {r}",
    "far future": "UPDATE thing SET Stamp = '2037-01-01' WHERE MOD(Num, 17) = {r}",
}
STEPS = st.lists(
    st.tuples(
        st.sampled_from([*CHANGES, "insert", "insert", "rekey", "add column", "night", "night", "crash"]),
        st.integers(0, 3),
        st.integers(1, 25),
    ),
    min_size=4,
    max_size=12,
)


class Story:
    """One table and what happens to it."""

    def __init__(
        self, everywhere: Settings, source: Connection, *, key: str, engine: str, is_stamped: bool
    ) -> None:
        self._settings = everywhere
        self._source = source
        self._key = KEYS[key]
        self._numbers = count(1)
        self._config = _config(is_stamped=is_stamped and key != "none")
        self._run("SET sql_mode = '', time_zone = '+00:00'")
        self._run(
            f"CREATE TABLE thing ({self._key.ddl}, Num int, Note varchar(100) CHARACTER SET utf8, "
            f"Amount double, Born date, "
            f"Stamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) ENGINE={engine}"
        )

    def play(self, step: str, remainder: int, number: int) -> None:
        note(f"{step} {remainder} {number}")
        if step == "night":
            self.night()
        elif step == "crash":
            self._crashed_night(number)
        elif step == "insert":
            self._insert(number)
        elif step == "rekey":
            self._run(
                f"UPDATE IGNORE thing SET {self._key.changed}, Stamp = Stamp WHERE MOD(Num, 8) = {remainder}"
            )
        elif step == "add column":
            self._run(f"ALTER TABLE thing ADD COLUMN X{next(self._numbers)} int DEFAULT 5")
        else:
            self._run(CHANGES[step].format(r=remainder))

    def night(self) -> None:
        """Run a night that ends, then compare value by value."""
        self._night(lambda: datetime.now(UTC))
        assert differences(self._settings) == []

    def _crashed_night(self, number: int) -> None:
        """Run a night whose process dies at some look at the clock, if it looks that often."""
        looks = count(1)

        def clock() -> datetime:
            if next(looks) == number:
                raise CrashError
            return datetime.now(UTC)

        try:
            self._night(clock)
        except CrashError:
            note("crashed")

    def _night(self, clock: Callable[[], datetime]) -> None:
        def before_commit(_connection: Connection, _result: LoadResult) -> None:
            clock()

        fence = next(_FENCES)
        extract_table(
            self._settings,
            plan_table(self._config, self._status(), RefreshMode.INCREMENTAL, datetime.now(UTC)),
            run_id=f"run-{fence}",
            fence=fence,
            deadline=datetime.now(UTC) + timedelta(hours=1),
            clock=clock,
            prover=SourceProver(60.0),
        )
        load_table(
            self._settings,
            self._config,
            run_id=f"run-{fence}",
            before_commit=before_commit,
            clock=clock,
            options=LoadOptions(prove=prove_raw),
        )

    def _insert(self, rows: int) -> None:
        first = next(self._numbers) * 100
        self._run(
            f"INSERT IGNORE INTO thing (K{', L' if 'L varchar' in self._key.ddl else ''}, Num, Note, Amount, Born) "
            f"SELECT {self._key.value}, seq, CONCAT('n', seq), seq / 8, '2020-01-31' "
            f"FROM seq_{first}_to_{first + rows * 4}"
        )

    def _run(self, statement: str) -> None:
        self._source.exec_driver_sql(statement)
        self._source.commit()

    def _status(self) -> CopyStatus | None:
        with connect(self._settings.replication) as connection:
            ensure_copy_status(connection)
            return read_copy_status(connection, "thing")


def _config(*, is_stamped: bool) -> TableConfig:
    return TableConfig(
        table_name="thing",
        extraction_strategy=Strategy.INCREMENTAL if is_stamped else Strategy.FULL_TABLE,
        strategy_reason="test",
        primary_incremental_column="Stamp" if is_stamped else None,
        batch_size=20,
        performance_category=Category.TINY,
        processing_priority="low",
        estimated_rows=10,
        estimated_size_mb=10.0,
    )


@pytest.fixture
def emptied(
    source_admin: Connection, replication: Connection, analytics: Connection
) -> Callable[[], Connection]:
    """Empty all three databases; a property is tried many times within one test."""

    def empty() -> Connection:
        for connection in (source_admin, replication):
            names = [row[0] for row in connection.exec_driver_sql("SHOW TABLES")]
            for name in names:
                connection.exec_driver_sql(f"DROP TABLE `{name}`")
            connection.commit()
        analytics.exec_driver_sql("DROP SCHEMA IF EXISTS raw CASCADE")
        analytics.commit()
        return source_admin

    return empty


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    key=st.sampled_from(sorted(KEYS)),
    engine=st.sampled_from(["MyISAM", "InnoDB"]),
    is_stamped=st.booleans(),
    steps=STEPS,
)
def test_after_every_night_all_three_are_equal(
    emptied: Callable[[], Connection],
    sandbox_settings: Settings,
    key: str,
    engine: str,
    is_stamped: bool,  # noqa: FBT001  # drawn by name
    steps: list[tuple[str, int, int]],
) -> None:
    with (
        patch.object(ranges, "LEAF_ROWS", 6),
        patch.object(ranges, "PARTS", 3),
        patch.object(comparison, "WHOLE_ROWS", 15),
        patch.object(comparison, "_FIRST_ROWS", 20),
    ):
        story = Story(sandbox_settings, emptied(), key=key, engine=engine, is_stamped=is_stamped)
        story.play("insert", 0, 20)
        story.night()
        for step in steps:
            story.play(*step)
        story.night()
