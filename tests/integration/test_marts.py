"""Marts over hostile books: the bridge closes, a second build changes nothing, evenings are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path

import metrics
import pytest
from dental_practice import TODAY, create_raw, practice, set_preference
from sqlalchemy import Connection, text

from dental_etl import transform
from dental_etl.config import Settings
from dental_etl.connections import connect
from dental_etl.run import DbtStatus
from dental_etl.transform import selection
from dental_etl.transform.selection import Selection, Step

#: Minutes of its own; `make test-all` has it.
pytestmark = pytest.mark.slow

#: Version of payment plans, basis of write-offs, release: each changes what the two sides count.
CASES = tuple(product(("1", "2", "3", "4"), ("0", "1", "2"), ("24.3.35.0", "23.3.10.0", "21.4.1.0")))

_RATE = "SELECT sum({}) / sum({}) FROM {}"
#: Every metric from other models than the one that it is defined over.
ELSEWHERE = {
    "gross_production": "SELECT sum(gross_production) FROM marts.mart_patient_value",
    "net_production": "SELECT sum(net_production) FROM marts.mart_patient_value",
    "collections": "SELECT sum(collections) FROM marts.mart_patient_value",
    "gross_collection_rate": _RATE.format("collections", "gross_production", "marts.mart_patient_value"),
    "net_collection_rate": _RATE.format("collections", "net_production", "marts.mart_patient_value"),
    "receivables": "SELECT sum(amount) FROM intermediate.int_ledger_entries WHERE family_id IS NOT NULL",
    "receivables_over_90": "SELECT sum(balance_over_90) FROM intermediate.int_family_balances_bucketed",
    "receivables_over_90_share": "SELECT (SELECT sum(balance_over_90) FROM intermediate.int_family_balances_bucketed)"
    " / (SELECT sum(amount) FROM intermediate.int_ledger_entries WHERE family_id IS NOT NULL)",
    "new_patients": "SELECT sum(new_patients) FROM marts.mart_referral_source",
    "recalls_due": "SELECT count(*) FROM intermediate.int_recalls_due WHERE is_due",
    "recalls_overdue_unscheduled": "SELECT count(*) FROM intermediate.int_recalls_due WHERE is_overdue",
    "presented_amount": "SELECT sum(fee) FROM intermediate.int_treatment_accepted WHERE NOT is_same_day",
    "accepted_amount": "SELECT sum(fee) FROM intermediate.int_treatment_accepted WHERE NOT is_same_day AND (is_completed OR is_scheduled)",
    "case_acceptance": "SELECT sum(fee) FILTER (WHERE is_completed OR is_scheduled) / sum(fee)"
    " FROM intermediate.int_treatment_accepted WHERE NOT is_same_day",
}

#: What a clinic does in a day: entered, edited, deleted, and entered for last month.
_A_DAY = (
    """INSERT INTO raw.adjustment SELECT (jsonb_populate_record(adjustment, jsonb_build_object(
        'AdjNum', "AdjNum" + 1000000, 'AdjAmt', 12.5, 'AdjDate', CAST(:today AS date)))).*
        FROM raw.adjustment WHERE "AdjNum" % 3 = 0""",
    """UPDATE raw.procedurelog SET "ProcFee" = "ProcFee" + 10 WHERE "ProcNum" % 7 = 0""",
    """DELETE FROM raw.paysplit WHERE "SplitNum" % 5 = 0""",
    """UPDATE raw.adjustment SET "AdjDate" = CAST(:today AS date) - 45 WHERE "AdjNum" % 4 = 0""",
)
_HISTORY = "as_of_date, family_id, balance_total, balance_0_30, balance_31_60, balance_61_90, balance_over_90, unused_credit"

_DIGEST = """
    SELECT coalesce(md5(string_agg(row_text, chr(10) ORDER BY row_text COLLATE "C")), '')
    FROM (SELECT CAST(mart AS text) AS row_text FROM marts."{table}" AS mart) AS rows
"""


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("marts")


@pytest.fixture(scope="module")
def built(sandbox_settings: Settings, artifacts: Path) -> Iterator[Connection]:
    """A connection to the marts of a hostile practice, built once for all tests here."""
    with connect(sandbox_settings.analytics) as connection:
        for schema in ("staging", "intermediate", "marts"):
            connection.execute(text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))
        create_raw(connection, practice(seed=11, families=50))
        connection.commit()
        _build(sandbox_settings, artifacts, "first")
        yield connection


def test_building_twice_gives_identical_marts(
    built: Connection, sandbox_settings: Settings, artifacts: Path
) -> None:
    before = _digests(built)
    _build(sandbox_settings, artifacts, "second")
    assert _digests(built) == before


def test_history_gains_an_evening_and_keeps_the_others_through_a_full_refresh(
    built: Connection, sandbox_settings: Settings, artifacts: Path
) -> None:
    """Two whole builds of one evening came before, which is the other half of the claim."""
    first = _evenings(built)
    models = ("--full-refresh", "--select", "mart_ar_aging_family", "mart_ar_aging_history")
    next_day = TODAY + timedelta(days=1)
    _build(
        sandbox_settings,
        artifacts,
        "next",
        next_day,
        Selection(steps=(Step(name="build", arguments=models),)),
    )
    assert _evenings(built) == {TODAY: first[TODAY], next_day: first[TODAY]}


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_a_metric_says_what_other_models_say(built: Connection, name: str) -> None:
    """What MetricFlow would ask for, against the same number computed without the metric's model."""
    asked: Decimal | None = built.execute(text(metrics.to_sql(name))).scalar_one()
    elsewhere: Decimal | None = built.execute(text(ELSEWHERE[name])).scalar_one()
    built.commit()
    # This practice has no recalls and plans no treatment: nothing on both sides then.
    # Amounts are rounded to the cent by row; rates and counts are not.
    assert float(asked or 0) == pytest.approx(float(elsewhere or 0), rel=1e-4)


def test_every_metric_is_compared() -> None:
    assert set(ELSEWHERE) == set(metrics.names())


def test_history_follows_a_day_of_changes_on_its_own_evening_only(
    built: Connection, sandbox_settings: Settings, artifacts: Path
) -> None:
    """The one incremental model: its evening equals what is computed anew, whatever happened to the rows."""
    earlier = _evening(built, TODAY)
    day = TODAY + timedelta(days=2)
    for statement in _A_DAY:
        assert built.execute(text(statement), {"today": TODAY}).rowcount > 0
    built.commit()
    models = selection.models(["+mart_ar_aging_history"])
    for run_id in ("changed", "changed_again"):
        _build(sandbox_settings, artifacts, run_id, day, models)
    anew = built.execute(text(f"SELECT {_HISTORY} FROM marts.mart_ar_aging_family ORDER BY family_id")).all()
    assert _evening(built, day) == [tuple(row) for row in anew]
    assert [row[2:] for row in _evening(built, day)] != [row[2:] for row in earlier]
    assert _evening(built, TODAY) == earlier


def test_bridge_to_receivables_closes_under_every_preference(built: Connection, artifacts: Path) -> None:
    """The last test: it leaves other preferences. Below the bridge only the ledger is a table, the rest are views."""
    ledger = _compiled(artifacts, "intermediate/ledger/int_ledger_entries")
    bridge = _compiled(artifacts, "marts/finance/mart_receivables_bridge")
    assert {case: left for case in CASES if (left := _unexplained(built, ledger, bridge, case))} == {}


def _build(
    settings: Settings,
    artifacts: Path,
    run_id: str,
    as_of: date = TODAY,
    selected: Selection | None = None,
) -> None:
    result = transform.build(
        replace(settings, artifacts_url=str(artifacts)),
        run_id=run_id,
        as_of_date=as_of,
        record=lambda _node: None,
        selection=selected or selection.everything(),
    )
    assert result.status is DbtStatus.SUCCESS, result.reason


def _compiled(artifacts: Path, model: str) -> str:
    file = next(artifacts.rglob(f"first/**/compiled/dental_models/models/{model}.sql"))
    return file.read_text(encoding="utf-8").replace("%", "%%")


def _unexplained(
    connection: Connection, ledger: str, bridge: str, case: tuple[str, str, str]
) -> list[tuple[object, ...]]:
    """Return the months that do not close, under one set of preferences."""
    names = ("PayPlansVersion", "ReportsPPOwriteoffDefaultToProcDate", "DataBaseVersion")
    for name, value in zip(names, case, strict=True):
        set_preference(connection, name, value)
    connection.exec_driver_sql("TRUNCATE intermediate.int_ledger_entries")
    connection.exec_driver_sql(f"INSERT INTO intermediate.int_ledger_entries {ledger}")
    rows = connection.exec_driver_sql(f"SELECT * FROM ({bridge}) AS bridge WHERE unexplained <> 0").all()
    connection.commit()
    return [tuple(row) for row in rows]


def _evenings(connection: Connection) -> dict[date, int]:
    rows = connection.execute(
        text("SELECT as_of_date, count(*) FROM marts.mart_ar_aging_history GROUP BY as_of_date")
    ).all()
    connection.commit()
    return {row[0]: row[1] for row in rows}


def _evening(connection: Connection, day: date) -> list[tuple[object, ...]]:
    query = f"SELECT {_HISTORY} FROM marts.mart_ar_aging_history WHERE as_of_date = :day ORDER BY family_id"
    rows = connection.execute(text(query), {"day": day}).all()
    connection.commit()
    return [tuple(row) for row in rows]


def _digests(connection: Connection) -> dict[str, str]:
    tables: list[str] = list(
        connection.execute(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'marts' ORDER BY 1")
        ).scalars()
    )
    digests: dict[str, str] = {
        table: connection.execute(text(_DIGEST.format(table=table))).scalar_one() for table in tables
    }
    connection.commit()
    return digests
