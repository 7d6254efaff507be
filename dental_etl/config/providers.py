"""Where raw configuration values come from: the environment and files, or a dictionary in tests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from dotenv import dotenv_values


class SecretFileError(ValueError):
    """A variable names a file that cannot be read; collected with the other problems."""


class ConfigProvider(Protocol):
    """Anything that can look up a raw value by its variable's name."""

    def get(self, name: str) -> str | None: ...

    @property
    def description(self) -> str:
        """Where a person would change a value, for messages."""
        ...


class FileConfigProvider:
    """Process environment first, then ``.env_<environment>`` under the project root.

    ``<NAME>_FILE`` names a file that holds the value (Docker and systemd secrets).

    Args:
        project_root: Folder of the ``.env_*`` files; default ``$PROJECT_ROOT``, else the working folder.
        environ: The process environment; given only by tests.
    """

    def __init__(self, project_root: Path | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self.project_root = project_root or Path(self._environ.get("PROJECT_ROOT") or Path.cwd())
        self._file = self._environment_file()
        self._values = dotenv_values(self._file) if self._file is not None else {}

    def get(self, name: str) -> str | None:
        if name in self._environ:
            return self._environ[name]
        secret = self._environ.get(f"{name}_FILE") or self._values.get(f"{name}_FILE")
        if secret:
            return _read_secret(f"{name}_FILE", Path(secret))
        return self._values.get(name)

    @property
    def description(self) -> str:
        return f"the environment or {self._file}" if self._file else "the environment (no .env file found)"

    def _environment_file(self) -> Path | None:
        environment = self._environ.get("ETL_ENVIRONMENT", "").strip().lower()
        if environment not in {"production", "clinic", "test"}:
            return None
        path = self.project_root / f".env_{'test' if environment == 'test' else 'production'}"
        return path if path.exists() else None


def _read_secret(variable: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise SecretFileError(f"{variable}: cannot read {path} ({error.strerror})") from error


class DictConfigProvider:
    """Values held in memory, for tests and for the sandbox."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def get(self, name: str) -> str | None:
        return self._values.get(name)

    @property
    def description(self) -> str:
        return "the dictionary provider"
