"""What is decided about a table from its DDL alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dental_etl.config import Column, TableSchema
from dental_etl.config.tables import category_of
from dental_etl.run import Category, Strategy
from dental_etl.schema_analysis.classification import (
    KeyOrder,
    TableFacts,
    classify,
    exclusion,
)

KEY = Column(
    name="PatNum", data_type="bigint", column_type="bigint(20)", is_nullable=False, extra="auto_increment"
)
STAMP = Column(
    name="DateTStamp",
    data_type="timestamp",
    column_type="timestamp",
    is_nullable=False,
    default="current_timestamp()",
    extra="on update current_timestamp()",
)
LOCAL_STAMP = replace(STAMP, name="EditedAt", data_type="datetime", column_type="datetime")
CREATED = replace(STAMP, name="SecDateTEntry", extra="")
NAMED_LIKE_A_STAMP = Column(
    name="SecDateTEdit", data_type="datetime", column_type="datetime", is_nullable=False
)


def _facts(
    name: str = "patient",
    columns: tuple[Column, ...] = (KEY, STAMP),
    key: tuple[str, ...] = ("PatNum",),
    rows: int = 35_000,
) -> TableFacts:
    return TableFacts(
        schema=TableSchema(name=name, engine="MyISAM", columns=columns, primary_key=key),
        rows=rows,
        data_bytes=rows * 500,
        index_bytes=rows * 20,
        average_row_bytes=500,
    )


@pytest.mark.parametrize(
    ("facts", "strategy", "cursor"),
    [
        pytest.param(_facts(), "incremental", "DateTStamp", id="stamp"),
        pytest.param(_facts(rows=1_488_763), "incremental_chunked", "DateTStamp", id="large-stamp"),
        pytest.param(_facts(columns=(KEY, CREATED)), "full_table", None, id="creation-stamp"),
        pytest.param(_facts(columns=(KEY, NAMED_LIKE_A_STAMP)), "full_table", None, id="name-is-no-evidence"),
        pytest.param(_facts("sheetfield", (KEY,), rows=1_657_007), "full_table", None, id="key-of-mutable-table"),
        pytest.param(_facts(key=()), "full_table", None, id="stamp-without-key"),
        pytest.param(_facts("entrylog", (KEY,)), "incremental", "PatNum", id="append-only"),
        pytest.param(_facts("SecurityLog", (KEY,), rows=4_737_615), "incremental_chunked", "PatNum", id="audit-trail"),
        pytest.param(
            _facts("entrylog", (replace(KEY, extra=""),)), "full_table", None, id="append-only-key-not-counted-up"
        ),
        pytest.param(_facts("securitylog", (KEY, STAMP)), "incremental", "DateTStamp", id="stamp-beats-key"),
        pytest.param(_facts(columns=(KEY, LOCAL_STAMP, STAMP)), "incremental", "DateTStamp", id="utc-stamp-first"),
    ],
)  # fmt: skip
def test_strategy_and_cursor(facts: TableFacts, strategy: str, cursor: str | None) -> None:
    config = classify(facts)
    assert (config.extraction_strategy, config.primary_incremental_column) == (strategy, cursor)


def test_random_keys_make_an_append_only_table_whole() -> None:
    config = classify(_facts("entrylog", (KEY,)), KeyOrder.RANDOM)
    assert config.extraction_strategy is Strategy.FULL_TABLE


@pytest.mark.parametrize(
    "facts", [_facts(), _facts(columns=(KEY,)), _facts("entrylog", (KEY,)), _facts(key=())]
)
def test_every_choice_has_a_reason(facts: TableFacts) -> None:
    assert len(classify(facts).strategy_reason) > 20


def test_a_stamp_in_local_time_is_read_again_over_the_repeated_hour() -> None:
    assert classify(_facts(columns=(KEY, LOCAL_STAMP))).overlap_minutes > 60


@pytest.mark.parametrize(
    ("rows", "category"),
    [
        (0, Category.TINY),
        (9_999, Category.TINY),
        (10_000, Category.SMALL),
        (99_999, Category.SMALL),
        (100_000, Category.MEDIUM),
        (999_999, Category.MEDIUM),
        (1_000_000, Category.LARGE),
    ],
)
def test_category_by_rows(rows: int, category: Category) -> None:
    assert category_of(rows) is category


@pytest.mark.parametrize(
    ("row_bytes", "batch_rows"),
    [
        pytest.param(0, 8388, id="unknown-in-an-empty-table"),
        pytest.param(20, 100_000, id="never-more-than-100000"),
        pytest.param(500, 16_777, id="eight-megabytes"),
        pytest.param(100_000, 500, id="never-fewer-than-500"),
    ],
)
def test_batch_size_aims_at_eight_megabytes(row_bytes: int, batch_rows: int) -> None:
    assert classify(replace(_facts(), average_row_bytes=row_bytes)).batch_size == batch_rows


@pytest.mark.parametrize(
    ("table", "priority"), [("claimproc", "high"), ("sheetfield", "medium"), ("signalod", "low")]
)
def test_priority(table: str, priority: str) -> None:
    assert classify(_facts(table)).processing_priority == priority


@pytest.mark.parametrize(
    ("table", "reconcile"),
    [("patient", "nightly"), ("securityloghash", "audit"), ("securitylog", "rotating")],
)
def test_reconcile_policy(table: str, reconcile: str) -> None:
    columns = (KEY, STAMP) if table == "patient" else (KEY,)
    assert classify(_facts(table, columns)).reconcile == reconcile


def test_a_large_mutable_table_is_proven_by_rotation() -> None:
    assert classify(_facts(rows=1_500_000)).reconcile == "rotating"


@pytest.mark.parametrize(
    ("table", "key", "is_excluded"),
    [
        pytest.param("tempschedule_bak_20200424", (), True, id="dated-backup"),
        pytest.param("tmppatient", (), True, id="tmp"),
        pytest.param("tempimageconv2", (), True, id="temp"),
        pytest.param("patient_copy", (), True, id="copy"),
        pytest.param("patient_copy", ("PatNum",), False, id="a-copy-with-a-key-is-kept"),
        pytest.param("templateusage", (), False, id="template-is-not-temp"),
        pytest.param("files", (), False, id="no-key-alone-is-not-enough"),
    ],
)
def test_scratch_copies_are_left_out(table: str, key: tuple[str, ...], is_excluded: bool) -> None:  # noqa: FBT001  # a column of the case table
    assert (exclusion(_facts(table, key=key)) is not None) is is_excluded


def test_estimates_of_an_empty_table_are_small_and_finite() -> None:
    empty = classify(replace(_facts(rows=0), average_row_bytes=0))
    assert (empty.estimated_size_mb, empty.estimated_processing_time_minutes) == (0.0, 0.003)


def test_a_table_called_like_one_of_ours_is_left_out() -> None:
    reason = exclusion(_facts("ETL_Copy_Status"))
    assert reason is not None
    assert "keeps for itself" in reason
