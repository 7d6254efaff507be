"""Marts over hostile books: the bridge closes, a second build changes nothing, evenings are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from pathlib import Path

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
