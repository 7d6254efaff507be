"""The processes that share a large table, as Celery's workers do: an owner, and helpers that it calls."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import yaml

from dental_etl import pipeline
from dental_etl.config import Settings
from dental_etl.config.tables_file import OVERRIDES_NAME
from dental_etl.connections import connect
from dental_etl.exceptions import RETRYABLE, FencedError
from dental_etl.run import Stage
from dental_etl.sandbox import servers
from ops.benchmarks import resources
from ops.benchmarks.laboratory import settings_of


class Helpers:
    """Processes beside the owner's, warm before the clock runs; each number goes to one of them.

    Args:
        directory: Of the sandbox.
        table: That is shared.
        run_id: The run.
        count: How many; none, and the table goes in ranges all the same.
    """

    def __init__(self, directory: str, table: str, run_id: str, count: int) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "ops.benchmarks.sharing", directory, table, run_id],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(count)
        ]
        for process in self._processes:
            _line(process)

    def call(self, stage: Stage) -> Callable[[Sequence[int]], None]:
        """Return what an owner is given to call for help with."""

        def publish(numbers: Sequence[int]) -> None:
            for place, process in enumerate(self._processes):
                assert process.stdin is not None  # noqa: S101  # opened above
                process.stdin.writelines(
                    f"{stage} {number}\n" for number in numbers[place :: len(self._processes)]
                )
                process.stdin.flush()

        return publish

    def costs(self) -> list[resources.Used]:
        """Let them end, and return what each has used."""
        found = []
        for process in self._processes:
            assert process.stdin is not None  # noqa: S101  # opened above
            process.stdin.close()
            found.append(resources.Used(**json.loads(_line(process))))
            process.wait()
        return found


def share_from_now_on(settings: Settings, table: str) -> Settings:
    """Let the table be one that is shared: it is smaller than those that are."""
    overrides = settings.tables_file.with_name(OVERRIDES_NAME)
    overrides.write_text(yaml.safe_dump({"tables": {table: {"performance_category": "large"}}}))
    return replace(settings, load_parts_from_mb=0)


def share_no_more(settings: Settings) -> None:
    """Let the analysis alone decide."""
    settings.tables_file.with_name(OVERRIDES_NAME).unlink(missing_ok=True)


def main(directory: str, table: str, run_id: str) -> None:
    """Work the ranges whose numbers come in, until no more can come."""
    settings = settings_of(servers.find(Path(directory)))
    for database in (settings.source, settings.replication, settings.analytics):
        with connect(database):
            pass
    used = resources.Meter()
    _say("ready")
    _work(settings, table, run_id, sys.stdin)
    _say(json.dumps(used.so_far().to_json()))


def _work(settings: Settings, table: str, run_id: str, calls: Iterable[str]) -> None:
    for call in calls:
        stage, number = call.split()
        # What is left undone here the owner does, as with Celery.
        with suppress(*RETRYABLE, FencedError):
            if stage == Stage.EXTRACT:
                pipeline.extract_chunk_phase(settings, run_id, table, int(number), clock=_now)
            else:
                pipeline.load_chunk_phase(settings, run_id, table, int(number))


def _now() -> datetime:
    return datetime.now(UTC)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None  # noqa: S101  # opened with a pipe
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"a helper ended with {process.wait()}")
    return line


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
