"""What the tasks of tables leave in the broker."""

from __future__ import annotations

from workers.tasks import tables


def test_only_a_load_leaves_a_result() -> None:
    """The chord counts loads; a result of every extract would be written for nobody."""
    kept = {
        task.name for task in (tables.extract, tables.extract_chunk, tables.load) if not task.ignore_result
    }
    assert kept == {"etl.load"}
