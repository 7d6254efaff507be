"""The scripts in ops/ that make the databases' accounts, run by the servers' own command lines."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dental_etl.preflight.grants import writing_rights
from dental_etl.sandbox.programs import program
from dental_etl.sandbox.state import ADMIN_USER, LOOPBACK, Sandbox, Server

ROOT = Path(__file__).parents[2]
ACCOUNT = "script_account"
DATABASE = "script_database"
PASSWORD = 'it\'s a "secret"'
_CLIENT = shutil.which("mariadb") or shutil.which("mysql") or ""


def mysql(
    server: Server, statements: str, *, user: str = ADMIN_USER, password: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [_CLIENT, f"--host={LOOPBACK}", f"--port={server.port}", f"--user={user}", "--batch", "--raw", "--force",
         "--skip-column-names"],
        input=statements, env={**os.environ, "MYSQL_PWD": password or server.admin_password},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def psql(
    sandbox: Sandbox, *arguments: str, database: str, user: str = ADMIN_USER, **variables: str
) -> subprocess.CompletedProcess[str]:
    server = sandbox.analytics
    client = str(Path(program("postgres")).with_name("psql"))
    password = variables.pop("password", server.admin_password)
    return subprocess.run(
        [client, "--no-psqlrc", "--tuples-only", "--no-align", f"--host={LOOPBACK}", f"--port={server.port}",
         f"--username={user}", f"--dbname={database}", *arguments],
        env={**os.environ, "PGPASSWORD": password, **variables}, cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def source_script(password: str = PASSWORD) -> str:
    quoted = password.replace("'", "''")
    return (
        f"SET @reader = '{ACCOUNT}', @password = '{quoted}', @database = '{DATABASE}', @from_host = '%';\n"
        "SOURCE ops/mysql/source_grants.sql\n"
    )


@pytest.fixture
def source(sandbox: Sandbox) -> Iterator[Server]:
    mysql(sandbox.source, f"CREATE DATABASE {DATABASE};")
    yield sandbox.source
    mysql(sandbox.source, f"DROP DATABASE {DATABASE}; DROP USER '{ACCOUNT}'@'%';")


@pytest.fixture
def replication(sandbox: Sandbox) -> Iterator[Server]:
    yield sandbox.replication
    mysql(sandbox.replication, f"DROP DATABASE {DATABASE}; DROP USER '{ACCOUNT}'@'%';")


@pytest.fixture
def warehouse(sandbox: Sandbox) -> Iterator[str]:
    psql(sandbox, "--command", f"CREATE DATABASE {DATABASE}", database="postgres")
    yield DATABASE
    for statement in (f"DROP DATABASE {DATABASE}", f"DROP ROLE {ACCOUNT}", "DROP ROLE marts_reader"):
        psql(sandbox, "--command", statement, database="postgres")


def make_warehouse(sandbox: Sandbox, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    return psql(
        sandbox, "--file", "ops/postgres/init.sql", database=DATABASE,
        POSTGRES_ANALYTICS_USER=ACCOUNT, POSTGRES_ANALYTICS_PASSWORD=password,
    )  # fmt: skip


def test_the_source_account_may_only_read(source: Server) -> None:
    mysql(source, source_script())
    grants = mysql(source, "SHOW GRANTS;", user=ACCOUNT, password=PASSWORD).stdout.splitlines()
    assert len(grants) == 2
    assert writing_rights(grants) == ()


def test_the_source_account_sees_its_database(source: Server) -> None:
    mysql(source, f"CREATE TABLE {DATABASE}.patient (PatNum bigint); {source_script()}")
    shown = mysql(source, f"SHOW TABLES IN {DATABASE};", user=ACCOUNT, password=PASSWORD)
    assert shown.stdout.split() == ["patient"]


def test_the_source_script_sets_the_password_anew(source: Server) -> None:
    mysql(source, source_script("old") + source_script())
    assert mysql(source, "SELECT 1;", user=ACCOUNT, password=PASSWORD).returncode == 0


def test_without_a_password_no_account_is_made(source: Server) -> None:
    mysql(source, source_script(""))
    assert mysql(source, f"SELECT COUNT(*) FROM mysql.user WHERE user = '{ACCOUNT}';").stdout.strip() == "0"


def test_the_replication_account_owns_its_database(replication: Server) -> None:
    quoted = PASSWORD.replace("'", "''")
    values = f"@owner = '{ACCOUNT}', @password = '{quoted}', @database = '{DATABASE}', @from_host = '%'"
    mysql(replication, f"SET {values};\nSOURCE ops/mysql/replication.sql\n")
    made = mysql(replication, f"CREATE TABLE {DATABASE}.t (a int);", user=ACCOUNT, password=PASSWORD)
    assert (made.returncode, made.stderr) == (0, "")


def test_the_analytics_account_may_do_what_the_product_does(sandbox: Sandbox, warehouse: str) -> None:
    made = make_warehouse(sandbox)
    assert made.returncode == 0, made.stderr
    statements = "CREATE SCHEMA dbt_test__audit; CREATE TEMP TABLE t (a int); CREATE TABLE raw.t (a int)"
    used = psql(sandbox, "--command", statements, database=warehouse, user=ACCOUNT, password=PASSWORD)
    assert used.returncode == 0, used.stderr


def test_the_server_s_log_does_not_quote_refused_rows(sandbox: Sandbox, warehouse: str) -> None:
    make_warehouse(sandbox)
    refused = "CREATE TABLE raw.t (a int CHECK (a < 0)); INSERT INTO raw.t VALUES (6021023)"
    psql(sandbox, "--command", refused, database=warehouse, user=ACCOUNT, password=PASSWORD)
    assert "6021023" not in sandbox.analytics.log_file.read_text(encoding="utf-8")


def test_readers_of_marts_read_nothing_else(sandbox: Sandbox, warehouse: str) -> None:
    make_warehouse(sandbox)
    make_warehouse(sandbox)
    tables = "CREATE TABLE marts.m AS SELECT 1; CREATE TABLE raw.r AS SELECT 1"
    psql(sandbox, "--command", tables, database=warehouse, user=ACCOUNT, password=PASSWORD)
    question = (
        "SELECT has_table_privilege('marts_reader', 'marts.m', 'SELECT'),"
        " has_schema_privilege('marts_reader', 'raw', 'USAGE')"
    )
    assert psql(sandbox, "--command", question, database=warehouse).stdout.strip() == "t|f"


def test_the_analytics_script_makes_nothing_without_a_password(sandbox: Sandbox, warehouse: str) -> None:
    made = psql(
        sandbox,
        "--file",
        "ops/postgres/init.sql",
        database=warehouse,
        POSTGRES_ANALYTICS_USER=ACCOUNT,
    )
    assert made.returncode != 0
    question = f"SELECT count(*) FROM pg_roles WHERE rolname = '{ACCOUNT}'"
    assert psql(sandbox, "--command", question, database="postgres").stdout.strip() == "0"
