"""Values that real clinics have, and that break pipelines; none of them moves money.

Each is put into a row that exists, without touching its stamp.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from dental_etl.sandbox.synthetic.world import World

_NOTES = (
    "tab\there",
    "two\r\nlines",
    "old Mac\rline",
    "back\\slash",
    "ends with a backslash\\",
    "\\N",
    "\\.",
    "NULL",
    "",
    "  spaces around  ",
    "quote \" and ' and ` and ;",
    "comma, and 100 % {braces} %s $1",
    "patientâ€™s wish, CafÃ©",
    "Zoë, naïve, 12 €, ½, 東京",
    "non\u00a0breaking and zero\u200bwidth",
    "a vertical\vtab, a form\ffeed, a bell\a",
    "<script>x</script>",
)
_EMOJI = ("Called, happy 😀", "👩‍⚕️🦷", "naïve 🇺🇸 flag")
#: Windows-1252's own characters, in the 0x80-0x9f that Latin-1 leaves empty.
_WINDOWS = ("\u201csmart quotes\u201d \u2013 dash\u2026", "€ 20, Žižek ™", "it\u2019s")
_PARTIAL_DATES = ("2020-00-15", "2019-06-00", "1985-00-00", "0000-00-00")
#: Stands for "the far future"; TIMESTAMP ends in January 2038.
_LAST_STAMP = "2038-01-19 03:14:07"
_FAR_FUTURE = "2099-12-31 23:59:59"
_ZERO_STAMP = "0000-00-00 00:00:00"


def add_oddities(world: World) -> None:
    """Put every awkward value into some row of the table that it was seen in."""
    _add_texts(world)
    _add_dates(world)
    _add_durations(world)
    _add_numbers(world)
    _add_unknown_codes(world)
    _add_scratch_copy(world)


def _add_texts(world: World) -> None:
    for order, note in enumerate(_NOTES):
        _set(world, "procnote", order, Note=note)
        _set(world, "patientnote", order * 3, Medical=note, Treatment=note)
        _set(world, "commlog", order * 5, Note=note)
        _set(world, "claimproc", order * 7, Remarks=note)
        _set(world, "document", order, Note=note)
    for order, note in enumerate(_EMOJI):
        _set(world, "commlog", 101 + order, Note=note)
    for order, note in enumerate(_WINDOWS):
        _set(world, "tasknote", order, Note=note)
    _set(world, "patientnote", 100, Service="a NUL\0byte")
    _set(world, "document", 30, Note="longer than 64 KiB " * 5_000)
    _set(world, "patientnote", 101, Medical="long " * 12_000)


def _add_dates(world: World) -> None:
    for order, day in enumerate(_PARTIAL_DATES):
        _set(world, "patient", 20 + order, AdmitDate=day)
        _set(world, "medicationpat", order, DateStop=day)
        _set(world, "statement", order, DateRangeFrom=day)
    _set(world, "patient", 30, Birthdate="0000-00-00")
    _set(world, "patient", 31, DateTimeDeceased=_ZERO_STAMP)
    _set(world, "securitylog", 5, DateTPrevious=_ZERO_STAMP)
    _set(world, "procnote", 40, EntryDateTime=_FAR_FUTURE)
    _set(world, "commlog", 40, CommDateTime=_FAR_FUTURE)
    _set(world, "proctp", 1, SecDateTEdit=_LAST_STAMP)
    _set(world, "recall", 3, DateTStamp=_LAST_STAMP)
    _set(world, "periomeasure", 2, SecDateTEdit=_ZERO_STAMP)
    for order in range(3):
        _set(world, "patfield", order, SecDateTEdit=None)
        _set(world, "labcase", order, DateTStamp=None)


def _add_durations(world: World) -> None:
    longest = timedelta(hours=838, minutes=59, seconds=59)
    durations = (longest, -longest, timedelta(hours=105, minutes=15), -timedelta(hours=12, minutes=30))
    for order, duration in enumerate(durations):
        _set(world, "timeadjust", order, RegHours=duration)
        _set(world, "clockevent", order, OTimeHours=duration, Rate2Hours=-duration)


def _add_numbers(world: World) -> None:
    for order, amount in enumerate((0.1 + 0.2, -0.0, 1e-12, 123456789012345.67, 1e300, 2 / 3)):
        _set(world, "labcase", order, LabFee=amount)
    for order, quantity in enumerate((0.1, 16777216.0, 1 / 3, -2.5)):
        _set(world, "procedurelog", order, DrugQty=quantity)
    # Beyond what a double can tell apart.
    _set(world, "sheet", 0, DocNum=9007199254740993)
    _set(world, "document", 0, MountItemNum=9223372036854775807)


def _add_unknown_codes(world: World) -> None:
    """Codes that no list explains, as newer versions and old bugs write them."""
    _set(world, "commlog", 60, Mode_=77)
    _set(world, "securitylog", 60, PermType=250)
    _set(world, "task", 6, TaskStatus=9)
    _set(world, "patient", 33, Gender=9, PreferRecallMethod=42)
    _set(world, "histappointment", 6, HistApptAction=9)


def _add_scratch_copy(world: World) -> None:
    """Somebody copied a few patients before trying something; some of them twice."""
    patients = world.rows["patient"][:25]
    for row in (*patients, *patients[:5], *patients[:5]):
        world.add(
            "tmp_patient_backup",
            PatNum=row["PatNum"],
            LName=row["LName"],
            FName=row["FName"],
            Birthdate=row["Birthdate"],
            DateTStamp=row["DateTStamp"],
        )


def _set(world: World, table: str, position: int, **values: Any) -> None:
    """Change the row at a position; counting starts again where the table ends."""
    rows = world.rows[table]
    if rows:
        rows[position % len(rows)].update(values)
