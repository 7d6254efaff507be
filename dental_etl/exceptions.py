"""Every error of this project, drawn as a tree.

    ETLPipelineError
    ├── ConfigurationError              exit code 2: the operator mends a file or a variable
    │   ├── EnvironmentConfigError      ETL_ENVIRONMENT is missing, unknown, or contradicts the variables
    │   ├── RunNotFoundError            there is no run of that id
    │   └── ValidationError             one or more values are wrong; all of them are listed
    ├── RefusedError                    exit code 3: nothing is wrong, but not now
    │   ├── WindowClosedError           the clinic's server may not be read at this hour
    │   └── RunRefusedError             another run holds the place of this one
    ├── DatabaseError
    │   ├── DatabaseConnectionError     could not connect, or the connection was lost        (retryable)
    │   │   ├── ServerAwayError         not one connection could be opened for some seconds  (retryable)
    │   │   └── ServerFullError         it is there, but all its places for us are taken     (retryable)
    │   ├── DatabaseTransactionError    deadlock, lock wait, serialisation                   (retryable)
    │   │   └── LockWaitError           others held a lock for too long; nothing else is wrong
    │   ├── DatabaseAccessError         unknown user, wrong password, missing right
    │   └── DatabaseQueryError          the server refused a statement
    ├── DataError
    │   ├── DataExtractionError         source -> replication
    │   │   └── PackingError            rows cannot travel as one byte string each; columns may
    │   ├── DataLoadingError            replication -> raw
    │   │   └── SchemaDriftError        a column's values need not fit raw any more; a person decides
    │   └── DeleteBrakeError            a table would lose more rows than anybody loses by accident
    ├── TableBusyError                  another process works on this table                  (retryable)
    ├── FencedError                     another attempt took this table over; this one must stop
    ├── DeadlineError                   the window closed while a table was being read
    │   └── SourceBudgetError           the run has read as much of the source as it may
    ├── TimeLimitError                  a task took longer than a table of its size may take
    ├── TransformError                  dbt could not run, or a node failed
    ├── ArtifactsError                  the folder or bucket of reports and artifacts cannot be used
    ├── BrokerError                     messages could not be published
    └── SandboxError                    the synthetic clinic could not be started or was refused

Messages hold names, counts, times and remedies; never a value of a row. ``code`` is what
travels through Redis and Flower instead of the message.
"""

from __future__ import annotations

from typing import ClassVar


class ETLPipelineError(Exception):
    """Base class: carries a stable code and where it happened.

    Args:
        message: What happened, to which table, and what the operator does next.
        table: The Open Dental table, if one is concerned.
        stage: The stage (``extract``, ``load``, ...), if one is concerned.
        run_id: The run, if one is concerned.
    """

    code: ClassVar[str] = "E_PIPELINE"
    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        table: str | None = None,
        stage: str | None = None,
        run_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.table = table
        self.stage = stage
        self.run_id = run_id


class ConfigurationError(ETLPipelineError):
    code = "E_CONFIG"
    exit_code = 2


class EnvironmentConfigError(ConfigurationError):
    code = "E_ENVIRONMENT"


class RunNotFoundError(ConfigurationError):
    code = "E_NO_RUN"


class ValidationError(ConfigurationError):
    """Several problems found in one pass.

    Args:
        problems: One line each, naming the variable or YAML path and the remedy.
    """

    code = "E_VALIDATION"

    def __init__(self, problems: list[str], *, subject: str = "The configuration") -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{subject} has {len(problems)} problem(s):\n{lines}")


class RefusedError(ETLPipelineError):
    code = "E_REFUSED"
    exit_code = 3


class WindowClosedError(RefusedError):
    code = "E_WINDOW"


class RunRefusedError(RefusedError):
    code = "E_DUPLICATE_RUN"


class DatabaseError(ETLPipelineError):
    code = "E_DATABASE"
    #: Role of the one that raised it: ``source``, ``replication`` or ``analytics``; empty if unknown.
    server: str = ""


class DatabaseConnectionError(DatabaseError):
    code = "E_CONNECTION"


class ServerAwayError(DatabaseConnectionError):
    """A whole server cannot be reached: every table that needs it would fail alike.

    Args:
        message: What happened, and what the operator does next.
        server: Its role: ``source``, ``replication`` or ``analytics``.
        is_known: Whether that is from the ledger, and the server was not tried.
    """

    code = "E_SERVER_AWAY"

    def __init__(self, message: str, *, server: str, is_known: bool = False) -> None:
        super().__init__(message)
        self.server = server
        self.is_known = is_known


class ServerFullError(DatabaseConnectionError):
    code = "E_SERVER_FULL"


class DatabaseTransactionError(DatabaseError):
    code = "E_TRANSACTION"


class LockWaitError(DatabaseTransactionError):
    code = "E_LOCKED"


class DatabaseAccessError(DatabaseError):
    code = "E_ACCESS"


class DatabaseQueryError(DatabaseError):
    code = "E_QUERY"


class DataError(ETLPipelineError):
    code = "E_DATA"


class DataExtractionError(DataError):
    code = "E_EXTRACT"


class PackingError(DataExtractionError):
    code = "E_PACKING"


class DataLoadingError(DataError):
    code = "E_LOAD"


class SchemaDriftError(DataLoadingError):
    code = "E_DRIFT"


class DeleteBrakeError(DataError):
    code = "E_DELETE_BRAKE"


class TableBusyError(ETLPipelineError):
    code = "E_BUSY"


class FencedError(ETLPipelineError):
    code = "E_FENCED"


class DeadlineError(ETLPipelineError):
    code = "E_DEADLINE"
    exit_code = 3


class SourceBudgetError(DeadlineError):
    code = "E_SOURCE_BUDGET"


class TimeLimitError(ETLPipelineError):
    code = "E_TIME_LIMIT"


class TransformError(ETLPipelineError):
    code = "E_TRANSFORM"


class ArtifactsError(ETLPipelineError):
    code = "E_ARTIFACTS"


class BrokerError(ETLPipelineError):
    code = "E_BROKER"


class SandboxError(ETLPipelineError):
    code = "E_SANDBOX"


#: Worth another attempt after a pause; everything else is final at once.
RETRYABLE: tuple[type[ETLPipelineError], ...] = (
    DatabaseConnectionError,
    DatabaseTransactionError,
    TableBusyError,
)
