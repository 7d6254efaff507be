from __future__ import annotations

from dataclasses import replace

import pytest

from dental_etl.config.tables import Column, TableSchema
from dental_etl.exceptions import DataLoadingError
from dental_etl.load.postgres_schema import FoundColumn, FoundTable, SchemaChange, compare
from dental_etl.load.raw_table import raw_table


def _schema(*columns: tuple[str, str], key: tuple[str, ...] = ("PatNum",)) -> TableSchema:
    return TableSchema(
        name="patient",
        engine="InnoDB",
        columns=tuple(
            Column(name=name, data_type=type_.split("(", 1)[0], column_type=type_, is_nullable=False)
            for name, type_ in columns
        ),
        primary_key=key,
    )


def _found(*columns: tuple[str, str], key: tuple[str, ...] = ("PatNum",)) -> FoundTable:
    own = (("_loaded_at", "timestamp with time zone"), ("_run_id", "text"))
    return FoundTable(
        columns=tuple(
            FoundColumn(name=name, type=type_, is_required=name in key) for name, type_ in (*columns, *own)
        ),
        primary_key=key,
        key_name="patient_pkey" if key else None,
    )


def _change(found: FoundTable, wanted: TableSchema) -> SchemaChange:
    return compare(found, raw_table("raw", wanted))


_SOURCE = (("PatNum", "bigint(20)"), ("LName", "varchar(100)"))
_RAW = (("PatNum", "bigint"), ("LName", "text"))


def test_the_same_columns_need_no_change() -> None:
    assert not _change(_found(*_RAW), _schema(*_SOURCE)).is_needed


def test_an_added_column_keeps_the_rows() -> None:
    change = _change(_found(*_RAW), _schema(*_SOURCE, ("Birthdate", "date")))
    assert (change.added, change.is_needed, change.needs_full) == ({"Birthdate": "date"}, True, False)


def test_a_widened_column_keeps_the_rows() -> None:
    change = _change(_found(("PatNum", "integer"), ("LName", "text")), _schema(*_SOURCE))
    assert (change.widened, change.needs_full) == ({"PatNum": "bigint"}, False)


def test_an_incompatible_type_needs_every_row_again() -> None:
    change = _change(_found(("PatNum", "bigint"), ("LName", "bytea")), _schema(*_SOURCE))
    assert (change.rebuilt, change.needs_full) == ({"LName": "text"}, True)


def test_a_dropped_column_is_kept_and_named() -> None:
    change = _change(_found(*_RAW, ("Fax", "text")), _schema(*_SOURCE))
    assert (change.retired, change.needs_full) == ({"Fax": "text"}, False)
    assert change.drift == ("column Fax no longer exists in the source; raw keeps it, NULL from now on",)


def test_a_column_that_went_long_ago_is_not_named_again() -> None:
    found = _found(*_RAW)
    fax = FoundColumn(name="Fax", type="text", is_required=False, is_retired=True)
    change = _change(replace(found, columns=(*found.columns, fax)), _schema(*_SOURCE))
    assert (change.is_needed, change.drift) == (False, ())


def test_a_column_that_comes_back_is_made_anew() -> None:
    found = _found(*_RAW)
    fax = FoundColumn(name="Fax", type="integer", is_required=False, is_retired=True)
    change = _change(replace(found, columns=(*found.columns, fax)), _schema(*_SOURCE, ("Fax", "varchar(9)")))
    assert (change.returned, change.rebuilt) == ({"Fax": "text"}, {})


def test_a_dropped_key_column_may_be_null_from_now_on() -> None:
    change = _change(_found(*_RAW, ("Seq", "bigint"), key=("PatNum", "Seq")), _schema(*_SOURCE))
    assert (change.required, change.is_key_changed) == (("Seq",), True)


def test_columns_of_ours_that_somebody_dropped_come_back() -> None:
    found = FoundTable(
        columns=tuple(FoundColumn(name=n, type=t, is_required=False) for n, t in _RAW),
        primary_key=("PatNum",),
        key_name="patient_pkey",
    )
    assert list(_change(found, _schema(*_SOURCE)).added) == ["_loaded_at", "_run_id"]


def test_columns_of_ours_are_not_drift() -> None:
    found = FoundTable(
        columns=tuple(FoundColumn(name=n, type=t, is_required=False) for n, t in _RAW),
        primary_key=("PatNum",),
        key_name="patient_pkey",
    )
    assert _change(found, _schema(*_SOURCE)).drift == ()


def test_a_key_with_a_date_is_no_key_in_raw() -> None:
    wanted = raw_table("raw", _schema(*_SOURCE, ("DateS", "date"), key=("PatNum", "DateS")))
    assert wanted.primary_key == ()


def test_a_type_without_counterpart_names_table_and_column() -> None:
    with pytest.raises(DataLoadingError, match="Table patient: Column Face") as error:
        raw_table("raw", _schema(*_SOURCE, ("Face", "vector(3)")))
    assert error.value.table == "patient"


def test_a_column_named_like_ours_is_renamed() -> None:
    wanted = raw_table("raw", _schema(*_SOURCE, ("_run_id", "bigint(20)")))
    assert [column.name for column in wanted.columns][-1].startswith("_run_id_")
