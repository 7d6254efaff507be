"""What a run leaves behind beside its tables: steps, findings, coercions, dbt nodes, the report."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from dental_etl.config import Role
from dental_etl.connections import database_errors
from dental_etl.run import Coercion, DbtResult, DbtStatus, Finding, NodeResult, NodeStatus, Severity
from dental_etl.tracking.ledger import tables


@database_errors(Role.ANALYTICS)
def mark_step(connection: Connection, run_id: str, step: str, now: datetime) -> None:
    """Note that a step after the tables is done."""
    row = {"run_id": run_id, "step": step, "done_at": now}
    connection.execute(insert(tables.run_step).values(row).on_conflict_do_nothing())


@database_errors(Role.ANALYTICS)
def steps_done(connection: Connection, run_id: str) -> frozenset[str]:
    """Return the steps after the tables that are done."""
    rows = connection.execute(select(tables.run_step.c.step).where(tables.run_step.c.run_id == run_id))
    return frozenset(rows.scalars())


@database_errors(Role.ANALYTICS)
def add_findings(connection: Connection, run_id: str, found: Iterable[Finding]) -> None:
    """Record findings; a check that is repeated replaces what it said about the same table."""
    for one in dict.fromkeys(found):
        row = {
            "run_id": run_id,
            "check_name": one.check,
            "severity": one.severity,
            "table_name": one.table,
            "message": one.message,
        }
        columns = tables.finding.c
        connection.execute(
            delete(tables.finding).where(
                columns.run_id == run_id,
                columns.check_name == one.check,
                columns.table_name.is_not_distinct_from(one.table),
                columns.message == one.message,
            )
        )
        connection.execute(insert(tables.finding).values(row))


@database_errors(Role.ANALYTICS)
def add_common_finding(connection: Connection, run_id: str, found: Finding, now: datetime) -> datetime:
    """Record what many processes find, again and again; it stands there once. Return when it was found first."""
    one_at_a_time = select(tables.run.c.run_id).where(tables.run.c.run_id == run_id)
    connection.execute(one_at_a_time.with_for_update(key_share=True))
    columns = tables.finding.c
    first: datetime | None = connection.execute(
        select(func.min(columns.found_at)).where(
            columns.run_id == run_id, columns.check_name == found.check, columns.message == found.message
        )
    ).scalar()
    if first is not None:
        return first
    row = {"run_id": run_id, "check_name": found.check, "severity": found.severity, "table_name": found.table}
    connection.execute(insert(tables.finding).values({**row, "message": found.message, "found_at": now}))
    return now


@database_errors(Role.ANALYTICS)
def findings(connection: Connection, run_id: str) -> tuple[Finding, ...]:
    """Return the findings of a run in the order in which they were made."""
    columns = tables.finding.c
    rows = connection.execute(
        select(columns.check_name, columns.severity, columns.table_name, columns.message)
        .where(columns.run_id == run_id)
        .order_by(columns.finding_id)
    )
    return tuple(
        Finding(
            check=row.check_name, severity=Severity(row.severity), table=row.table_name, message=row.message
        )
        for row in rows
    )


@database_errors(Role.ANALYTICS)
def coercions(connection: Connection, run_id: str) -> tuple[Coercion, ...]:
    """Return what was coerced in a run, by table, column and kind; both phases see the same values."""
    columns = tables.coercion.c
    keys = (columns.table_name, columns.column_name, columns.kind)
    rows = connection.execute(
        select(*keys, func.max(columns.rows).label("rows"))
        .where(columns.run_id == run_id)
        .group_by(*keys)
        .order_by(*keys)
    )
    return tuple(
        Coercion(table=row.table_name, column=row.column_name, kind=row.kind, rows=row.rows) for row in rows
    )


@database_errors(Role.ANALYTICS)
def record_node(connection: Connection, run_id: str, node: NodeResult) -> None:
    """Write how a dbt node ended; a node that ran again replaces its row."""
    values = {**_plain_node(node), "run_id": run_id}
    connection.execute(
        insert(tables.dbt_node)
        .values(values)
        .on_conflict_do_update(index_elements=["run_id", "unique_id"], set_=values)
    )


@database_errors(Role.ANALYTICS)
def nodes(connection: Connection, run_id: str) -> tuple[NodeResult, ...]:
    """Return the dbt nodes of a run in the order of their ids."""
    columns = tables.dbt_node.c
    rows = connection.execute(
        select(*(columns[name] for name in NodeResult.__dataclass_fields__))
        .where(columns.run_id == run_id)
        .order_by(columns.unique_id)
    )
    return tuple(NodeResult(**{**row, "status": NodeStatus(row["status"])}) for row in rows.mappings())


@database_errors(Role.ANALYTICS)
def record_dbt(connection: Connection, run_id: str, result: DbtResult) -> None:
    """Write what dbt did as a whole; its nodes are written as they end."""
    values: dict[str, Any] = {
        "run_id": run_id,
        "status": result.status,
        "reason": result.reason,
        "seconds": result.seconds,
        "artifacts": result.artifacts,
    }
    connection.execute(
        insert(tables.dbt_result).values(values).on_conflict_do_update(index_elements=["run_id"], set_=values)
    )


@database_errors(Role.ANALYTICS)
def dbt_result(connection: Connection, run_id: str) -> DbtResult | None:
    """Return what dbt did in a run with its nodes, None before it had its turn."""
    row = connection.execute(select(tables.dbt_result).where(tables.dbt_result.c.run_id == run_id)).first()
    if row is None:
        return None
    return DbtResult(
        status=DbtStatus(row.status),
        reason=row.reason,
        seconds=row.seconds,
        nodes=nodes(connection, run_id),
        artifacts=row.artifacts,
    )


@database_errors(Role.ANALYTICS)
def save_report(
    connection: Connection, run_id: str, report_json: dict[str, Any], html_path: str | None
) -> None:
    """Keep the report with its run; a later rendering replaces it."""
    connection.execute(
        update(tables.run)
        .where(tables.run.c.run_id == run_id)
        .values(report_json=report_json, html_path=html_path)
    )


@database_errors(Role.ANALYTICS)
def report_json(connection: Connection, run_id: str) -> dict[str, Any] | None:
    """Return the stored report of a run, None before it was made."""
    stored: dict[str, Any] | None = connection.execute(
        select(tables.run.c.report_json).where(tables.run.c.run_id == run_id)
    ).scalar()
    return stored


def _plain_node(node: NodeResult) -> dict[str, Any]:
    return {name: getattr(node, name) for name in NodeResult.__dataclass_fields__}
