from __future__ import annotations

import pytest

from dental_etl.config.tables import Column
from dental_etl.exceptions import DataLoadingError
from dental_etl.load.postgres_types import can_be_key, is_exact_key, is_widening, postgres_type


def _column(column_type: str, name: str = "c") -> Column:
    data_type = column_type.split("(", maxsplit=1)[0].split(maxsplit=1)[0]
    return Column(name=name, data_type=data_type, column_type=column_type, is_nullable=False)


@pytest.mark.parametrize(
    ("mysql", "postgres"),
    [
        ("tinyint(4)", "smallint"),
        ("tinyint(1)", "smallint"),
        ("tinyint(3) unsigned", "smallint"),
        ("smallint(6)", "smallint"),
        ("smallint(5) unsigned", "integer"),
        ("mediumint(9)", "integer"),
        ("mediumint(8) unsigned", "integer"),
        ("int(11)", "integer"),
        ("int(10) unsigned", "bigint"),
        ("int(10) unsigned zerofill", "bigint"),
        ("int", "integer"),
        ("bigint(20)", "bigint"),
        ("bigint(20) unsigned", "numeric(20,0)"),
        ("decimal(10,2)", "numeric(10,2)"),
        ("decimal(65,30)", "numeric(65,30)"),
        ("decimal(8)", "numeric(8,0)"),
        ("float", "real"),
        ("float unsigned", "real"),
        ("float(7,2)", "real"),
        ("double", "double precision"),
        ("double(10,3)", "double precision"),
        ("bit(1)", "bigint"),
        ("bit(63)", "bigint"),
        ("bit(64)", "numeric(20,0)"),
        ("date", "date"),
        ("datetime", "timestamp(0) without time zone"),
        ("datetime(6)", "timestamp(6) without time zone"),
        ("timestamp", "timestamp(0) with time zone"),
        ("timestamp(3)", "timestamp(3) with time zone"),
        ("time", "interval(0)"),
        ("time(6)", "interval(6)"),
        ("year(4)", "smallint"),
        ("char(36)", "text"),
        ("varchar(255)", "text"),
        ("mediumtext", "text"),
        ("enum('a','b(2)')", "text"),
        ("set('a','b')", "text"),
        ("json", "text"),
        ("binary(16)", "bytea"),
        ("varbinary(255)", "bytea"),
        ("mediumblob", "bytea"),
        ("point", "bytea"),
        ("geomcollection", "bytea"),
        ("uuid", "uuid"),
        ("inet6", "inet"),
    ],
)
def test_every_mysql_type_has_one_postgres_type(mysql: str, postgres: str) -> None:
    assert postgres_type(_column(mysql)) == postgres


def test_an_unknown_type_names_the_column_and_the_remedy() -> None:
    with pytest.raises(DataLoadingError, match=r"Column Embedding .*vector.*tables\.overrides\.yml"):
        postgres_type(_column("vector(3)", "Embedding"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("smallint", "integer"),
        ("integer", "bigint"),
        ("bigint", "numeric(20,0)"),
        ("integer", "numeric(12,2)"),
        ("numeric(10,2)", "numeric(12,2)"),
        ("numeric(10,2)", "numeric(12,4)"),
        ("real", "double precision"),
        ("date", "timestamp(0) without time zone"),
        ("timestamp(0) without time zone", "timestamp(6) without time zone"),
        ("interval(0)", "interval(3)"),
        ("bigint", "text"),
    ],
)
def test_a_type_that_holds_every_old_value_is_wider(old: str, new: str) -> None:
    assert is_widening(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("bigint", "integer"),
        ("bigint", "double precision"),
        ("integer", "numeric(10,2)"),
        ("numeric(10,2)", "numeric(10,4)"),
        ("numeric(10,2)", "bigint"),
        ("double precision", "real"),
        ("timestamp(6) without time zone", "timestamp(0) without time zone"),
        ("timestamp(0) without time zone", "timestamp(0) with time zone"),
        ("date", "timestamp(0) with time zone"),
        ("text", "bytea"),
        ("double precision", "text"),
        ("interval(0)", "text"),
    ],
)
def test_a_type_that_loses_or_shifts_values_is_not_wider(old: str, new: str) -> None:
    assert not is_widening(old, new)


@pytest.mark.parametrize("mysql", ["bigint(20)", "decimal(5,2)", "varbinary(8)", "binary(16)", "year(4)"])
def test_keys_that_compare_the_same_on_both_sides_are_exact(mysql: str) -> None:
    assert is_exact_key((_column(mysql),))


@pytest.mark.parametrize("mysql", ["varchar(20)", "char(3)", "enum('a')", "date", "double", "timestamp"])
def test_keys_with_collations_roundings_or_zero_dates_are_not_exact(mysql: str) -> None:
    assert not is_exact_key((_column("bigint(20)"), _column(mysql)))


def test_a_table_without_a_key_has_no_exact_key() -> None:
    assert not is_exact_key(())


def test_a_date_cannot_be_part_of_a_postgres_key() -> None:
    assert not can_be_key((_column("bigint(20)"), _column("date")))


def test_text_can_be_a_postgres_key() -> None:
    assert can_be_key((_column("varchar(20)"),))


@pytest.mark.parametrize(
    ("column_type", "charset", "fits"),
    [
        pytest.param("varchar(255)", "utf8", True, id="ordinary"),
        pytest.param("varchar(768)", "utf8mb4", False, id="longest of InnoDB"),
        pytest.param("varchar(1000)", "latin1", False, id="every letter takes three bytes"),
        pytest.param("varbinary(3072)", None, False, id="bytes"),
    ],
)
def test_a_key_longer_than_an_entry_of_an_index_is_none(
    column_type: str,
    charset: str | None,
    fits: bool,  # noqa: FBT001  # a column of the case table
) -> None:
    column = Column(
        name="k",
        data_type=column_type.split("(", maxsplit=1)[0],
        column_type=column_type,
        is_nullable=False,
        charset=charset,
    )
    assert can_be_key((column,)) is fits
