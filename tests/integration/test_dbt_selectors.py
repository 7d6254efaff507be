"""Every selector selects something: dbt itself exits with 0 when one selects nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[2] / "dbt_dental_models"
LAYERS = ("staging_only", "intermediate_only", "marts_only")

# One process for all selectors: parsing the project is most of the time.
_LIST = """
import json, sys
from dbt.cli.main import dbtRunner
folders = ["--project-dir", sys.argv[1], "--profiles-dir", sys.argv[1], "--target-path", sys.argv[2]]
options = [*folders, "--log-path", sys.argv[2], "--log-level-file", "none", "--quiet"]
runner = dbtRunner(manifest=dbtRunner().invoke(["parse", *options]).result)
def selected(*arguments):
    return runner.invoke(["ls", "--resource-type", "model", *arguments, *options]).result or []
found = {name: selected("--selector", name) for name in sys.argv[3:]}
with open(sys.argv[2] + "/selected.json", "w") as file:
    json.dump(found | {"": selected()}, file)
"""


def _names() -> list[str]:
    document = yaml.safe_load((PROJECT / "selectors.yml").read_text(encoding="utf-8"))
    return [selector["name"] for selector in document["selectors"]]


@pytest.fixture(scope="module")
def selected(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, set[str]]:
    """Models by selector; all models under the empty name."""
    folder = tmp_path_factory.mktemp("selectors")
    subprocess.run(
        [sys.executable, "-c", _LIST, str(PROJECT), str(folder), *_names()],
        check=True,
        stdout=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
    )
    found = yaml.safe_load((folder / "selected.json").read_text(encoding="utf-8"))
    return {name: set(models) for name, models in found.items()}


@pytest.mark.parametrize("name", _names())
def test_every_selector_selects_a_model(name: str, selected: Mapping[str, set[str]]) -> None:
    assert selected[name]


def test_the_layers_hold_every_model_once(selected: Mapping[str, set[str]]) -> None:
    models = [model for layer in LAYERS for model in selected[layer]]
    assert sorted(models) == sorted(selected[""])


def test_what_is_asked_for_every_morning_is_built_every_night(selected: Mapping[str, set[str]]) -> None:
    assert selected["daily_critical"] <= selected["daily_refresh"]


def test_the_data_dictionary_knows_every_mart(selected: Mapping[str, set[str]]) -> None:
    page = (PROJECT.parent / "docs" / "data_dictionary.md").read_text(encoding="utf-8")
    marts = {model.rpartition(".")[2] for model in selected["marts_only"]}
    assert {mart for mart in marts if f"### {mart}\n" not in page} == set()
