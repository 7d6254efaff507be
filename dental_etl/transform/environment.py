"""What a dbt process needs: its program, its project, its environment."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from dental_etl.config import DatabaseSettings, Settings
from dental_etl.exceptions import ConfigurationError, TransformError

#: What dbt may see of our environment. Passwords of the source and of the broker are not its business.
_INHERITED = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SSL_CERT_FILE",
)  # fmt: skip
# A reader that holds a mart makes us wait this long, then the node fails and is tried again; a query
# whose dbt is gone ends within seconds (PostgreSQL 14 and later).
_SESSION = (
    "-c lock_timeout=60s -c idle_in_transaction_session_timeout=5min"
    " -c client_connection_check_interval=5s -c work_mem=64MB -c timezone=UTC"
)


def executable(settings: Settings) -> tuple[str, ...]:
    """Return the command that starts dbt: the configured one, else the one beside this Python.

    Raises:
        TransformError: There is no such program.
    """
    words = shlex.split(settings.dbt_executable) or [str(Path(sys.executable).with_name("dbt"))]
    if shutil.which(words[0]) is None:
        raise TransformError(
            f"There is no program {words[0]!r}. Set DBT_EXECUTABLE to the command that starts dbt, "
            f"or leave it empty to use the dbt installed beside dental_etl.",
            stage="transform",
        )
    if not (settings.dbt_project_dir / "dbt_project.yml").exists():
        raise TransformError(
            f"There is no dbt project in {settings.dbt_project_dir}. Set PROJECT_ROOT to the folder that "
            f"holds dbt_dental_models.",
            stage="transform",
        )
    return tuple(words)


def require_selector(project: Path, name: str) -> None:
    """Look a selector up before a process is started for it.

    Raises:
        ConfigurationError: There is none of that name; those that exist are named.
    """
    document = yaml.safe_load((project / "selectors.yml").read_text(encoding="utf-8"))
    known = [str(selector["name"]) for selector in document["selectors"]]
    if name not in known:
        raise ConfigurationError(
            f"There is no selector {name!r}. Those of selectors.yml are: {', '.join(known)}.",
            stage="transform",
        )


def variables(database: DatabaseSettings, run_id: str) -> Mapping[str, str]:
    """Return the environment of a dbt process: where to connect, and how its sessions are called."""
    values = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    values |= {
        "POSTGRES_ANALYTICS_HOST": database.host,
        "POSTGRES_ANALYTICS_PORT": str(database.port),
        "POSTGRES_ANALYTICS_DB": database.database,
        "POSTGRES_ANALYTICS_USER": database.user,
        "POSTGRES_ANALYTICS_PASSWORD": database.password,
        "POSTGRES_ANALYTICS_SSL_MODE": database.ssl_mode,
        "PGAPPNAME": session_name(run_id),
        "PGOPTIONS": _SESSION,
        "DO_NOT_TRACK": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return values | ({"PGSSLROOTCERT": database.ssl_ca} if database.ssl_ca else {})


def session_name(run_id: str) -> str:
    return f"dbt:{run_id}"


def needs_deps(project: Path) -> bool:
    """Say whether ``dbt deps`` has anything to do: packages are named and not installed as named."""
    names = project / "packages.yml"
    if not names.exists() or not (yaml.safe_load(names.read_text(encoding="utf-8")) or {}).get("packages"):
        return False
    lock = project / "package-lock.yml"
    is_installed = lock.exists() and (project / "dbt_packages").is_dir()
    return not is_installed or lock.stat().st_mtime < names.stat().st_mtime
