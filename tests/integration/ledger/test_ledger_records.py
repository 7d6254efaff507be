"""What a run leaves behind in the ledger: findings, coercions, dbt, messages, its report."""

from __future__ import annotations

from datetime import timedelta

from ledger_rows import (
    NOW,
    active_run,
)
from sqlalchemy import Connection

from dental_etl.config import Settings
from dental_etl.connections import connect
from dental_etl.run import (
    Coercion,
    DbtResult,
    DbtStatus,
    Finding,
    NodeResult,
    NodeStatus,
    Severity,
    Stage,
)
from dental_etl.tracking import ledger


def test_what_a_run_leaves_behind_comes_back_as_it_was(etl: Connection) -> None:
    run_id = active_run(etl, "patient")
    found = Finding(check="orphans", severity=Severity.WARNING, table="patient", message="3 rows")
    ledger.add_findings(etl, run_id, [found])
    ledger.add_findings(etl, run_id, [found])
    assert ledger.findings(etl, run_id) == (found,)


def test_coercions_of_both_phases_are_one_fact(etl: Connection) -> None:
    run_id = active_run(etl, "patient")
    coerced = Coercion(table="patient", column="Birthdate", kind="zero_date", rows=7)
    ledger.add_coercions(etl, run_id, [coerced], stage=Stage.EXTRACT)
    ledger.add_coercions(etl, run_id, [coerced], stage=Stage.LOAD)
    assert ledger.coercions(etl, run_id) == (coerced,)


def test_dbt_results_come_back_with_their_nodes(etl: Connection) -> None:
    run_id = active_run(etl)
    node = NodeResult(
        unique_id="model.a.b", resource_type="model", status=NodeStatus.SUCCESS, seconds=1.5, rows=3
    )
    result = DbtResult(status=DbtStatus.SUCCESS, reason="", seconds=2.0, nodes=(node,))
    ledger.record_node(etl, run_id, node)
    ledger.record_node(etl, run_id, node)
    ledger.record_dbt(etl, run_id, result)
    assert ledger.dbt_result(etl, run_id) == result


def test_a_run_says_a_title_once(etl: Connection) -> None:
    run_id = active_run(etl)
    for _ in range(2):
        ledger.add_notification(etl, run_id, Severity.CRITICAL, "Night failed", "body", NOW)
    assert len(ledger.due_notifications(etl, NOW, 10)) == 1


def test_a_message_that_was_not_sent_comes_back_later(etl: Connection) -> None:
    ledger.add_notification(etl, None, Severity.WARNING, "No run", "body", NOW)
    (due,) = ledger.due_notifications(etl, NOW, 10)
    ledger.notification_failed(etl, due.notification_id, "E_NOTIFY", NOW)
    assert ledger.due_notifications(etl, NOW, 10) == ()
    (again,) = ledger.due_notifications(etl, NOW + timedelta(minutes=2), 10)
    assert again.attempts == 1


def test_a_message_that_was_sent_is_not_due(etl: Connection) -> None:
    ledger.add_notification(etl, None, Severity.WARNING, "No run", "body", NOW)
    ledger.mark_notified(etl, ledger.due_notifications(etl, NOW, 10)[0].notification_id, NOW)
    assert ledger.due_notifications(etl, NOW + timedelta(days=1), 10) == ()


def test_two_senders_do_not_see_the_same_message(etl: Connection, sandbox_settings: Settings) -> None:
    ledger.add_notification(etl, None, Severity.WARNING, "No run", "body", NOW)
    etl.commit()
    assert len(ledger.due_notifications(etl, NOW, 10)) == 1
    with connect(sandbox_settings.analytics) as other:
        assert ledger.due_notifications(other, NOW, 10) == ()


def test_the_report_is_kept_with_its_run(etl: Connection) -> None:
    run_id = active_run(etl)
    ledger.save_report(etl, run_id, {"run_id": run_id}, "/reports/r1.html")
    assert (ledger.report_json(etl, run_id), ledger.run(etl, run_id).html_path) == (
        {"run_id": run_id},
        "/reports/r1.html",
    )
