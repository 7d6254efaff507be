"""The text that two MySQL servers of any version compute alike."""

from __future__ import annotations

import pytest

from dental_etl.config import Column, TableSchema
from dental_etl.wire.checksums import content_checksum, key_checksum


def column(name: str, kind: str, *, charset: str | None = None, is_nullable: bool = False) -> Column:
    return Column(
        name=name,
        data_type=kind.partition("(")[0],
        column_type=kind,
        is_nullable=is_nullable,
        charset=charset,
    )


def checksum(*columns: Column, key: tuple[str, ...] = ("id",)) -> str:
    return content_checksum(
        TableSchema(name="t", engine="MyISAM", columns=(column("id", "int"), *columns), primary_key=key)
    )


@pytest.mark.parametrize(
    ("one", "expression"),
    [
        pytest.param(column("c", "int"), "`c`", id="number"),
        pytest.param(column("c", "bit(3)"), "(`c` + 0)", id="bit"),
        pytest.param(column("c", "enum('a')", charset="utf8"), "(`c` + 0)", id="enum-by-index"),
        pytest.param(column("c", "varchar(9)", charset="utf8"), "`c`", id="utf8"),
        pytest.param(column("c", "varchar(9)", charset="latin1"), "CONVERT(`c` USING utf8mb4)", id="latin1"),
        pytest.param(column("c", "varchar(9)", charset="cp1251"), "HEX(`c`)", id="another-charset"),
        pytest.param(column("c", "longtext", charset="utf8"), "SHA2(`c`, 256)", id="long-text"),
        pytest.param(column("c", "blob"), "SHA2(`c`, 256)", id="blob"),
        pytest.param(column("c", "varbinary(9)"), "HEX(`c`)", id="binary"),
        pytest.param(
            column("c", "int", is_nullable=True), "IFNULL(`c`, CAST(0xFD81 AS BINARY))", id="null-has-a-mark"
        ),
    ],
)
def test_every_type_has_its_text(one: Column, expression: str) -> None:
    assert f"CAST(0xFF AS BINARY), `id`, {expression})" in checksum(one)


def test_a_row_counts_by_its_key() -> None:
    assert "& 1048575) | 1)" in checksum()


def test_a_table_without_a_key_counts_its_rows_alike() -> None:
    assert "1048575" not in checksum(key=())


def test_many_texts_together_stay_below_the_smallest_packet() -> None:
    texts = [column(f"c{number}", "text", charset="utf8") for number in range(10)]
    assert checksum(*texts).count("SHA2(") == 2


def test_the_keys_checksum_reads_the_key_alone() -> None:
    schema = TableSchema(
        name="t", engine="", columns=(column("id", "int"), column("c", "int")), primary_key=("id",)
    )
    assert "`c`" not in key_checksum(schema)
