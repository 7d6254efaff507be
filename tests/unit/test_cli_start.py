"""What the command line imports before it knows what is asked, and what Ctrl-C does meanwhile."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dental_etl.cli import COMMANDS
from dental_etl.cli.lazy import load

#: Each takes longer to import than the help may take.
_HEAVY = ("sqlalchemy", "psycopg2", "pymysql", "alembic", "celery", "apprise", "dbt", "jinja2")
_HELP = """
import sys
from workers.cli import main
sys.argv = ["dental-etl", "--help"]
try:
    main()
finally:
    print("IMPORTED", *sorted({name.partition(".")[0] for name in sys.modules}))
"""
#: Presses Ctrl-C while a package is being imported.
_INTERRUPTED = """
import sys
class Interrupter:
    def find_spec(self, name, path=None, target=None):
        if name == {package!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupter())
from {module} import {entry}
sys.argv = ["dental-etl", "status"]
{call}
"""


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_the_help_imports_no_driver_and_no_framework() -> None:
    ended = python(_HELP)
    imported = ended.stdout.partition("IMPORTED")[2].split()
    assert "typer" in imported
    assert not set(_HEAVY) & set(imported)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_help_can_be_called(name: str) -> None:
    assert load(name, COMMANDS[name]).name == name


@pytest.mark.parametrize("package", ["typer", "rich", "sqlalchemy"])
@pytest.mark.parametrize(
    ("module", "entry", "call"),
    [
        pytest.param("workers.cli", "main", "main()", id="dental-etl"),
        pytest.param("dental_etl.__main__", "start, _run", "start(_run)", id="python -m dental_etl"),
    ],
)
def test_ctrl_c_during_the_imports_ends_with_one_line(
    package: str, module: str, entry: str, call: str
) -> None:
    ended = python(_INTERRUPTED.format(package=package, module=module, entry=entry, call=call))
    assert (ended.returncode, ended.stderr) == (130, "Stopped.\n")


def test_a_mistyped_command_is_corrected() -> None:
    ended = python("import sys; from workers.cli import main; sys.argv = ['dental-etl', 'enqeue']; main()")
    assert ended.returncode == 2
    assert "enqueue" in ended.stderr
