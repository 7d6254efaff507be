"""What is known of a run beyond its tables: its header, and what dbt did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar

from dental_etl.run.states import RunKind, RunStatus
from dental_etl.run.values import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHeader(Value):
    """A run without its tables: what it was, when, and how it ended."""

    run_id: str
    kind: RunKind
    #: Local date of the evening on which the night began.
    run_date: date
    status: RunStatus
    started_at: datetime
    #: None while the run is being worked.
    finished_at: datetime | None = None
    #: When the source must be left alone; None without blocked hours.
    deadline_at: datetime | None = None
    #: ``production`` or ``test``.
    environment: str = ""
    #: ``E_...`` of the refusal, None unless the run was refused.
    refusal_code: str | None = None
    #: What guard or validation found, and the remedy.
    refusal_detail: str | None = None


class NodeStatus(StrEnum):
    """How a dbt node ended."""

    SUCCESS = "success"
    WARN = "warn"
    #: A data test found rows.
    FAIL = "fail"
    ERROR = "error"
    SKIPPED = "skipped"
    #: Skipped because something above it failed; never counted as good.
    UPSTREAM_FAILED = "upstream_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeResult(Value):
    """One dbt node as it ended."""

    unique_id: str
    #: ``model``, ``test``, ``seed``, ``snapshot``, ``source``, ``unit_test``.
    resource_type: str
    status: NodeStatus
    seconds: float
    started_at: datetime | None = None
    finished_at: datetime | None = None
    #: Rows the node wrote, or failing rows of a test; None when dbt does not say.
    rows: int | None = None
    #: Class of the error (``Database Error``), never its text: it may quote rows.
    error_class: str | None = None


class DbtStatus(StrEnum):
    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class DbtResult(Value):
    """What dbt did in a run."""

    #: How the reason begins when time was up: then not even dbt knows which nodes are left.
    STOPPED: ClassVar[str] = "stopped at its deadline"

    status: DbtStatus
    #: Why it was skipped or failed; empty when it succeeded.
    reason: str
    seconds: float
    nodes: tuple[NodeResult, ...] = ()
    #: Folder of manifest.json, run_results.json and logs.
    artifacts: str | None = None

    @property
    def was_stopped(self) -> bool:
        return self.reason.startswith(self.STOPPED)
