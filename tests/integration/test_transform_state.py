"""Builds that depend on earlier ones or on what arrived, on a project of four models."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from dental_etl import pipeline, transform
from dental_etl.config import Settings, TableConfig
from dental_etl.exceptions import TransformError
from dental_etl.report import Outcome
from dental_etl.run import (
    Category,
    DbtResult,
    DbtStatus,
    ExtractResult,
    LoadResult,
    NodeResult,
    NodeStatus,
    RefreshMode,
    RunKind,
    RunStatus,
    Stage,
    Strategy,
)
from dental_etl.tracking import ledger
from dental_etl.tracking.migrations import migrate
from dental_etl.transform import artifacts, selection, state
from tests.small_models import write_project

#: Minutes of its own; `make test-all` has it.
pytestmark = pytest.mark.slow

TODAY = date(2026, 1, 31)
NOW = datetime(2026, 1, 31, 3, tzinfo=UTC)
Build = Callable[..., DbtResult]


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, once for all tests."""
    root = tmp_path_factory.mktemp("small")
    write_project(root)
    return root


@pytest.fixture
def settings(sandbox_settings: Settings, parsed: Path, tmp_path: Path) -> Settings:
    root = tmp_path / "project"
    shutil.copytree(parsed, root)
    return replace(sandbox_settings, project_root=root, artifacts_url=str(tmp_path / "artifacts"))


@pytest.fixture
def raw(analytics: Connection) -> Connection:
    """Two raw tables with a row each, loaded just now."""
    _execute(
        analytics,
        "CREATE SCHEMA raw",
        'CREATE TABLE raw.patient ("PatNum" bigint)',
        'CREATE TABLE raw.provider ("ProvNum" bigint)',
        "INSERT INTO raw.patient VALUES (1)",
        "INSERT INTO raw.provider VALUES (1)",
        "CREATE TABLE raw.etl_load_status (table_name text, last_loaded timestamptz)",
        "INSERT INTO raw.etl_load_status VALUES ('patient', now() - interval '1 hour'),"
        " ('provider', now() - interval '1 hour')",
    )
    return analytics


@pytest.fixture
def failed_night(settings: Settings, raw: Connection) -> str:
    """A run in which table patient arrived and table provider did not."""
    run_id = _open_night(settings, raw)
    _arrive(raw, run_id, "patient")
    ledger.fail(raw, run_id, "provider", Stage.EXTRACT, "E_EXTRACT", "see the log", NOW)
    raw.commit()
    return run_id


@pytest.fixture
def night_without_patients(settings: Settings, raw: Connection) -> str:
    """A run in which both tables arrived and one of the models failed, closed as failed."""
    run_id = _open_night(settings, raw)
    for table in ("patient", "provider"):
        _arrive(raw, run_id, table)
    ledger.finalise_once(raw, run_id, "test", NOW)
    _execute(raw, "DELETE FROM raw.patient")
    assert pipeline.transform_run(settings, run_id, clock=lambda: NOW).status is DbtStatus.FAILED
    assert pipeline.close_run(settings, run_id, NOW) is RunStatus.FAILED
    return run_id


@pytest.fixture
def build(settings: Settings, raw: Connection) -> Build:
    def run(chosen: selection.Selection | None = None, run_id: str = "first") -> DbtResult:
        return transform.build(
            settings,
            run_id=run_id,
            as_of_date=TODAY,
            record=_ignore,
            selection=chosen,
            retry_pauses_seconds=(),
        )

    return run


def test_a_build_of_one_model_leaves_the_views_on_it_in_place(
    raw: Connection, build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    """And they read the new one: the views of the project, a view on a view, an analyst's view on a mart."""
    build()
    _execute(
        raw,
        "CREATE SCHEMA analyst",
        "CREATE VIEW analyst.shares AS SELECT share FROM marts.share_of_one",
        "CREATE VIEW analyst.patients AS SELECT patient_id FROM intermediate.int_patient",
        "GRANT SELECT ON analyst.patients TO PUBLIC",
        "COMMENT ON VIEW analyst.shares IS 'Whose is it?'",
        "INSERT INTO raw.patient VALUES (2)",
    )
    before = _relations(raw)
    for model in ("stg_patient", "share_of_one"):
        assert build(selection.models([model]), run_id=f"only_{model}").status is DbtStatus.SUCCESS
    assert _relations(raw) == before
    assert _values(raw, "SELECT share FROM analyst.shares") == [0]
    assert _values(raw, "SELECT patient_id FROM analyst.patients ORDER BY 1") == [1, 2]
    assert build(run_id="all_again").status is DbtStatus.SUCCESS
    assert _relations(raw) == before
    assert "were dropped" not in caplog.text


def test_a_view_that_no_longer_fits_is_named(
    settings: Settings, raw: Connection, build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    build()
    model = settings.dbt_project_dir / "models/staging/stg_patient.sql"
    model.write_text(model.read_text(encoding="utf-8").replace("patient_id", "person_id"), encoding="utf-8")
    assert build(selection.models(["stg_patient"]), run_id="renamed").status is DbtStatus.SUCCESS
    assert "were dropped: intermediate.int_patient" in caplog.text
    assert "int_patient" not in {name for name, *_ in _relations(raw)}


def test_without_a_green_build_there_is_nothing_to_compare_with(settings: Settings) -> None:
    with pytest.raises(TransformError, match="no green build"):
        state.last_success(settings)


def test_a_deploy_builds_what_the_code_changed(settings: Settings, build: Build) -> None:
    build()
    mart = settings.dbt_project_dir / "models/marts/providers_counted.sql"
    mart.write_text(mart.read_text(encoding="utf-8") + " where true", encoding="utf-8")
    result = build(selection.changed_code(state.last_success(settings)), run_id="second")
    assert _models(result) == {"providers_counted": NodeStatus.SUCCESS}


def test_a_new_day_does_not_parse_the_project_anew(settings: Settings, build: Build) -> None:
    build()
    parsed = artifacts.shared_parse(settings)
    before = parsed.stat().st_mtime_ns
    transform.build(settings, run_id="second", as_of_date=TODAY + timedelta(days=1), record=_ignore)
    assert parsed.stat().st_mtime_ns == before


def test_a_catch_up_builds_what_stands_on_tables_loaded_since(
    settings: Settings, raw: Connection, build: Build
) -> None:
    build()
    _execute(raw, "UPDATE raw.etl_load_status SET last_loaded = now() WHERE table_name = 'patient'")
    result = build(selection.new_rows(state.last_success(settings)), run_id="second")
    assert _models(result) == dict.fromkeys(
        ("stg_patient", "int_patient", "share_of_one"), NodeStatus.SUCCESS
    )


def test_models_above_a_missing_table_are_held_back_by_name(build: Build) -> None:
    result = build(selection.without(["provider"]))
    assert (result.status, _models(result)) == (
        DbtStatus.SUCCESS,
        {
            "stg_patient": NodeStatus.SUCCESS,
            "int_patient": NodeStatus.SUCCESS,
            "share_of_one": NodeStatus.SUCCESS,
            "stg_provider": NodeStatus.SKIPPED,
            "providers_counted": NodeStatus.SKIPPED,
        },
    )


def test_a_build_with_models_held_back_is_none_to_compare_with(settings: Settings, build: Build) -> None:
    build(selection.without(["provider"]))
    with pytest.raises(TransformError, match="no green build"):
        state.last_success(settings)


def test_by_lineage_a_failed_table_holds_back_only_what_stands_on_it(
    settings: Settings, failed_night: str
) -> None:
    by_lineage = replace(settings, dbt_gate="lineage")
    result = pipeline.transform_run(by_lineage, failed_night, clock=lambda: NOW)
    held_back = {name for name, status in _models(result).items() if status is NodeStatus.SKIPPED}
    assert (result.status, held_back) == (DbtStatus.SUCCESS, {"stg_provider", "providers_counted"})


def test_otherwise_a_failed_table_holds_back_everything(settings: Settings, failed_night: str) -> None:
    result = pipeline.transform_run(settings, failed_night, clock=lambda: NOW)
    assert (result.status, result.nodes) == (DbtStatus.SKIPPED, ())


def test_a_retry_builds_what_had_failed_and_makes_the_build_green(
    settings: Settings, raw: Connection, build: Build
) -> None:
    _execute(raw, "DELETE FROM raw.patient")
    assert build().status is DbtStatus.FAILED
    _execute(raw, "INSERT INTO raw.patient VALUES (1)")
    result = transform.retry(settings, run_id=None, record=_ignore)
    assert _models(result) == {"share_of_one": NodeStatus.SUCCESS}
    assert (state.last_success(settings) / "manifest.json").exists()


def test_a_retry_by_hand_mends_the_run(
    settings: Settings, raw: Connection, night_without_patients: str
) -> None:
    _execute(raw, "INSERT INTO raw.patient VALUES (1)")
    pipeline.retry_transform(settings, night_without_patients, clock=lambda: NOW)
    made = pipeline.build_report(settings, night_without_patients, NOW)
    page = Path(pipeline.report_page(settings, night_without_patients) or "")
    assert made.dbt is not None
    assert (made.outcome, _models(made.dbt)["share_of_one"]) == (Outcome.SUCCEEDED, NodeStatus.SUCCESS)
    assert ledger.run(raw, night_without_patients).status is RunStatus.SUCCEEDED
    assert "dbt finished" in page.read_text(encoding="utf-8")


def test_a_retry_that_fails_again_leaves_the_run_failed(
    settings: Settings, raw: Connection, night_without_patients: str
) -> None:
    result = pipeline.retry_transform(settings, night_without_patients, clock=lambda: NOW)
    assert result.status is DbtStatus.FAILED
    assert ledger.run(raw, night_without_patients).status is RunStatus.FAILED


def test_a_retry_refuses_a_build_that_came_to_no_end(
    settings: Settings, raw: Connection, build: Build
) -> None:
    """What dbt wrote then lacks the nodes that had no turn: a retry would be a false green."""
    _execute(raw, "DELETE FROM raw.patient")
    build()
    context = next(artifacts.run_folder(settings, "first").glob("build/context.json"))
    context.write_text(context.read_text().replace('"was_stopped": false', '"was_stopped": true'))
    with pytest.raises(TransformError, match="stopped before its end"):
        transform.retry(settings, run_id="first", record=_ignore)


def test_a_retry_refuses_a_project_that_has_changed(
    settings: Settings, raw: Connection, build: Build
) -> None:
    _execute(raw, "DELETE FROM raw.patient")
    build()
    (settings.dbt_project_dir / "models/marts/providers_counted.sql").write_text("select 1 as providers")
    with pytest.raises(TransformError, match="changed since"):
        transform.retry(settings, run_id=None, record=_ignore)


def test_a_green_build_leaves_nothing_to_retry(settings: Settings, build: Build) -> None:
    build()
    with pytest.raises(TransformError, match="failed nodes to retry"):
        transform.retry(settings, run_id=None, record=_ignore)


def test_the_catalogue_of_models_is_one_page(settings: Settings, build: Build) -> None:
    build()
    result = transform.docs(settings, run_id="first", as_of_date=TODAY)
    assert "providers_counted" in (Path(result.artifacts or "") / "docs/static_index.html").read_text()


def _open_night(settings: Settings, raw: Connection) -> str:
    raw.commit()
    migrate(settings.analytics)
    ledger.open_run(raw, run_id="r1", kind=RunKind.NIGHTLY, run_date=TODAY, now=NOW, deadline=None)
    ledger.plan_tables(raw, "r1", [_planned("patient"), _planned("provider")], NOW)
    return "r1"


def _arrive(raw: Connection, run_id: str, table: str) -> None:
    extract = ledger.claim(raw, run_id, table, Stage.EXTRACT, NOW)
    assert extract
    ledger.finish_extract(raw, extract, _extracted(table), NOW)
    load = ledger.claim(raw, run_id, table, Stage.LOAD, NOW)
    assert load
    ledger.finish_load(raw, load, _loaded(table), NOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    config: TableConfig
    strategy: Strategy = Strategy.FULL_TABLE
    reason: str = "never copied"
    refresh: RefreshMode = RefreshMode.INCREMENTAL
    expected_seconds: float | None = None
    notes: tuple[str, ...] = ()


def _planned(table: str) -> _Planned:
    config = TableConfig(
        table_name=table,
        extraction_strategy=Strategy.FULL_TABLE,
        strategy_reason="no stamp",
        batch_size=1000,
        performance_category=Category.TINY,
        processing_priority="low",
        estimated_rows=1,
        estimated_size_mb=0.1,
    )
    return _Planned(config=config)


def _extracted(table: str) -> ExtractResult:
    return ExtractResult(
        table=table, strategy=Strategy.FULL_TABLE, reason="never copied", generation=1, rows_read=1,
        rows_written=1, rows_deleted=0, bytes_read=8, seconds=0.1, source_seconds=0.1,
        longest_read_seconds=0.1, reads=1,
    )  # fmt: skip


def _loaded(table: str) -> LoadResult:
    return LoadResult(
        table=table, action="full", generation=1, rows_written=1, rows_deleted=0, rows_total=1,
        bytes_written=8, seconds=0.1,
    )  # fmt: skip


def _ignore(_node: NodeResult) -> None:
    """Record nothing."""


def _models(result: DbtResult) -> dict[str, NodeStatus]:
    return {
        node.unique_id.split(".")[2]: node.status for node in result.nodes if node.resource_type == "model"
    }


def _relations(connection: Connection) -> set[tuple[object, ...]]:
    """Return every view and table of the models and of analysts, with its rights and its comment."""
    rows = connection.execute(
        text(
            "SELECT relname, relkind, relacl::text, obj_description(oid) FROM pg_class"
            " WHERE relkind IN ('r', 'v') AND relnamespace::regnamespace::text"
            " IN ('staging', 'intermediate', 'marts', 'analyst')"
        )
    ).all()
    connection.commit()
    return {tuple(row) for row in rows}


def _values(connection: Connection, query: str) -> list[int]:
    found: list[int] = list(connection.execute(text(query)).scalars())
    connection.commit()
    return found


def _execute(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.execute(text(statement))
    connection.commit()
