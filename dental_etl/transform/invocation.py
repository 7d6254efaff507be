"""One dbt command with everything around it: executable, environment, folders, events."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy import text

from dental_etl.config import DatabaseSettings, Settings
from dental_etl.connections import connect, database_errors
from dental_etl.run import NodeResult
from dental_etl.transform import artifacts, environment, events, process
from dental_etl.transform.stream import NodeStream

logger = logging.getLogger(__name__)

_SESSIONS_OF_RUN = text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE application_name = :name AND pid <> pg_backend_pid()"
)

#: Commands that write ``run_results.json``.
_WITH_RESULTS = frozenset({"build", "retry"})
#: Nothing into a log file: at its levels dbt writes errors with the rows that caused them.
_LOGGING = ("--log-format", "json", "--log-level", "info", "--log-level-file", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationResult:
    #: dbt's exit code.
    code: int
    was_stopped: bool
    #: Nodes that ended.
    nodes: int
    #: Whether it failed by something that another attempt may not meet.
    is_transient: bool
    #: Kind of the error with which dbt gave up as a whole, None when it did not.
    fatal_class: str | None
    #: What was asked for and nothing answers to.
    unmatched: tuple[str, ...] = ()


class Invocation:
    """Runs the dbt commands of one run."""

    def __init__(self, settings: Settings, *, run_id: str, as_of_date: date) -> None:
        self._settings = settings
        self._run_id = run_id
        self._variables = {"raw_schema": settings.analytics.schema}
        # Not a variable of dbt: a new day would make it parse the whole project anew.
        self._as_of_date = as_of_date.isoformat()
        self._executable = environment.executable(settings)
        self.folder = artifacts.run_folder(settings, run_id)

    def run(
        self,
        command: tuple[str, ...],
        *,
        step: str,
        seconds: float | None,
        on_node: Callable[[NodeResult], None],
    ) -> InvocationResult:
        """Run a command and hand out its nodes as they end.

        Args:
            command: dbt's command with its own arguments: ``("build", "--selector", "marts_only")``.
            step: Name of its folder under the run's artifacts.
            seconds: Longest time it may take; None for no limit.
            on_node: Gets every node as it ends, failed ones a second time with their error class.

        Raises:
            TransformError: dbt could not be started.
        """
        target = self.folder / step
        target.mkdir(parents=True, exist_ok=True)
        if command[0] != "retry":  # which reads there what is left to do
            artifacts.forget_results(target)
        stream = NodeStream(on_node)
        ended = process.run(self._command(command, target), stream.on_line, seconds=seconds)
        if ended.was_stopped or ended.code < 0:
            end_sessions(self._settings.analytics, self._run_id)
        artifacts.keep_parse(target, artifacts.shared_parse(self._settings))
        is_transient = stream.complete(artifacts.outcomes(target)) if command[0] in _WITH_RESULTS else False
        return InvocationResult(
            code=ended.code,
            was_stopped=ended.was_stopped,
            nodes=stream.nodes,
            is_transient=is_transient or events.is_transient(stream.fatal_text),
            fatal_class=stream.fatal_class,
            unmatched=tuple(stream.unmatched),
        )

    def _command(self, command: tuple[str, ...], target: Path) -> process.DbtCommand:
        project = self._settings.dbt_project_dir.resolve()
        folders = ("--project-dir", str(project), "--profiles-dir", str(project), "--log-path", str(target))
        arguments = (*self._executable, *_LOGGING, *command, *folders, "--target", self._settings.dbt_target)
        if command[0] != "deps":
            arguments += ("--target-path", str(target), *self._parse_arguments())
        if command[0] != "retry":  # which takes them from the run it repeats
            arguments += ("--vars", json.dumps(self._variables))
        return process.DbtCommand(
            arguments=arguments,
            environment={
                **environment.variables(self._settings.analytics, self._run_id),
                "AS_OF_DATE": self._as_of_date,
            },
            directory=project,
        )

    def _parse_arguments(self) -> tuple[str, ...]:
        shared = artifacts.shared_parse(self._settings)
        return ("--partial-parse-file-path", str(shared)) if shared.exists() else ()


def end_sessions(database: DatabaseSettings, run_id: str) -> None:
    """End what a killed dbt left running in the database."""
    with connect(database) as connection, database_errors(database.role):
        ended: int = connection.execute(
            _SESSIONS_OF_RUN, {"name": environment.session_name(run_id)}
        ).scalar_one()
    if ended:
        logger.warning(
            "%s sessions of a stopped dbt were ended",
            ended,
            extra={"action": "dbt_end_sessions", "run_id": run_id},
        )
