"""Rows over TLS: read from the wire, LOAD DATA LOCAL and COPY, with certificates that are checked."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

from dental_etl.config import DatabaseSettings, Role, Settings
from dental_etl.connections import check, connect
from dental_etl.load.postgres_schema import create_table
from dental_etl.load.raw_table import raw_table
from dental_etl.sandbox import family, mariadb, processes
from dental_etl.sandbox import mysql as mysql_server
from dental_etl.sandbox.ports import free_ports
from dental_etl.sandbox.state import (
    ADMIN_USER,
    ANALYTICS_DATABASE,
    LOOPBACK,
    Kind,
    Sandbox,
    Server,
    ServerName,
)
from dental_etl.wire import packets
from dental_etl.wire.catalog import create_table_ddl, read_schema
from dental_etl.wire.copy_feed import copy_rows
from dental_etl.wire.load_data import load_data
from dental_etl.wire.reader import read_blocks
from dental_etl.wire.rows import Target, row_format
from tests.counting import counted

pytestmark = pytest.mark.slow  # a server of its own

ROWS = 5000
_CREATE = "CREATE TABLE clinic (id int PRIMARY KEY, note text, letter longtext, seen datetime) CHARACTER SET utf8mb4"
#: One row is longer than a packet of the protocol, so that it comes in two.
_FILL = f"""
    INSERT INTO clinic SELECT seq, REPEAT(CHAR(97 + seq % 26), seq % 300),
    IF(seq = 7, REPEAT('\\t\u00e4', 6000000), NULL), '2026-01-01' FROM {counted(1, ROWS)}
"""
_CHECK = "SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', id, note, IFNULL(SHA2(letter, 256), '~'), seen))) FROM {}"


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, a certificate of it for 127.0.0.1, and a stranger."""
    folder = tmp_path_factory.mktemp("certificates")
    new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    for name in ("ca", "stranger"):
        _openssl(folder, *new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    _openssl(
        folder, *new, "-subj", "/CN=server", "-addext", f"subjectAltName=IP:{LOOPBACK}", "-CA", "ca.pem", "-CAkey",
        "ca.key", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "server.key", "-out", "server.pem",
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def secure_mysql(sandbox: Sandbox, certificates: Path) -> Iterator[Server]:
    """A server whose account is let in over TLS only."""
    directory = sandbox.replication.directory.with_name("tls")
    shutil.rmtree(directory, ignore_errors=True)
    server = replace(
        sandbox.replication, name=ServerName.REPLICATION, directory=directory, port=free_ports(1)[0]
    )
    kind = {Kind.MARIADB: mariadb, Kind.MYSQL: mysql_server}[server.kind]
    account = processes.server_account(family.ACCOUNT)
    processes.make_directory(directory, account)
    for name in ("ca.pem", "server.pem", "server.key"):
        _give(certificates / name, directory / name, account)
    kind.prepare(server, account)
    words = (f"--ssl-{kind}={directory / name}" for kind, name in _FILES.items())
    kind.start(server, account, tuple(words))
    try:
        _wait_for(server)
        yield server
    finally:
        processes.stop(directory, family.STOP_SIGNAL)
        shutil.rmtree(directory)


_FILES = {"ca": "ca.pem", "cert": "server.pem", "key": "server.key"}


def _give(file: Path, to: Path, account: str | None) -> None:
    shutil.copyfile(file, to)
    to.chmod(0o600)
    processes.hand_over(to, account)


def _wait_for(server: Server) -> None:
    deadline = time.monotonic() + 60
    while not family.is_ready(server):
        assert time.monotonic() < deadline, f"the server did not start; see {server.log_file}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def mysql(secure_mysql: Server, sandbox_settings: Settings, certificates: Path) -> DatabaseSettings:
    """The replication role on the secure server, with a table to copy."""
    settings = replace(
        sandbox_settings.replication,
        port=secure_mysql.port,
        ssl_mode="verify-full",
        ssl_ca=str(certificates / "ca.pem"),
    )
    with closing(family.connect(secure_mysql)) as admin, admin.cursor() as cursor:
        cursor.execute(f"ALTER USER '{settings.user}'@'{LOOPBACK}' REQUIRE SSL")
        for statement in ("DROP TABLE IF EXISTS clinic, replica", _CREATE, _FILL):
            cursor.execute(statement)
    return settings


@pytest.fixture(scope="module")
def postgres(sandbox: Sandbox, sandbox_settings: Settings, certificates: Path) -> Iterator[DatabaseSettings]:
    """The warehouse with a certificate, and an empty schema."""
    server = sandbox.analytics
    account = processes.server_account("postgres")
    for name in ("server.pem", "server.key"):
        _give(certificates / name, server.data_directory / f"tls-{name}", account)
    wanted = {"ssl_cert_file": "tls-server.pem", "ssl_key_file": "tls-server.key", "ssl": "on"}
    admin = psycopg2.connect(
        host=LOOPBACK, port=server.port, user=ADMIN_USER, password=server.admin_password, dbname=ANALYTICS_DATABASE
    )  # fmt: skip
    admin.autocommit = True
    with closing(admin), admin.cursor() as cursor:
        for name, value in wanted.items():
            cursor.execute(sql.SQL("ALTER SYSTEM SET {} = %s").format(sql.Identifier(name)), (value,))
        cursor.execute("SELECT pg_reload_conf()")
        try:
            settings = replace(
                sandbox_settings.analytics, ssl_mode="verify-full", ssl_ca=str(certificates / "ca.pem")
            )
            _wait_for_tls(settings)
            yield settings
        finally:
            for name in wanted:
                cursor.execute(sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name)))
            cursor.execute("SELECT pg_reload_conf()")


def _wait_for_tls(settings: DatabaseSettings) -> None:
    deadline = time.monotonic() + 30
    while not check(settings).is_ok:
        assert time.monotonic() < deadline, "PostgreSQL did not take the certificate"
        time.sleep(0.05)


def test_both_bulk_paths_work_over_tls(mysql: DatabaseSettings, postgres: DatabaseSettings) -> None:
    source = replace(mysql, role=Role.SOURCE)
    with connect(source) as reading, connect(mysql) as writing, connect(postgres) as landing:
        assert packets.is_usable(packets.driver_in_transaction(reading))
        schema = read_schema(reading, mysql.database, "clinic")
        assert schema is not None
        writing.exec_driver_sql(create_table_ddl(schema, name="replica"))
        wanted = row_format(schema, Target.MYSQL)
        load_data(
            writing, "replica", wanted, read_blocks(reading, f"SELECT {wanted.select_list} FROM clinic", None, wanted)
        )  # fmt: skip
        writing.commit()
        checks = [writing.exec_driver_sql(_CHECK.format(table)).one() for table in ("clinic", "replica")]
        assert checks[0] == checks[1]
        landing.exec_driver_sql("DROP SCHEMA IF EXISTS tls CASCADE")
        landing.exec_driver_sql("CREATE SCHEMA tls")
        raw = raw_table("tls", schema)
        create_table(landing, raw.qualified, raw)
        wanted = row_format(schema, Target.POSTGRES)
        rows = copy_rows(
            landing, raw.qualified, wanted, read_blocks(writing, f"SELECT {wanted.select_list} FROM replica", None, wanted)
        )  # fmt: skip
        letter: str = landing.exec_driver_sql(
            "SELECT encode(sha256(convert_to(letter, 'UTF8')), 'hex') FROM tls.clinic WHERE id = 7"
        ).scalar_one()
        assert rows == ROWS
        assert (
            letter
            == writing.exec_driver_sql("SELECT SHA2(letter, 256) FROM clinic WHERE id = 7").scalar_one()
        )
        ciphers = [
            reading.exec_driver_sql("SHOW SESSION STATUS LIKE 'Ssl_cipher'").one()[1],
            writing.exec_driver_sql("SHOW SESSION STATUS LIKE 'Ssl_cipher'").one()[1],
            landing.exec_driver_sql(
                "SELECT cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            ).scalar_one(),
        ]
        assert all(ciphers)


@pytest.mark.parametrize("server", ["mysql", "postgres"])
@pytest.mark.parametrize(
    ("ca", "host", "mode", "expected"),
    [
        pytest.param("ca", LOOPBACK, "verify-full", "let in", id="our authority and the right name"),
        pytest.param("ca", LOOPBACK, "require", "let in", id="no name wanted"),
        pytest.param("stranger", LOOPBACK, "verify-ca", "refused", id="another authority"),
        pytest.param("ca", "localhost", "verify-full", "refused", id="another name"),
        pytest.param(
            "ca", "localhost", "verify-ca", "let in", id="another name, and only the authority wanted"
        ),
        pytest.param("", LOOPBACK, "disable", "by the account", id="no TLS"),
    ],
)
def test_a_server_is_trusted_by_its_certificate(
    request: pytest.FixtureRequest,
    certificates: Path,
    server: str,
    ca: str,
    host: str,
    mode: str,
    expected: str,
) -> None:
    database: DatabaseSettings = request.getfixturevalue(server)
    file = str(certificates / f"{ca}.pem") if ca else ""
    found = check(replace(database, host=host, ssl_mode=mode, ssl_ca=file))
    # Our MySQL account insists on TLS; the warehouse's does not.
    is_wanted = server == "postgres" if expected == "by the account" else expected == "let in"
    assert found.is_ok is is_wanted, found.message
