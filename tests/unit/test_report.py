"""What the report concludes from a run's values, and how it says it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from dental_etl.report import Outcome, build, headline, next_steps, to_html, to_json, to_text, to_title
from dental_etl.report.contents import RunReport, retries, rows_per_second
from dental_etl.report.wording import duration, listed, shortened, size
from dental_etl.run import (
    Category,
    Coercion,
    DbtResult,
    DbtStatus,
    Finding,
    NodeResult,
    NodeStatus,
    RunHeader,
    RunKind,
    RunStatus,
    Severity,
    SourceVisit,
    Strategy,
    TableResult,
    TableStatus,
)

START = datetime(2026, 1, 31, 3, tzinfo=UTC)


def header(**changes: Any) -> RunHeader:
    values: dict[str, Any] = {
        "run_id": "20260131T030000-1f9c2a",
        "kind": RunKind.NIGHTLY,
        "run_date": date(2026, 1, 30),
        "status": RunStatus.SUCCEEDED,
        "started_at": START,
        "finished_at": START + timedelta(minutes=3, seconds=5),
        "environment": "production",
    }
    return RunHeader(**values | changes)


def table(name: str = "patient", **changes: Any) -> TableResult:
    values: dict[str, Any] = {
        "run_id": "20260131T030000-1f9c2a",
        "table": name,
        "category": Category.SMALL,
        "status": TableStatus.LOADED,
        "strategy": Strategy.FULL_TABLE,
        "reason": "no column moves with every change",
        "attempts": 2,
        "rows_read": 1000,
        "rows_written": 10,
        "rows_deleted": 1,
        "rows_total": 1000,
        "bytes_read": 250_000,
        "extract_seconds": 1.5,
        "load_seconds": 0.5,
        "source_seconds": 1.0,
        "longest_read_seconds": 0.2,
        "reads": 4,
        "load_action": "full",
    }
    return TableResult(**values | changes)


def failed(name: str = "claim", code: str = "E_LOAD", stage: str = "load", **changes: Any) -> TableResult:
    detail = f"Column ClaimNote of table {name} holds 3 values that text cannot hold."
    error = {"error_code": code, "error_stage": stage, "error_detail": detail, "attempts": 4}
    return table(name, status=TableStatus.FAILED, **error | changes)


def not_run(name: str = "sheet") -> TableResult:
    return table(
        name, status=TableStatus.NOT_RUN, error_code="E_DEADLINE", attempts=0, rows_read=0, reads=0,
        extract_seconds=0.0, load_seconds=0.0, source_seconds=0.0, longest_read_seconds=0.0,
    )  # fmt: skip


def refused(code: str = "E_WINDOW") -> RunReport:
    detail = "It is 12:30 there. Run it after 21:00."
    made = header(status=RunStatus.REFUSED, refusal_code=code, refusal_detail=detail)
    return build(made, [], generated_at=START)


def report(*tables: TableResult, **changes: Any) -> RunReport:
    return build(
        changes.pop("header", header()), tables, generated_at=START + timedelta(minutes=4), **changes
    )


DBT_FAILED = DbtResult(
    status=DbtStatus.FAILED,
    reason="1 node failed",
    seconds=12.0,
    nodes=(
        NodeResult(unique_id="model.d.mart_ar", resource_type="model", status=NodeStatus.ERROR, seconds=1.0),
        NodeResult(
            unique_id="test.d.adds_up",
            resource_type="test",
            status=NodeStatus.UPSTREAM_FAILED,
            seconds=0.0,
        ),
    ),
)


DBT_HELD_BACK = DbtResult(
    status=DbtStatus.SUCCESS,
    reason="",
    seconds=12.0,
    nodes=(
        NodeResult(unique_id="model.d.dim_x", resource_type="model", status=NodeStatus.SUCCESS, seconds=1.0),
        NodeResult(
            unique_id="model.d.mart_ar", resource_type="model", status=NodeStatus.SKIPPED, seconds=0.0
        ),
    ),
)


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        pytest.param([table()], True, id="all-loaded"),
        pytest.param([table(), failed()], False, id="one-failed"),
        pytest.param([table(), not_run()], False, id="one-left-out"),
        pytest.param([table(), table("a", status=TableStatus.LOADING)], False, id="one-unfinished"),
        pytest.param([], False, id="no-tables"),
    ],
)
def test_dbt_may_follow_only_when_every_table_is_loaded(tables: list[TableResult], expected: bool) -> None:  # noqa: FBT001  # a case's value
    assert report(*tables).pipeline_success is expected


@pytest.mark.parametrize(
    ("made", "outcome", "severity"),
    [
        pytest.param(report(table()), Outcome.SUCCEEDED, Severity.INFORMATION, id="succeeded"),
        pytest.param(report(table(), failed(), not_run()), Outcome.FAILED, Severity.CRITICAL, id="failed"),
        pytest.param(report(table(), not_run()), Outcome.INCOMPLETE, Severity.WARNING, id="incomplete"),
        pytest.param(
            report(table(), dbt=DBT_FAILED), Outcome.TRANSFORM_FAILED, Severity.CRITICAL, id="dbt-failed"
        ),
        pytest.param(refused(), Outcome.REFUSED, Severity.CRITICAL, id="refused"),
        pytest.param(
            report(
                table(), table("a", status=TableStatus.EXTRACTING), header=header(status=RunStatus.ACTIVE)
            ),
            Outcome.RUNNING,
            Severity.INFORMATION,
            id="running",
        ),
    ],
)
def test_the_worst_reason_names_the_outcome(made: RunReport, outcome: Outcome, severity: Severity) -> None:
    assert (made.outcome, made.severity) == (outcome, severity)


def test_a_finding_makes_a_good_night_louder() -> None:
    finding = Finding(check="row_count", severity=Severity.WARNING, table="patient", message="2 rows apart")
    assert report(table(), findings=[finding]).severity is Severity.WARNING


def test_failed_tables_come_first_and_the_slowest_loaded_next() -> None:
    made = report(table("fast"), table("slow", extract_seconds=9.0), not_run("late"), failed("broken"))
    assert [t.table for t in made.tables] == ["broken", "late", "slow", "fast"]


def visit(name: str, begins: int, ends: int, **changes: Any) -> SourceVisit:
    """A connection to the source, from one minute of the run to another."""
    values: dict[str, Any] = {
        "reads": 4,
        "bytes_read": 1000,
        "seconds": 2.0,
        "longest_read_seconds": 0.2,
        "pauses": {},
    }
    return SourceVisit(
        table=name,
        began_at=START + timedelta(minutes=begins),
        ended_at=START + timedelta(minutes=ends),
        **values | changes,
    )


@pytest.mark.parametrize(
    ("minutes", "most"),
    [
        pytest.param([], 0, id="none"),
        pytest.param([(0, 1), (1, 2)], 1, id="one-after-the-other"),
        pytest.param([(0, 5), (1, 2), (3, 4)], 2, id="two-beside-one"),
        pytest.param([(0, 3), (1, 4), (2, 5)], 3, id="all-at-once"),
        pytest.param([(2, 2), (2, 2)], 1, id="moments"),
    ],
)
def test_connections_at_the_same_time_are_counted(minutes: list[tuple[int, int]], most: int) -> None:
    made = report(table(), visits=[visit("patient", *one) for one in minutes])
    assert made.source_cost.most_connections == most


def test_attempts_that_failed_cost_the_source_too() -> None:
    cost = report(table(reads=4), visits=[visit("patient", 0, 1), visit("patient", 2, 3)]).source_cost
    assert (cost.connections, cost.reads, cost.seconds, cost.bytes_read) == (2, 8, 4.0, 2000)


def test_pauses_are_told_with_their_causes() -> None:
    pauses = {"pace": 9.0, "waiting": 90.0, "locked": 0.2}
    text = to_text(report(table(), visits=[visit("patient", 0, 1, pauses=pauses)]))
    assert "; paused 1 min 30 s while others waited for locks. It was busy for much of the time" in text


def test_a_calm_source_is_not_called_busy() -> None:
    cost = report(table(), visits=[visit("patient", 0, 1, pauses={"pace": 900.0, "busy": 59.0})]).source_cost
    assert not cost.was_busy


def test_the_page_tells_what_the_source_was_spared() -> None:
    page = to_html(report(table(), visits=[visit("patient", 0, 1, pauses={"pace": 9.0})]))
    assert ("1, 1 at once at most" in page, "9.0 s resting between reads" in page) == (True, True)


def test_the_cost_to_the_source_names_the_longest_read() -> None:
    cost = report(table(), table("commlog", longest_read_seconds=0.31)).source_cost
    assert (cost.reads, cost.longest_read_table) == (8, "commlog")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        pytest.param(table(attempts=2), 0, id="first-attempts"),
        pytest.param(table(attempts=3), 1, id="one-retry"),
        pytest.param(failed(stage="extract", attempts=3), 2, id="failed-in-extract"),
        pytest.param(failed(stage="load", attempts=4), 2, id="failed-in-load"),
        pytest.param(not_run(), 0, id="never-started"),
    ],
)
def test_retries_are_attempts_beyond_the_first_of_each_phase(result: TableResult, expected: int) -> None:
    assert retries(result) == expected


def test_a_rate_needs_rows() -> None:
    assert (rows_per_second(table()), rows_per_second(not_run())) == (500.0, None)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(report(table(), table("a")), "All 2 tables loaded in 3 min 05 s. dbt had not started.", id="good"),
        pytest.param(
            report(table(), failed(), not_run()),
            "Of 3 tables, 1 failed and 1 had no turn; 1 loaded. dbt is skipped, so that nobody reads half a night.",
            id="failed",
        ),
        pytest.param(
            refused(), "Not run: the clinic's server may not be read at this hour. No table was touched.", id="refused"
        ),
        pytest.param(
            report(table(), dbt=DBT_FAILED),
            "The table loaded in 3 min 05 s. dbt failed: 1 of 2 nodes failed, 1 held back.",
            id="dbt-failed",
        ),
    ],
)  # fmt: skip
def test_the_headline_says_what_happened(made: RunReport, expected: str) -> None:
    assert headline(made) == expected


def test_the_tables_time_does_not_include_dbt() -> None:
    made = report(table(finished_at=START + timedelta(seconds=42)))
    assert headline(made).startswith("The table loaded in 42 s.")


def test_a_failed_table_gets_the_command_that_runs_it_again() -> None:
    step, _ = next_steps(report(failed("claim")))
    assert step.commands == ("dental-etl enqueue table claim",)


def test_a_manual_run_is_repeated_as_it_was_started() -> None:
    made = report(failed("claim"), failed("adjustment"), header=header(kind=RunKind.MANUAL))
    assert next_steps(made)[0].commands == ("dental-etl run --table adjustment --table claim",)


def test_a_lost_connection_is_looked_at_before_the_table_is_run_again() -> None:
    step, _ = next_steps(report(failed("claim", code="E_CONNECTION")))
    assert step.commands == ("dental-etl test-connections", "dental-etl enqueue table claim")


def test_a_table_that_the_brake_stopped_needs_a_confirmation() -> None:
    step, _ = next_steps(report(failed("claim", code="E_DELETE_BRAKE")))
    assert step.commands == ("dental-etl enqueue table claim --confirm-deletes",)


def test_an_odd_table_name_is_quoted_for_the_shell() -> None:
    assert next_steps(report(failed("od d$b")))[0].commands == ("dental-etl enqueue table 'od d$b'",)


def test_hundreds_of_tables_without_a_turn_need_no_typing() -> None:
    (step,) = next_steps(report(*(not_run(f"t{number}") for number in range(100))))
    assert step.commands == ()


def test_after_failed_models_only_they_are_built_again_not_the_night() -> None:
    made = report(table(), dbt=DBT_FAILED)
    assert next_steps(made)[0].commands == (f"dental-etl dbt retry {made.header.run_id}",)


@pytest.mark.parametrize(
    "dbt",
    [
        pytest.param(replace(DBT_FAILED, nodes=()), id="could-not-run"),
        pytest.param(replace(DBT_FAILED, reason="stopped at its deadline after 2 nodes"), id="stopped"),
    ],
)
def test_a_dbt_that_came_to_no_end_is_built_anew(dbt: DbtResult) -> None:
    assert next_steps(report(table(), dbt=dbt))[0].commands == ("dental-etl dbt build",)


def test_models_that_a_missing_table_held_back_are_named() -> None:
    said = to_text(report(table(), failed(), dbt=DBT_HELD_BACK), page=None)
    assert "dbt finished 1 node in 12 s, 1 held back." in said
    assert "Models held back for want of a table: mart_ar." in said


def test_models_held_back_wait_for_their_tables() -> None:
    last = next_steps(report(table(), failed(), dbt=DBT_HELD_BACK))[-1]
    assert last.why == "1 model held back: last night's stay. Once the tables are loaded:"


def test_after_a_night_without_dbt_the_marts_come_last() -> None:
    assert next_steps(report(failed(), not_run()))[-1].commands == ("dental-etl dbt build",)


def test_a_rerun_does_not_ask_for_marts() -> None:
    made = report(failed(), header=header(kind=RunKind.RERUN))
    assert [step.commands for step in next_steps(made)] == [("dental-etl enqueue table claim",)]


def test_a_good_night_asks_for_nothing() -> None:
    assert next_steps(report(table())) == ()


@pytest.mark.parametrize(
    ("code", "commands"),
    [
        ("E_WINDOW", ("dental-etl enqueue nightly",)),
        ("E_VALIDATION", ("dental-etl validate", "dental-etl enqueue nightly")),
        ("E_CONNECTION", ("dental-etl test-connections", "dental-etl enqueue nightly")),
        ("E_DUPLICATE_RUN", ("dental-etl status",)),
    ],
)
def test_a_refused_run_says_how_to_start_it(code: str, commands: tuple[str, ...]) -> None:
    assert next_steps(refused(code))[0].commands == commands


def the_worst_night() -> RunReport:
    return report(
        *(failed(f"failed_{number}") for number in range(9)),
        *(not_run(f"late_{number}") for number in range(90)),
        table("changed", drift=("column Pronouns was added",)),
        findings=[Finding(check="row_count", severity=Severity.CRITICAL, table="a", message="2 rows apart")],
        coercions=[Coercion(table="a", column="b", kind="zero_date", rows=7)],
        dbt=DBT_FAILED,
    )


def test_the_morning_message_fits_on_a_telephone() -> None:
    assert len(to_text(the_worst_night(), page="/srv/report.html").splitlines()) <= 15


def test_the_morning_message_says_where_the_page_lies() -> None:
    assert to_text(report(table()), page="/srv/report.html").rstrip().endswith("report /srv/report.html")


def test_the_refused_run_keeps_its_message_short() -> None:
    assert to_text(refused()).splitlines()[1:3] == [
        "It is 12:30 there. Run it after 21:00.",
        "Next: dental-etl enqueue nightly",
    ]


def test_the_subject_says_outcome_environment_and_night() -> None:
    assert to_title(report(failed())) == "[Failed] dental_etl production: Nightly run of 2026-01-30"


def test_json_keys_do_not_depend_on_the_outcome() -> None:
    assert list(to_json(refused())) == list(to_json(the_worst_night()))


def test_json_survives_a_round_trip() -> None:
    made = to_json(the_worst_night())
    assert json.loads(json.dumps(made)) == made


def test_json_counts_every_status() -> None:
    assert to_json(report(table(), failed()))["counts"] == {
        "planned": 0,
        "extracting": 0,
        "extracted": 0,
        "loading": 0,
        "loaded": 1,
        "failed": 1,
        "not_run": 0,
    }


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "0 s"), (0.04, "0.04 s"), (0.999, "1.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"),
        (59.6, "1 min 00 s"), (185, "3 min 05 s"), (3599.7, "1 h 00 min"), (7800, "2 h 10 min"),
    ],
)  # fmt: skip
def test_durations_show_the_digits_that_matter(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, "0 B"), (999, "999 B"), (12_345_678, "12.3 MB"), (499_000_000, "499 MB"), (2.5e13, "25.0 TB")],
)
def test_sizes_use_decimal_units(number: float, expected: str) -> None:
    assert size(number) == expected


def test_long_lists_say_how_many_more() -> None:
    assert listed(["a", "b", "c", "d"], 2) == "a, b and 2 more"


def test_long_text_is_cut_at_a_word() -> None:
    assert shortened("one two\nthree four", 12) == "one two…"


def test_tables_that_were_treated_by_their_history_are_named() -> None:
    note = "treated as large: 1,200,000 rows by the last load, tables.yml says medium"
    made = build(
        header(), [table("claimproc", notes=(note,), expected_seconds=75.0), table()], generated_at=START
    )
    assert "Treated by their last nights, not by tables.yml: claimproc." in to_text(made)
    assert [words in to_html(made) for words in (note, "1 min 15 s expected")] == [True, True]
