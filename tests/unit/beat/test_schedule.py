from __future__ import annotations

from typing import Any

from beat.schedule import ENTRIES, beat_schedule
from dental_etl.config import Environment
from workers.routing import Queue, TaskName


def test_every_entry_has_a_queue_and_an_expiry() -> None:
    options = [entry["options"] for entry in beat_schedule(Environment.PRODUCTION).values()]
    assert all(option["queue"] in set(Queue) and option["expires"] > 0 for option in options)


def test_names_are_used_once() -> None:
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)


def test_the_night_starts_at_nine_in_the_evening() -> None:
    (nightly,) = [entry for entry in ENTRIES if entry.task is TaskName.START_NIGHTLY]
    when: Any = nightly.when
    assert (when.hour, when.minute) == ({21}, {0})


def test_a_missed_start_is_looked_for_only_inside_the_window() -> None:
    (ensure,) = [entry for entry in ENTRIES if entry.task is TaskName.ENSURE_NIGHTLY]
    when: Any = ensure.when
    assert when.hour == {21, 22, 23, 0, 1, 2, 3, 4, 5}


def test_a_repeated_message_expires_before_the_next_one() -> None:
    sweeps = [entry for entry in ENTRIES if entry.task in {TaskName.SWEEP, TaskName.DELIVER}]
    assert all(entry.expires_seconds < 60 for entry in sweeps)


def test_a_sandbox_starts_no_night_by_itself() -> None:
    assert set(beat_schedule(Environment.TEST)) == {"sweep", "deliver-notifications"}
