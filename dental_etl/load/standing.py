"""Raw tables that hold what their replicas hold, told for many at once: a load of them would do nothing."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from dental_etl.config.tables import TableSchema
from dental_etl.exceptions import DataLoadingError
from dental_etl.load.action import Action, Facts, choose_action
from dental_etl.load.postgres_schema import FoundTable, compare, find_tables
from dental_etl.load.raw_table import RawTable, raw_table
from dental_etl.run import CopyStatus, LoadStatus, RefreshMode
from dental_etl.tracking.status import read_load_statuses


def standing(
    analytics: Connection, schema: str, copies: Mapping[str, CopyStatus], replicas: Mapping[str, TableSchema]
) -> dict[str, LoadStatus]:
    """Return the load statuses of the tables whose raw needs nothing, by table.

    Args:
        analytics: Where raw is.
        schema: Landing schema.
        copies: Where the replicas stand.
        replicas: Their structures; a table without one is left out.
    """
    loads = read_load_statuses(analytics, schema)
    wanted = {
        name: raw
        for name, replica in replicas.items()
        if name in loads and (raw := _raw_table(schema, replica)) is not None
    }
    found = find_tables(analytics, [raw.qualified for raw in wanted.values()])
    return {
        name: loads[name]
        for name, raw in wanted.items()
        if _needs_nothing(copies[name], loads[name], found.get(raw.qualified), raw)
    }


def _raw_table(schema: str, replica: TableSchema) -> RawTable | None:
    try:
        return raw_table(schema, replica)
    except DataLoadingError:
        return None  # the table's own load says why


def _needs_nothing(
    copied: CopyStatus, loaded: LoadStatus, found: FoundTable | None, wanted: RawTable
) -> bool:
    if found is None or loaded.load_status != "success":
        return False
    change = compare(found, wanted)
    facts = Facts(
        copied=copied,
        loaded=loaded,
        refresh=RefreshMode.INCREMENTAL,
        needs_full=change.needs_full,
        needs_change=change.is_needed,
        has_changes=False,
    )
    return choose_action(facts) is Action.NOTHING
