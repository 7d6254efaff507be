"""Settings: read once, every problem reported at once, secrets masked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from dental_etl.config.providers import ConfigProvider, FileConfigProvider, SecretFileError
from dental_etl.exceptions import EnvironmentConfigError, ValidationError
from dental_etl.run_window import BlockedHours, RunWindow


class Environment(StrEnum):
    PRODUCTION = "production"
    TEST = "test"


class Role(StrEnum):
    """The databases by what they are for."""

    SOURCE = "source"
    REPLICATION = "replication"
    ANALYTICS = "analytics"


class DbtOrchestration(StrEnum):
    SINGLE = "single"
    LAYERED = "layered"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """How to reach one database; the password is never printed."""

    role: Role
    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    #: Landing schema (``raw``); empty for MySQL.
    schema: str = ""
    #: Certificate authority file; TLS is verified against it when given.
    ssl_ca: str = ""
    #: ``disable``, ``prefer``, ``require``, ``verify-ca`` or ``verify-full``.
    ssl_mode: str = "prefer"
    pool_size: int = 20
    max_overflow: int = 40
    pool_timeout_seconds: int = 300
    pool_recycle_seconds: int = 1800
    connect_timeout_seconds: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySettings:
    """Apprise URLs per severity; they hold tokens, so they are never printed."""

    critical: tuple[str, ...] = field(default=(), repr=False)
    warning: tuple[str, ...] = field(default=(), repr=False)
    information: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that the environment decides."""

    environment: Environment
    source: DatabaseSettings
    replication: DatabaseSettings
    analytics: DatabaseSettings
    broker_url: str = field(repr=False)
    result_backend: str = field(repr=False)
    window: RunWindow
    project_root: Path
    tables_file: Path
    #: A folder, or ``s3://bucket/prefix``.
    artifacts_url: str
    #: Where files are made on this host when ``artifacts_url`` is a bucket.
    artifacts_workspace: Path
    #: Days for which reports and artifacts are kept.
    artifacts_days: int
    notify: NotifySettings
    dbt_target: str
    #: Command that starts dbt; empty means the one beside this Python.
    dbt_executable: str
    dbt_orchestration: DbtOrchestration
    #: ``all`` (dbt only after a night without failures) or ``lineage``.
    dbt_gate: str
    #: Connections to the source at any time, over all hosts.
    source_max_connections: int
    #: Rest after every read of the source, percent of the time that it took.
    source_rest_percent: int
    #: More statements of others than this, at the same moment, are a busy source.
    source_busy_threads: int
    #: Rows, in megabytes, that one run may read at the source; 0 for any number.
    source_budget_mb: int
    #: Attempts per table and phase.
    max_attempts: int
    #: Source time that one run may spend on comparing the contents of large tables.
    reconcile_budget_minutes: int
    #: Share of a table's rows, percent, that one run may delete unasked.
    delete_brake_percent: int
    #: Size from which a table's first load goes in parts, which all idle workers share.
    load_parts_from_mb: int

    @property
    def artifacts_folder(self) -> Path:
        """Where reports and artifacts are made on this host."""
        if "://" in self.artifacts_url:
            return self.artifacts_workspace
        return (self.project_root / self.artifacts_url).resolve()

    @property
    def dbt_project_dir(self) -> Path:
        return self.project_root / "dbt_dental_models"


_ENVIRONMENTS = {
    "production": Environment.PRODUCTION,
    "clinic": Environment.PRODUCTION,
    "test": Environment.TEST,
}
_SSL_MODES = {"disable", "prefer", "require", "verify-ca", "verify-full"}
_PREFIXES = {
    Role.SOURCE: "OPENDENTAL_SOURCE",
    Role.REPLICATION: "MYSQL_REPLICATION",
    Role.ANALYTICS: "POSTGRES_ANALYTICS",
}
#: Source: Amazon's rules for the names of buckets; the prefix is free but for what would end a URL's path.
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[^?#\s]*)?")
_DEFAULT_PORTS = {Role.SOURCE: 3306, Role.REPLICATION: 3306, Role.ANALYTICS: 5432}


def load_settings(provider: ConfigProvider | None = None) -> Settings:
    """Read and validate all settings.

    Args:
        provider: Where values come from; default the environment and ``.env_*`` files.

    Raises:
        EnvironmentConfigError: ETL_ENVIRONMENT is missing or unknown.
        ValidationError: Every other problem, one line per variable.
    """
    source = provider or FileConfigProvider()
    return _Reader(source, _environment(source)).settings()


def _environment(provider: ConfigProvider) -> Environment:
    name = (provider.get("ETL_ENVIRONMENT") or "").strip().lower()
    if name not in _ENVIRONMENTS:
        found = f"ETL_ENVIRONMENT is {name!r}" if name else "ETL_ENVIRONMENT is not set"
        raise EnvironmentConfigError(
            f"{found}. Set it to production (or clinic) or test; there is no default, so that a test "
            f"can never reach a clinic by accident.",
        )
    return _ENVIRONMENTS[name]


class _Reader:
    """Reads variables, collecting problems instead of stopping at the first."""

    def __init__(self, provider: ConfigProvider, environment: Environment) -> None:
        self._provider = provider
        self._environment = environment
        self._prefix = "TEST_" if environment is Environment.TEST else ""
        self._problems: list[str] = []

    def settings(self) -> Settings:
        root = Path(self._plain("PROJECT_ROOT", str(getattr(self._provider, "project_root", Path.cwd()))))
        settings = Settings(
            environment=self._environment,
            source=self._database(Role.SOURCE),
            replication=self._database(Role.REPLICATION),
            analytics=self._database(Role.ANALYTICS),
            broker_url=self._optional("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0"),
            result_backend=self._optional("CELERY_RESULT_BACKEND", "redis://127.0.0.1:6379/1"),
            window=self._window(),
            project_root=root,
            tables_file=root / self._optional("TABLES_FILE", "dental_etl/config/tables.yml"),
            artifacts_url=self._artifacts_url(str(root / "artifacts")),
            artifacts_workspace=(root / self._optional("ARTIFACTS_FOLDER", "artifacts")).resolve(),
            artifacts_days=self._number("ARTIFACTS_DAYS", 90, 1, 3650),
            notify=self._notify(),
            dbt_target=self._plain("DBT_TARGET", "local"),
            dbt_executable=self._plain("DBT_EXECUTABLE", ""),
            dbt_orchestration=self._orchestration(),
            dbt_gate=self._choice("DBT_GATE", {"all", "lineage"}, "all"),
            source_max_connections=self._number("SOURCE_MAX_CONNECTIONS", 5, 1, 100),
            source_rest_percent=self._number("SOURCE_REST_PERCENT", 25, 0, 1000),
            source_busy_threads=self._number("SOURCE_BUSY_THREADS", 4, 1, 1000),
            source_budget_mb=self._number("SOURCE_BUDGET_MB", 0, 0, 10_000_000),
            max_attempts=self._number("MAX_ATTEMPTS", 3, 1, 20),
            reconcile_budget_minutes=self._number("RECONCILE_BUDGET_MINUTES", 20, 1, 480),
            delete_brake_percent=self._number("DELETE_BRAKE_PERCENT", 20, 1, 100),
            load_parts_from_mb=self._number("LOAD_PARTS_FROM_MB", 2048, 0, 10_000_000),
        )
        self._check_apart(settings)
        if self._problems:
            raise ValidationError(
                self._problems, subject=f"The configuration from {self._provider.description}"
            )
        return settings

    def _name(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def _raw(self, name: str) -> str | None:
        try:
            return self._provider.get(self._name(name))
        except SecretFileError as error:
            self._problems.append(str(error))
            return None

    def _optional(self, name: str, default: str) -> str:
        value = self._raw(name)
        return default if value is None or not value.strip() else value.strip()

    def _plain(self, name: str, default: str) -> str:
        """Read a variable that is the same in every environment, or its prefixed form."""
        return self._optional(name, (self._provider.get(name) or default).strip())

    def _required(self, name: str) -> str:
        problems = len(self._problems)
        value = (self._raw(name) or "").strip()
        if not value and len(self._problems) == problems:
            self._problems.append(f"{self._name(name)} is not set")
        return value

    def _number(self, name: str, default: int, least: int, most: int) -> int:
        text = self._optional(name, str(default))
        if text.isdecimal() and least <= int(text) <= most:
            return int(text)
        self._problems.append(f"{self._name(name)} must be a whole number from {least} to {most}")
        return default

    def _choice(self, name: str, allowed: set[str], default: str) -> str:
        text = self._plain(name, default).lower()
        if text in allowed:
            return text
        self._problems.append(f"{self._name(name)} must be one of {', '.join(sorted(allowed))}")
        return default

    def _orchestration(self) -> DbtOrchestration:
        return DbtOrchestration(self._choice("DBT_ORCHESTRATION", {"single", "layered"}, "single"))

    def _database(self, role: Role) -> DatabaseSettings:
        prefix = _PREFIXES[role]
        database = self._required(f"{prefix}_DB")
        if self._environment is Environment.TEST and database and "test" not in database.lower():
            self._problems.append(f"{self._name(prefix)}_DB must contain 'test' while ETL_ENVIRONMENT=test")
        return DatabaseSettings(
            role=role,
            host=self._required(f"{prefix}_HOST"),
            port=self._number(f"{prefix}_PORT", _DEFAULT_PORTS[role], 1, 65535),
            database=database,
            user=self._required(f"{prefix}_USER"),
            password=self._required(f"{prefix}_PASSWORD"),
            schema=self._optional(f"{prefix}_SCHEMA", "raw") if role is Role.ANALYTICS else "",
            ssl_ca=self._ssl_ca(prefix),
            ssl_mode=self._choice(f"{prefix}_SSL_MODE", _SSL_MODES, "prefer"),
        )

    def _artifacts_url(self, default: str) -> str:
        url = self._optional("ARTIFACTS_URL", default)
        if "://" in url and not _BUCKET.fullmatch(url):
            self._problems.append(f"{self._name('ARTIFACTS_URL')} must be a folder or s3://bucket/prefix")
        return url

    def _ssl_ca(self, prefix: str) -> str:
        path = self._optional(f"{prefix}_SSL_CA", "")
        if path and not Path(path).is_file():
            self._problems.append(f"{self._name(prefix)}_SSL_CA: there is no file {path}")
        return path

    def _window(self) -> RunWindow:
        default = "" if self._environment is Environment.TEST else "06:00-21:00"
        raw = self._raw("BLOCKED_HOURS")
        text = default if raw is None else raw.strip()
        if self._environment is Environment.PRODUCTION and not text:
            self._problems.append("BLOCKED_HOURS must not be empty in production; the default is 06:00-21:00")
        try:
            return RunWindow(blocked=BlockedHours.parse(text))
        except ValueError as error:
            self._problems.append(f"{self._name('BLOCKED_HOURS')} must look like 06:00-21:00: {error}")
            return RunWindow(blocked=None)

    def _notify(self) -> NotifySettings:
        return NotifySettings(
            critical=self._urls("NOTIFY_CRITICAL"),
            warning=self._urls("NOTIFY_WARNING"),
            information=self._urls("NOTIFY_INFO"),
        )

    def _urls(self, name: str) -> tuple[str, ...]:
        return tuple(url for url in self._optional(name, "").split() if url)

    def _check_apart(self, settings: Settings) -> None:
        """The source and the replica on one server and database would have us write to the clinic."""
        ours, theirs = settings.replication, settings.source
        if ours.database and (ours.host, ours.port, ours.database) == (
            theirs.host,
            theirs.port,
            theirs.database,
        ):
            self._problems.append(
                f"{self._name('MYSQL_REPLICATION_DB')} is the source database itself; name another database",
            )
