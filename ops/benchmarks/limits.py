"""What the servers themselves take for the same work, from a file that already lies beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from dental_etl.config import TableSchema
from dental_etl.connections import connect
from dental_etl.load.postgres_schema import add_own_columns, add_primary_key, create_for_copy
from dental_etl.load.raw_table import RawTable, raw_table
from dental_etl.sandbox.state import ADMIN_USER
from dental_etl.wire import names
from dental_etl.wire.catalog import create_table_ddl, cursor_index_ddl, read_schema
from dental_etl.wire.reader import read_blocks
from dental_etl.wire.rows import RowFormat, Target, row_format
from ops.benchmarks import verify
from ops.benchmarks.contestants import Contestant, Hop, Kind
from ops.benchmarks.datasets import Dataset
from ops.benchmarks.laboratory import Laboratory
from ops.benchmarks.measure import ClientCost, commands, statement

#: In our session and in pages such as ours; the client throws every column away, so only the source works.
SELECT_ALL = "SELECT * of the same rows"
LOAD_FILE = "LOAD DATA from a server file"
#: Ends with the same table as our load: two columns of our own, primary key, statistics.
COPY_FILE = "COPY from a server file, same table"
#: Nothing but the rows.
COPY_FILE_BARE = "COPY from a server file, rows only"

#: What a page of 8 MB holds of the wide table, about.
_PAGE_ROWS = 25_000
_READ_SESSION = (
    "SET SESSION time_zone='+00:00', net_write_timeout=600, sql_mode=''; SET SESSION TRANSACTION READ ONLY"
)
_LOAD = (
    "LOAD DATA INFILE '{file}' REPLACE INTO TABLE {table} CHARACTER SET utf8mb4"
    r" FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' ({columns})"
)
_SESSION = (
    "SET SESSION time_zone='+00:00', sql_mode='STRICT_ALL_TABLES', unique_checks=1, foreign_key_checks=0"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A table as text, as our own blocks are, where a server can read it."""

    path: Path
    schema: TableSchema
    row_format: RowFormat


def contestants() -> tuple[Contestant, ...]:
    return (
        Contestant(name=SELECT_ALL, kind=Kind.LIMIT, hop=Hop.READ, prepare=_select, verify=None),
        Contestant(
            name=LOAD_FILE, kind=Kind.LIMIT, hop=Hop.FIRST, prepare=_load_file, verify=verify.limit_replica
        ),
        Contestant(
            name=COPY_FILE,
            kind=Kind.LIMIT,
            hop=Hop.SECOND,
            prepare=_copy_file(is_bare=False),
            verify=verify.limit_raw,
        ),
        Contestant(
            name=COPY_FILE_BARE,
            kind=Kind.LIMIT,
            hop=Hop.SECOND,
            prepare=_copy_file(is_bare=True),
            verify=verify.limit_raw,
        ),
    )


def _select(lab: Laboratory, dataset: Dataset) -> Callable[[], ClientCost]:
    database = lab.settings.source
    pages = "; ".join(_select_page(dataset, after) for after in range(0, dataset.rows, _PAGE_ROWS))
    command = (
        "mariadb", "--no-defaults", "--protocol=tcp", f"--host={database.host}", f"--port={database.port}",
        f"--user={database.user}", "--default-character-set=utf8mb4", "--quick", "--batch",
        "--skip-column-names", database.database, f"--execute={_READ_SESSION}; {pages}",
    )  # fmt: skip
    environment = {"MYSQL_PWD": database.password}
    return lambda: commands([command], log=Path("/dev/null"), environment=environment)


def _select_page(dataset: Dataset, after: int) -> str:
    """Keys are numbers from 1 on, without a gap."""
    return (
        f"SELECT * FROM `{dataset.table}` FORCE INDEX (PRIMARY) WHERE `{dataset.key}` > {after}"
        f" ORDER BY `{dataset.key}` LIMIT {_PAGE_ROWS}"
    )


def _load_file(lab: Laboratory, dataset: Dataset) -> Callable[[], ClientCost]:
    file = _file(lab, dataset, Target.MYSQL)
    table = verify.limit_table(dataset)
    stamp = next((column.name for column in file.schema.columns if column.is_change_stamp), None)
    load = _LOAD.format(file=file.path, table=names.mysql(table), columns=file.row_format.load_columns)
    with lab.mysql(lab.sandbox.replication) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {names.mysql(table)}")
        cursor.execute(create_table_ddl(file.schema, name=table))
    index = cursor_index_ddl(file.schema, table, stamp) if stamp is not None else None

    def work() -> None:
        with lab.mysql(lab.sandbox.replication) as connection, connection.cursor() as cursor:
            cursor.execute(_SESSION)
            cursor.execute(load)
            if index is not None:
                cursor.execute(index)

    return lambda: statement(work)


def _copy_file(*, is_bare: bool) -> Callable[[Laboratory, Dataset], Callable[[], ClientCost]]:
    def prepare(lab: Laboratory, dataset: Dataset) -> Callable[[], ClientCost]:
        file = _file(lab, dataset, Target.POSTGRES)
        table = raw_table(verify.LIMIT_SCHEMA, file.schema)
        with lab.postgres() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {verify.LIMIT_SCHEMA}")
            cursor.execute(f"DROP TABLE IF EXISTS {table.qualified}")
        return lambda: statement(lambda: _copy_in(lab, table, file, is_bare=is_bare))

    return prepare


def _copy_in(lab: Laboratory, table: RawTable, file: _File, *, is_bare: bool) -> None:
    """Create, fill, complete, key and analyse in one transaction, as our first load does."""
    admin = replace(lab.settings.analytics, user=ADMIN_USER, password=lab.sandbox.analytics.admin_password)
    with connect(admin) as connection, connection.begin():
        create_for_copy(connection, table.qualified, table)
        columns = file.row_format.copy_columns
        connection.exec_driver_sql(f"COPY {table.qualified} ({columns}) FROM '{file.path}' WITH (FREEZE)")
        if not is_bare:
            add_own_columns(connection, table.qualified)
            add_primary_key(connection, table.qualified, table)
            connection.exec_driver_sql(f"ANALYZE {table.qualified}")


def _file(lab: Laboratory, dataset: Dataset, target: Target) -> _File:
    """Write the table to a file that its server can read, once."""
    path = lab.exchange / f"{dataset.table}-{dataset.digest}.{target}"
    with connect(lab.settings.source) as source:
        schema = read_schema(source, lab.settings.source.database, dataset.table)
        assert schema is not None  # noqa: S101  # the laboratory made it
        wanted = row_format(schema, target)
        if not path.exists():
            sql = f"SELECT {wanted.select_list} FROM {names.mysql(dataset.table)}"
            with path.open("wb") as output:
                output.writelines(read_blocks(source, sql, None, wanted))
            path.chmod(0o644)
    return _File(path=path, schema=schema, row_format=wanted)
