"""What every command shares: where it prints, how it reads settings, which Ctrl-C it keeps."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table

from dental_etl.config import Settings, load_settings

_PIPE_COLUMNS = 200

#: Results go to stdout, so that they can be piped; everything else to stderr.
# Rich takes a pipe for 80 columns wide; what reads a pipe wants whole lines.
out = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_COLUMNS)
err = Console(stderr=True, highlight=False)


def now() -> datetime:
    return datetime.now(UTC)


def settings() -> Settings:
    """Read the settings from the environment; a command calls this first, so that problems come first."""
    return load_settings()


def set_up_logging(*, is_verbose: bool) -> None:
    """Show warnings, or everything with ``--verbose``, on stderr."""
    from dental_etl.connections import log_retries

    logging.basicConfig(
        level=logging.DEBUG if is_verbose else logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=err, show_path=False, rich_tracebacks=False)],
        force=True,
    )
    log_retries()
    for noisy in ("sqlalchemy", "alembic", "asyncio", "celery", "kombu"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def print_json(value: Any) -> None:
    """Print plain JSON, one document, whatever the terminal."""
    print(json.dumps(value, indent=2, default=str))  # noqa: T201  # the document is the output


def table(*headings: str, title: str | None = None) -> Table:
    """Return an empty table in the house style; a heading that starts with ``>`` aligns right.

    Where the terminal is too narrow, the other columns are folded before the first, which holds what one
    types into the next command.
    """
    made = Table(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for number, heading in enumerate(headings):
        made.add_column(
            heading.lstrip(">"),
            justify="right" if heading.startswith(">") else "left",
            no_wrap=number == 0,
            overflow="fold",
        )
    return made
