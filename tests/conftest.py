"""Real servers for every test that speaks SQL or Redis: started once, emptied before each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from dental_etl.config import DatabaseSettings, DictConfigProvider, Role, Settings, load_settings
from dental_etl.connections import engine
from dental_etl.sandbox import servers
from dental_etl.sandbox.state import ADMIN_USER, Kind, Sandbox
from tests.families import missing

#: A sandbox directory to reuse over several test runs; servers are then left running.
REUSE = "DENTAL_ETL_TEST_SANDBOX"


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Running private servers: two MariaDB, or what the environment names, PostgreSQL, Redis."""
    reused = os.environ.get(REUSE)
    if reused:
        yield servers.up(Path(reused) / os.environ.get("PYTEST_XDIST_WORKER", ""))
        return
    directory = tmp_path_factory.mktemp("sandbox")
    try:
        yield servers.up(directory)
    finally:
        servers.destroy(directory)


@pytest.fixture(autouse=True)
def _mariadb_only(request: pytest.FixtureRequest) -> None:
    marker = request.node.get_closest_marker("mariadb_only")
    if marker and (reason := missing(request.getfixturevalue("sandbox"), Kind.MARIADB, *marker.args)):
        pytest.skip(reason)


@pytest.fixture(scope="session")
def sandbox_settings(sandbox: Sandbox) -> Settings:
    """Settings of the test environment that point at the private servers."""
    return load_settings(
        DictConfigProvider({**sandbox.environment(), "PROJECT_ROOT": str(Path(__file__).parents[1])})
    )


@pytest.fixture
def source_admin(sandbox: Sandbox, sandbox_settings: Settings) -> Iterator[Connection]:
    """An account that may create tables in the (emptied) source database; the product's may not."""
    admin = replace(
        sandbox_settings.source,
        role=Role.REPLICATION,  # sessions of the source role are read-only
        user=ADMIN_USER,
        password=sandbox.source.admin_password,
    )
    with engine(admin).connect() as connection:
        _empty_mysql(connection, admin)
        yield connection


@pytest.fixture
def replication(sandbox_settings: Settings) -> Iterator[Connection]:
    """The (emptied) replication database."""
    with engine(sandbox_settings.replication).connect() as connection:
        _empty_mysql(connection, sandbox_settings.replication)
        yield connection


@pytest.fixture
def analytics(sandbox_settings: Settings) -> Iterator[Connection]:
    """The analytics database without any of our schemas."""
    with engine(sandbox_settings.analytics).connect() as connection:
        _empty_postgres(connection)
        yield connection


def _empty_mysql(connection: Connection, database: DatabaseSettings) -> None:
    tables = connection.execute(
        text("SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = :name"),
        {"name": database.database},
    ).all()
    connection.execute(text("SET foreign_key_checks=0"))
    for name, kind in tables:
        quoted = connection.dialect.identifier_preparer.quote_identifier(str(name))
        # Identifiers cannot be bound; the preparer has doubled percent signs, which the driver halves.
        connection.exec_driver_sql(f"DROP {kind if kind in {'VIEW', 'SEQUENCE'} else 'TABLE'} {quoted}")
    connection.commit()


def _empty_postgres(connection: Connection) -> None:
    rows = connection.execute(
        text("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"),
    )
    for (name,) in rows.all():
        connection.exec_driver_sql(f'DROP SCHEMA "{name}" CASCADE')
    connection.exec_driver_sql("CREATE SCHEMA public")
    connection.commit()
