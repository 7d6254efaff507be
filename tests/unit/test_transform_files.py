"""What dbt gets to see, and what its artifacts keep."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from dental_etl.config import DatabaseSettings, DictConfigProvider, Role, Settings, load_settings
from dental_etl.exceptions import TransformError
from dental_etl.run import NodeStatus
from dental_etl.transform import artifacts, environment

DATABASE = DatabaseSettings(
    role=Role.ANALYTICS, host="pg", port=5433, database="a_test", user="u", password="pw", schema="raw"
)
ERROR = (
    'Database Error in model m (m.sql)\n  invalid input syntax for type integer: "Smith"\n  deadlock detected'
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    values = {"ETL_ENVIRONMENT": "test", "PROJECT_ROOT": str(tmp_path)}
    for prefix, database in (
        ("OPENDENTAL_SOURCE", "s_test"),
        ("MYSQL_REPLICATION", "r_test"),
        ("POSTGRES_ANALYTICS", "a_test"),
    ):
        values |= {f"TEST_{prefix}_{name}": "x" for name in ("HOST", "USER", "PASSWORD")}
        values[f"TEST_{prefix}_DB"] = database
    return load_settings(DictConfigProvider(values))


def results(folder: Path, **entry: object) -> Path:
    document = {"args": {}, "results": [{"unique_id": "model.p.m", "execution_time": 1.0, **entry}]}
    (folder / "run_results.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def test_dbt_does_not_see_the_passwords_of_other_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENDENTAL_SOURCE_PASSWORD", "clinic")
    assert "clinic" not in environment.variables(DATABASE, "r1").values()


def test_the_sessions_of_a_run_can_be_told_by_their_name() -> None:
    assert environment.variables(DATABASE, "r1")["PGAPPNAME"] == "dbt:r1"


def test_error_texts_are_stripped_from_the_artifacts(tmp_path: Path) -> None:
    artifacts.outcomes(results(tmp_path, status="error", message=ERROR))
    assert "Smith" not in (tmp_path / "run_results.json").read_text(encoding="utf-8")


def test_an_outcome_keeps_the_class_of_the_error_and_whether_it_passes(tmp_path: Path) -> None:
    (outcome,) = artifacts.outcomes(results(tmp_path, status="error", message=ERROR))
    assert (outcome.result.status, outcome.result.error_class, outcome.is_transient) == (
        NodeStatus.ERROR,
        "Database Error",
        True,
    )


def test_counts_of_a_failed_test_are_kept(tmp_path: Path) -> None:
    message = "Got 3 results, configured to fail if != 0"
    artifacts.outcomes(results(tmp_path, status="fail", message=message))
    assert message in (tmp_path / "run_results.json").read_text(encoding="utf-8")


def test_results_of_an_earlier_attempt_are_not_taken_for_this_ones(tmp_path: Path) -> None:
    artifacts.forget_results(results(tmp_path, status="success"))
    assert artifacts.outcomes(tmp_path) == ()


@pytest.mark.parametrize("text", ["packages: []", "", "# nothing"])
def test_without_packages_there_is_nothing_to_install(text: str, tmp_path: Path) -> None:
    (tmp_path / "packages.yml").write_text(text, encoding="utf-8")
    assert not environment.needs_deps(tmp_path)


def test_packages_are_installed_once(tmp_path: Path) -> None:
    (tmp_path / "packages.yml").write_text("packages: [{local: vendor/p}]", encoding="utf-8")
    needed = environment.needs_deps(tmp_path)
    (tmp_path / "dbt_packages").mkdir()
    (tmp_path / "package-lock.yml").write_text("packages: []", encoding="utf-8")
    assert (needed, environment.needs_deps(tmp_path)) == (True, False)


def test_packages_that_changed_are_installed_again(tmp_path: Path) -> None:
    (tmp_path / "dbt_packages").mkdir()
    (tmp_path / "package-lock.yml").write_text("packages: []", encoding="utf-8")
    os.utime(tmp_path / "package-lock.yml", (1, 1))
    (tmp_path / "packages.yml").write_text("packages: [{local: vendor/p}]", encoding="utf-8")
    assert environment.needs_deps(tmp_path)


def test_a_missing_dbt_is_named_with_its_variable(settings: Settings) -> None:
    with pytest.raises(TransformError, match="DBT_EXECUTABLE"):
        environment.executable(replace(settings, dbt_executable="/nowhere/dbt"))


def test_a_missing_project_is_named_with_its_variable(settings: Settings) -> None:
    with pytest.raises(TransformError, match="PROJECT_ROOT"):
        environment.executable(settings)


def test_artifacts_of_a_remote_store_begin_on_this_host(settings: Settings, tmp_path: Path) -> None:
    remote = replace(settings, artifacts_url="s3://bucket/prefix")
    assert remote.artifacts_folder == tmp_path / "artifacts"
    assert artifacts.run_folder(remote, "r1") == tmp_path / "artifacts" / "dbt" / "r1"
