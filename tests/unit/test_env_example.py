""".env.example: complete, without surprises, without secrets."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from dotenv import dotenv_values

from dental_etl.config import DictConfigProvider, load_settings
from dental_etl.exceptions import ValidationError

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / ".env.example").read_text(encoding="utf-8")
#: A variable is set, or shown commented out because its default is right nearly everywhere.
NAMES = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", TEXT, flags=re.MULTILINE)
PASSWORDS = {name: "x" for name in NAMES if name.endswith("PASSWORD")}


class Recorder:
    """A provider that knows nothing and remembers what it was asked for."""

    description = "the recorder"

    def __init__(self) -> None:
        self.names: set[str] = set()

    def get(self, name: str) -> str | None:
        self.names.add(name)
        return "production" if name == "ETL_ENVIRONMENT" else "x"


def names_that_settings_read() -> set[str]:
    recorder = Recorder()
    with pytest.raises(ValidationError):
        load_settings(recorder)
    return recorder.names


def test_every_variable_of_the_settings_is_named() -> None:
    assert names_that_settings_read() <= set(NAMES)


def test_no_variable_is_named_twice() -> None:
    assert [name for name, times in Counter(NAMES).items() if times > 1] == []


def test_every_named_variable_is_used_somewhere() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    flower = (ROOT / "ops/flower/flowerconfig.py").read_text(encoding="utf-8")
    used = names_that_settings_read() | set(re.findall(r"[A-Z][A-Z0-9_]+", compose + flower))
    assert set(NAMES) - used == set()


def test_the_example_is_valid_once_the_passwords_are_filled_in() -> None:
    values = {name: value or "" for name, value in dotenv_values(ROOT / ".env.example").items()}
    settings = load_settings(DictConfigProvider({**values, **PASSWORDS}))
    assert settings.source.host == "mysql-source"


def test_the_example_holds_no_secret() -> None:
    secrets = {
        name: value
        for name, value in dotenv_values(ROOT / ".env.example").items()
        if name.endswith(("PASSWORD", "AUTH"))
    }
    assert set(secrets.values()) == {""}
