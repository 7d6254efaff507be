from __future__ import annotations

from dental_etl.extract.checkpoint import Checkpoint, Phase
from dental_etl.run import Cursor


def test_a_checkpoint_survives_its_text() -> None:
    checkpoint = Checkpoint(
        phase=Phase.CHANGES,
        run_id="r",
        shape="abc",
        clock="2026-01-01 00:00:00",
        lower="2025-12-31 23:45:00",
        highest="2026-01-01 00:00:01",
        position=(7, "é"),
        cursor=Cursor(column="c", value="v"),
        source_schema="{}",
    )
    assert Checkpoint.from_text(checkpoint.to_text()) == checkpoint


def test_a_checkpoint_before_its_first_batch_survives_its_text() -> None:
    checkpoint = Checkpoint(phase=Phase.FILL, run_id="r", shape="abc")
    assert Checkpoint.from_text(checkpoint.to_text()) == checkpoint


def test_no_text_is_no_checkpoint() -> None:
    assert Checkpoint.from_text(None) is None
