"""Values of a run survive JSON, which is how they cross Redis, the ledger and the report."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from dental_etl.run import (
    Category,
    Coercion,
    CopyStatus,
    Cursor,
    ExtractResult,
    Strategy,
    TableResult,
    TableStatus,
    new_run_id,
)

NOW = datetime(2026, 1, 16, 3, 0, tzinfo=UTC)


def test_table_result_survives_json() -> None:
    result = TableResult(
        run_id="r",
        table="patient",
        category=Category.MEDIUM,
        status=TableStatus.LOADED,
        strategy=Strategy.INCREMENTAL,
        started_at=NOW,
        drift=("column added: TxtMsgOk",),
    )

    assert TableResult.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_nested_values_survive_json() -> None:
    result = ExtractResult(
        table="patient",
        strategy=Strategy.FULL_TABLE,
        reason="first copy",
        generation=1,
        rows_read=2,
        rows_written=2,
        rows_deleted=0,
        bytes_read=10,
        seconds=0.5,
        source_seconds=0.25,
        longest_read_seconds=0.25,
        reads=1,
        coercions=(Coercion(table="patient", column="Birthdate", kind="zero_date", rows=1),),
    )

    assert ExtractResult.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_optional_values_survive_json() -> None:
    status = CopyStatus(table="patient", last_copied=NOW, cursor=Cursor(column="DateTStamp", value=None))

    assert CopyStatus.from_json(json.loads(json.dumps(status.to_json()))) == status


def test_unknown_keys_of_a_newer_version_are_ignored() -> None:
    assert Cursor.from_json({"column": "DateTStamp", "value": None, "later": 1}) == Cursor(
        column="DateTStamp"
    )


def test_run_ids_sort_by_start() -> None:
    later = datetime(2026, 1, 16, 4, 0, tzinfo=UTC)

    assert new_run_id(NOW) < new_run_id(later)
