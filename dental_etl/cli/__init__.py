"""The command line: parse, call one function, print, exit code.

Exit codes: 0 ok, 1 failed, 2 usage or configuration, 3 refused by the window or by another run.
``python -m dental_etl`` runs these commands without a broker; the installed ``dental-etl`` adds
those that need one. A command's module is imported when the command is called.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import typer

from dental_etl import __version__
from dental_etl.cli import console
from dental_etl.cli.lazy import Command, lazy_group
from dental_etl.exceptions import ConfigurationError, ETLPipelineError

_HERE = "dental_etl.cli"
#: In the order of the help.
COMMANDS: Mapping[str, Command] = MappingProxyType({
    "analyze": Command(module=f"{_HERE}.setup", help="Read the source's schema and write tables.yml."),
    "validate": Command(module=f"{_HERE}.setup", help="Check everything that a night checks first."),
    "test-connections": Command(module=f"{_HERE}.setup", help="Connect to the three databases."),
    "plan": Command(module=f"{_HERE}.plan", help="Show what a run would do, why, and whether it fits."),
    "explain": Command(module=f"{_HERE}.explain", help="Tell everything about one table."),
    "run": Command(module=f"{_HERE}.runs", help="Run tables in this process, no broker needed."),
    "status": Command(module=f"{_HERE}.runs", help="Show where a run stands; with --watch, until it ends."),
    "runs": Command(module=f"{_HERE}.runs", help="List the newest runs."),
    "report": Command(module=f"{_HERE}.runs", help="Print the morning message of a run."),
    "verify": Command(module=f"{_HERE}.verify", help="Prove source = replica = raw, every row and column."),
    "maintain": Command(module=f"{_HERE}.upkeep", help="Prune history, drop leftovers, refresh statistics."),
    "dbt": Command(module=f"{_HERE}.transform", help="Build the dbt models over what has been loaded."),
    "sandbox": Command(module=f"{_HERE}.sandbox", help="A clinic made of synthetic data, on private servers."),
})  # fmt: skip
#: Exit code after Ctrl-C, as a shell gives it.
INTERRUPTED = 130
#: Where the sandbox of the command line is.
SANDBOX = Path(".sandbox")


def application(commands: Mapping[str, Command]) -> typer.Typer:
    """Return a command line with these commands, and the options that all of them have."""
    made = typer.Typer(
        cls=lazy_group(commands),
        name="dental-etl",
        help="Copy an Open Dental database to PostgreSQL, prove the copy equal, build the dbt marts.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    made.callback(invoke_without_command=True)(options)
    return made


def options(
    context: typer.Context,
    *,
    use_sandbox: Annotated[
        bool,
        typer.Option(
            "--sandbox", help="Work on the sandbox in .sandbox, not on the environment's databases."
        ),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what is being done, on stderr.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version and leave.")] = False,
) -> None:
    console.set_up_logging(is_verbose=verbose)
    if version:
        console.out.print(__version__)
        raise typer.Exit
    if use_sandbox:
        from dental_etl.sandbox import servers

        # Child processes (dbt, Celery) read the same variables, so they go where those look.
        os.environ.update(servers.find(SANDBOX).environment())


def main() -> None:
    """Run the library's commands; a mistake of the user ends in a message, never in a traceback."""
    run(application(COMMANDS))


def run(application: typer.Typer) -> None:
    """Run an application and turn our errors into a message and an exit code."""
    try:
        application(prog_name="dental-etl")
    except ETLPipelineError as error:
        console.err.print(f"{error.code}: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except OSError as error:
        # A folder or file that a variable or option names; the system's words and the path, no traceback.
        if error.filename is None:
            raise
        message = f"E_FILE: {error.strerror}: {error.filename}. Check the path and who may write there."
        console.err.print(message, style="red", markup=False, soft_wrap=True)
        sys.exit(ConfigurationError.exit_code)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            console.err.print("Stopped.")
        raise
