from __future__ import annotations

import pytest

from dental_etl.config.tables import Column, TableSchema
from dental_etl.exceptions import DataExtractionError
from dental_etl.wire.rows import Target, row_format


def column(
    name: str, kind: str, *, nullable: bool = False, charset: str | None = None, extra: str = ""
) -> Column:
    return Column(
        name=name,
        data_type=kind.split("(", maxsplit=1)[0],
        column_type=kind,
        is_nullable=nullable,
        charset=charset,
        extra=extra,
    )


def schema(*columns: Column) -> TableSchema:
    return TableSchema(name="patient", engine="MyISAM", columns=columns, primary_key=(columns[0].name,))


ID = column("PatNum", "bigint(20)")


def test_a_nullable_column_is_wrapped_because_concat_ws_skips_null() -> None:
    found = row_format(schema(ID, column("a", "int(11)", nullable=True)), Target.MYSQL)
    assert (
        found.select_list
        == "CONCAT_WS(CAST(0xFF AS BINARY), `PatNum`, IFNULL(`a`, CAST(0xFD81818181 AS BINARY)))"
    )


def test_a_float_is_read_with_nine_digits_or_more_so_that_none_is_lost() -> None:
    found = row_format(schema(ID, column("a", "float")), Target.MYSQL)
    assert "IF(`a` BETWEEN 1 AND 99999, CONCAT(ROUND(`a`, 8)), `a` + 0e0)" in found.select_list


def test_a_filled_double_is_read_as_its_number() -> None:
    filled = column("a", "double(10,2) unsigned zerofill")
    assert "IF(`a` = 0, '0', `a`)" in row_format(schema(ID, filled), Target.MYSQL).select_list
    assert "IF(`a` = 0" not in row_format(schema(ID, column("a", "double")), Target.MYSQL).select_list


def test_a_geometry_is_read_as_it_is_stored() -> None:
    place = schema(ID, column("a", "point"))
    assert "SUBSTR(`a`, 5)" in row_format(place, Target.POSTGRES).select_list
    assert "SUBSTR" not in row_format(place, Target.MYSQL).select_list


def test_text_of_another_character_set_is_converted() -> None:
    found = row_format(schema(ID, column("a", "varchar(10)", charset="latin1")), Target.MYSQL)
    assert "CONVERT(`a` USING utf8mb4)" in found.select_list


def test_dates_are_read_bare_for_mysql() -> None:
    found = row_format(schema(ID, column("a", "date")), Target.MYSQL)
    assert found.select_list == "CONCAT_WS(CAST(0xFF AS BINARY), `PatNum`, `a`)"


def test_each_date_has_a_marker_of_its_own_for_postgres() -> None:
    dates = [column(f"d{n}", "date") for n in range(12)]
    packed = dict(row_format(schema(ID, *dates), Target.POSTGRES).coerced)
    assert len({packed[f"d{n}"] for n in range(10)}) == 10


def test_dates_beyond_the_supply_of_markers_travel_apart() -> None:
    dates = [column(f"d{n}", "date") for n in range(12)]
    found = row_format(schema(ID, *dates), Target.POSTGRES)
    assert [apart.name for apart in found.apart] == ["d10", "d11"]


@pytest.mark.parametrize("kind", ["mediumtext", "longtext", "blob", "varbinary(16)", "json", "point"])
def test_what_could_break_the_framing_travels_apart(kind: str) -> None:
    found = row_format(schema(ID, column("a", kind, charset="utf8mb4")), Target.POSTGRES)
    assert [apart.name for apart in found.apart] == ["a"]


def test_ascii_text_travels_apart_because_servers_do_not_check_its_bytes() -> None:
    found = row_format(schema(ID, column("a", "varchar(10)", charset="ascii")), Target.POSTGRES)
    assert [apart.name for apart in found.apart] == ["a"]


def test_columns_apart_come_last() -> None:
    found = row_format(schema(ID, column("b", "blob"), column("c", "int(11)")), Target.MYSQL)
    assert found.columns == ("PatNum", "c", "b")


def test_bytes_go_through_unhex_into_mysql() -> None:
    found = row_format(schema(ID, column("b", "blob")), Target.MYSQL)
    assert (found.load_columns, found.load_set) == ("`PatNum`, @etl_1", "SET `b` = UNHEX(@etl_1)")


def test_the_value_of_a_generated_column_is_copied() -> None:
    found = row_format(schema(ID, column("a", "int(11)", extra="VIRTUAL GENERATED")), Target.MYSQL)
    assert found.columns == ("PatNum", "a")


def test_an_enum_goes_to_mysql_by_its_index() -> None:
    found = row_format(schema(ID, column("e", "enum('','a')", charset="latin1")), Target.MYSQL)
    assert (found.load_columns, found.load_set) == ("`PatNum`, @etl_1", "SET `e` = CAST(@etl_1 AS UNSIGNED)")


def test_an_enum_whose_labels_the_catalog_garbles_goes_as_text() -> None:
    found = row_format(schema(ID, column("e", "enum('?')", charset="utf8mb4")), Target.MYSQL)
    assert (found.load_columns, found.enum_columns) == ("`PatNum`, `e`", ())


@pytest.mark.parametrize("charset", ["cp1251", "sjis", "ucs2", "ascii"])
def test_text_that_unicode_may_not_give_back_goes_to_mysql_as_bytes(charset: str) -> None:
    found = row_format(schema(ID, column("a", "varchar(10)", charset=charset)), Target.MYSQL)
    assert found.load_set == "SET `a` = UNHEX(@etl_1)"


def test_an_alias_prefixes_every_column() -> None:
    found = row_format(schema(ID, column("d", "date", nullable=True)), Target.POSTGRES, alias="r")
    assert found.select_list.count("`r`.`d`") == found.select_list.count("`d`")


def test_an_unpacked_format_has_no_packed_column() -> None:
    found = row_format(schema(ID, column("a", "int(11)")), Target.MYSQL, is_packed=False)
    assert found.select_list == "CONVERT(`PatNum` USING binary), CONVERT(`a` USING binary)"


def test_copy_columns_use_the_names_of_raw() -> None:
    found = row_format(schema(ID, column("ctid", "int(11)")), Target.POSTGRES)
    assert '"ctid_' in found.copy_columns


def test_an_unknown_type_fails_its_table_by_name() -> None:
    with pytest.raises(DataExtractionError, match="Column a of table patient has the type vector"):
        row_format(schema(ID, column("a", "vector(3)")), Target.MYSQL)


def test_many_texts_do_not_share_one_packet() -> None:
    found = row_format(
        schema(ID, *(column(f"t{n}", "text", charset="utf8") for n in range(20))), Target.MYSQL
    )
    assert (found.packed, len(found.apart)) == (9, 12)
