from __future__ import annotations

from dental_etl.config import Column, TableSchema
from dental_etl.extract import queries
from dental_etl.extract.queries import KeyRange

SCHEMA = TableSchema(
    name="patient",
    engine="MyISAM",
    columns=(
        Column(name="PatNum", data_type="bigint", column_type="bigint(20)", is_nullable=False),
        Column(
            name="Note", data_type="text", column_type="text", is_nullable=True, charset="utf8",
            collation="utf8_general_ci",
        ),
    ),
    primary_key=("PatNum",),
)  # fmt: skip


def test_a_boundary_is_found_in_the_index_alone() -> None:
    assert queries.boundary(SCHEMA, (10,), 500) == (
        "SELECT `PatNum` FROM `patient` FORCE INDEX (PRIMARY) WHERE `PatNum` > 10 "
        "ORDER BY `PatNum` LIMIT 1 OFFSET 499"
    )


def test_a_page_is_a_range_of_keys_and_never_an_offset() -> None:
    assert queries.page(SCHEMA, "x", KeyRange(after=(1,), up_to=(9,)), "(c)") == (
        "SELECT x FROM `patient` FORCE INDEX (PRIMARY) WHERE `PatNum` > 1 AND `PatNum` <= 9 AND (c)"
    )


def test_the_only_page_of_a_table_is_left_to_the_optimiser() -> None:
    parts = KeyRange(after=(1,), up_to=(90,), parts=((2, 5), (80, 90)))
    assert queries.page(SCHEMA, "x", parts, None) == (
        "SELECT x FROM `patient` FORCE INDEX (PRIMARY) WHERE `PatNum` > 1 AND `PatNum` <= 90 "
        "AND (`PatNum` BETWEEN 2 AND 5 OR `PatNum` BETWEEN 80 AND 90)"
    )
    assert queries.page(SCHEMA, "x", KeyRange(), None) == "SELECT x FROM `patient`"


def test_text_is_compared_byte_by_byte_and_null_equals_null() -> None:
    assert "CAST(s.`Note` AS BINARY) <=> CAST(r.`Note` AS BINARY)" in queries.record_changed_keys(SCHEMA, 2)


def test_a_retired_replica_is_no_other_tables_shadow() -> None:
    assert queries.retired_table("patient") != queries.retired_table("patient#retired")


def test_the_first_rows_beyond_a_key_come_in_the_order_of_the_key() -> None:
    sql = queries.first_rows(SCHEMA, "x", KeyRange(after=(7,)), 100)
    assert sql == (
        "SELECT x FROM `patient` FORCE INDEX (PRIMARY) WHERE `PatNum` > 7 ORDER BY `PatNum` LIMIT 100"
    )
