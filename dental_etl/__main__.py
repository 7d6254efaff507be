"""``python -m dental_etl``: the command line without a broker."""

from __future__ import annotations

import sys
from collections.abc import Callable

_INTERRUPTED = 130


def start(work: Callable[[], None]) -> None:
    """Run a command line that imports what it needs: Ctrl-C ends even the imports without a traceback."""
    try:
        work()
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        sys.exit(_INTERRUPTED)


def _run() -> None:
    from dental_etl.cli import main

    main()


if __name__ == "__main__":
    start(_run)
