from __future__ import annotations

from dataclasses import replace

import pytest

from dental_etl.config import Column, TableSchema
from dental_etl.extract import drift
from dental_etl.extract.attempt import schema_text

ID = Column(name="id", data_type="int", column_type="int(11)", is_nullable=False)
NOTE = Column(
    name="note", data_type="varchar", column_type="varchar(10)", is_nullable=True,
    charset="utf8", collation="utf8_general_ci",
)  # fmt: skip
SCHEMA = TableSchema(name="t", engine="MyISAM", columns=(ID, NOTE), primary_key=("id",))


def _with_note(**changes: object) -> TableSchema:
    return replace(SCHEMA, columns=(ID, replace(NOTE, **changes)))  # type: ignore[arg-type]  # any field


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param(
            replace(SCHEMA, columns=(ID, NOTE, replace(ID, name="x"))),
            "column x (int(11)) was added",
            id="added",
        ),
        pytest.param(replace(SCHEMA, columns=(ID,)), "column note was dropped", id="dropped"),
        pytest.param(
            _with_note(column_type="varchar(20)"),
            "column note changed from varchar(10) to varchar(20)",
            id="widened",
        ),
        pytest.param(_with_note(is_nullable=False), "column note became not nullable", id="not-null"),
        pytest.param(
            _with_note(collation="utf8_bin"),
            "column note changed its collation from utf8_general_ci to utf8_bin",
            id="collation",
        ),
        pytest.param(replace(SCHEMA, primary_key=()), "primary key changed from (id) to ()", id="key"),
        pytest.param(replace(SCHEMA, columns=(NOTE, ID)), "columns were put into another order", id="order"),
    ],
)
def test_a_change_is_said_in_words(now: TableSchema, expected: str) -> None:
    assert drift.changes(schema_text(SCHEMA), now) == (expected,)


@pytest.mark.parametrize("field", ["default", "extra"])
def test_what_is_no_part_of_a_row_is_no_drift(field: str) -> None:
    assert drift.changes(schema_text(SCHEMA), _with_note(**{field: "x"})) == ()


def test_a_generated_column_is_copied_so_it_counts() -> None:
    generated = replace(ID, name="g", extra="VIRTUAL GENERATED")
    assert drift.changes(schema_text(SCHEMA), replace(SCHEMA, columns=(ID, generated, NOTE))) == (
        "column g (int(11)) was added",
    )


def test_before_the_first_copy_there_is_no_drift() -> None:
    assert drift.changes(None, SCHEMA) == ()
