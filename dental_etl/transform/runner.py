"""The commands of one transform, in their order, and what they brought."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from dental_etl.config import Settings
from dental_etl.exceptions import ConfigurationError, TransformError
from dental_etl.run import DbtResult, DbtStatus, NodeResult, NodeStatus
from dental_etl.transform import artifacts, lineage, state
from dental_etl.transform.artifacts import read_manifest
from dental_etl.transform.environment import needs_deps
from dental_etl.transform.invocation import Invocation, InvocationResult
from dental_etl.transform.selection import Selection, Step
from dental_etl.transform.state import BuildContext

logger = logging.getLogger(__name__)

_FAILED = frozenset({NodeStatus.ERROR, NodeStatus.FAIL})


class Runner:
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
        self._is_last_success = False
        self._invocation = Invocation(settings, run_id=run_id, as_of_date=as_of_date)
        self._run_id = run_id
        self._as_of_date = as_of_date

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

    def docs(self) -> Path:
        """Write the catalogue as one page and return where it is."""
        self._require(self._run("docs", "generate", "--static", step="docs"))
        return self._invocation.folder / "docs" / "static_index.html"

    def parse(self) -> Path:
        """Parse the project and return its manifest; needs no database."""
        self._require(self._run("parse", step="parse"))
        return self._invocation.folder / "parse" / "manifest.json"

    def require_known(self, selection: Selection) -> None:
        """Ask dbt whether there is what a person asked for.

        Raises:
            ConfigurationError: Nothing answers to one of the criteria.
        """
        if not selection.criteria:
            return
        result = self._run("ls", "--select", *selection.criteria, step="list")
        if result.unmatched:
            raise ConfigurationError(
                f"No model answers to {', '.join(result.unmatched)}. Models are listed in "
                f"docs/data_dictionary.md, tags in dbt_dental_models/selectors.yml.",
                stage="transform",
            )
        self._require(result)

    def build(self, selection: Selection, pauses: tuple[float, ...]) -> None:
        """Build step by step, up to the first that fails."""
        context = BuildContext(
            run_id=self._run_id,
            as_of_date=self._as_of_date,
            project=state.project_fingerprint(self._settings.dbt_project_dir),
            step=selection.steps[0],
            rest=selection.steps[1:],
            is_whole=selection.is_whole,
        )
        if selection.needs_freshness:
            self._hand_over_freshness(context.step)
        self._steps(context, pauses)
        self._hold_back(selection)

    def retry(self, context: BuildContext, pauses: tuple[float, ...]) -> None:
        """Build what an earlier build left undone, then the steps that were to follow."""
        self._steps(context, pauses, is_retry=True)

    def _steps(self, context: BuildContext, pauses: tuple[float, ...], *, is_retry: bool = False) -> None:
        while not self._stopped:
            state.write_context(self._target(context.step), context)
            result = self._attempts(context.step, pauses, is_retry=is_retry)
            if result.was_stopped:
                state.write_context(
                    self._target(context.step), dataclasses.replace(context, was_stopped=True)
                )
            if result.code != 0:
                return
            if not context.rest:
                break
            context = dataclasses.replace(context, step=context.rest[0], rest=context.rest[1:])
            is_retry = False
        if context.is_whole and not self._stopped:
            state.mark_success(self._settings, context)
            self._is_last_success = True

    def _attempts(self, step: Step, pauses: tuple[float, ...], *, is_retry: bool) -> InvocationResult:
        command = ("retry",) if is_retry else ("build", *step.arguments)
        result = self._run(*command, step=step.name)
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
            result = self._run(*(("retry",) if result.nodes else command), step=step.name)
        if not result.nodes and not self._stopped:
            self._require(result)
        return result

    def _hand_over_freshness(self, step: Step) -> None:
        """Put the answer of source freshness where the build looks for it."""
        answer = self._invocation.folder / "freshness" / "sources.json"
        target = self._target(step)
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(answer, target / "sources.json")

    def _hold_back(self, selection: Selection) -> None:
        """Record the models that were left out because a table below them did not arrive."""
        if not selection.missing_tables or self._stopped:
            return
        manifest = read_manifest(self._target(selection.steps[0]))
        for unique_id in lineage.held_back(manifest, selection.missing_tables):
            self._keep(
                NodeResult(unique_id=unique_id, resource_type="model", status=NodeStatus.SKIPPED, seconds=0.0)
            )

    def _target(self, step: Step) -> Path:
        return self._invocation.folder / step.name

    def _keep(self, node: NodeResult) -> None:
        self._nodes[node.unique_id] = node
        self._record(node)

    def _run(
        self, *command: str, step: str, keep: Callable[[NodeResult], NodeResult] | None = None
    ) -> InvocationResult:
        def on_node(node: NodeResult) -> None:
            self._keep(keep(node) if keep else node)

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

    def end(self, seconds: float) -> DbtResult:
        """Hand the artifacts over and say how it went."""
        nodes = tuple(sorted(self._nodes.values(), key=lambda node: node.unique_id))
        reason = _reason(nodes, is_stopped=self._stopped)
        return DbtResult(
            status=DbtStatus.FAILED if reason else DbtStatus.SUCCESS,
            reason=reason,
            seconds=seconds,
            nodes=nodes,
            artifacts=artifacts.publish(self._settings, self._run_id, is_last_success=self._is_last_success),
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
        parts.append(f"{DbtResult.STOPPED} after {len(nodes)} nodes")
    if failed:
        more = f" and {len(failed) - 3} more" if len(failed) > 3 else ""
        parts.append(f"{len(failed)} failed: {', '.join(failed[:3])}{more}")
    if held_back:
        parts.append(f"{held_back} held back below them")
    return "; ".join(parts)
