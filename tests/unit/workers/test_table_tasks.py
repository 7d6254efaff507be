"""What the tasks of tables leave in the broker."""

from __future__ import annotations

from workers.tasks import tables


def test_no_phase_of_a_table_leaves_a_result() -> None:
    """The chord counts its parts by itself; a result of every table would be written for nobody."""
    kept = {
        task.name for task in (tables.extract, tables.extract_chunk, tables.load) if not task.ignore_result
    }
    assert kept == set()
