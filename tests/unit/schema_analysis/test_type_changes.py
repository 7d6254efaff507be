"""Whether a changed type still holds what it held."""

from __future__ import annotations

import re

import pytest

from dental_etl.config import Column
from dental_etl.schema_analysis.type_changes import TypeChange, type_change


def _column(column_type: str, charset: str | None = None) -> Column:
    return Column(
        name="Any",
        data_type=re.split(r"[( ]", column_type)[0],
        column_type=column_type,
        is_nullable=False,
        charset=charset,
    )


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("int(11)", "int", None),
        ("int(11)", "bigint(20)", TypeChange.WIDENED),
        ("bigint(20)", "int(11)", TypeChange.NARROWED),
        ("tinyint(4)", "tinyint(3) unsigned", TypeChange.CHANGED),
        ("tinyint(3) unsigned", "smallint(6)", TypeChange.WIDENED),
        ("varchar(100)", "varchar(255)", TypeChange.WIDENED),
        ("varchar(255)", "varchar(100)", TypeChange.NARROWED),
        ("varchar(255)", "text", TypeChange.WIDENED),
        ("mediumtext", "text", TypeChange.NARROWED),
        ("varbinary(16)", "blob", TypeChange.WIDENED),
        ("text", "blob", TypeChange.CHANGED),
        ("decimal(10,2)", "decimal(12,2)", TypeChange.WIDENED),
        ("decimal(10,2)", "decimal(10,4)", TypeChange.CHANGED),
        ("decimal(12,4)", "decimal(10,2)", TypeChange.NARROWED),
        ("float", "double", TypeChange.WIDENED),
        ("double", "float", TypeChange.NARROWED),
        ("double", "decimal(10,2)", TypeChange.CHANGED),
        ("date", "datetime", TypeChange.WIDENED),
        ("datetime", "datetime(6)", TypeChange.WIDENED),
        ("datetime(6)", "date", TypeChange.NARROWED),
        ("datetime", "timestamp", TypeChange.CHANGED),
        ("enum('a','b')", "enum('a','b','c')", TypeChange.WIDENED),
        ("enum('a','b')", "enum('a')", TypeChange.NARROWED),
        ("enum('a','b')", "enum('a','c')", TypeChange.CHANGED),
        ("bigint(20)", "varchar(255)", TypeChange.CHANGED),
    ],
)
def test_types(before: str, after: str, change: TypeChange | None) -> None:
    assert type_change(_column(before), _column(after)) is change


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("utf8mb3", "utf8mb4", TypeChange.WIDENED),
        ("utf8mb4", "latin1", TypeChange.NARROWED),
        ("utf8", "utf8mb3", None),
        ("latin1", "cp1252", TypeChange.CHANGED),
    ],
)
def test_character_sets(before: str, after: str, change: TypeChange | None) -> None:
    assert type_change(_column("text", before), _column("text", after)) is change


def test_wider_in_one_way_and_narrower_in_another_is_another_type() -> None:
    before, after = _column("varchar(100)", "utf8mb3"), _column("varchar(50)", "utf8mb4")
    assert type_change(before, after) is TypeChange.CHANGED
