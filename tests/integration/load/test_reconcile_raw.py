"""Raw is compared with the replica inside the load, and what differs is loaded again before the commit."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text

from dental_etl.reconciliation import raw
from dental_etl.run import LoadResult
from tests.counting import counted

Copy = Callable[..., int]
Load = Callable[..., LoadResult]
Rows = Callable[..., list[tuple[Any, ...]]]
CREATE = "CREATE TABLE t (id int PRIMARY KEY, name varchar(50) CHARACTER SET utf8mb4, amount double)"
FILL = f"INSERT INTO t SELECT seq, CONCAT('n', seq), seq / 8 FROM {counted(1, 500)}"


def _spoil(analytics: Connection, statement: str) -> None:
    analytics.rollback()
    analytics.exec_driver_sql(statement)
    analytics.commit()


def test_a_whole_load_is_proven(copy_whole: Copy, load: Load) -> None:
    copy_whole("t", CREATE, FILL)
    result = load("t")
    assert (result.proven_at is not None, result.proven_by) == (True, "checksums of all 500 rows")


def test_a_load_of_changes_compares_the_changed_rows(
    copy_whole: Copy, copy_changes: Copy, load: Load
) -> None:
    copy_whole("t", CREATE, FILL)
    first = load("t")
    copy_changes("t", [(1,), (2,)], "UPDATE t SET amount = 9 WHERE id = 1", "DELETE FROM t WHERE id = 2")
    second = load("t")
    assert second.action == "changes"
    assert (second.proven_at, second.proven_by) == (first.proven_at, "checksums of the 2 changed rows")


def test_changes_that_do_not_arrive_are_loaded_again(
    copy_whole: Copy, copy_changes: Copy, load: Load, analytics: Connection, raw_rows: Rows
) -> None:
    """A trigger that drops updates: the first load of the rows is refused, the reload brings them."""
    copy_whole("t", CREATE, FILL)
    load("t")
    _spoil(analytics, "CREATE FUNCTION raw.no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'")
    _spoil(analytics, "CREATE TRIGGER no BEFORE UPDATE ON raw.t FOR EACH ROW EXECUTE FUNCTION raw.no()")
    copy_changes("t", [(1,)], "UPDATE t SET amount = 9 WHERE id = 1")
    assert load("t").action == "full"
    assert (0.125,) not in raw_rows("t", "amount")


def test_an_old_proof_is_made_again_and_mends_a_foreign_edit(
    copy_whole: Copy, load: Load, analytics: Connection, raw_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_whole("t", CREATE, FILL)
    load("t")
    _spoil(analytics, "UPDATE raw.t SET name = 'edited by hand' WHERE id = 7")
    _spoil(analytics, "UPDATE raw.etl_load_status SET proven_at = proven_at - interval '8 days'")
    assert load("t").action == "full"
    assert ("edited by hand",) not in raw_rows("t", "name")


def test_a_fresh_proof_is_not_made_again(copy_whole: Copy, load: Load) -> None:
    copy_whole("t", CREATE, FILL)
    load("t")
    assert load("t").proven_by == "nothing was loaded"


def test_a_large_table_is_compared_over_several_nights(
    copy_whole: Copy, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw, "AT_ONCE_ROWS", 100)
    monkeypatch.setattr(raw, "_RANGE_ROWS", 90)
    copy_whole("t", CREATE, FILL)
    nights = [load("t") for _ in range(5)]
    assert [night.proven_at is not None for night in nights] == [False, False, False, True, True]


def test_doubles_of_every_size_are_one_text(copy_whole: Copy, load: Load) -> None:
    chance = random.Random(4)  # noqa: S311  # the same doubles in every run
    bits = [chance.getrandbits(64).to_bytes(8, "big") for _ in range(3000)]
    anything = [value for one in bits if math.isfinite(value := struct.unpack(">d", one)[0])]
    usual = [chance.uniform(-1e6, 1e6) for _ in range(1000)] + [chance.uniform(0, 1e-9) for _ in range(300)]
    edges = [0.0, 0.1, 1e15, 1e16, 1e29, 9.999e29, 1e30, 1e-12, 9.9e-13, 5e-324, 1.7976931348623157e308]
    cents = [number / 100 for number in range(-1000, 1000)]
    values = [*anything, *usual, *edges, *cents]
    rows = ", ".join(f"({number}, {value!r})" for number, value in enumerate(values))
    copy_whole("t", "CREATE TABLE t (id int PRIMARY KEY, amount double)", f"INSERT INTO t VALUES {rows}")
    assert load("t").proven_by == f"checksums of all {len(values):,} rows"


def test_text_with_nul_bytes_can_be_proven(copy_whole: Copy, load: Load) -> None:
    copy_whole(
        "t", CREATE, "INSERT INTO t VALUES (1, CONCAT('a', CHAR(0), 'b'), 1), (2, '', 2), (3, NULL, 3)"
    )
    assert load("t").proven_at is not None


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE raw.t SET name = '' WHERE name IS NULL",
        "UPDATE raw.t SET name = name || ' ' WHERE id = 2",
        "UPDATE raw.t SET name = upper(name) WHERE id = 2",
        "UPDATE raw.t SET amount = CASE id WHEN 2 THEN 3 ELSE 2 END WHERE id IN (2, 3)",
        "UPDATE raw.t SET amount = amount + CASE id WHEN 2 THEN 1 ELSE -1 END WHERE id IN (2, 3)",
        "DELETE FROM raw.t WHERE id = 2",
    ],
)
def test_every_difference_is_seen(copy_whole: Copy, load: Load, analytics: Connection, edit: str) -> None:
    copy_whole("t", CREATE, "INSERT INTO t VALUES (1, NULL, 1), (2, 'b', 2), (3, 'c', 3)")
    load("t")
    _spoil(analytics, edit)
    _spoil(analytics, "UPDATE raw.etl_load_status SET proven_at = proven_at - interval '8 days'")
    assert load("t").action == "full"


def test_the_column_of_the_proof_is_added_to_an_older_table(
    copy_whole: Copy, load: Load, analytics: Connection
) -> None:
    copy_whole("t", CREATE, FILL)
    load("t")
    _spoil(analytics, "ALTER TABLE raw.etl_load_status DROP COLUMN proof_started_at, DROP COLUMN proven_at")
    load("t")
    found: datetime | None = analytics.execute(text("SELECT proven_at FROM raw.etl_load_status")).scalar_one()
    assert found is not None
    assert found.utcoffset() == timedelta(0)
