"""Our own hops, each from a target that has never seen the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from psycopg2 import sql

from dental_etl.connections import connect
from dental_etl.tracking.status import ensure_copy_status
from dental_etl.wire import names
from ops.benchmarks import verify
from ops.benchmarks.contestants import Contestant, Hop, Kind
from ops.benchmarks.datasets import Dataset
from ops.benchmarks.laboratory import Laboratory
from ops.benchmarks.measure import ClientCost, Worker
from ops.benchmarks.ours import SHARED


def contestants() -> tuple[Contestant, ...]:
    return tuple(
        Contestant(
            name=f"dental_etl {', '.join(phases)}{words}",
            kind=kind,
            hop=hop,
            prepare=_phases(phases, helpers),
            verify=check,
        )
        for words, kind, helpers in _COMPANIES
        for phases, hop, check in _HOPS
    )


_HOPS = (
    (("extract",), Hop.FIRST, verify.replica),
    (("load",), Hop.SECOND, verify.raw),
    (("extract", "load"), Hop.BOTH, verify.replica_and_raw),
)
#: In words, and how many processes beside the table's own work ranges of its key.
_COMPANIES = (
    ("", Kind.OURS, ()),
    (" in ranges", Kind.SHARED, (SHARED, "0")),
    (" in ranges, 2 processes", Kind.SHARED, (SHARED, "1")),
)


def _phases(
    phases: Sequence[str], helpers: Sequence[str]
) -> Callable[[Laboratory, Dataset], Callable[[], ClientCost]]:
    def prepare(lab: Laboratory, dataset: Dataset) -> Callable[[], ClientCost]:
        if "extract" in phases:
            _forget_replica(lab, dataset)
        _forget_raw(lab, dataset)
        arguments = [str(lab.sandbox.directory), dataset.table, *helpers, *phases]
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
