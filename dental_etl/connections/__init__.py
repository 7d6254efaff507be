"""Connections to the three databases: one pool per role and process, sessions set up by role.

Retries are stamina's: exponential backoff with jitter, on lost or refused connections only.
Driver errors quote rows, so they never leave this project as they are: `database_errors`
re-raises them as ours, with the error number and without their text.
"""

from dental_etl.connections.engines import engine
from dental_etl.connections.errors import DRIVER_ERRORS, database_errors, error_number, translate
from dental_etl.connections.sessions import (
    ConnectionCheck,
    answers,
    check,
    connect,
    driver_connection,
    log_retries,
    value_at_once,
)

__all__ = [
    "DRIVER_ERRORS",
    "ConnectionCheck",
    "answers",
    "check",
    "connect",
    "database_errors",
    "driver_connection",
    "engine",
    "error_number",
    "log_retries",
    "translate",
    "value_at_once",
]
