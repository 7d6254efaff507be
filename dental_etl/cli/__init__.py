"""The command line: parse, call one function, print, exit code.

Exit codes: 0 ok, 1 failed, 2 usage or configuration, 3 refused by the window or by another run.
``python -m dental_etl`` runs these commands without a broker; the installed ``dental-etl`` adds
those that need one.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from dental_etl import __version__
from dental_etl.cli import console, runs, sandbox, setup, transform, upkeep, verify
from dental_etl.exceptions import ConfigurationError, ETLPipelineError
from dental_etl.sandbox import servers

app = typer.Typer(
    name="dental-etl",
    help="Copy an Open Dental database to PostgreSQL, prove the copy equal, build the dbt marts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
setup.add_to(app)
runs.add_to(app)
transform.add_to(app)
upkeep.add_to(app)
verify.add_to(app)
sandbox.add_to(app)


@app.callback(invoke_without_command=True)
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
        # Child processes (dbt, Celery) read the same variables, so they go where those look.
        os.environ.update(servers.find(Path(sandbox.DIRECTORY)).environment())


def main() -> None:
    """Run the command line; a mistake of the user ends in a message, never in a traceback."""
    run(app)


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
