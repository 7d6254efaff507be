"""``etl_proof``: when each replica was last proven equal to the source; in the replication database.

It may hold keys of rows (a key can be a person's name), so nothing of it leaves that database but times.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    RowMapping,
    Table,
    bindparam,
    delete,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateTable

from dental_etl.tracking.copy_table import BY_KEY

_NAME = mysql.VARCHAR(64, charset="utf8mb4", collation="utf8mb4_bin")
_TEXT = mysql.LONGTEXT(charset="utf8mb4")
_MOMENT = mysql.DATETIME(fsp=6)

_PROOF = Table(
    "etl_proof",
    MetaData(),
    Column("table_name", _NAME, primary_key=True),
    # Every row was found equal at this moment or later.
    Column("proven_at", _MOMENT),
    # The last time that rows were really read for it.
    Column("compared_at", _MOMENT),
    # Generation of the replica that was proven.
    Column("generation", BigInteger),
    # What the source said about the table's file before it was read; NULL where that proves nothing.
    Column("fingerprint", _TEXT),
    # Last key of the rotation that is done, JSON; NULL at the beginning of a round.
    Column("position", _TEXT),
    Column("round_started_at", _MOMENT),
    mysql_engine="InnoDB",
    mysql_default_charset="utf8mb4",
)
# Built once: building them takes longer than the server needs for them.
_ONE = select(_PROOF).where(_PROOF.c.table_name == bindparam("of_table"))
_WRITE = (
    update(_PROOF)
    .where(_PROOF.c.table_name == bindparam("of_table"))
    .values(
        {column.name: bindparam(f"new_{column.name}") for column in _PROOF.columns if not column.primary_key}
    )
)
_TIMES = frozenset({"proven_at", "compared_at", "round_started_at"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofStatus:
    """What is known about one replica."""

    table: str
    #: Every row was found equal at this moment or later; None before the first whole comparison.
    proven_at: datetime | None = None
    #: When rows were last really read for it.
    compared_at: datetime | None = None
    generation: int | None = None
    fingerprint: str | None = None
    #: Last key that this round of the rotation has done, JSON.
    position: str | None = None
    round_started_at: datetime | None = None


def ensure_proofs(connection: Connection) -> None:
    """Create ``etl_proof`` in replication if it is missing; DDL, so it commits in MySQL."""
    connection.execute(CreateTable(_PROOF, if_not_exists=True))
    connection.commit()


def read_proof(connection: Connection, table: str) -> ProofStatus:
    """Return what is known about a replica; an empty status when nothing is."""
    row = connection.execute(_ONE, {"of_table": table}).mappings().one_or_none()
    return ProofStatus(table=table) if row is None else _status(row)


def find_proof(connection: Connection, table: str) -> ProofStatus:
    """Return what is known about a replica as `read_proof` does, also where nothing was ever proven."""
    is_there = inspect(connection).has_table(_PROOF.name)
    return read_proof(connection, table) if is_there else ProofStatus(table=table)


def find_proofs(connection: Connection) -> dict[str, ProofStatus]:
    """Return what is known about every replica, by table; nothing where nothing was ever proven."""
    if not inspect(connection).has_table(_PROOF.name):
        return {}
    return {row["table_name"]: _status(row) for row in connection.execute(select(_PROOF)).mappings()}


def hold_proofs(connection: Connection, tables: Collection[str]) -> dict[str, ProofStatus]:
    """Return what is known about some replicas, and keep it so until the transaction ends."""
    name = _PROOF.c.table_name
    held = select(_PROOF).where(name.in_(sorted(tables))).order_by(name).with_for_update()
    held = held.with_hint(_PROOF, BY_KEY)
    return {row["table_name"]: _status(row) for row in connection.execute(held).mappings()}


def record_proven(connection: Connection, tables: Collection[str], proven_at: datetime) -> None:
    """Move the moments up at which replicas were last known to be equal, in the caller's transaction."""
    connection.execute(
        update(_PROOF)
        .where(_PROOF.c.table_name.in_(sorted(tables)))
        .with_hint(BY_KEY)
        .values(proven_at=_naive(proven_at))
    )


def proven_tables(connection: Connection) -> tuple[str, ...]:
    """Return the tables about which anything is known."""
    return tuple(connection.execute(select(_PROOF.c.table_name).order_by(_PROOF.c.table_name)).scalars())


def forget_proof(connection: Connection, table: str) -> None:
    """Delete what is known about a table, in the caller's transaction."""
    connection.execute(delete(_PROOF).where(_PROOF.c.table_name == table))


def record_proof(connection: Connection, status: ProofStatus) -> None:
    """Replace what is known about a replica, in the caller's transaction."""
    values = {
        column.name: _naive(getattr(status, column.name))
        if column.name in _TIMES
        else getattr(status, column.name)
        for column in _PROOF.columns
        if column.name != "table_name"
    }
    known = {f"new_{name}": value for name, value in values.items()}
    if not connection.execute(_WRITE, {"of_table": status.table, **known}).rowcount:
        statement = mysql.insert(_PROOF).values(table_name=status.table, **values)
        connection.execute(statement.on_duplicate_key_update(values))


def _status(row: RowMapping) -> ProofStatus:
    values: dict[str, Any] = {
        name: _aware(value) if name in _TIMES else value
        for name, value in row.items()
        if name != "table_name"
    }
    return ProofStatus(table=row["table_name"], **values)


def _naive(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
