"""What holds for every dbt model, read from the files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2] / "dbt_dental_models"
MODELS = sorted((PROJECT / "models").rglob("*.sql"))
NAMES = {path.stem for path in MODELS}
#: The server's day is not the clinic's, and a past evening could not be built again.
CLOCK = re.compile(
    r"\b(current_date|current_timestamp|localtimestamp|now\s*\(|clock_timestamp)", re.IGNORECASE
)


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_no_model_asks_the_server_for_the_day(model: Path) -> None:
    assert CLOCK.search(model.read_text(encoding="utf-8")) is None


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_a_model_fits_on_two_screens(model: Path) -> None:
    assert len(model.read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize(
    "model", [path for path in MODELS if "staging" not in path.parts], ids=lambda path: path.stem
)
def test_only_staging_reads_raw(model: Path) -> None:
    assert "source(" not in model.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "model", [path for path in MODELS if "intermediate" in path.parts], ids=lambda path: path.stem
)
def test_no_intermediate_model_stands_on_a_mart(model: Path) -> None:
    assert re.findall(r"ref\('(?:mart|dim|fct)_", model.read_text(encoding="utf-8")) == []


def test_every_mart_has_a_reader() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in PROJECT.rglob("models/**/*exposures.yml"))
    read = set(re.findall(r"ref\('(\w+)'\)", text))
    assert {name for name in NAMES if name.startswith("mart_")} - read == set()


def test_models_named_as_answers_exist() -> None:
    page = (PROJECT / "INCUMBENT.md").read_text(encoding="utf-8")
    answers = set(re.findall(r"`((?:dim|fct|mart|int)_\w+)`", page))
    assert answers - NAMES == set()
    assert len(re.findall(r"^\| (?:dim|fact|mart)_", page, re.MULTILINE)) == 29
