"""Any tables, any history: after every night that ends well, source and raw hold the same rows.

Ranges are made tiny, so that a table of a few dozen rows is cut as one of millions is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import stamina
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dental_etl.config import Settings
from dental_etl.exceptions import ETLPipelineError
from dental_etl.reconciliation import comparison, fingerprint, ranges, slots
from dental_etl.report import RunReport
from dental_etl.run import RefreshMode
from dental_etl.sandbox import family
from dental_etl.sandbox.state import Sandbox
from tests.comparison import differences
from tests.crashes import Killed, process_dies_at, session_ends_at
from tests.histories import CURSORS, KEYS, KINDS, STAMPS, Table
from tests.nights import Nights

TABLES = st.integers(0, 2)
PARTS = st.integers(0, 6)
COLUMNS = st.integers(0, 9)
ENGINES = st.sampled_from(["InnoDB", "MyISAM"])
SHAPES = st.fixed_dictionaries({
    "key": st.sampled_from(sorted(KEYS)),
    "stamp": st.sampled_from(sorted(STAMPS)),
    "engine": ENGINES,
    "kinds": st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4),
})  # fmt: skip
#: What an operator is told to do where a night must not go on by itself.
_REMEDIES = {"E_DELETE_BRAKE": RefreshMode.CONFIRMED, "E_DRIFT": RefreshMode.FULL_CONFIRMED}


class Clinic(RuleBasedStateMachine):
    """A source whose tables people work with, and the nights over it."""

    def __init__(self, open_nights: Callable[[], Nights], kill: Callable[[int, int], None]) -> None:
        super().__init__()
        self._nights = open_nights()
        self._kill = kill
        self._tables: list[Table] = []
        self._made = 0

    @initialize(shapes=st.lists(SHAPES, min_size=1, max_size=3), rows=st.integers(1, 60))
    def open(self, shapes: list[dict[str, Any]], rows: int) -> None:
        for shape in shapes:
            self._create(shape)
        for table in self._tables:
            self._run(table.insert(rows))

    @rule(which=TABLES, rows=st.integers(1, 40))
    def insert(self, which: int, rows: int) -> None:
        self._run(self._table(which).insert(rows))

    @rule(which=TABLES, column=COLUMNS, part=PARTS, is_silent=st.booleans())
    def edit(self, which: int, column: int, part: int, *, is_silent: bool) -> None:
        table = self._table(which)
        if table.columns:
            self._run(table.edit(_pick(table, column), part, is_silent=is_silent))

    @rule(which=TABLES, cursor=st.sampled_from(CURSORS), part=PARTS)
    def date(self, which: int, cursor: str, part: int) -> None:
        table = self._table(which)
        if table.stamp != "none":
            self._run(table.date(cursor, part))

    @rule(which=TABLES, part=PARTS)
    def delete(self, which: int, part: int) -> None:
        self._run(self._table(which).delete(part))

    @rule(which=TABLES, part=PARTS)
    def rekey(self, which: int, part: int) -> None:
        self._run(self._table(which).rekey(part))

    @rule(which=TABLES)
    def truncate(self, which: int) -> None:
        self._run(self._table(which).truncate())

    @rule(
        which=TABLES, kind=st.sampled_from(sorted(KINDS)), place=st.sampled_from(["", "FIRST", "AFTER Num"])
    )
    def add_column(self, which: int, kind: str, place: str) -> None:
        self._run(self._table(which).add(kind, place))

    @rule(which=TABLES, column=COLUMNS, how=st.sampled_from(["drop", "rename", "reorder", "rest"]))
    def alter_column(self, which: int, column: int, how: str) -> None:
        table = self._table(which)
        if table.columns:
            self._run(getattr(table, how)(_pick(table, column)))

    @rule(which=TABLES, column=COLUMNS, kind=st.sampled_from(sorted(KINDS)))
    def retype_column(self, which: int, column: int, kind: str) -> None:
        table = self._table(which)
        if table.columns:
            self._run(table.retype(_pick(table, column), kind))

    @rule(which=TABLES, engine=ENGINES)
    def move(self, which: int, engine: str) -> None:
        self._run(self._table(which).move(engine))

    @rule(which=TABLES, shape=SHAPES, rows=st.integers(0, 30))
    def make_anew(self, which: int, shape: dict[str, Any], rows: int) -> None:
        """Drop a table and make another one of that name."""
        old = self._tables.pop(self._tables.index(self._table(which)))
        self._run(f"DROP TABLE `{old.name}`")
        table = self._create(shape, name=old.name)
        if rows:
            self._run(table.insert(rows))

    @precondition(lambda self: len(self._tables) < 3)
    @rule(shape=SHAPES, rows=st.integers(0, 30))
    def make_another(self, shape: dict[str, Any], rows: int) -> None:
        table = self._create(shape)
        if rows:
            self._run(table.insert(rows))

    @rule()
    def night(self) -> None:
        self._night()

    @rule(statement=st.integers(1, 150))
    def dying_night(self, statement: int) -> None:
        try:
            with process_dies_at(statement):
                self._play(RefreshMode.INCREMENTAL)
        except Killed:
            note("died")

    @rule(statement=st.integers(1, 150))
    def night_that_loses_a_session(self, statement: int) -> None:
        """Whatever is lost is tried again, or fails, or there is no night at all; nothing is wrong later."""
        with session_ends_at(statement, self._kill), suppress(ETLPipelineError):
            self._play(RefreshMode.INCREMENTAL)

    @rule()
    def full_night(self) -> None:
        self._end_well(self._play(RefreshMode.FULL_CONFIRMED))

    def teardown(self) -> None:
        if self._tables:
            self._night()

    def _night(self) -> None:
        report = self._play(RefreshMode.INCREMENTAL)
        for _ in _REMEDIES:  # what one of them lets through may need the other
            codes = {table.error_code for table in report.tables}
            remedy = next((how for code, how in _REMEDIES.items() if code in codes), None)
            report = report if remedy is None else self._play(remedy)
        self._end_well(report)

    def _end_well(self, report: RunReport) -> None:
        assert {table.table: table.error_code for table in report.tables if table.error_code} == {}
        assert differences(self._nights.settings) == []

    def _play(self, refresh: RefreshMode) -> RunReport:
        return self._nights.play(refresh=refresh)

    def _create(self, shape: dict[str, Any], name: str = "") -> Table:
        self._made += 1
        table = Table(
            name=name or f"Thing {self._made}",
            key=shape["key"],
            stamp=shape["stamp"],
            engine=shape["engine"],
            columns={f"Col{number}": kind for number, kind in enumerate(shape["kinds"])},
        )
        self._tables.append(table)
        self._run(table.create())
        return table

    def _table(self, which: int) -> Table:
        return self._tables[which % len(self._tables)]

    def _run(self, statement: str) -> None:
        note(statement)
        self._nights.execute(statement)


def _pick(table: Table, column: int) -> str:
    return sorted(table.columns)[column % len(table.columns)]


@pytest.fixture
def clinic(sandbox: Sandbox, sandbox_settings: Settings, tmp_path: Path) -> Callable[[], Clinic]:
    def kill(port: int, session: int) -> None:
        server = next(one for one in (sandbox.source, sandbox.replication) if one.port == port)
        connection = family.connect(server)
        with connection.cursor() as cursor:
            cursor.execute(f"KILL {session}")
        connection.close()

    return lambda: Clinic(lambda: Nights(sandbox, sandbox_settings, tmp_path), kill)


@contextmanager
def tiny_ranges() -> Iterator[None]:
    with (
        patch.object(ranges, "LEAF_ROWS", 6),
        patch.object(ranges, "PARTS", 3),
        patch.object(comparison, "WHOLE_ROWS", 15),
        patch.object(comparison, "AT_ONCE_ROWS", 3),
        patch.object(slots, "SLOT_ROWS", 3),
        patch.object(slots, "_MOST_PARTS", 2),
        patch.object(comparison, "_FIRST_ROWS", 20),
        # Nobody writes while a night looks, so a table that rests for a second tells already.
        patch.object(fingerprint, "_MARGIN_SECONDS", 0),
        stamina.set_testing(testing=True, attempts=3, cap=True),
    ):
        yield


_CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]
FEW = settings(
    max_examples=4, stateful_step_count=10, deadline=None, derandomize=True, suppress_health_check=_CHECKS
)
MANY = settings(
    max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=_CHECKS, print_blob=True
)


def test_after_every_night_raw_equals_the_source(clinic: Callable[[], Clinic]) -> None:
    with tiny_ranges():
        run_state_machine_as_test(clinic, settings=FEW)  # type: ignore[arg-type]  # its own documentation passes a factory


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_after_any_night_of_many_histories_raw_equals_the_source(clinic: Callable[[], Clinic]) -> None:
    with tiny_ranges():
        run_state_machine_as_test(clinic, settings=MANY)  # type: ignore[arg-type]  # see above
