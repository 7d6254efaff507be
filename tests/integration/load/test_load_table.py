"""Full loads, changes and their crashes, on real servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from dental_etl.config import Settings
from dental_etl.exceptions import DatabaseConnectionError, DataLoadingError, FencedError, TableBusyError
from dental_etl.run import LoadResult, RefreshMode
from dental_etl.tracking.status import read_load_status
from tests.counting import counted

Load = Callable[..., LoadResult]
Copy = Callable[..., int]
Rows = Callable[..., list[tuple[Any, ...]]]

_TABLE = (
    "CREATE TABLE patient (PatNum bigint PRIMARY KEY, LName varchar(100) NOT NULL, Balance double NOT NULL)"
)
_THREE = "INSERT INTO patient VALUES (1, 'A', 1.5), (2, 'B', 0.0), (3, 'C', -2.25)"


def _stop(_connection: Connection, _result: LoadResult) -> None:
    raise FencedError("stopped by the test")


def test_a_first_load_makes_the_table_and_its_key(
    copy_whole: Copy, load: Load, raw_rows: Rows, analytics: Connection
) -> None:
    copy_whole("patient", _TABLE, _THREE)
    result = load("patient")
    assert (result.action, result.rows_written, result.rows_total) == ("full", 3, 3)
    assert raw_rows("patient", '"PatNum", "LName", "Balance", "_run_id"') == [
        (1, "A", 1.5, "run-1"),
        (2, "B", 0.0, "run-1"),
        (3, "C", -2.25, "run-1"),
    ]
    key: str = analytics.exec_driver_sql(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'raw.patient'::regclass"
    ).scalar_one()
    assert key == 'PRIMARY KEY ("PatNum")'


def test_a_second_load_does_nothing(copy_whole: Copy, load: Load, raw_rows: Rows) -> None:
    copy_whole("patient", _TABLE, _THREE)
    load("patient")
    before = raw_rows("patient", '"PatNum", xmin::text, ctid::text, _loaded_at')
    result = load("patient", run_id="run-2")
    assert (result.action, result.rows_written, result.rows_total) == ("nothing", 0, 3)
    assert raw_rows("patient", '"PatNum", xmin::text, ctid::text, _loaded_at') == before


def test_a_load_that_did_nothing_is_recorded(copy_whole: Copy, load: Load, analytics: Connection) -> None:
    generation = copy_whole("patient", _TABLE, _THREE)
    load("patient")
    load("patient", run_id="run-2")
    status = read_load_status(analytics, "raw", "patient")
    assert status is not None
    assert (status.run_id, status.loaded_generation, status.rows_loaded) == ("run-2", generation, 3)


def test_changes_insert_update_and_delete(
    copy_whole: Copy, copy_changes: Copy, load: Load, raw_rows: Rows
) -> None:
    copy_whole("patient", _TABLE, _THREE)
    load("patient")
    copy_changes(
        "patient",
        [(1,), (2,), (4,)],
        "DELETE FROM patient WHERE PatNum = 1",
        "UPDATE patient SET LName = 'Z' WHERE PatNum = 2",
        "INSERT INTO patient VALUES (4, 'D', 4)",
    )
    result = load("patient", run_id="run-2")
    assert (result.action, result.rows_written, result.rows_deleted, result.rows_total) == (
        "changes",
        2,
        1,
        3,
    )
    assert raw_rows("patient", '"PatNum", "LName", "_run_id"') == [
        (2, "Z", "run-2"),
        (3, "C", "run-1"),
        (4, "D", "run-2"),
    ]


def test_a_row_that_was_named_but_is_the_same_is_not_written(
    copy_whole: Copy, copy_changes: Copy, load: Load, raw_rows: Rows
) -> None:
    copy_whole("patient", _TABLE, _THREE)
    load("patient")
    before = raw_rows("patient", '"PatNum", xmin::text')
    copy_changes("patient", [(1,), (2,), (3,)])
    result = load("patient", run_id="run-2")
    assert (result.action, result.rows_written) == ("changes", 0)
    assert raw_rows("patient", '"PatNum", xmin::text') == before


def test_the_sign_of_zero_is_a_difference(
    copy_whole: Copy, copy_changes: Copy, load: Load, run_sql: Callable[..., None]
) -> None:
    copy_whole("patient", _TABLE, _THREE)
    load("patient")
    run_sql("""UPDATE raw.patient SET "Balance" = '-0.0' WHERE "PatNum" = 2""")
    copy_changes("patient", [(2,)])
    assert load("patient").rows_written == 1


def test_the_outbox_is_emptied_after_the_load(
    copy_whole: Copy, copy_changes: Copy, load: Load, outbox_size: Callable[[str], int]
) -> None:
    copy_whole("patient", _TABLE, _THREE)
    load("patient")
    copy_changes("patient", [(1,)], "DELETE FROM patient WHERE PatNum = 1")
    load("patient")
    assert outbox_size("patient") == 0


def test_a_key_changed_in_two_generations_is_applied_once(
    copy_whole: Copy, copy_changes: Copy, load: Load, raw_rows: Rows
) -> None:
    copy_whole("patient", _TABLE, _THREE)
    load("patient")
    copy_changes("patient", [(1,)], "UPDATE patient SET LName = 'X' WHERE PatNum = 1")
    copy_changes("patient", [(1,)], "UPDATE patient SET LName = 'Y' WHERE PatNum = 1")
    assert load("patient").rows_written == 1
    assert raw_rows("patient", '"LName"')[2] == ("Y",)


def test_a_crash_before_the_commit_leaves_the_old_rows(
    copy_whole: Copy, copy_changes: Copy, load: Load, raw_rows: Rows, outbox_size: Callable[[str], int]
) -> None:
    copy_whole("patient", _TABLE, _THREE)
    load("patient")
    before = raw_rows("patient")
    copy_changes("patient", [(1,)], "DELETE FROM patient WHERE PatNum = 1")
    with pytest.raises(FencedError):
        load("patient", before_commit=_stop)
    assert raw_rows("patient") == before
    assert outbox_size("patient") == 1


def test_a_load_after_a_crash_before_the_commit_is_complete(
    copy_whole: Copy, copy_changes: Copy, load: Load, raw_rows: Rows
) -> None:
    copy_whole("patient", _TABLE, _THREE)
    load("patient")
    copy_changes("patient", [(1,)], "DELETE FROM patient WHERE PatNum = 1")
    with pytest.raises(FencedError):
        load("patient", before_commit=_stop)
    assert load("patient").rows_deleted == 1
    assert raw_rows("patient", '"PatNum"') == [(2,), (3,)]


def test_a_first_load_that_crashes_leaves_no_table(
    copy_whole: Copy, load: Load, analytics: Connection
) -> None:
    copy_whole("patient", _TABLE, _THREE)
    with pytest.raises(FencedError):
        load("patient", before_commit=_stop)
    assert analytics.exec_driver_sql("SELECT to_regclass('raw.patient')").scalar_one() is None


def test_a_crash_after_the_commit_is_repaired_by_the_next_load(
    copy_whole: Copy,
    copy_changes: Copy,
    load: Load,
    outbox_size: Callable[[str], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copy_whole("patient", _TABLE, _THREE)
    load("patient")
    copy_changes("patient", [(1,)], "DELETE FROM patient WHERE PatNum = 1")
    with monkeypatch.context() as patched:
        patched.setattr("dental_etl.load.loader.forget_changes", _killed)
        with pytest.raises(KeyboardInterrupt):
            load("patient")
    assert outbox_size("patient") == 1
    assert load("patient").action == "nothing"
    assert outbox_size("patient") == 0


def test_an_outbox_that_cannot_be_emptied_does_not_fail_a_committed_load(
    copy_whole: Copy,
    copy_changes: Copy,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    copy_whole("patient", _TABLE, _THREE)
    load("patient")
    copy_changes("patient", [(1,)], "DELETE FROM patient WHERE PatNum = 1")
    monkeypatch.setattr("dental_etl.load.loader.forget_changes", _lost)
    assert load("patient").rows_total == 2
    assert "the next load deletes them (E_CONNECTION)" in caplog.text


def _lost(*_arguments: object) -> None:
    raise DatabaseConnectionError("lost")


def _killed(*_arguments: object) -> None:
    raise KeyboardInterrupt


def test_rows_that_the_outbox_does_not_explain_are_repaired_in_full(
    copy_whole: Copy, copy_changes: Copy, load: Load, raw_rows: Rows, run_sql: Callable[..., None]
) -> None:
    copy_whole("patient", _TABLE, _THREE)
    load("patient")
    run_sql('DELETE FROM raw.patient WHERE "PatNum" = 3')
    copy_changes("patient", [(1,)], "UPDATE patient SET LName = 'X' WHERE PatNum = 1")
    assert load("patient").action == "full"
    assert raw_rows("patient", '"PatNum", "LName"') == [(1, "X"), (2, "B"), (3, "C")]


def test_a_forced_refresh_repairs_values_that_somebody_changed_in_raw(
    copy_whole: Copy, load: Load, raw_rows: Rows, run_sql: Callable[..., None]
) -> None:
    copy_whole("patient", _TABLE, _THREE)
    load("patient")
    run_sql("""UPDATE raw.patient SET "LName" = 'wrong'""")
    assert load("patient", refresh=RefreshMode.FULL).action == "full"
    assert raw_rows("patient", '"PatNum", "LName"') == [(1, "A"), (2, "B"), (3, "C")]


def test_a_raw_table_that_somebody_dropped_comes_back(
    copy_whole: Copy, load: Load, raw_rows: Rows, run_sql: Callable[..., None]
) -> None:
    copy_whole("patient", _TABLE, _THREE)
    load("patient")
    run_sql("DROP TABLE raw.patient")
    assert load("patient").action == "full"
    assert len(raw_rows("patient")) == 3


def test_rows_without_a_key_keep_their_duplicates(copy_whole: Copy, load: Load, raw_rows: Rows) -> None:
    copy_whole(
        "tempnote", "CREATE TABLE tempnote (Note text)", "INSERT INTO tempnote VALUES ('a'), ('a'), (NULL)"
    )
    assert load("tempnote").rows_total == 3
    assert raw_rows("tempnote", '"Note"') == [("a",), ("a",), (None,)]


def test_an_empty_table_is_loaded(copy_whole: Copy, load: Load, raw_rows: Rows) -> None:
    copy_whole("patient", _TABLE)
    assert load("patient").rows_total == 0
    assert raw_rows("patient") == []


def test_a_table_that_became_empty_is_empty_in_raw(copy_whole: Copy, load: Load, raw_rows: Rows) -> None:
    copy_whole("patient", _TABLE, _THREE)
    load("patient")
    copy_whole("patient", "DELETE FROM patient")
    assert load("patient").rows_total == 0
    assert raw_rows("patient") == []


def test_a_text_key_that_changed_its_case_leaves_no_old_spelling(
    copy_whole: Copy, copy_changes: Copy, load: Load, raw_rows: Rows
) -> None:
    copy_whole(
        "code",
        "CREATE TABLE code (Code varchar(20) PRIMARY KEY, N int) CHARSET utf8mb4 COLLATE utf8mb4_general_ci",
        "INSERT INTO code VALUES ('d0120', 1), ('d0140', 2)",
    )
    load("code")
    copy_changes("code", [("D0120",)], "UPDATE code SET Code = 'D0120' WHERE Code = 'd0120'")
    assert load("code").action == "full"
    assert raw_rows("code", '"Code"') == [("D0120",), ("d0140",)]


def test_a_composite_key_finds_its_rows(
    copy_whole: Copy, copy_changes: Copy, load: Load, raw_rows: Rows
) -> None:
    copy_whole(
        "grouppermission",
        "CREATE TABLE grouppermission (GroupNum int, PermType binary(2), N int, PRIMARY KEY (GroupNum, PermType))",
        "INSERT INTO grouppermission VALUES (1, 'ab', 1), (1, 'cd', 2), (2, 'ab', 3)",
    )
    load("grouppermission")
    copy_changes(
        "grouppermission",
        [(1, b"cd"), (2, b"ab")],
        "DELETE FROM grouppermission WHERE GroupNum = 2",
        "UPDATE grouppermission SET N = 9 WHERE PermType = 'cd'",
    )
    assert load("grouppermission").action == "changes"
    assert [(g, bytes(p), n) for g, p, n in raw_rows("grouppermission", '"GroupNum", "PermType", "N"')] == [
        (1, b"ab", 1),
        (1, b"cd", 9),
    ]


def test_names_keep_their_spelling(copy_whole: Copy, copy_changes: Copy, load: Load, raw_rows: Rows) -> None:
    table = 'Odd `Name"'
    quoted = '`Odd ``Name"`'
    copy_whole(
        table,
        f'CREATE TABLE {quoted} (`Key` bigint PRIMARY KEY, `per%cent` int, `xmin` int, `a"b` text, `select` int)',
        f"INSERT INTO {quoted} VALUES (1, 2, 3, 'x', 4), (2, 3, 4, 'y', 5)",
    )
    load(table)
    copy_changes(table, [(1,)], f"UPDATE {quoted} SET `per%cent` = 7 WHERE `Key` = 1")
    assert load(table).action == "changes"
    assert raw_rows(table, '"Key", "per%cent", "a""b", "select"') == [(1, 7, "x", 4), (2, 3, "y", 5)]


def test_a_replica_that_was_never_completed_is_refused(load: Load, copy_whole: Copy) -> None:
    copy_whole("patient", _TABLE)
    with pytest.raises(DataLoadingError, match="no complete copy of table claim"):
        load("claim")


def test_two_loads_of_one_table_do_not_meet(copy_whole: Copy, load: Load) -> None:
    copy_whole("patient", _TABLE, _THREE)

    def load_again(_connection: Connection, _result: LoadResult) -> None:
        load("patient")

    with pytest.raises(TableBusyError):
        load("patient", before_commit=load_again)


def test_many_changes_are_loaded_as_a_refresh(
    copy_whole: Copy, copy_changes: Copy, load: Load, sandbox_settings: Settings
) -> None:
    rows = f"SELECT seq, 'x', 0 FROM {counted(1, 10001)}"
    copy_whole("patient", _TABLE, f"INSERT INTO patient {rows}")
    load("patient")
    copy_changes(
        "patient",
        [],
        "UPDATE patient SET LName = 'y'",
        f"INSERT INTO etl_changed__patient SELECT seq, generation + 1 FROM {counted(1, 10001)}, etl_copy_status",
    )
    assert load("patient").action == "full"
