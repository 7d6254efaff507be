"""A load says how far it is, whatever way it goes."""

from __future__ import annotations

from collections.abc import Callable

from dental_etl.load.progress import LoadProgress
from dental_etl.run import LoadResult
from tests.counting import counted

Copy = Callable[..., int]
Load = Callable[..., LoadResult]

_TABLE = "CREATE TABLE patient (PatNum bigint NOT NULL PRIMARY KEY, LName varchar(50))"
_ROWS = f"INSERT INTO patient SELECT seq, CONCAT('Test', seq) FROM {counted(1, 5000)}"


def test_a_whole_table_is_told_of_until_its_last_row(copy_whole: Copy, load: Load) -> None:
    seen: list[LoadProgress] = []
    copy_whole("patient", _TABLE, _ROWS)
    load("patient", watcher=seen.append)
    assert (seen[-1].rows, seen[-1].expected_rows) == (5000, 5000)
    assert seen[-1].bytes > 5000 * len("1\tTest1\n")


def test_of_changes_only_those_are_expected(copy_whole: Copy, copy_changes: Copy, load: Load) -> None:
    seen: list[LoadProgress] = []
    copy_whole("patient", _TABLE, _ROWS)
    load("patient")
    copy_changes("patient", [(1,), (2,)], "UPDATE patient SET LName = 'New' WHERE PatNum < 3")
    load("patient", watcher=seen.append)
    assert (seen[-1].rows, seen[-1].expected_rows) == (2, 2)


def test_chunks_add_up(copy_whole: Copy, load: Load) -> None:
    seen: list[LoadProgress] = []
    copy_whole("patient", _TABLE, _ROWS)
    load("patient", chunk_rows=2000, watcher=seen.append)
    rows = [one.rows for one in seen]
    assert rows == sorted(rows)
    assert {2000, 4000, 5000} <= set(rows)
