"""Settings: one pass, every problem, no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from dental_etl.config import DictConfigProvider, Environment, FileConfigProvider, Settings, load_settings
from dental_etl.exceptions import EnvironmentConfigError, ValidationError

DATABASES = {
    "OPENDENTAL_SOURCE_HOST": "clinic.example",
    "OPENDENTAL_SOURCE_DB": "opendental",
    "OPENDENTAL_SOURCE_USER": "analytics_readonly",
    "OPENDENTAL_SOURCE_PASSWORD": "s3cret-source",
    "MYSQL_REPLICATION_HOST": "127.0.0.1",
    "MYSQL_REPLICATION_DB": "opendental_replication",
    "MYSQL_REPLICATION_USER": "replication",
    "MYSQL_REPLICATION_PASSWORD": "s3cret-replication",
    "POSTGRES_ANALYTICS_HOST": "127.0.0.1",
    "POSTGRES_ANALYTICS_DB": "opendental_analytics",
    "POSTGRES_ANALYTICS_USER": "analytics",
    "POSTGRES_ANALYTICS_PASSWORD": "s3cret-analytics",
}


def production(**changes: str) -> Settings:
    return load_settings(DictConfigProvider({"ETL_ENVIRONMENT": "production", **DATABASES, **changes}))


def test_environment_has_no_default() -> None:
    with pytest.raises(EnvironmentConfigError, match="ETL_ENVIRONMENT is not set"):
        load_settings(DictConfigProvider(DATABASES))


def test_clinic_is_another_name_for_production() -> None:
    settings = load_settings(DictConfigProvider({"ETL_ENVIRONMENT": "clinic", **DATABASES}))

    assert settings.environment is Environment.PRODUCTION


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        load_settings(
            DictConfigProvider({"ETL_ENVIRONMENT": "production", "OPENDENTAL_SOURCE_PORT": "99999"})
        )

    assert len(caught.value.problems) == 13
    assert "OPENDENTAL_SOURCE_PORT must be a whole number from 1 to 65535" in caught.value.problems


def test_test_environment_reads_only_prefixed_variables() -> None:
    with pytest.raises(ValidationError, match="TEST_OPENDENTAL_SOURCE_HOST is not set"):
        load_settings(DictConfigProvider({"ETL_ENVIRONMENT": "test", **DATABASES}))


def test_test_environment_refuses_a_database_that_is_not_for_tests() -> None:
    prefixed = {f"TEST_{name}": value for name, value in DATABASES.items()}

    with pytest.raises(ValidationError, match="TEST_OPENDENTAL_SOURCE_DB must contain 'test'"):
        load_settings(DictConfigProvider({"ETL_ENVIRONMENT": "test", **prefixed}))


def test_production_refuses_an_empty_window() -> None:
    with pytest.raises(ValidationError, match="BLOCKED_HOURS must not be empty in production"):
        production(BLOCKED_HOURS="")


def test_production_blocks_the_day_by_default() -> None:
    blocked = production().window.blocked

    assert blocked is not None
    assert (blocked.start.hour, blocked.end.hour) == (6, 21)


def test_the_source_cannot_be_its_own_replica() -> None:
    with pytest.raises(ValidationError, match="MYSQL_REPLICATION_DB is the source database itself"):
        production(MYSQL_REPLICATION_HOST="clinic.example", MYSQL_REPLICATION_DB="opendental")


@pytest.mark.parametrize("url", ["ftp://host/x", "s3://", "s3://Not_A_Bucket/x", "s3://bucket?key=1"])
def test_an_address_that_is_no_store_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="ARTIFACTS_URL must be a folder or s3://bucket/prefix"):
        production(ARTIFACTS_URL=url)


def test_artifacts_of_a_bucket_are_made_in_a_folder_of_this_host(tmp_path: Path) -> None:
    made = production(
        PROJECT_ROOT=str(tmp_path), ARTIFACTS_URL="s3://bucket/clinic", ARTIFACTS_FOLDER="/var/x"
    )
    assert made.artifacts_folder == Path("/var/x")
    assert production(ARTIFACTS_URL="/var/y", ARTIFACTS_FOLDER="/var/x").artifacts_folder == Path("/var/y")


def test_secrets_are_not_printed() -> None:
    printed = repr(
        production(CELERY_BROKER_URL="redis://:s3cret-broker@h/0", NOTIFY_CRITICAL="slack://s3cret")
    )

    assert "s3cret" not in printed


def test_process_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env_production").write_text("DBT_TARGET=clinic\nARTIFACTS_URL=from-file\n")
    provider = FileConfigProvider(tmp_path, {"ETL_ENVIRONMENT": "production", "DBT_TARGET": "local"})

    assert provider.get("DBT_TARGET") == "local"
    assert provider.get("ARTIFACTS_URL") == "from-file"


def test_secret_is_read_from_the_file_that_a_variable_names(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from-secret-file\n")
    environ = {"ETL_ENVIRONMENT": "test", "TEST_OPENDENTAL_SOURCE_PASSWORD_FILE": str(tmp_path / "password")}

    assert FileConfigProvider(tmp_path, environ).get("TEST_OPENDENTAL_SOURCE_PASSWORD") == "from-secret-file"


def test_missing_secret_file_is_named(tmp_path: Path) -> None:
    environ = {"ETL_ENVIRONMENT": "production", "OPENDENTAL_SOURCE_PASSWORD_FILE": str(tmp_path / "gone")}

    with pytest.raises(ValidationError, match=r"OPENDENTAL_SOURCE_PASSWORD_FILE: cannot read .*gone"):
        load_settings(FileConfigProvider(tmp_path, environ))
