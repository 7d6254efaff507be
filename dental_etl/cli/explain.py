"""The command that tells everything about one table."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from statistics import median
from typing import Annotated

import typer
from rich.text import Text

from dental_etl.cli import console
from dental_etl.pipeline import explanation
from dental_etl.pipeline.explanation import Explanation
from dental_etl.plan import Basis, ExtractAction, TableHistory
from dental_etl.report import wording
from dental_etl.run import RefreshMode, TableResult, TableStatus
from dental_etl.run_window import CENTRAL

_LABEL = 13


def add_to(app: typer.Typer) -> None:
    app.command()(explain)


def explain(
    table: Annotated[str, typer.Argument(help="As tables.yml spells it.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell everything about one table: why it is treated so, where it stands, what the last runs did.

    The clinic's server is asked inside the window only, about the structure alone.
    """
    told = explanation.explain(console.settings(), table, console.now())
    if as_json:
        console.print_json(told.to_json())
        return
    for heading, lines in _sections(told):
        _print(heading, list(lines))


def _sections(told: Explanation) -> Iterator[tuple[str, Iterator[str]]]:
    yield told.config.table_name, _treatment(told)
    yield "Next run", _next_run(told)
    yield "Stands", _stands(told)
    yield "Unchanged", _unchanged(told)
    yield "Structure", _structure(told)
    yield "Last runs", _results(told)
    yield "Commands", _commands(told)


def _print(heading: str, lines: list[str]) -> None:
    console.out.print(Text(heading, style="bold"), soft_wrap=True)
    for line in lines:
        label, _, rest = line.partition("\t")
        indent = 2 + (_LABEL if rest else 0)
        body = Text(rest or label)
        width = max(console.out.width - indent, 40)
        folded = [part.plain.rstrip() for part in body.wrap(console.out, width)] if _folds() else [body.plain]
        for number, part in enumerate(folded):
            shown = f"{label:<{_LABEL}}" if rest and not number else " " * (indent - 2)
            console.out.print(Text(f"  {shown}{part}"), soft_wrap=True)


def _folds() -> bool:
    return console.out.is_terminal


def _treatment(told: Explanation) -> Iterator[str]:
    config = told.config
    yield f"strategy\t{config.extraction_strategy}: {config.strategy_reason}"
    yield (
        f"size\t{config.performance_category}, {wording.counted(config.estimated_rows, 'row')}, "
        f"{wording.size(config.estimated_size_mb * 1024 * 1024)} by tables.yml; {config.engine or 'engine unknown'}"
    )
    yield f"reads\tof {config.batch_size:,} rows at most; {config.processing_priority} priority"
    yield f"key\t{', '.join(config.primary_key) or 'none: a changed row cannot be told from a new one'}"
    yield f"cursor\t{_cursor(told)}"
    yield f"compared\t{_POLICIES[config.reconcile]}"
    if told.overrides:
        settings = ", ".join(f"{name}: {value}" for name, value in told.overrides.items())
        yield f"overrides\t{settings} (tables.overrides.yml)"


_POLICIES = {
    "nightly": "every night, all rows by checksum",
    "rotating": "in turns, as far as RECONCILE_BUDGET_MINUTES goes; all rows within a week",
    "audit": "every night by count and keys, all columns in turns",
}


def _cursor(told: Explanation) -> str:
    config = told.config
    column = config.primary_incremental_column
    if column is None:
        return "none: rows are compared with the source instead"
    if not told.is_stamp(column):
        return f"{column}, a key; its last value is not shown, for a key can be a person's"
    type_ = next(one.column_type for one in config.columns if one.name == column)
    overlap = f"{config.overlap_minutes} minutes before it are read again"
    if told.cursor_stamp is None:
        return f"{column} ({type_}), not committed yet; {overlap}"
    return f"{column} ({type_}), committed up to {told.cursor_stamp} UTC; {overlap}"


def _next_run(told: Explanation) -> Iterator[str]:
    plan, outlook = told.plan, told.outlook
    yield f"begins\t{wording.day_and_clock(outlook.begins_at)}"
    yield f"does\t{plan.action}, {plan.strategy}: {plan.reason}"
    if plan.estimate is not None:
        by = "by the analysis" if plan.estimate.basis is Basis.ANALYSIS else "by its last nights"
        yield (
            f"expects\t{wording.counted(plan.estimate.rows, 'row')}, {wording.size(plan.estimate.bytes)}, "
            f"{wording.duration(plan.estimate.seconds)} ({by})"
        )
    if outlook.ranges(plan) > 1:
        yield f"shared\tin {outlook.ranges(plan)} ranges of its key"
    usual = _usual(told.history)
    if usual:
        yield f"usually\t{usual}"
    for note in plan.notes:
        yield f"differs\t{note}"


def _usual(history: TableHistory) -> str:
    share, size, pace = history.changed_share, history.row_bytes, history.source_rows_per_second
    return ", ".join((
        *([] if share is None else [f"{share:.2%} of its rows change in a night"]),
        *([] if size is None else [f"a row has {size:,.0f} bytes"]),
        *([] if pace is None else [f"the source sends {pace:,.0f} whole rows/s"]),
    ))  # fmt: skip


def _stands(told: Explanation) -> Iterator[str]:
    copied, loaded = told.copied, told.loaded
    newest = next((one for one in told.results if one.status is TableStatus.LOADED), None)
    yield f"copied\t{_moment(copied.last_copied if copied else None)}"
    rows = f", {wording.counted(loaded.rows_loaded, 'row')}, run {loaded.run_id}" if loaded else ""
    yield f"loaded\t{_moment(loaded.last_loaded if loaded else None)}{rows}"
    by = f", {newest.proven_by}" if newest and newest.proven_by else ""
    yield f"= source\t{_moment(told.proof.proven_at)}{by if told.proof.proven_at else ''}"
    raw_at = loaded.proven_at if loaded else None
    by = f", {newest.raw_proven_by}" if newest and newest.raw_proven_by and raw_at else ""
    yield f"= raw\t{_moment(raw_at)}{by}"
    if copied is not None and copied.checkpoint is not None:
        yield "checkpoint\tan attempt stopped on its way; the next one goes on from there where that is right"
    if copied is not None and loaded is not None and copied.generation != loaded.loaded_generation:
        yield "behind\traw has not loaded the replica's newest changes yet"


def _moment(moment: datetime | None) -> str:
    return "never" if moment is None else wording.day_and_clock(moment)


def _unchanged(told: Explanation) -> Iterator[str]:
    if told.proof.fingerprint is not None:
        yield (
            "By what the source says about the table's last write, which has not changed since the table was "
            "last compared. While that stays so, no row is read."
        )
    else:
        yield (
            "By checksums on both servers: what this server says about its tables' last writes proves "
            "nothing, or the table was written since it was last compared."
        )
    for action, results in _by_action(told.results).items():
        yield f"{_ACTIONS[action]} {wording.counted(len(results), 'time')} lately, {_cost(results)}"


def _cost(results: list[TableResult]) -> str:
    turns = [one.source_seconds for one in results if one.attempts]
    if not turns:
        return "at a look at all tables together"
    return f"{wording.duration(median(turns))} of the source each (median)"


_ACTIONS = {
    ExtractAction.WHOLE: "Read as a whole",
    ExtractAction.CHANGES: "Read by its changes",
    ExtractAction.COMPARED: "Compared",
    ExtractAction.UNCHANGED: "Found unchanged",
}


def _by_action(results: tuple[TableResult, ...]) -> dict[ExtractAction, list[TableResult]]:
    loaded = [one for one in results if one.extract_action is not None]
    counts = Counter(one.extract_action for one in loaded)
    return {
        ExtractAction(action): [one for one in loaded if one.extract_action == action]
        for action, _ in counts.most_common()
        if action is not None
    }


def _structure(told: Explanation) -> Iterator[str]:
    structure = told.structure
    yield from (f"source\t{line}" for line in structure.source_drift or (_source(told),))
    yield from (f"replica\t{statement}" for statement in structure.replica_statements)
    yield from (f"raw\t{line}" for line in (*structure.raw.drift, *structure.raw.statements))
    refusal = structure.raw_error or structure.raw.refusal
    if refusal is not None:
        yield f"raw\t{refusal}"
    elif not structure.raw.statements:
        yield "raw\thas the columns that it needs"
    if structure.raw.views:
        done = "taken down and made again" if structure.raw.rebuilds_views else "stay as they are"
        yield f"views\t{wording.listed(structure.raw.views, 12)}: {done}"


def _source(told: Explanation) -> str:
    structure = told.structure
    if not structure.is_source_asked:
        return "not asked by day; the replica and raw are compared"
    if structure.error_code is not None:
        return f"did not tell ({structure.error_code}); the replica and raw are compared"
    if structure.is_gone:
        return "has no such table any more; raw keeps its rows"
    is_copied = told.copied is not None and told.copied.last_copied is not None
    return "as it was at the last complete copy" if is_copied else "never copied as a whole"


def _results(told: Explanation) -> Iterator[str]:
    if not told.results:
        yield "No run has had it yet."
    for one in told.results:
        yield f"{_when(one)}\t{_what(one)}"
        yield f"\t{one.reason or ''}"
        for note in one.notes:
            yield f"\t{note}"


def _when(result: TableResult) -> str:
    moment = result.started_at or result.finished_at
    return "-" if moment is None else f"{moment.astimezone(CENTRAL):%m-%d %H:%M}"


def _what(result: TableResult) -> str:
    if result.status is not TableStatus.LOADED:
        return (
            f"{result.status.replace('_', ' ')} {result.error_code or ''} {result.error_detail or ''}".strip()
        )
    expected = (
        "" if result.expected_seconds is None else f" ({wording.duration(result.expected_seconds)} expected)"
    )
    asked = " asked for" if result.refresh is not RefreshMode.INCREMENTAL else ""
    return (
        f"{result.extract_action or result.strategy}, load {result.load_action}{asked}: "
        f"{wording.count(result.rows_read)} read, {wording.count(result.rows_written)} written, "
        f"{wording.count(result.rows_deleted)} deleted, {wording.size(result.bytes_read)}, "
        f"{wording.duration(result.extract_seconds + result.load_seconds)}{expected}"
    )


def _commands(told: Explanation) -> Iterator[str]:
    name = shlex.quote(told.config.table_name)
    newest = told.results[0] if told.results else None
    if newest is not None and newest.error_code == "E_DELETE_BRAKE":
        yield f"dental-etl run --table {name} --confirm-deletes   only if its rows are meant to be gone"
    if newest is not None and newest.status is TableStatus.FAILED:
        yield f"dental-etl report {newest.run_id}   what went wrong; ops/runbooks/nightly-run-failed.md"
    if told.structure.source_drift:
        yield "dental-etl analyze   tables.yml does not know the new structure"
    yield f"dental-etl plan --table {name}   what the next run does with it"
    yield f"dental-etl enqueue table {name}   ops/runbooks/rerun-one-table.md"
    yield f"dental-etl enqueue table {name} --force-full   ops/runbooks/full-refresh.md"
    yield f"dental-etl verify --table {name}   source = replica = raw, every row; inside the window"
