"""What can be asked of the models: build them, retry, ask how fresh the tables are, document them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime

from dental_etl.config import Settings
from dental_etl.connections import connect, database_errors
from dental_etl.run import DbtResult, NodeResult
from dental_etl.tracking.locks import advisory_lock
from dental_etl.transform import dictionary, state
from dental_etl.transform.artifacts import read_manifest
from dental_etl.transform.runner import Runner
from dental_etl.transform.selection import Selection, everything

#: Waits before the attempts after a lost connection, a deadlock or a lock that was held too long.
RETRY_PAUSES_SECONDS = (60.0, 300.0)


def build(
    settings: Settings,
    *,
    run_id: str,
    as_of_date: date,
    record: Callable[[NodeResult], None],
    selection: Selection | None = None,
    deadline: datetime | None = None,
    retry_pauses_seconds: tuple[float, ...] = RETRY_PAUSES_SECONDS,
) -> DbtResult:
    """Build and test the models, source freshness first.

    When the whole project was built and all is green, its state becomes the one that
    `selection.changed_code` and `selection.new_rows` compare with.

    Args:
        settings: Target database, dbt's executable, where artifacts go.
        run_id: Names the artifacts' folder and dbt's database sessions (``dbt:<run_id>``).
        as_of_date: What "today" means to the models: the clinic's local date.
        record: Gets every node as it ends, in this thread; a node may come again with its error class,
            or after another attempt.
        selection: Which models; default the whole project.
        deadline: Aware; dbt is stopped then, its running queries are cancelled.
        retry_pauses_seconds: Waits before further attempts after transient database errors.

    Returns:
        How it went; failed nodes are a result, not an error. Models held back for want of a table are
        nodes with the status ``skipped``.

    Raises:
        ConfigurationError: Nothing answers to what was selected; nothing was built.
        TransformError: dbt could not run at all.
        TableBusyError: Another process is building in this database.
    """
    started = time.monotonic()
    chosen = selection or everything(settings.dbt_orchestration)
    runner = Runner(settings, run_id=run_id, as_of_date=as_of_date, record=record, deadline=deadline)
    with _single_writer(settings):
        runner.deps()
        runner.require_known(chosen)
        runner.freshness(is_required=chosen.needs_freshness)
        runner.build(chosen, retry_pauses_seconds)
    return runner.end(time.monotonic() - started)


def retry(
    settings: Settings,
    *,
    run_id: str | None,
    record: Callable[[NodeResult], None],
    deadline: datetime | None = None,
    retry_pauses_seconds: tuple[float, ...] = RETRY_PAUSES_SECONDS,
) -> DbtResult:
    """Build what a failed build left undone: its failed nodes and those that were held back below them.

    Args:
        settings: As for `build`.
        run_id: Run whose build failed; None for the newest that did.
        record: As for `build`.
        deadline: As for `build`.
        retry_pauses_seconds: As for `build`.

    Returns:
        How it went, with the retried nodes only.

    Raises:
        TransformError: Nothing is left to do, the project has changed, or dbt could not run at all.
        TableBusyError: Another process is building in this database.
    """
    started = time.monotonic()
    context = state.unfinished_build(settings, run_id)
    runner = Runner(
        settings, run_id=context.run_id, as_of_date=context.as_of_date, record=record, deadline=deadline
    )
    with _single_writer(settings):
        runner.retry(context, retry_pauses_seconds)
    return runner.end(time.monotonic() - started)


def unfinished_run(settings: Settings, run_id: str | None = None) -> str:
    """Return the run whose build `retry` would go on with: the given one, or the newest with failed nodes.

    Raises:
        TransformError: There is none, it was stopped before its end, or the project has changed since.
    """
    return state.unfinished_build(settings, run_id).run_id


def freshness(
    settings: Settings,
    *,
    run_id: str,
    as_of_date: date,
    record: Callable[[NodeResult], None],
    deadline: datetime | None = None,
) -> DbtResult:
    """Ask every source table when it was loaded last; stale ones come back as warnings.

    Raises:
        TransformError: dbt could not run at all.
    """
    started = time.monotonic()
    runner = Runner(settings, run_id=run_id, as_of_date=as_of_date, record=record, deadline=deadline)
    runner.deps()
    runner.freshness(is_required=True)
    return runner.end(time.monotonic() - started)


def docs(settings: Settings, *, run_id: str, as_of_date: date, deadline: datetime | None = None) -> DbtResult:
    """Write the catalogue of models as one page, ``docs/static_index.html`` in the run's artifacts.

    Raises:
        TransformError: dbt could not run at all.
    """
    started = time.monotonic()
    runner = Runner(settings, run_id=run_id, as_of_date=as_of_date, record=_ignore, deadline=deadline)
    runner.deps()
    runner.docs()
    return runner.end(time.monotonic() - started)


def data_dictionary(settings: Settings, *, run_id: str, as_of_date: date) -> str:
    """Return the data dictionary of the project as Markdown; needs no database.

    Raises:
        TransformError: dbt could not run at all.
    """
    runner = Runner(settings, run_id=run_id, as_of_date=as_of_date, record=_ignore, deadline=None)
    runner.deps()
    return dictionary.to_markdown(read_manifest(runner.parse().parent))


def _ignore(_node: NodeResult) -> None:
    """Record nothing."""


@contextmanager
def _single_writer(settings: Settings) -> Iterator[None]:
    """Let one process build at a time: dbt itself does not notice a second one."""
    with connect(settings.analytics, is_dedicated=True) as connection, advisory_lock(connection, "dbt build"):
        with database_errors(settings.analytics.role):
            connection.commit()  # the lock belongs to the session; an open transaction would hold back vacuum
        yield
