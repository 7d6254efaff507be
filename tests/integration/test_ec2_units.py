"""The systemd units, as systemd itself reads them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from workers.routing import Queue

UNITS = Path(__file__).parents[2] / "ops" / "ec2"
WORKERS = [f"dental-worker@{queue}.service" for queue in Queue]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", ["dental-beat.service", "dental-flower.service", *WORKERS])
def test_systemd_has_nothing_to_say_about_a_unit(name: str, tmp_path: Path) -> None:
    template = name.partition("@")[0] + "@.service" if "@" in name else name
    unit = (UNITS / template).read_text(encoding="utf-8")
    # The program is not installed where this test runs; a missing one is all that may be wrong.
    (tmp_path / name).write_text(unit.replace("/opt/dental_etl/.venv/bin/celery", "/bin/true"))

    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
