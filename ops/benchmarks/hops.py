"""Our own hops, each from a target that has never seen the table."""

from __future__ import annotations

from collections.abc import Callable

from psycopg2 import sql

from dental_etl.connections import connect
from dental_etl.tracking.status import ensure_copy_status
from dental_etl.wire import names
from ops.benchmarks import verify
from ops.benchmarks.contestants import Contestant, Hop, Kind
from ops.benchmarks.datasets import Dataset
from ops.benchmarks.laboratory import Laboratory
from ops.benchmarks.measure import ClientCost, Worker


def contestants() -> tuple[Contestant, ...]:
    return (
        Contestant(
            name="dental_etl extract",
            kind=Kind.OURS,
            hop=Hop.FIRST,
            prepare=_phases("extract"),
            verify=verify.replica,
        ),
        Contestant(
            name="dental_etl load", kind=Kind.OURS, hop=Hop.SECOND, prepare=_phases("load"), verify=verify.raw
        ),
        Contestant(
            name="dental_etl extract, load",
            kind=Kind.OURS,
            hop=Hop.BOTH,
            prepare=_phases("extract", "load"),
            verify=verify.replica_and_raw,
        ),
    )


def _phases(*phases: str) -> Callable[[Laboratory, Dataset], Callable[[], ClientCost]]:
    def prepare(lab: Laboratory, dataset: Dataset) -> Callable[[], ClientCost]:
        if "extract" in phases:
            _forget_replica(lab, dataset)
        _forget_raw(lab, dataset)
        arguments = [str(lab.sandbox.directory), dataset.table, *phases]
        return Worker(arguments, lab.directory / "dental_etl.log").work

    return prepare


def _forget_replica(lab: Laboratory, dataset: Dataset) -> None:
    """Make replication a database that has never seen the table."""
    with connect(lab.settings.replication) as connection:
        ensure_copy_status(connection)
    table = dataset.table
    with lab.mysql(lab.sandbox.replication) as connection, connection.cursor() as cursor:
        for name in (table, names.shadow_table(table), names.changed_table(table)):
            cursor.execute(f"DROP TABLE IF EXISTS {names.mysql(name)}")
        cursor.execute("DELETE FROM etl_copy_status WHERE table_name = %s", (table,))


def _forget_raw(lab: Laboratory, dataset: Dataset) -> None:
    """Make ``raw`` a schema that has never seen the table."""
    with lab.postgres() as connection, connection.cursor() as cursor:
        for name in (dataset.table, names.stage_table(dataset.table)):
            cursor.execute(sql.SQL("DROP TABLE IF EXISTS raw.{}").format(sql.Identifier(name)))
        cursor.execute("SELECT to_regclass('raw.etl_load_status') IS NOT NULL")
        if cursor.fetchone()[0]:
            cursor.execute("DELETE FROM raw.etl_load_status WHERE table_name = %s", (dataset.table,))
