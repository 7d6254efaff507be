"""Which models a build is about, and which a missing table holds back."""

from __future__ import annotations

from pathlib import Path

from dental_etl.config.settings import DbtOrchestration
from dental_etl.transform import dictionary, lineage, selection, state

MANIFEST = {
    "sources": {
        "source.p.opendental.patient": {"identifier": "patient"},
        "source.p.opendental.fee": {"identifier": "fee"},
    },
    "child_map": {
        "source.p.opendental.patient": ["model.p.stg_patient"],
        "model.p.stg_patient": ["model.p.dim_patient", "test.p.unique_patient"],
        "model.p.dim_patient": [],
        "source.p.opendental.fee": ["model.p.stg_fee"],
        "model.p.stg_fee": ["model.p.dim_patient"],
    },
}


def test_layers_are_built_one_after_the_other() -> None:
    steps = selection.everything(DbtOrchestration.LAYERED).steps
    assert [step.name for step in steps] == [
        "build_staging_only",
        "build_intermediate_only",
        "build_marts_only",
    ]


def test_only_everything_can_be_compared_with() -> None:
    chosen = (
        selection.everything(),
        selection.everything(DbtOrchestration.LAYERED),
        selection.selector("smoke_test"),
        selection.changed_code(Path("state")),
        selection.new_rows(Path("state")),
        selection.without(["patient"]),
    )
    assert [one.is_whole for one in chosen] == [True, True, False, False, False, False]


def test_a_catch_up_always_builds_what_depends_on_the_day() -> None:
    (step,) = selection.new_rows(Path("state")).steps
    assert "tag:date_relative" in step.arguments


def test_everything_above_a_missing_table_is_held_back() -> None:
    assert lineage.held_back(MANIFEST, ["fee"]) == ("model.p.dim_patient", "model.p.stg_fee")


def test_a_table_that_no_model_reads_holds_nothing_back() -> None:
    assert lineage.held_back(MANIFEST, ["signalod"]) == ()


def test_the_fingerprint_of_a_project_changes_with_its_files(tmp_path: Path) -> None:
    model = tmp_path / "models" / "m.sql"
    model.parent.mkdir()
    model.write_text("select 1", encoding="utf-8")
    before = state.project_fingerprint(tmp_path)
    model.write_text("select 2", encoding="utf-8")
    assert state.project_fingerprint(tmp_path) != before


def test_the_fingerprint_of_a_project_ignores_what_dbt_writes(tmp_path: Path) -> None:
    before = state.project_fingerprint(tmp_path)
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "compiled.sql").write_text("select 1", encoding="utf-8")
    assert state.project_fingerprint(tmp_path) == before


def test_the_dictionary_tells_a_columns_type_meaning_and_checks() -> None:
    model = {
        "unique_id": "model.p.dim_x",
        "resource_type": "model",
        "name": "dim_x",
        "fqn": ["p", "marts", "core", "dim_x"],
        "schema": "marts",
        "config": {"materialized": "table", "group": "core"},
        "description": "One row\nper x.",
        "columns": {"x_id": {"name": "x_id", "data_type": "bigint", "description": "Key | of x."}},
    }
    test = {
        "resource_type": "test",
        "attached_node": "model.p.dim_x",
        "column_name": "x_id",
        "test_metadata": {"name": "unique"},
    }
    page = dictionary.to_markdown({"nodes": {"m": model, "t": test}, "exposures": {}, "metrics": {}})
    assert "| x_id | bigint | Key \\| of x. | unique |" in page
