"""Start a program that dies with its parent and can be interrupted.

A Celery child ignores SIGINT and whatever it starts inherits that, so dbt could not be asked to cancel
its queries. And a dbt whose worker was killed would work on as an orphan. Hence this file between the two;
it stands alone, so that starting it costs next to nothing.

An orphan is killed, not interrupted: with nobody at the other end of its pipe, dbt waits for ever for the
query that it wants to cancel. PostgreSQL ends the query when it misses the client, within seconds.

Usage: ``python launcher.py PARENT_PID -- PROGRAM ARGUMENT...``
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import NoReturn

#: From <sys/prctl.h>: the signal to get when the parent dies.
_PR_SET_PDEATHSIG = 1
#: What a shell reports for a program that ended by SIGINT.
_INTERRUPTED = 130


def main(arguments: list[str]) -> NoReturn:
    parent, program = int(arguments[0]), arguments[2:]
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we could ask to be told
        sys.exit(_INTERRUPTED)
    os.execvp(program[0], program)  # noqa: S606  # no shell, and the program is the configured dbt


if __name__ == "__main__":
    main(sys.argv[1:])
