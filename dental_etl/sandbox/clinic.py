"""Create, fill and look at the sandbox's clinic; refuses anything that is not on this desk."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pymysql

from dental_etl.exceptions import SandboxError
from dental_etl.run import Value
from dental_etl.sandbox import family
from dental_etl.sandbox.schema import Table, statements, tables
from dental_etl.sandbox.state import LOOPBACK, SOURCE_DATABASE, Sandbox
from dental_etl.sandbox.synthetic import Row, generate
from dental_etl.sandbox.synthetic.encoding import encode

logger = logging.getLogger(__name__)

_LOAD = "LOAD DATA LOCAL INFILE %s INTO TABLE `{table}` CHARACTER SET utf8mb4 ({columns})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicSummary(Value):
    """What was created."""

    patients: int
    tables: int
    rows: int
    seconds: float


def create(sandbox: Sandbox, *, patients: int = 2000, seed: int = 1, as_of: date) -> ClinicSummary:
    """Make the clinic anew: whatever the source held is gone.

    Args:
        sandbox: A running one.
        patients: How many; rows grow with them, about 110 per patient.
        seed: The same seed, size and date give the same rows.
        as_of: The morning on which the clinic is looked at; three years lie before it.

    Raises:
        SandboxError: The database is not the sandbox's, or the server does not answer.
    """
    refuse_strangers(LOOPBACK, SOURCE_DATABASE)
    started = time.monotonic()
    _mark(sandbox).unlink(missing_ok=True)
    rows = generate(seed=seed, patients=patients, as_of=as_of).rows
    with connect(sandbox) as connection:
        _create_tables(connection)
        for table in tables().values():
            _fill(connection, table, rows[table.name])
    summary = ClinicSummary(
        patients=patients,
        tables=len(rows),
        rows=sum(map(len, rows.values())),
        seconds=round(time.monotonic() - started, 1),
    )
    _mark(sandbox).touch()
    logger.info(
        "Created a clinic of %s patients", patients, extra={"action": "sandbox_create"} | summary.to_json()
    )
    return summary


def exists(sandbox: Sandbox) -> bool:
    """Tell whether the source holds a clinic that was filled to its end."""
    return _mark(sandbox).exists()


def _mark(sandbox: Sandbox) -> Path:
    """Return the file that says so; it goes when the server's data go."""
    return sandbox.source.directory / "clinic"


def refuse_strangers(host: str, database: str) -> None:
    """Pass only for a database on this machine that is named as a test.

    Raises:
        SandboxError: It might be somebody's clinic.
    """
    if host not in {LOOPBACK, "localhost"} or "test" not in database:
        raise SandboxError(
            f"Database {database} on {host} is not a sandbox: it must be on this machine and have "
            f"'test' in its name. Nothing was changed."
        )


@contextmanager
def connect(sandbox: Sandbox) -> Iterator[pymysql.Connection[pymysql.cursors.Cursor]]:
    """Connect to the source as the sandbox's own account.

    Raises:
        SandboxError: The server does not answer, or refused a statement. The driver's text is left
            out: it may quote rows.
    """
    try:
        with closing(family.connect(sandbox.source)) as connection:
            yield connection
    except pymysql.MySQLError as error:
        number = error.args[0] if error.args else "unknown"
        raise SandboxError(
            f"The source server of the sandbox answered with error {number}. "
            f"Start it, and its clinic anew, with `dental-etl sandbox up`."
        ) from None


def _create_tables(connection: pymysql.Connection[pymysql.cursors.Cursor]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {SOURCE_DATABASE}")
        cursor.execute(f"CREATE DATABASE {SOURCE_DATABASE} CHARACTER SET utf8 COLLATE utf8_general_ci")
        cursor.execute(f"USE {SOURCE_DATABASE}")
        for statement in statements():
            cursor.execute(statement)


def _fill(connection: pymysql.Connection[pymysql.cursors.Cursor], table: Table, rows: list[Row]) -> None:
    columns = ", ".join(f"`{column}`" for column in table.columns)
    with tempfile.TemporaryDirectory() as folder, connection.cursor() as cursor:
        path = Path(folder) / "rows.tsv"
        with path.open("w", encoding="utf-8", newline="") as file:
            file.writelines(encode(table, rows))
        cursor.execute(_LOAD.format(table=table.name, columns=columns), (str(path),))
        cursor.execute(f"SELECT COUNT(*) FROM `{table.name}`")
        counted = cursor.fetchone()
    if counted != (len(rows),):
        raise SandboxError(
            f"Table {table.name} took fewer rows than the {len(rows)} given; this is an error of the sandbox.",
            table=table.name,
        )
