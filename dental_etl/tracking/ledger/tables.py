"""The ledger's tables in schema ``etl`` of the analytics database, as SQLAlchemy sees them.

The migrations create them; a test compares the two. Times are ``timestamptz``.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "etl"
metadata = MetaData(schema=SCHEMA)

#: Every claim of a phase takes the next number: a later attempt always holds a higher one.
fence = Sequence("fence", schema=SCHEMA, metadata=metadata)


def _at(name: str, *, is_nullable: bool = True) -> Column[DateTime]:
    return Column(name, DateTime(timezone=True), nullable=is_nullable)  # type: ignore[arg-type]  # the stub wants the Python type


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def _seconds(name: str) -> Column[float]:
    return Column(name, Float, nullable=False, server_default=text("0"))


def _run_id(*, is_key: bool = True, is_nullable: bool = False) -> Column[str]:
    reference = ForeignKey(f"{SCHEMA}.run.run_id", ondelete="CASCADE")
    return Column("run_id", Text, reference, primary_key=is_key, nullable=is_nullable)


run = Table(
    "run",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("run_date", Date, nullable=False),
    Column("status", Text, nullable=False),
    Column("refresh", Text, nullable=False),
    Column("wants_dbt", Boolean, nullable=False),
    # Which tables a rerun is for: {"tables": [...], "category": ...}; NULL means all.
    Column("selection", JSONB),
    _at("created_at", is_nullable=False),
    _at("deadline"),
    # When its next message was last published; the sweep publishes again what stays silent.
    _at("published_at"),
    _at("started_at"),
    _at("reporting_at"),
    _at("finished_at"),
    Column("finalised_by", Text),
    Column("error_code", Text),
    Column("error_detail", Text),
    Column("report_json", JSONB),
    Column("html_path", Text),
)

Index(
    "run_one_active_nightly",
    run.c.kind,
    unique=True,
    postgresql_where=text("kind = 'nightly' AND status IN ('starting', 'active', 'reporting')"),
)
Index(
    "run_one_nightly_per_date",
    run.c.run_date,
    unique=True,
    postgresql_where=text("kind = 'nightly' AND status <> 'refused'"),
)

run_table = Table(
    "run_table",
    metadata,
    _run_id(),
    Column("table_name", Text, primary_key=True),
    # Order of publication: large, medium, small, tiny.
    Column("position", Integer, nullable=False),
    Column("category", Text, nullable=False),
    Column("strategy", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("refresh", Text, nullable=False),
    Column("status", Text, nullable=False),
    # The attempt that may finish the phase.
    Column("fence", BigInteger),
    # Claims over both phases, claims of this phase, errors of this phase.
    _count("attempts"),
    _count("phase_attempts"),
    _count("phase_failures"),
    # Broker's epoch at the last publication: another epoch means that its message is gone.
    Column("epoch", Text),
    _at("waiting_since"),
    _at("not_before"),
    _at("claimed_at"),
    Column("error_code", Text),
    Column("error_stage", Text),
    Column("error_detail", Text),
    # As planned, where the table's history knew better than tables.yml, and why.
    Column("batch_size", BigInteger),
    Column("expected_seconds", Float),
    Column("notes", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    _count("rows_expected"),
    # Together with bytes_read and extract_seconds kept up while the extract works.
    _count("rows_read"),
    _count("rows_written"),
    _count("rows_deleted"),
    Column("rows_total", BigInteger),
    _count("bytes_read"),
    # The same of a load, while it works.
    _count("rows_loaded"),
    _count("bytes_loaded"),
    _count("rows_to_load"),
    _seconds("extract_seconds"),
    _seconds("load_seconds"),
    _seconds("source_seconds"),
    _seconds("longest_read_seconds"),
    _count("reads"),
    _at("started_at"),
    _at("finished_at"),
    Column("extract_action", Text),
    Column("load_action", Text),
    _at("proven_at"),
    Column("proven_by", Text),
    _at("raw_proven_at"),
    Column("raw_proven_by", Text),
    Column("drift", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
)

#: Times in which a server could not be reached; the tables that need it wait meanwhile.
outage = Table(
    "outage",
    metadata,
    Column("server", Text, primary_key=True),
    Column("began_at", DateTime(timezone=True), primary_key=True),
    # The run that met it.
    _run_id(is_key=False),
    # How often it was asked again, in vain.
    _count("asked"),
    _at("ask_at", is_nullable=False),
    _at("ended_at"),
)
Index("outage_one_open", outage.c.server, unique=True, postgresql_where=text("ended_at IS NULL"))

#: Connections that have read at the source, and what each has cost.
source_visit = Table(
    "source_visit",
    metadata,
    Column("visit_id", BigInteger, Identity(), primary_key=True),
    _run_id(is_key=False),
    Column("table_name", Text, nullable=False),
    _at("began_at", is_nullable=False),
    _at("ended_at", is_nullable=False),
    _count("reads"),
    _count("bytes_read"),
    _seconds("seconds"),
    _seconds("longest_read_seconds"),
    # Seconds by cause.
    Column("pauses", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Index("source_visit_run_id", "run_id"),
)

#: Tables that came to the source, or went, since tables.yml was written; as the last validation saw it.
drifted_table = Table(
    "drifted_table",
    metadata,
    Column("table_name", Text, primary_key=True),
    # How a new table is treated until the next analysis; NULL for one that is gone.
    Column("config", JSONB),
    _at("seen_at", is_nullable=False),
)

#: Steps after the tables (verify, report, notify, transform) that are done.
run_step = Table(
    "run_step",
    metadata,
    _run_id(),
    Column("step", Text, primary_key=True),
    _at("done_at", is_nullable=False),
)

finding = Table(
    "finding",
    metadata,
    Column("finding_id", BigInteger, Identity(), primary_key=True),
    _run_id(is_key=False),
    Column("check_name", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("table_name", Text),
    Column("message", Text, nullable=False),
    Column("found_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("finding_run_id", "run_id"),
)

coercion = Table(
    "coercion",
    metadata,
    _run_id(),
    Column("stage", Text, primary_key=True),
    Column("table_name", Text, primary_key=True),
    Column("column_name", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("rows", BigInteger, nullable=False),
)

dbt_node = Table(
    "dbt_node",
    metadata,
    _run_id(),
    Column("unique_id", Text, primary_key=True),
    Column("resource_type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    _at("started_at"),
    _at("finished_at"),
    Column("rows", BigInteger),
    Column("error_class", Text),
)

dbt_result = Table(
    "dbt_result",
    metadata,
    _run_id(),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("artifacts", Text),
)

notification = Table(
    "notification",
    metadata,
    Column("notification_id", BigInteger, Identity(), primary_key=True),
    # NULL for a message about no run: a night that never started.
    _run_id(is_key=False, is_nullable=True),
    Column("severity", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    _at("created_at", is_nullable=False),
    _at("next_attempt_at", is_nullable=False),
    _at("sent_at"),
    _count("attempts"),
    # Channels that have it already, by kind and place (``slack:1``); the URL is a secret.
    Column("delivered", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("error_code", Text),
    UniqueConstraint("run_id", "title", name="notification_once_per_run"),
    Index("notification_due", "next_attempt_at", postgresql_where=text("sent_at IS NULL")),
)
