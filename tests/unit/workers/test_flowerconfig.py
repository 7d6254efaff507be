from __future__ import annotations

import runpy
from pathlib import Path

import pytest

CONFIG = Path(__file__).parents[3] / "ops" / "flower" / "flowerconfig.py"


@pytest.mark.parametrize("credentials", ["", "user", "user:", ":password"])
def test_flower_does_not_start_without_a_password(monkeypatch: pytest.MonkeyPatch, credentials: str) -> None:
    monkeypatch.setenv("FLOWER_BASIC_AUTH", credentials)
    with pytest.raises(SystemExit, match="FLOWER_BASIC_AUTH"):
        runpy.run_path(str(CONFIG))


def test_flower_does_not_open_its_metrics_to_a_network_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWER_BASIC_AUTH", "user:password")
    monkeypatch.setenv("FLOWER_ADDRESS", "0.0.0.0")  # noqa: S104  # what is refused
    monkeypatch.delenv("FLOWER_OPEN_METRICS", raising=False)
    with pytest.raises(SystemExit, match="/metrics"):
        runpy.run_path(str(CONFIG))
    monkeypatch.setenv("FLOWER_OPEN_METRICS", "yes")
    assert runpy.run_path(str(CONFIG))["address"] == "0.0.0.0"  # noqa: S104  # what was asked for


def test_flower_only_looks_and_listens_on_the_loopback_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWER_BASIC_AUTH", "user:password")
    monkeypatch.delenv("FLOWER_ADDRESS", raising=False)
    config = runpy.run_path(str(CONFIG))
    assert (config["read_only"], config["address"], config["basic_auth"]) == (
        True,
        "127.0.0.1",
        ["user:password"],
    )
