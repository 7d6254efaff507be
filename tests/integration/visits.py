"""A table of visits at the source, and how a test looks at its copies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from dental_etl.config import TableConfig
from dental_etl.run import Category, CopyStatus, ExtractResult, Strategy
from dental_etl.tracking.status import ensure_copy_status, read_copy_status
from tests.counting import counted

STAMPED = TableConfig(
    table_name="visit",
    extraction_strategy=Strategy.INCREMENTAL,
    strategy_reason="test",
    primary_incremental_column="Stamp",
    batch_size=1000,
    performance_category=Category.TINY,
    processing_priority="low",
    estimated_rows=10,
    estimated_size_mb=0.1,
)
UNSTAMPED = replace(
    STAMPED,
    extraction_strategy=Strategy.FULL_TABLE,
    primary_incremental_column=None,
    strategy_reason="no stamp",
)
Night = Callable[..., ExtractResult]
AUDIT = replace(
    STAMPED,
    primary_incremental_column="VisitNum",
    reconcile="audit",
    estimated_rows=2_000_000,
    estimated_size_mb=600,
)


def make_visits(
    source: Connection, key: str, value: str, *, engine: str = "MyISAM", rows: int = 3000
) -> Connection:
    source.exec_driver_sql("SET time_zone='+00:00', sql_mode=''")
    source.exec_driver_sql(
        f"CREATE TABLE visit ({key}, Note varchar(100) CHARACTER SET utf8, Amount double NOT NULL DEFAULT 0, "
        f"Stamp timestamp NULL DEFAULT NULL) ENGINE={engine}"
    )
    source.exec_driver_sql(
        f"INSERT INTO visit SELECT {value}, CONCAT('n', seq), seq, '2020-01-01' FROM {counted(1, rows)}"
    )
    return source


def copy_status(replication: Connection) -> CopyStatus | None:
    ensure_copy_status(replication)
    status = read_copy_status(replication, "visit")
    replication.commit()
    return status


def rows_of(connection: Connection) -> list[Any]:
    found = connection.exec_driver_sql("SELECT * FROM visit ORDER BY 1, 2").all()
    connection.commit()
    return [tuple(row) for row in found]


def outbox_of(replication: Connection) -> list[int]:
    rows = replication.exec_driver_sql("SELECT DISTINCT VisitNum FROM etl_changed__visit ORDER BY 1").all()
    replication.commit()
    return [row[0] for row in rows]
