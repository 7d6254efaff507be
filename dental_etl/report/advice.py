"""What to do next, with the command to type."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from dental_etl.report.contents import Outcome, RunReport, failed_nodes, held_back_nodes
from dental_etl.report.wording import counted, listed
from dental_etl.run import DbtResult, DbtStatus, RunKind, TableResult


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """One thing for the operator to do."""

    why: str
    #: In the order in which to type them; empty when waiting is enough.
    commands: tuple[str, ...]


_TEST = "dental-etl test-connections"
_VALIDATE = "dental-etl validate"
_ANALYZE = "dental-etl analyze"
_BUILD = "dental-etl dbt build"
#: What a code asks for before the table is worth another attempt.
_FIRST = {
    "E_CONNECTION": ("A database could not be reached", _TEST),
    "E_SERVER_AWAY": ("A database could not be reached", _TEST),
    "E_SERVER_FULL": ("All connections of a database were taken", _TEST),
    "E_ACCESS": ("A database refused the account or a right is missing", _TEST),
    "E_CONFIG": ("The configuration does not fit", _VALIDATE),
    "E_VALIDATION": ("The configuration does not fit", _VALIDATE),
    "E_ENVIRONMENT": ("The environment is not configured", _VALIDATE),
}
_REASONS = {
    "E_BUSY": "Another process held the table all the time; see that it ended, then run it again",
    "E_FENCED": "A newer attempt took over and did not finish; run it again",
    "E_TRANSACTION": "Other sessions stood in the way at every attempt; run it again",
    "E_LOCKED": "Others held a lock at every attempt: look for a backup, a repair or an upgrade, then run it again",
    "E_DEADLINE": "The window closed first; the next night goes on from the checkpoint, or run it tonight",
    "E_SOURCE_BUDGET": "SOURCE_BUDGET_MB was used up; the next night goes on from the checkpoint",
    "E_DATA": "Mend what the detail names, then run it again",
    "E_EXTRACT": "Mend what the detail names, then run it again",
    "E_PACKING": "Mend what the detail names, then run it again",
    "E_LOAD": "Mend what the detail names, then run it again",
    "E_DRIFT": "A column became narrower or of another kind. See who uses it; then rebuild the table",
    "E_DELETE_BRAKE": "Most of its rows would be deleted. Look whether the source is whole; only if the rows "
    "are meant to be gone",
}
#: With what a table is run again whose error says that a person must decide.
_OPTIONS = {"E_DELETE_BRAKE": "--confirm-deletes", "E_DRIFT": "--force-full"}
_MAX_TABLES_IN_COMMAND = 40


def next_steps(report: RunReport) -> tuple[NextStep, ...]:
    """Return what to do, most urgent first; empty after a night that needs nobody."""
    if report.outcome is Outcome.REFUSED:
        return (_after_refusal(report),)
    return (
        *_after_early_end(report),
        *_after_failures(report),
        *_after_left_out(report),
        *_after_dbt(report),
        *_after_drift(report),
    )


def run_again(tables: Sequence[str], kind: RunKind) -> str:
    """Return the command that runs tables again: through Celery, or as a manual run was started."""
    names = [shlex.quote(name) for name in tables]
    if kind is RunKind.MANUAL:
        return " ".join(["dental-etl run", *(f"--table {name}" for name in names)])
    return " ".join(["dental-etl enqueue table", *names])


def _after_refusal(report: RunReport) -> NextStep:
    again = "dental-etl run --all" if report.header.kind is RunKind.MANUAL else "dental-etl enqueue nightly"
    code = report.header.refusal_code
    detail = report.header.refusal_detail or "The run was refused."
    if code == "E_DUPLICATE_RUN":
        return NextStep(why=detail, commands=("dental-etl status",))
    if code == "E_WINDOW":
        return NextStep(why=detail, commands=(again,))
    return NextStep(why=detail, commands=(_FIRST.get(code or "", ("", _VALIDATE))[1], again))


def _after_early_end(report: RunReport) -> Iterator[NextStep]:
    code = report.header.refusal_code
    if code is not None:
        detail = report.header.refusal_detail or ""
        yield NextStep(
            why=f"The run ended early with {code}. {detail}".strip(), commands=("dental-etl status",)
        )


def _after_failures(report: RunReport) -> Iterator[NextStep]:
    by_code = sorted(report.failed, key=lambda table: (table.error_code or "", table.table))
    for code, group in groupby(by_code, key=lambda table: table.error_code or ""):
        yield _after_code(code, list(group), report.header.kind)


def _after_code(code: str, tables: Sequence[TableResult], kind: RunKind) -> NextStep:
    names = [table.table for table in tables]
    subject = f"{code or 'Unknown error'}: {listed(names, 3)}."
    again = _in_bites(names, kind)
    if code in _OPTIONS:
        again = tuple(f"{command} {_OPTIONS[code]}" for command in again)
    if code in _FIRST:
        reason, first = _FIRST[code]
        return NextStep(
            why=f"{subject} {reason}; see what is wrong, then run again.", commands=(first, *again)
        )
    return NextStep(why=f"{subject} {_REASONS.get(code, 'Run it again')}.", commands=again)


def _after_left_out(report: RunReport) -> Iterator[NextStep]:
    if not report.left_out:
        return
    why = f"{counted(len(report.left_out), 'table')} had no turn. The next night takes them up, those with a primary key where they stopped"
    names = [table.table for table in report.left_out]
    if len(names) > _MAX_TABLES_IN_COMMAND:
        yield NextStep(why=f"{why}; nothing needs to be typed.", commands=())
        return
    yield NextStep(
        why=f"{why}; to have them earlier, inside the window:", commands=_in_bites(names, report.header.kind)
    )


def _after_dbt(report: RunReport) -> Iterator[NextStep]:
    if report.dbt is not None and report.dbt.status is DbtStatus.FAILED:
        yield _after_failed_dbt(report.dbt, report.header.run_id)
    elif report.failed and report.header.kind is RunKind.NIGHTLY:
        held = held_back_nodes(report.dbt) if report.dbt else ()
        what = (
            f"{counted(len(held), 'model')} held back: last night's stay"
            if held
            else "The marts are last night's"
        )
        yield NextStep(why=f"{what}. Once the tables are loaded:", commands=(_BUILD,))


def _after_failed_dbt(dbt: DbtResult, run_id: str) -> NextStep:
    why = f"dbt failed: {dbt.reason.rstrip('.')}." if dbt.reason else "dbt failed."
    why = f"{why} Marts below the failed nodes are last night's."
    if not failed_nodes(dbt) or dbt.was_stopped:
        return NextStep(why=why, commands=(_BUILD,))
    return NextStep(
        why=f"{why} Once the cause is mended in the data; if the project was changed, `{_BUILD}`:",
        commands=(f"dental-etl dbt retry {shlex.quote(run_id)}",),
    )


def _after_drift(report: RunReport) -> Iterator[NextStep]:
    checks = {finding.check for finding in report.findings}
    if report.drifted or checks & {"drift", "schema_drift", "tables_yml_age"}:
        yield NextStep(
            why="The source's schema has moved on; write tables.yml again and review it.",
            commands=(_ANALYZE,),
        )


def _in_bites(names: Sequence[str], kind: RunKind) -> tuple[str, ...]:
    return tuple(
        run_again(names[start : start + _MAX_TABLES_IN_COMMAND], kind)
        for start in range(0, len(names), _MAX_TABLES_IN_COMMAND)
    )
