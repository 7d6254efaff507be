"""Build the models: dbt deps, source freshness, build, and another attempt after a passing fault."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime

from dental_etl.config import Settings
from dental_etl.config.settings import DbtOrchestration
from dental_etl.connections import connect, database_errors
from dental_etl.exceptions import TransformError
from dental_etl.run import DbtResult, DbtStatus, NodeResult, NodeStatus
from dental_etl.tracking.locks import advisory_lock
from dental_etl.transform.environment import needs_deps
from dental_etl.transform.invocation import Invocation, InvocationResult

logger = logging.getLogger(__name__)

#: Waits before the attempts after a lost connection, a deadlock or a lock that was held too long.
RETRY_PAUSES_SECONDS = (60.0, 300.0)
_LAYERS = ("staging_only", "intermediate_only", "marts_only")
_FAILED = frozenset({NodeStatus.ERROR, NodeStatus.FAIL})


def build(
    settings: Settings,
    *,
    run_id: str,
    as_of_date: date,
    record: Callable[[NodeResult], None],
    selector: str | None = None,
    deadline: datetime | None = None,
    retry_pauses_seconds: tuple[float, ...] = RETRY_PAUSES_SECONDS,
) -> DbtResult:
    """Build and test the models, or those of one selector.

    Args:
        settings: Target database, dbt's executable, where artifacts go.
        run_id: Names the artifacts' folder and dbt's database sessions (``dbt:<run_id>``).
        as_of_date: What "today" means to the models: the clinic's local date.
        record: Gets every node as it ends, in this thread; a node may come again with its error class,
            or after another attempt.
        selector: A name from ``selectors.yml``; default everything.
        deadline: Aware; dbt is stopped then, its running queries are cancelled.
        retry_pauses_seconds: Waits before further attempts after transient database errors.

    Returns:
        How it went; failed nodes are a result, not an error.

    Raises:
        TransformError: dbt could not run at all.
        TableBusyError: Another process is building in this database.
    """
    started = time.monotonic()
    runner = _Runner(settings, run_id=run_id, as_of_date=as_of_date, record=record, deadline=deadline)
    with _single_writer(settings):
        runner.deps()
        runner.freshness()
        runner.layers(_selections(settings, selector), retry_pauses_seconds)
    return runner.result(time.monotonic() - started)


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
    runner = _Runner(settings, run_id=run_id, as_of_date=as_of_date, record=record, deadline=deadline)
    runner.deps()
    runner.freshness(is_required=True)
    return runner.result(time.monotonic() - started)


def docs(settings: Settings, *, run_id: str, as_of_date: date, deadline: datetime | None = None) -> DbtResult:
    """Write the catalogue of models (``index.html``) into the run's artifacts.

    Raises:
        TransformError: dbt could not run at all.
    """
    started = time.monotonic()
    runner = _Runner(
        settings, run_id=run_id, as_of_date=as_of_date, record=lambda _node: None, deadline=deadline
    )
    runner.deps()
    runner.docs()
    return runner.result(time.monotonic() - started)


def _selections(settings: Settings, selector: str | None) -> tuple[tuple[str, ...], ...]:
    """Return dbt's selection arguments, one tuple per step."""
    is_layered = settings.dbt_orchestration is DbtOrchestration.LAYERED
    selectors = (selector,) if selector else _LAYERS if is_layered else ()
    # Eager selection, the default, would run tests whose other parent is not built.
    return tuple(("--selector", name, "--indirect-selection", "buildable") for name in selectors) or ((),)


@contextmanager
def _single_writer(settings: Settings) -> Iterator[None]:
    """Let one process build at a time: dbt itself does not notice a second one."""
    with connect(settings.analytics, is_dedicated=True) as connection, advisory_lock(connection, "dbt build"):
        with database_errors(settings.analytics.role):
            connection.commit()  # the lock belongs to the session; an open transaction would hold back vacuum
        yield


class _Runner:
    """The commands of one transform, and what they brought."""

    def __init__(
        self,
        settings: Settings,
        *,
        run_id: str,
        as_of_date: date,
        record: Callable[[NodeResult], None],
        deadline: datetime | None,
    ) -> None:
        self._settings = settings
        self._record = record
        self._deadline = deadline
        self._nodes: dict[str, NodeResult] = {}
        self._stopped = False
        self._invocation = Invocation(settings, run_id=run_id, as_of_date=as_of_date)
        self._run_id = run_id

    def deps(self) -> None:
        if needs_deps(self._settings.dbt_project_dir):
            self._require(self._run("deps", step="deps"))

    def freshness(self, *, is_required: bool = False) -> None:
        """Record stale sources as warnings; that alone never stops a build."""
        result = self._run("source", "freshness", step="freshness", keep=_as_warning)
        if is_required:
            self._require(result)
        elif result.nodes == 0:
            logger.warning(
                "dbt source freshness gave no answer (%s)",
                result.fatal_class or f"exit code {result.code}",
                extra={"action": "dbt_freshness", "run_id": self._run_id},
            )

    def docs(self) -> None:
        self._require(self._run("docs", "generate", step="docs"))

    def layers(self, selections: tuple[tuple[str, ...], ...], pauses: tuple[float, ...]) -> None:
        for selection in selections:
            if self._stopped:
                return
            step = "_".join(["build", *selection[1:2]])
            result = self._attempts(selection, step, pauses)
            if result.code != 0:
                return

    def _attempts(self, selection: tuple[str, ...], step: str, pauses: tuple[float, ...]) -> InvocationResult:
        result = self._run("build", *selection, step=step)
        for pause in pauses:
            if not result.is_transient or not self._has_time_for(pause):
                break
            logger.warning(
                "dbt met a transient database error; trying again in %.0f s",
                pause,
                extra={"action": "dbt_retry", "run_id": self._run_id},
            )
            time.sleep(pause)
            # dbt's own retry knows which nodes are left, once there was any node at all.
            result = (
                self._run("retry", step=step) if result.nodes else self._run("build", *selection, step=step)
            )
        if not result.nodes and not self._stopped:
            self._require(result)
        return result

    def _run(
        self, *command: str, step: str, keep: Callable[[NodeResult], NodeResult] | None = None
    ) -> InvocationResult:
        def on_node(node: NodeResult) -> None:
            kept = keep(node) if keep else node
            self._nodes[kept.unique_id] = kept
            self._record(kept)

        result = self._invocation.run(command, step=step, seconds=self._seconds_left(), on_node=on_node)
        self._stopped = self._stopped or result.was_stopped
        return result

    def _seconds_left(self) -> float | None:
        if self._deadline is None:
            return None
        return max(0.0, (self._deadline - datetime.now(UTC)).total_seconds())

    def _has_time_for(self, seconds: float) -> bool:
        left = self._seconds_left()
        return not self._stopped and (left is None or left > seconds)

    def _require(self, result: InvocationResult) -> None:
        if result.code == 0 or result.nodes or self._stopped:
            return
        raise TransformError(
            f"dbt could not run: {result.fatal_class or 'no reason given'}, exit code {result.code}. "
            f"Run `dbt debug` and `dbt parse` in {self._settings.dbt_project_dir} to see the reason; "
            f"it is not repeated here because dbt quotes rows.",
            stage="transform",
            run_id=self._run_id,
        )

    def result(self, seconds: float) -> DbtResult:
        nodes = tuple(sorted(self._nodes.values(), key=lambda node: node.unique_id))
        reason = _reason(nodes, is_stopped=self._stopped)
        return DbtResult(
            status=DbtStatus.FAILED if reason else DbtStatus.SUCCESS,
            reason=reason,
            seconds=seconds,
            nodes=nodes,
            artifacts=str(self._invocation.folder),
        )


def _as_warning(node: NodeResult) -> NodeResult:
    if node.status is NodeStatus.ERROR:
        return dataclasses.replace(node, status=NodeStatus.WARN, error_class=node.error_class or "Stale")
    return node


def _reason(nodes: tuple[NodeResult, ...], *, is_stopped: bool) -> str:
    failed = [node.unique_id for node in nodes if node.status in _FAILED]
    held_back = Counter(node.status for node in nodes)[NodeStatus.UPSTREAM_FAILED]
    parts = []
    if is_stopped:
        parts.append(f"stopped at its deadline after {len(nodes)} nodes")
    if failed:
        more = f" and {len(failed) - 3} more" if len(failed) > 3 else ""
        parts.append(f"{len(failed)} failed: {', '.join(failed[:3])}{more}")
    if held_back:
        parts.append(f"{held_back} held back below them")
    return "; ".join(parts)
