"""Play a day at the clinic on the running sandbox: what people do, and what pipelines fear."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

import pymysql

from dental_etl.exceptions import SandboxError
from dental_etl.run import Value
from dental_etl.sandbox.clinic import connect, refuse_strangers
from dental_etl.sandbox.state import LOOPBACK, SOURCE_DATABASE, Sandbox

logger = logging.getLogger(__name__)

#: A new patient per so many, and about as many of every other change.
_PATIENTS_PER_CHANGE = 100
#: Inside the overlap of 15 minutes with which changed rows are read again.
_BACKDATED_MINUTES = 10

#: Text columns that somebody edits. Which of these tables have a stamp, the server says.
_EDITED = {
    "patient": "AddrNote",
    "appointment": "Note",
    "procedurelog": "BillingNote",
    "claimproc": "Remarks",
    "adjustment": "AdjNote",
    "payment": "PayNote",
    "commlog": "Note",
    "recall": "Note",
    "document": "Note",
    "treatplan": "Note",
    "histappointment": "Note",
    "task": "Descript",
    "procnote": "Note",
    "tasknote": "Note",
    "sheetfield": "FieldValue",
    "perioexam": "Note",
    "payplan": "Note",
    "definition": "ItemName",
    "userod": "UserName",
    "employee": "PayrollID",
    "clockevent": "Note",
    "timeadjust": "Note",
    "securitylog": "LogText",
}
#: Tables whose rows nothing else refers to, so that the clinic stays whole without them.
_DELETED = (
    "scheduleop",
    "treatplanattach",
    "tasknote",
    "sheetfield",
    "procnote",
    "signalod",
    "commlog",
    "paysplit",
    "recall",
    "document",
    "adjustment",
    "fee",
    "medicationpat",
)
_REKEYED = ("commlog", "adjustment", "procnote", "refattach")
_MASS_EDITED = {"recall": "Note", "histappointment": "Note", "fee": "UseDefaultFee"}
#: The program never edits its own audit trail; only somebody with SQL does.
_AUDIT = {"securitylog", "entrylog"}


class Violence(StrEnum):
    """How hard the day is on a pipeline."""

    #: What people do with the program: inserts, edits, and deletes where no stamp could tell.
    GENTLE = "gentle"
    #: Also what SQL, repair tools and conversions do: silent edits, hard deletes, new keys.
    FULL = "full"


class ChangeKind(StrEnum):
    INSERTED = "inserted"
    #: By an edit that moves the stamp, where there is one.
    EDITED = "edited"
    #: Stamped a few minutes before it was written, as a slow transaction or another clock does.
    BACKDATED = "backdated"
    #: In a stamped table, with the stamp as it was.
    EDITED_SILENTLY = "edited_silently"
    DELETED = "deleted"
    #: The same row under another key.
    REKEYED = "rekeyed"
    #: Many rows by one statement, all with one stamp.
    MASS_EDITED = "mass_edited"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChange(Value):
    """Rows of one table that changed in one way."""

    table: str
    kind: ChangeKind
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSummary(Value):
    """What happened on the day; counts, no values."""

    violence: Violence
    changes: tuple[TableChange, ...]

    @property
    def rows(self) -> int:
        return sum(change.rows for change in self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What the server says about a table."""

    columns: tuple[str, ...]
    key: str | None
    #: Maintained by the server itself (``ON UPDATE``).
    stamp: str | None


def change(sandbox: Sandbox, seed: int = 1, violence: Violence = Violence.GENTLE) -> ChangeSummary:
    """Play a day.

    Args:
        sandbox: A running one with a clinic in it.
        seed: The same seed on the same clinic changes the same rows.
        violence: How hard.

    Raises:
        SandboxError: The server does not answer, or has no clinic.
    """
    refuse_strangers(LOOPBACK, SOURCE_DATABASE)
    with connect(sandbox) as connection, connection.cursor() as cursor:
        day = _Day(cursor, seed)
        day.play_gently()
        if violence is Violence.FULL:
            day.play_roughly()
    changes = tuple(
        TableChange(table=table, kind=kind, rows=rows) for (table, kind), rows in sorted(day.counts.items())
    )
    summary = ChangeSummary(violence=violence, changes=changes)
    logger.info(
        "Played a %s day: %s rows changed",
        violence,
        summary.rows,
        extra={"action": "sandbox_change", "rows": summary.rows},
    )
    return summary


class _Day:
    """One day's changes; every choice is the seed's."""

    def __init__(self, cursor: pymysql.cursors.Cursor, seed: int) -> None:
        self.counts: Counter[tuple[str, ChangeKind]] = Counter()
        self._cursor = cursor
        self._rng = Random(seed)  # noqa: S311  # repeatable on purpose, nothing secret
        self._tables = _read_facts(cursor)
        if "patient" not in self._tables:
            raise SandboxError("The sandbox has no clinic yet. Make one with `dental-etl sandbox up`.")
        self._size = max(2, len(self._keys("patient")) // _PATIENTS_PER_CHANGE)
        self._seed = seed
        self._edits = 0

    def play_gently(self) -> None:
        for patient in self._choose("patient", self._size):
            self._admit_like(patient)
        self._keep_appointments()
        for key in self._choose("securitylog", self._size * 5):
            self._clone("securitylog", key)
        for table in _EDITED:
            if table not in _AUDIT:
                self._edit(table, ChangeKind.EDITED)
        for table in self._stamped(_EDITED):
            self._edit(table, ChangeKind.BACKDATED)
        for table in _DELETED:
            if table not in self._stamped(_DELETED):
                self._delete(table)
        self._run("UPDATE preference SET ValueString = 1 - ValueString WHERE PrefName = 'ReportsShowPatNum'")
        self._count("preference", ChangeKind.EDITED, self._cursor.rowcount)
        self._change_scratch_copy()

    def play_roughly(self) -> None:
        for table in self._stamped(_EDITED):
            self._edit(table, ChangeKind.EDITED_SILENTLY)
        self._edit("securitylog", ChangeKind.EDITED)
        for table in self._stamped(_DELETED):
            self._delete(table)
        for table in _REKEYED:
            self._rekey(table)
        for table in _MASS_EDITED:
            self._edit_mass(table)

    def _admit_like(self, patient: int) -> None:
        """Add a patient with a visit and a payment, in the likeness of another."""
        number = self._clone("patient", patient, Email="new@example.com")
        self._run("UPDATE patient SET Guarantor = %s WHERE PatNum = %s", number, number)
        self._clone("patientnote", patient, PatNum=number)
        appointments = [
            self._clone("appointment", key, PatNum=number) for key in self._rows_of("appointment", patient)
        ]
        for key in self._rows_of("procedurelog", patient):
            self._clone("procedurelog", key, PatNum=number, AptNum=appointments[0] if appointments else 0)
        for key in self._rows_of("payment", patient):
            payment = self._clone("payment", key, PatNum=number)
            for split in self._rows_of("paysplit", patient):
                self._clone("paysplit", split, PatNum=number, PayNum=payment, ProcNum=0)

    def _keep_appointments(self) -> None:
        """Complete the next appointments that are due, with what they are for."""
        due = self._keys("appointment", "WHERE AptStatus = 1 AND AptDateTime < %s", self._horizon())
        for key in due[: self._size]:
            self._run("UPDATE appointment SET AptStatus = 2 WHERE AptNum = %s", key)
            self._count("appointment", ChangeKind.EDITED, self._cursor.rowcount)
            self._run(
                "UPDATE procedurelog JOIN appointment USING (AptNum) SET ProcStatus = 2, "
                "ProcDate = DATE(AptDateTime), DateComplete = DATE(AptDateTime) WHERE AptNum = %s",
                key,
            )
            self._count("procedurelog", ChangeKind.EDITED, self._cursor.rowcount)

    def _horizon(self) -> Any:
        """Return the end of the first day that still has appointments."""
        self._run("SELECT DATE(MIN(AptDateTime)) + INTERVAL 1 DAY FROM appointment WHERE AptStatus = 1")
        return (self._cursor.fetchone() or (None,))[0]

    def _rows_of(self, table: str, patient: int) -> list[int]:
        return self._keys(table, "WHERE PatNum = %s", patient)[-2:]

    def _clone(self, table: str, key: int, **values: Any) -> int:
        """Insert a copy of a row; the server gives the key and the stamp. Return the key."""
        facts = self._tables[table]
        columns = [name for name in facts.columns if name in values or name not in {facts.key, facts.stamp}]
        taken = ", ".join("%s" if name in values else f"`{name}`" for name in columns)
        names = ", ".join(f"`{name}`" for name in columns)
        parameters = [values[name] for name in columns if name in values]
        self._run(
            f"INSERT INTO `{table}` ({names}) SELECT {taken} FROM `{table}` WHERE `{facts.key}` = %s",
            *parameters,
            key,
        )
        self._count(table, ChangeKind.INSERTED, self._cursor.rowcount)
        return self._cursor.lastrowid

    def _edit(self, table: str, kind: ChangeKind) -> None:
        facts, column = self._tables[table], _EDITED[table]
        for key in self._choose(table, self._size):
            assignments = f"`{column}` = %s"
            if kind is ChangeKind.BACKDATED:
                minutes = self._rng.randint(1, _BACKDATED_MINUTES)
                assignments += f", `{facts.stamp}` = NOW() - INTERVAL {minutes} MINUTE"
            elif kind is ChangeKind.EDITED_SILENTLY:
                assignments += f", `{facts.stamp}` = `{facts.stamp}`"
            self._run(f"UPDATE `{table}` SET {assignments} WHERE `{facts.key}` = %s", self._text(), key)
            self._count(table, kind, self._cursor.rowcount)

    def _edit_mass(self, table: str) -> None:
        facts, column = self._tables[table], _MASS_EDITED[table]
        self._run(
            f"UPDATE `{table}` SET `{column}` = %s WHERE MOD(`{facts.key}`, 3) = %s",
            self._rng.randint(2, 250) if column.startswith("Use") else self._text(),
            self._rng.randint(0, 2),
        )
        self._count(table, ChangeKind.MASS_EDITED, self._cursor.rowcount)

    def _delete(self, table: str) -> None:
        for key in self._choose(table, self._size):
            self._run(f"DELETE FROM `{table}` WHERE `{self._tables[table].key}` = %s", key)
            self._count(table, ChangeKind.DELETED, self._cursor.rowcount)

    def _rekey(self, table: str) -> None:
        key_column = self._tables[table].key
        for key in self._choose(table, 2):
            self._run(f"SELECT MAX(`{key_column}`) + 10 FROM `{table}`")
            (target,) = self._cursor.fetchone() or (None,)
            self._run(f"UPDATE `{table}` SET `{key_column}` = %s WHERE `{key_column}` = %s", target, key)
            self._count(table, ChangeKind.REKEYED, self._cursor.rowcount)

    def _change_scratch_copy(self) -> None:
        """Change a table without a key: one of two equal rows goes, another row comes."""
        table = "tmp_patient_backup"
        self._run(f"DELETE FROM {table} ORDER BY PatNum LIMIT 1")
        self._count(table, ChangeKind.DELETED, self._cursor.rowcount)
        self._run(f"INSERT INTO {table} SELECT * FROM {table} ORDER BY PatNum DESC LIMIT 1")
        self._count(table, ChangeKind.INSERTED, self._cursor.rowcount)

    def _stamped(self, tables: tuple[str, ...] | dict[str, str]) -> list[str]:
        return [table for table in tables if self._tables[table].stamp is not None]

    def _choose(self, table: str, rows: int) -> list[int]:
        keys = self._keys(table)
        return sorted(self._rng.sample(keys, min(rows, len(keys) // 2)))

    def _keys(self, table: str, condition: str = "", *parameters: Any) -> list[int]:
        key = self._tables[table].key
        self._run(f"SELECT `{key}` FROM `{table}` {condition} ORDER BY `{key}`", *parameters)
        return [int(row[0]) for row in self._cursor.fetchall()]

    def _text(self) -> str:
        """Return a text that no other edit of this day writes, so that every edit is one."""
        self._edits += 1
        return f"changed {self._seed}/{self._edits}"

    def _run(self, statement: str, *parameters: Any) -> None:
        self._cursor.execute(statement, parameters)

    def _count(self, table: str, kind: ChangeKind, rows: int) -> None:
        if rows:
            self.counts[table, kind] += rows


def _read_facts(cursor: pymysql.cursors.Cursor) -> dict[str, _Facts]:
    cursor.execute(
        "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_KEY, EXTRA FROM information_schema.COLUMNS "
        "WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME, ORDINAL_POSITION"
    )
    found: dict[str, list[tuple[str, str, str]]] = {}
    for table, column, key, extra in cursor.fetchall():
        found.setdefault(table, []).append((column, key, extra.lower()))
    return {
        table: _Facts(
            columns=tuple(column for column, _, _ in columns),
            key=next((column for column, key, _ in columns if key == "PRI"), None),
            stamp=next((column for column, _, extra in columns if "on update" in extra), None),
        )
        for table, columns in found.items()
    }
