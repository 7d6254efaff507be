"""The first load of a large table: committed chunk by chunk, published at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection

from dental_etl.config import Settings
from dental_etl.config.tables import TableConfig
from dental_etl.exceptions import FencedError
from dental_etl.load import chunks
from dental_etl.load.loader import LoadOptions, load_table_chunked
from dental_etl.run import Coercion, LoadResult
from dental_etl.tracking.status import read_load_status
from tests.counting import counted

Load = Callable[..., LoadResult]
Copy = Callable[..., int]
Rows = Callable[..., list[tuple[Any, ...]]]

_TABLE = "CREATE TABLE histappointment (HistApptNum bigint PRIMARY KEY, AptDateTime datetime NOT NULL)"
_TEN = f"INSERT INTO histappointment SELECT seq * 10, '0000-00-00' FROM {counted(1, 10)}"
_KEYS = [(number * 10,) for number in range(1, 11)]


def _stop(_connection: Connection, _result: LoadResult) -> None:
    raise FencedError("stopped by the test")


@pytest.fixture
def chunk_by_chunk(monkeypatch: pytest.MonkeyPatch, load: Load) -> Callable[[int], None]:
    """Load some chunks of four rows, then die."""

    def run(number: int) -> None:
        copied: list[int] = []

        def dying(*arguments: Any) -> Any:
            if len(copied) == number:
                raise KeyboardInterrupt
            copied.append(1)
            return chunks.copy_chunk(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr("dental_etl.load.loader.copy_chunk", dying)
            with pytest.raises(KeyboardInterrupt):
                load("histappointment", chunk_rows=4)

    return run


def test_chunks_become_the_whole_table(copy_whole: Copy, load: Load, raw_rows: Rows) -> None:
    copy_whole("histappointment", _TABLE, _TEN)
    result = load("histappointment", chunk_rows=4)
    assert (result.action, result.rows_written, result.rows_total) == ("full", 10, 10)
    assert raw_rows("histappointment", '"HistApptNum"') == _KEYS


def test_a_smaller_table_is_one_transaction(
    copy_whole: Copy,
    sandbox_settings: Settings,
    config: Callable[[str], TableConfig],
    analytics: Connection,
) -> None:
    copy_whole("histappointment", _TABLE, _TEN)
    analytics.rollback()
    load_table_chunked(
        sandbox_settings,
        config("histappointment"),
        run_id="run-1",
        before_commit=lambda _connection, _result: None,
        clock=lambda: datetime(2026, 1, 31, 3, 0, tzinfo=UTC),
        options=LoadOptions(chunk_rows=4),
    )
    transactions: int = analytics.exec_driver_sql(
        "SELECT count(DISTINCT xmin::text) FROM raw.histappointment"
    ).scalar_one()
    assert transactions == 1


def test_coercions_of_all_chunks_are_counted(copy_whole: Copy, load: Load) -> None:
    copy_whole("histappointment", _TABLE, _TEN)
    result = load("histappointment", chunk_rows=4)
    assert result.coercions == (
        Coercion(table="histappointment", column="AptDateTime", kind="zero_date", rows=10),
    )


def test_nothing_of_the_staging_table_is_left(copy_whole: Copy, load: Load, analytics: Connection) -> None:
    copy_whole("histappointment", _TABLE, _TEN)
    load("histappointment", chunk_rows=5)
    tables = analytics.exec_driver_sql(
        "SELECT relname, obj_description(oid), (SELECT conname FROM pg_constraint WHERE conrelid = pg_class.oid) "
        "FROM pg_class WHERE relnamespace = 'raw'::regnamespace AND relkind = 'r' AND relname ~ 'hist'"
    ).all()
    assert [tuple(row) for row in tables] == [("histappointment", None, "etl_pkey__histappointment")]


def test_readers_see_no_half_table(
    copy_whole: Copy, chunk_by_chunk: Callable[[int], None], analytics: Connection
) -> None:
    copy_whole("histappointment", _TABLE, _TEN)
    chunk_by_chunk(2)
    assert analytics.exec_driver_sql("SELECT to_regclass('raw.histappointment')").scalar_one() is None
    status = read_load_status(analytics, "raw", "histappointment")
    assert status is not None
    assert (status.load_status, status.rows_loaded, status.loaded_generation) == ("running", 8, 0)


def test_a_broken_load_goes_on_after_its_last_chunk(
    copy_whole: Copy, load: Load, chunk_by_chunk: Callable[[int], None], raw_rows: Rows
) -> None:
    copy_whole("histappointment", _TABLE, _TEN)
    chunk_by_chunk(2)
    load("histappointment", run_id="run-2", chunk_rows=4)
    assert raw_rows("histappointment", '"HistApptNum", _run_id') == [
        (key, "run-1" if key <= 80 else "run-2") for (key,) in _KEYS
    ]


def test_changes_between_chunks_are_in_the_result(
    copy_whole: Copy, copy_changes: Copy, load: Load, chunk_by_chunk: Callable[[int], None], raw_rows: Rows
) -> None:
    copy_whole("histappointment", _TABLE, _TEN)
    chunk_by_chunk(2)
    copy_changes(
        "histappointment",
        [(10,), (15,), (20,)],
        "DELETE FROM histappointment WHERE HistApptNum = 10",
        "INSERT INTO histappointment VALUES (15, '2026-01-02 03:04:05')",
        "UPDATE histappointment SET AptDateTime = '2026-01-01' WHERE HistApptNum = 20",
    )
    assert load("histappointment", chunk_rows=4).rows_total == 10
    assert [
        (key, str(moment)) for key, moment in raw_rows("histappointment", '"HistApptNum", "AptDateTime"')
    ][:3] == [(15, "2026-01-02 03:04:05"), (20, "2026-01-01 00:00:00"), (30, "None")]


def test_a_rewritten_replica_starts_the_chunks_anew(
    copy_whole: Copy, load: Load, chunk_by_chunk: Callable[[int], None], raw_rows: Rows
) -> None:
    copy_whole("histappointment", _TABLE, _TEN)
    chunk_by_chunk(2)
    copy_whole("histappointment", "UPDATE histappointment SET HistApptNum = HistApptNum + 1")
    load("histappointment", run_id="run-2", chunk_rows=4)
    assert raw_rows("histappointment", '"HistApptNum", _run_id') == [(key + 1, "run-2") for (key,) in _KEYS]


def test_a_crash_while_publishing_keeps_the_chunks(
    copy_whole: Copy, load: Load, analytics: Connection
) -> None:
    copy_whole("histappointment", _TABLE, _TEN)
    with pytest.raises(FencedError):
        load("histappointment", chunk_rows=4, before_commit=_stop)
    staged: int = analytics.exec_driver_sql(
        "SELECT count(*) FROM raw.etl_stage__histappointment"
    ).scalar_one()
    assert staged == 10


def test_an_ordinary_load_publishes_complete_chunks(copy_whole: Copy, load: Load, raw_rows: Rows) -> None:
    copy_whole("histappointment", _TABLE, _TEN)
    with pytest.raises(FencedError):
        load("histappointment", chunk_rows=4, before_commit=_stop)
    load("histappointment", run_id="run-2")
    assert raw_rows("histappointment", '"HistApptNum", _run_id') == [(key, "run-1") for (key,) in _KEYS]


def test_an_ordinary_load_replaces_half_a_table(
    copy_whole: Copy, load: Load, chunk_by_chunk: Callable[[int], None], analytics: Connection
) -> None:
    copy_whole("histappointment", _TABLE, _TEN)
    chunk_by_chunk(1)
    assert load("histappointment").rows_total == 10
    assert (
        analytics.exec_driver_sql("SELECT to_regclass('raw.etl_stage__histappointment')").scalar_one() is None
    )


def test_an_empty_large_table_is_published(copy_whole: Copy, load: Load) -> None:
    copy_whole("histappointment", _TABLE)
    assert load("histappointment", chunk_rows=4).rows_total == 0


def test_later_loads_of_a_large_table_move_changes_only(
    copy_whole: Copy, copy_changes: Copy, load: Load
) -> None:
    copy_whole("histappointment", _TABLE, _TEN)
    load("histappointment", chunk_rows=4)
    copy_changes("histappointment", [(10,)], "DELETE FROM histappointment WHERE HistApptNum = 10")
    result = load("histappointment", chunk_rows=4)
    assert (result.action, result.rows_deleted) == ("changes", 1)


def test_a_table_with_a_text_key_is_loaded_at_once(copy_whole: Copy, load: Load) -> None:
    copy_whole(
        "code", "CREATE TABLE code (Code varchar(9) PRIMARY KEY)", "INSERT INTO code VALUES ('a'), ('b')"
    )
    assert load("code", chunk_rows=1).rows_total == 2
