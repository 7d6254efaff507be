"""Engines: one pool per role, purpose and process, with sessions set up by role."""

from __future__ import annotations

import os
import socket
import ssl
from functools import lru_cache
from typing import Any

import pymysql
from pymysql.constants import CR
from sqlalchemy import URL, Dialect, Engine, NullPool, create_engine, event

from dental_etl.config import DatabaseSettings, Role

# Strict, so that a value that does not fit is an error and not a different value. Zero dates are
# real data here. unique_checks stays on: off, MariaDB takes a bulk path that costs more CPU.
_REPLICATION = "time_zone='+00:00', sql_mode='STRICT_ALL_TABLES', foreign_key_checks=0, unique_checks=1"
# A slow replica must not get the read killed. A host that lost its power says no goodbye: the server ends
# its session, and with it its place, in half an hour. What MySQL 8 and later tell of tables is a day old
# unless they are asked for the present; MariaDB leaves out what is meant for them.
_SOURCE = (
    "time_zone='+00:00', sql_mode='', net_write_timeout=600, wait_timeout=1800 "
    "/*!80000 , information_schema_stats_expiry=0 */"
)
#: Every session runs in UTC: a local TIMESTAMP inside the autumn hour cannot be read back.
_MYSQL_SESSIONS = {
    # Reads only, whatever the account may do.
    Role.SOURCE: (f"SET SESSION {_SOURCE}", "SET SESSION TRANSACTION READ ONLY"),
    Role.REPLICATION: (f"SET SESSION {_REPLICATION}",),
}
#: What the driver and we have set up in a session, after the server has forgotten all of it.
RENEW_REPLICATION = f"SET NAMES utf8mb4, autocommit=0, {_REPLICATION}"
#: Dedicated sessions that wait in each process for their next use.
_KEPT_SESSIONS = 5
#: The other end of an idle line is asked after 30 s, and given up 30 s later: a router that forgets a
#: connection, or a host that loses its power, says nothing. The system's own patience is two hours.
_KEEPALIVE = {"idle": 30, "interval": 10, "count": 3}
_POSTGRES_OPTIONS = " ".join(
    [
        "-c timezone=UTC -c work_mem=128MB -c maintenance_work_mem=512MB -c client_encoding=UTF8",
        *(
            f"-c tcp_keepalives_{name}={value}" for name, value in _KEEPALIVE.items()
        ),  # so the server asks too
    ]
)


def engine(database: DatabaseSettings, *, is_dedicated: bool = False) -> Engine:
    """Return this process's engine for a database; a forked worker gets its own.

    Args:
        database: Which database.
        is_dedicated: The one whose sessions are nobody else's while they are used; see `connect`.
    """
    return _engine(database, os.getpid(), is_dedicated=is_dedicated)


@lru_cache(maxsize=32)
def _engine(database: DatabaseSettings, process_id: int, *, is_dedicated: bool) -> Engine:
    created = create_engine(
        _url(database),
        **(_dedicated_pool(database) if is_dedicated else _shared_pool(database)),
        pool_recycle=database.pool_recycle_seconds,
        hide_parameters=True,
        connect_args=_connect_args(database),
    )
    if database.role in _MYSQL_SESSIONS:
        event.listen(created, "connect", _mysql_session(database.role))
        if database.ssl_mode == "prefer" and not database.ssl_ca:
            event.listen(created, "do_connect", _prefer_tls)
    return created


def _shared_pool(database: DatabaseSettings) -> dict[str, Any]:
    if database.role is Role.SOURCE:
        return {"poolclass": NullPool}  # nobody stays at the clinic when nothing is asked there
    return {
        "pool_size": database.pool_size,
        "max_overflow": database.max_overflow,
        "pool_timeout": database.pool_timeout_seconds,
        "pool_pre_ping": True,
    }


def _dedicated_pool(database: DatabaseSettings) -> dict[str, Any]:
    """Nobody ever waits for a session of his own; a few that are done are kept for whoever comes next."""
    if database.role is Role.SOURCE:
        return {"poolclass": NullPool, "pool_reset_on_return": None}  # it ends, and takes all with it
    return {
        "pool_size": _KEPT_SESSIONS,
        "max_overflow": -1,
        "pool_use_lifo": True,
        "pool_pre_ping": True,
        "pool_reset_on_return": None,  # `_renew` has done that
    }


def _url(database: DatabaseSettings) -> URL:
    driver = "postgresql+psycopg2" if database.role is Role.ANALYTICS else "mysql+pymysql"
    return URL.create(
        driver, database.user, database.password, database.host, database.port, database.database
    )


def _connect_args(database: DatabaseSettings) -> dict[str, Any]:
    if database.role is Role.ANALYTICS:
        return {
            "connect_timeout": database.connect_timeout_seconds,
            "options": _POSTGRES_OPTIONS,
            "application_name": "dental_etl",
            **{f"keepalives_{name}": value for name, value in _KEEPALIVE.items()},
            "sslmode": database.ssl_mode,
            **({"sslrootcert": database.ssl_ca} if database.ssl_ca else {}),
        }
    return {
        "connect_timeout": database.connect_timeout_seconds,
        "charset": "utf8mb4",
        "local_infile": database.role is Role.REPLICATION,
        "program_name": "dental_etl",
        **_mysql_tls(database),
    }


def _mysql_tls(database: DatabaseSettings) -> dict[str, Any]:
    """Return pymysql's TLS options; the context is made once, as loading the authorities takes 40 ms."""
    if _is_plain(database):
        return {"ssl_disabled": True}
    return {"ssl": _tls_context(database)}


def _is_plain(database: DatabaseSettings) -> bool:
    """Tell whether TLS is off, or merely preferred for bytes that do not leave this machine."""
    is_local = database.host in {"127.0.0.1", "::1", "localhost"}
    return database.ssl_mode == "disable" or (database.ssl_mode == "prefer" and is_local)


def _tls_context(database: DatabaseSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=database.ssl_ca or None)
    # Certificates that MySQL makes for itself do not pass the strict checks of newer Pythons.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = database.ssl_mode == "verify-full"
    is_verified = database.ssl_mode.startswith("verify") or bool(database.ssl_ca)
    context.verify_mode = ssl.CERT_REQUIRED if is_verified else ssl.CERT_NONE
    return context


def _prefer_tls(dialect: Dialect, _record: Any, arguments: Any, parameters: dict[str, Any]) -> Any:
    """Connect with TLS, and without it where the server has none."""
    try:
        return dialect.connect(*arguments, **parameters)
    except pymysql.OperationalError as error:
        if error.args[0] != CR.CR_SSL_CONNECTION_ERROR:
            raise
    return dialect.connect(*arguments, **{**parameters, "ssl": None, "ssl_disabled": True})


def _mysql_session(role: Role) -> Any:
    def set_up(connection: Any, _record: Any) -> None:
        line = connection._sock  # noqa: SLF001  # the driver asks for keepalive, and has no way to say how often
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE["idle"])
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE["interval"])
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE["count"])
        with connection.cursor() as cursor:
            for statement in _MYSQL_SESSIONS[role]:
                cursor.execute(statement)

    return set_up
