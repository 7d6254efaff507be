"""How a process of the pool ends when it is asked to in the middle of a task: at once.

The handler that the pool installs raises `SystemExit`, which waits for the task's threads. One that reads
the source over a slow line ends with its page, so the worker would outlive its supervisor's patience and
be killed with all its tables. Nothing is lost by going at once: the servers roll back what was
not committed and free the locks, and the message goes back to its queue.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from billiard import current_process

_SIGNALS = (signal.SIGTERM, signal.SIGQUIT)  # the second is what REMAP_SIGTERM makes of the first
_of_the_pool: dict[signal.Signals, Any] = {}


def exit_at_once() -> None:
    """From now on, end at once; does nothing outside of a pool's process."""
    if current_process().name == "MainProcess":
        return
    for number in _SIGNALS:
        _of_the_pool[number] = signal.signal(number, _exit)


def exit_in_order() -> None:
    """From now on, end as the pool wants it: between two tasks it holds locks of its own."""
    while _of_the_pool:
        signal.signal(*_of_the_pool.popitem())


def _exit(number: int, _frame: Any) -> None:
    os._exit(number)
