"""What a fault left behind: commits per phase, reports, differences, processes; and whether that is right."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from dental_etl.config import Settings
from dental_etl.connections import connect
from tests.comparison import differences

#: Left out by rule: a scratch copy without a key, named like a backup.
SCRATCH = frozenset({"tmp_patient_backup"})

#: The database itself counts: a commit that is undone or repeated cannot be missed.
_WATCH = """
CREATE SCHEMA faults;
CREATE TABLE faults.seen (run_id text, table_name text, event text, at timestamptz DEFAULT clock_timestamp());
CREATE FUNCTION faults.table_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.status, NEW.status) IN (('extracting', 'extracted'), ('loading', 'loaded')) THEN
        INSERT INTO faults.seen (run_id, table_name, event) VALUES (NEW.run_id, NEW.table_name, NEW.status);
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION faults.run_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> 'reporting' AND NEW.status = 'reporting' THEN
        INSERT INTO faults.seen (run_id, event) VALUES (NEW.run_id, 'reporting');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER faults_seen AFTER UPDATE ON etl.run_table FOR EACH ROW EXECUTE FUNCTION faults.table_moved();
CREATE TRIGGER faults_seen AFTER UPDATE ON etl.run FOR EACH ROW EXECUTE FUNCTION faults.run_moved();
"""
_DEADLINE = """
CREATE FUNCTION faults.run_opened() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.deadline := NEW.created_at + interval '{seconds} seconds';
    RETURN NEW;
END $$;
CREATE TRIGGER faults_deadline BEFORE INSERT ON etl.run FOR EACH ROW EXECUTE FUNCTION faults.run_opened();
"""
_MORE_THAN_ONCE = text(
    "SELECT count(*) FROM (SELECT 1 FROM faults.seen WHERE table_name IS NOT NULL "
    "GROUP BY run_id, table_name, event HAVING count(*) > 1) AS repeated"
)
# A table that was found unchanged when its run was planned had no turn: no attempt, and neither phase.
_NOT_ONCE = text(
    "SELECT count(*) FROM etl.run_table AS t WHERE status = 'loaded' AND (SELECT count(*) FROM faults.seen AS s "
    "WHERE (s.run_id, s.table_name) = (t.run_id, t.table_name)) <> CASE WHEN attempts = 0 THEN 0 ELSE 2 END"
)
_OPEN = text("SELECT count(*) FROM etl.run_table WHERE status NOT IN ('loaded', 'failed', 'not_run')")
_RUNS = text(
    "SELECT run_id, (SELECT count(*) FROM faults.seen AS s WHERE s.run_id = r.run_id AND event = 'reporting'),"
    " (SELECT count(*) FROM etl.notification AS n WHERE n.run_id = r.run_id AND title NOT LIKE '%dbt failed%'"
    " AND title NOT LIKE '%answer% since%')"
    ", report_json IS NOT NULL FROM etl.run AS r WHERE status <> 'refused'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One line of the table."""

    fault: str
    seconds: float
    #: Every table of every run was committed once per phase, and none is open.
    is_once: bool
    #: Every run went on to its report once, and said so once.
    is_reported_once: bool
    #: Tables of raw that differ from the source by any value.
    different_tables: int
    #: Processes of ours that belong to no host.
    leftovers: int
    #: What else did not come out as promised; empty if all did.
    broken_promise: str = ""
    #: Why the scene could not be played here.
    skipped: str = ""

    @property
    def is_good(self) -> bool:
        return (
            self.is_once
            and self.is_reported_once
            and not (self.different_tables or self.leftovers or self.broken_promise)
        )


def describe(one: Verdict) -> str:
    """Say in words what is not right; empty when everything is."""
    wrong = {
        "a table was not committed exactly once per phase": not one.is_once,
        "a run was not reported exactly once": not one.is_reported_once,
        f"{one.different_tables} tables differ from the source": one.different_tables > 0,
        f"{one.leftovers} processes are left over": one.leftovers > 0,
        one.broken_promise: bool(one.broken_promise),
    }
    return "; ".join(text for text, holds in wrong.items() if holds)


def watch(settings: Settings) -> None:
    """Let the analytics database count the commits of the runs to come."""
    _execute(settings, _WATCH)


def set_deadline(settings: Settings, seconds: int) -> None:
    """Let the window of every run to come close soon after its start."""
    _execute(settings, _DEADLINE.format(seconds=seconds))


def lift_deadline(settings: Settings) -> None:
    _execute(settings, "DROP TRIGGER faults_deadline ON etl.run")


def is_once(settings: Settings) -> bool:
    with connect(settings.analytics) as connection:
        return not any(connection.execute(one).scalar_one() for one in (_MORE_THAN_ONCE, _NOT_ONCE, _OPEN))


def is_reported_once(settings: Settings) -> bool:
    with connect(settings.analytics) as connection:
        runs = connection.execute(_RUNS).all()
    return bool(runs) and all(
        (reports, messages, made) == (1, 1, True) for _, reports, messages, made in runs
    )


def different_tables(settings: Settings) -> int:
    return len(differences(settings, leave_out=SCRATCH))


def _execute(settings: Settings, statements: str) -> None:
    with connect(settings.analytics) as connection:
        connection.exec_driver_sql(statements.replace("%", "%%"))
        connection.commit()
