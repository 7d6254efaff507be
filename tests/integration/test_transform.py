"""dbt as a process of ours: built, failed, stopped, tried again; on a small practice in a real PostgreSQL."""

from __future__ import annotations

import json
import logging
import shutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from dental_practice import NO_DATE, TODAY, Row, Tables, create_raw, practice
from sqlalchemy import Connection, text

from dental_etl import transform
from dental_etl.config import Settings
from dental_etl.config.settings import DbtOrchestration
from dental_etl.connections import connect
from dental_etl.exceptions import ConfigurationError, TableBusyError, TransformError
from dental_etl.run import DbtStatus, NodeResult, NodeStatus
from dental_etl.tracking.locks import advisory_lock
from dental_etl.transform import selection

#: Something that only a row holds.
SECRET = "Featherstonehaugh-4711"
RUN_ID = "20260131T030000-00c0de"


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all tests: dbt then parses the project once."""
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture
def settings(sandbox_settings: Settings, artifacts: Path) -> Settings:
    return replace(sandbox_settings, artifacts_url=str(artifacts))


@pytest.fixture
def tables(analytics: Connection) -> Tables:
    rows = practice(seed=3, families=25)
    create_raw(analytics, rows)
    return rows


def ignore(_node: NodeResult) -> None:
    """Record nothing."""


def test_a_build_models_the_practice_and_records_every_node(
    settings: Settings, tables: Tables, analytics: Connection
) -> None:
    nodes: dict[str, NodeResult] = {}
    result = transform.build(
        settings, run_id=RUN_ID, as_of_date=TODAY, record=lambda node: nodes.update({node.unique_id: node})
    )
    assert (result.status, result.reason) == (DbtStatus.SUCCESS, "")
    assert {node.unique_id: node for node in result.nodes} == nodes
    assert _kinds(nodes) == {"model", "test", "unit_test", "source", "seed", "exposure"}
    assert _daily(analytics) == _expected_daily(tables)


def test_what_stands_on_a_failed_model_counts_as_upstream_failed(
    settings: Settings, tables: Tables, analytics: Connection
) -> None:
    # Far more than the mart's numeric(14, 2) can hold.
    _execute(analytics, 'UPDATE raw.procedurelog SET "ProcFee" = 1e15 WHERE "ProcStatus" = 2')
    result = transform.build(
        settings,
        run_id=RUN_ID,
        as_of_date=TODAY,
        record=ignore,
        selection=selection.selector("financial_workflow"),
    )
    by_id = {node.unique_id.split(".")[2]: node for node in result.nodes}
    assert result.status is DbtStatus.FAILED
    assert "model.dental_models.mart_ar_aging_family" in result.reason
    assert by_id["mart_ar_aging_family"].error_class == "Database Error"
    assert by_id["families_add_up_to_the_ledger"].status is NodeStatus.UPSTREAM_FAILED


def test_an_error_that_quotes_a_row_leaves_the_row_in_the_database(
    settings: Settings,
    tables: Tables,
    analytics: Connection,
    artifacts: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    _execute(
        analytics,
        'ALTER TABLE raw.appointment ALTER COLUMN "AptStatus" TYPE text',
        f"""INSERT INTO raw.appointment ("AptNum", "AptStatus") VALUES (1, '{SECRET}')""",
    )
    result = transform.build(
        settings, run_id="secret", as_of_date=TODAY, record=ignore, selection=selection.selector("smoke_test")
    )
    assert {node.error_class for node in result.nodes if node.status is NodeStatus.ERROR} == {
        "Database Error"
    }
    said = caplog.text + json.dumps(result.to_json())
    said += "".join(
        path.read_text(errors="replace") for path in artifacts.rglob("secret/**/*") if path.is_file()
    )
    assert SECRET not in said


def test_a_project_that_does_not_parse_is_an_error_of_its_own(
    settings: Settings, tables: Tables, tmp_path: Path
) -> None:
    project = tmp_path / "dbt_dental_models"
    shutil.copytree(settings.dbt_project_dir, project, ignore=shutil.ignore_patterns("target", "logs"))
    (project / "models" / "broken.sql").write_text("select {{ ref('nothing') }}", encoding="utf-8")
    broken = replace(settings, project_root=tmp_path, artifacts_url=str(tmp_path / "artifacts"))
    with pytest.raises(TransformError, match="Compilation Error"):
        transform.build(broken, run_id=RUN_ID, as_of_date=TODAY, record=ignore)


def test_a_misspelt_model_is_named_before_anything_is_built(
    settings: Settings, analytics: Connection
) -> None:
    chosen = selection.models(["dim_clinic", "dim_clinik"])
    with pytest.raises(ConfigurationError, match="No model answers to dim_clinik"):
        transform.build(settings, run_id="misspelt", as_of_date=TODAY, record=ignore, selection=chosen)


def test_a_second_builder_is_turned_away(settings: Settings, tables: Tables) -> None:
    with (
        connect(settings.analytics, is_dedicated=True) as other,
        advisory_lock(other, "dbt build"),
        pytest.raises(TableBusyError),
    ):
        transform.build(settings, run_id=RUN_ID, as_of_date=TODAY, record=ignore)


def test_at_its_deadline_dbt_is_stopped_and_its_queries_are_cancelled(
    settings: Settings, tables: Tables, analytics: Connection
) -> None:
    with connect(settings.analytics, is_dedicated=True) as reader:
        reader.execute(text("LOCK TABLE raw.patient IN ACCESS EXCLUSIVE MODE"))
        result = transform.build(
            settings,
            run_id=RUN_ID,
            as_of_date=TODAY,
            record=ignore,
            selection=selection.selector("smoke_test"),
            deadline=datetime.now(UTC) + timedelta(seconds=10),
        )
    assert result.status is DbtStatus.FAILED
    assert result.reason.startswith("stopped at its deadline")
    assert _sessions(analytics) == 0


def test_a_lost_session_is_tried_again(settings: Settings, tables: Tables, analytics: Connection) -> None:
    with connect(settings.analytics, is_dedicated=True) as reader:
        reader.execute(text("LOCK TABLE raw.patient IN ACCESS EXCLUSIVE MODE"))
        result = transform.build(
            settings,
            run_id=RUN_ID,
            as_of_date=TODAY,
            record=_end_waiting_sessions(analytics, reader),
            selection=selection.selector("smoke_test"),
            retry_pauses_seconds=(0.0, 0.0),
        )
    assert (result.status, result.reason) == (DbtStatus.SUCCESS, "")


def test_a_stale_source_is_a_warning(settings: Settings, tables: Tables, analytics: Connection) -> None:
    _execute(
        analytics,
        "UPDATE raw.etl_load_status SET last_loaded = now() - interval '3 days' WHERE table_name = 'payment'",
    )
    result = transform.freshness(settings, run_id=RUN_ID, as_of_date=TODAY, record=ignore)
    stale = [node for node in result.nodes if node.status is not NodeStatus.SUCCESS]
    assert [(node.unique_id, node.status) for node in stale] == [
        ("source.dental_models.opendental.payment", NodeStatus.WARN)
    ]


def test_layers_build_one_after_the_other(settings: Settings, tables: Tables, artifacts: Path) -> None:
    layered = replace(settings, dbt_orchestration=DbtOrchestration.LAYERED)
    result = transform.build(layered, run_id="layers", as_of_date=TODAY, record=ignore)
    assert (result.status, result.reason) == (DbtStatus.SUCCESS, "")
    assert {path.name for path in (artifacts / "dbt" / "layers").iterdir()} == {
        "freshness",
        "build_staging_only",
        "build_intermediate_only",
        "build_marts_only",
    }


def _kinds(nodes: dict[str, NodeResult]) -> set[str]:
    return {node.resource_type for node in nodes.values()}


def _execute(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.execute(text(statement))
    connection.commit()


def _sessions(connection: Connection) -> int:
    count: int = connection.execute(
        text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name"),
        {"name": f"dbt:{RUN_ID}"},
    ).scalar_one()
    connection.commit()
    return count


def _end_waiting_sessions(analytics: Connection, holder: Connection) -> Callable[[NodeResult], None]:
    """End dbt's session that waits for the lock as soon as there is one, then give the lock back."""

    def record(_node: NodeResult) -> None:
        ended: int = analytics.execute(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE application_name = :name AND wait_event_type = 'Lock'"
            ),
            {"name": f"dbt:{RUN_ID}"},
        ).scalar_one()
        analytics.commit()
        if ended:
            holder.rollback()

    return record


Key = tuple[date, int, int]
Amounts = tuple[Decimal, ...]
_MEASURES = (
    "gross_production",
    "adjustments",
    "insurance_write_offs",
    "net_production",
    "patient_income",
    "insurance_income",
    "unearned_income",
    "write_offs_by_payment_date",
    "write_offs_by_claim_date",
)


def _daily(connection: Connection) -> dict[Key, Amounts]:
    columns = ", ".join(("activity_date", "provider_id", "clinic_id", *_MEASURES))
    rows = connection.execute(text(f"SELECT {columns} FROM marts.mart_daily_production_collections")).all()
    connection.commit()
    return {(row[0], row[1], row[2]): tuple(row[3:]) for row in rows if any(row[3:])}


Add = Callable[[str, Row, date | None, float], None]


def _expected_daily(tables: Tables) -> dict[Key, Amounts]:
    """Add everything up row by row, as the definitions of the reports say."""
    days: dict[Key, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))

    def add(measure: str, row: Row, day: date | None, amount: float) -> None:
        days[day or NO_DATE, row["ProvNum"], row["ClinicNum"]][measure] += Decimal(str(amount))

    _add_practice(tables, add)
    _add_insurance(tables, add)
    return {key: _row(amounts) for key, amounts in days.items() if any(_row(amounts))}


def _add_practice(tables: Tables, add: Add) -> None:
    for row in tables["procedurelog"]:
        if row["ProcStatus"] == 2:
            fee = row["ProcFee"] * (row["UnitQty"] + row["BaseUnits"])
            add("gross_production", row, row["ProcDate"], fee)
    for row in tables["adjustment"]:
        add("adjustments", row, row["AdjDate"], row["AdjAmt"])
    for row in tables["paysplit"]:
        measure = {0: "patient_income", 1: "unearned_income", 2: None}[row["UnearnedType"]]
        if measure is not None and not row["IsDiscount"]:
            add(measure, row, row["DatePay"], row["SplitAmt"])


def _add_insurance(tables: Tables, add: Add) -> None:
    procedures = {row["ProcNum"]: row for row in tables["procedurelog"] if row["ProcStatus"] == 2}
    cheques = {row["ClaimPaymentNum"]: row["CheckDate"] for row in tables["claimpayment"]}
    for row in tables["claimproc"]:
        procedure = procedures.get(row["ProcNum"])
        if row["Status"] == 7 and procedure is not None:
            add("gross_production", procedure, procedure["ProcDate"], -row["WriteOff"])
        if row["ClaimPaymentNum"]:
            add("insurance_income", row, cheques[row["ClaimPaymentNum"]], row["InsPayAmt"])
        if row["Status"] in {0, 1, 4}:
            add("insurance_write_offs", row, row["ProcDate"], row["WriteOff"])
        if row["Status"] in {1, 4}:
            add("write_offs_by_payment_date", row, row["DateCP"], row["WriteOff"])
    _add_write_offs_by_claim(tables, add)


def _add_write_offs_by_claim(tables: Tables, add: Add) -> None:
    snapshots = {row["ClaimProcNum"]: row for row in tables["claimsnapshot"]}
    for row in tables["claimproc"]:
        snapshot = snapshots.get(row["ClaimProcNum"])
        expected = 0.0 if snapshot is None or snapshot["Writeoff"] == -1 else snapshot["Writeoff"]
        if row["Status"] in {0, 1, 4} and snapshot is not None:
            add("write_offs_by_claim_date", row, snapshot["DateTEntry"].date(), expected)
        if row["Status"] in {1, 4}:
            add("write_offs_by_claim_date", row, row["DateCP"], row["WriteOff"] - expected)


def _row(amounts: dict[str, Decimal]) -> Amounts:
    cents = {name: amount.quantize(Decimal("0.01"), "ROUND_HALF_UP") for name, amount in amounts.items()}
    zero = Decimal("0.00")
    cents["net_production"] = (
        cents.get("gross_production", zero)
        + cents.get("adjustments", zero)
        - cents.get("insurance_write_offs", zero)
    )
    return tuple(cents.get(name, zero) for name in _MEASURES)
