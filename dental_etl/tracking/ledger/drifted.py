"""Tables that came to the source, or went, since ``tables.yml`` was written; every worker reads them here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, null, select, text

from dental_etl.config import Role, TableConfig
from dental_etl.connections import database_errors
from dental_etl.tracking.ledger import tables

_IS_THERE = text("SELECT to_regclass('etl.drifted_table') IS NOT NULL")
# Two validations at once would both insert what neither of them sees of the other. Readers go on.
_ONE_AT_A_TIME = text("LOCK TABLE etl.drifted_table IN SHARE ROW EXCLUSIVE MODE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """How the source's tables differ from those of ``tables.yml``."""

    #: New ones, as an analysis treats them; the owner's overrides are not applied.
    added: tuple[TableConfig, ...] = ()
    #: Names of those that are no longer there.
    gone: frozenset[str] = frozenset()


@database_errors(Role.ANALYTICS)
def replace_drifted(connection: Connection, drifted: Drifted, now: datetime) -> None:
    """Write what a validation has seen in the place of what the last one saw."""
    connection.execute(_ONE_AT_A_TIME)
    connection.execute(delete(tables.drifted_table))
    rows = [
        *({"table_name": one.table_name, "config": one.to_json(), "seen_at": now} for one in drifted.added),
        *({"table_name": name, "config": null(), "seen_at": now} for name in sorted(drifted.gone)),
    ]
    for row in rows:
        connection.execute(insert(tables.drifted_table).values(row))


@database_errors(Role.ANALYTICS)
def read_drifted(connection: Connection) -> Drifted:
    """Return what the last validation has seen; nothing before the ledger was first made."""
    is_there: bool = connection.execute(_IS_THERE).scalar_one()
    if not is_there:
        return Drifted()
    columns = tables.drifted_table.c
    rows = connection.execute(select(columns.table_name, columns.config).order_by(columns.table_name))
    found: list[tuple[str, dict[str, Any] | None]] = [(row.table_name, row.config) for row in rows]
    return Drifted(
        added=tuple(TableConfig.from_json(config) for _, config in found if config is not None),
        gone=frozenset(name for name, config in found if config is None),
    )
