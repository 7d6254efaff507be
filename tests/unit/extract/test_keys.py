from __future__ import annotations

from decimal import Decimal

import pytest

from dental_etl.config import Column, TableSchema
from dental_etl.exceptions import DataExtractionError
from dental_etl.extract import keys


def _schema(*types: str) -> TableSchema:
    columns = tuple(
        Column(name=f"k{number}", data_type=kind, column_type=kind, is_nullable=False)
        for number, kind in enumerate(types, 1)
    )
    return TableSchema(
        name="t", engine="MyISAM", columns=columns, primary_key=tuple(column.name for column in columns)
    )


def test_a_single_key_is_compared_directly() -> None:
    assert keys.after(_schema("bigint"), (5,)) == "`k1` > 5"


def test_the_end_of_a_range_belongs_to_it() -> None:
    assert keys.up_to(_schema("bigint"), (5,)) == "`k1` <= 5"


def test_a_composite_key_is_compared_row_wise_with_a_term_for_the_index() -> None:
    assert keys.after(_schema("int", "varchar"), (5, "a'b")) == (
        "(`k1` >= 5 AND (`k1` > 5 OR (`k1` = 5 AND `k2` > 'a''b')))"
    )


def test_the_end_of_a_composite_range_belongs_to_it() -> None:
    assert keys.up_to(_schema("int", "int", "int"), (1, 2, 3)) == (
        "(`k1` <= 1 AND (`k1` < 1 OR (`k1` = 1 AND (`k2` <= 2 AND (`k2` < 2 OR (`k2` = 2 AND `k3` <= 3))))))"
    )


def test_a_decimal_key_keeps_every_digit() -> None:
    key = (Decimal("12345678901234567890.000000000000000001"),)
    assert keys.after(_schema("decimal"), key) == "`k1` > 12345678901234567890.000000000000000001"


@pytest.mark.parametrize(
    "types",
    [("float",), ("double",), ("enum",), ("set",), ("int", "enum"), ("text",), ("uuid",), ()],
    ids=str,
)
def test_keys_that_do_not_compare_as_they_sort_are_not_paged_by(types: tuple[str, ...]) -> None:
    assert not keys.is_pageable(_schema(*types))


@pytest.mark.parametrize(
    "kind", ["bigint", "varchar", "varbinary", "datetime", "time", "bit", "decimal", "year"]
)
def test_other_keys_are_paged_by(kind: str) -> None:
    assert keys.is_pageable(_schema(kind))


def test_keys_without_a_value_in_python_are_read_as_text() -> None:
    assert keys.select_list(_schema("date", "bit", "int")) == "CAST(`k1` AS CHAR), `k2`+0, `k3`"


@pytest.mark.parametrize(
    "key",
    [(2**64 - 1,), ("O'Neil\n😀",), (b"\x00\xff",), (Decimal("1.50"), 7, "2020-00-15 00:00:00")],
    ids=["unsigned", "text", "bytes", "mixed"],
)
def test_a_key_survives_json(key: keys.Key) -> None:
    assert keys.from_json(keys.to_json(key)) == key


def _text_key(charset: str) -> TableSchema:
    column = Column(
        name="k", data_type="varchar", column_type="varchar(9)", is_nullable=False, charset=charset
    )
    return TableSchema(name="t", engine="MyISAM", columns=(column,), primary_key=("k",))


@pytest.mark.parametrize("charset", ["cp1251", "sjis", "ucs2"])
def test_keys_that_may_come_back_as_others_are_not_paged_by(charset: str) -> None:
    assert not keys.is_pageable(_text_key(charset))


def test_a_key_that_is_no_text_is_told_without_its_value() -> None:
    with pytest.raises(DataExtractionError, match="bytes that are not text") as caught:
        keys.from_row(_text_key("ascii"), (b"secret\xff",))
    assert "secret" not in str(caught.value)
