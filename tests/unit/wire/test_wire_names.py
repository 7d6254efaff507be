from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from dental_etl.wire import names


def test_a_backtick_cannot_end_a_mysql_name() -> None:
    assert names.mysql("a`b") == "`a``b`"


def test_a_quote_cannot_end_a_postgres_name() -> None:
    assert names.postgres('a"b') == '"a""b"'


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_a_name_that_no_server_takes_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="needs a name"):
        names.mysql(name)


@pytest.mark.parametrize("make", [names.changed_table, names.shadow_table, names.stage_table])
def test_two_long_tables_never_share_a_derived_name(make: object) -> None:
    assert callable(make)
    assert make("t" * 63 + "a") != make("t" * 63 + "b")


def test_a_derived_mysql_name_fits_64_characters() -> None:
    assert len(names.changed_table("t" * 64)) == 64


def test_a_raw_name_fits_63_bytes_without_splitting_a_character() -> None:
    assert len(names.raw_name("é" * 60).encode()) <= 63


def test_an_ordinary_name_is_kept_as_spelled_in_raw() -> None:
    assert names.raw_name("PatNum") == "PatNum"


@pytest.mark.parametrize("name", ["ctid", "xmin", "tableoid", "_loaded_at", "_run_id"])
def test_a_name_that_is_taken_in_raw_gets_a_suffix(name: str) -> None:
    assert names.raw_name(name).startswith(f"{name}_")


def test_a_system_name_in_other_spelling_is_free_in_raw() -> None:
    assert names.raw_name("XMIN") == "XMIN"


@pytest.mark.parametrize(
    ("value", "sql"),
    [
        pytest.param(None, "NULL", id="null"),
        pytest.param(True, "1", id="bool"),
        pytest.param(-(2**63), "-9223372036854775808", id="bigint"),
        pytest.param(0.1, "0.1", id="float"),
        pytest.param(Decimal("1E+3"), "1000", id="decimal"),
        pytest.param("O'Hara", "'O''Hara'", id="quote"),
        pytest.param("a\\' OR 1", "_utf8mb4 x'615c27204f522031'", id="backslash"),
        pytest.param("a\nb", "_utf8mb4 x'610a62'", id="line end"),
        pytest.param(b"\xff'", "x'ff27'", id="bytes"),
        pytest.param(date(2020, 1, 2), "'2020-01-02'", id="date"),
        pytest.param(datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC), "'2020-01-02 03:04:05'", id="datetime"),
        pytest.param(
            datetime(2020, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=-5))),
            "'2020-01-02 08:04:05.000006'",
            id="aware datetime becomes UTC",
        ),
        pytest.param(-timedelta(hours=838, seconds=1), "'-838:00:01.000000'", id="long negative time"),
    ],
)
def test_a_literal_is_written_safely(value: object, sql: str) -> None:
    assert names.literal(value) == sql


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), object(), [1]])
def test_a_value_without_a_literal_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        names.literal(value)


@pytest.mark.parametrize("make", [names.changed_table, names.shadow_table])
def test_a_derived_table_is_a_file_that_a_file_system_takes(make: object) -> None:
    assert callable(make)
    made = make("日" * 50)
    assert len(made) + 4 * made.count("日") + len(".ibd") <= 255


def test_an_outbox_of_a_table_keyed_by_a_generation_names_its_own_apart() -> None:
    assert names.generation_column(["id", "ETL_Generation"]) == "etl_generation_"


@pytest.mark.parametrize("name", ["etl_copy_status", "ETL_Stage", "etl_shadow__patient", "etl_pkey__x"])
def test_tables_called_like_our_own_are_told(name: str) -> None:
    assert names.is_ours(name)


@pytest.mark.parametrize("name", ["patient", "etl_log", "etl_changed"])
def test_other_tables_are_not_ours(name: str) -> None:
    assert not names.is_ours(name)
