"""The synthetic clinic: repeatable, connected, plausible, odd where it should be."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from dental_etl.sandbox.schema import statements, tables
from dental_etl.sandbox.synthetic import Row, World, generate
from dental_etl.sandbox.synthetic.encoding import duration, encode

AS_OF = date(2026, 1, 31)

#: Child table and column, parent table; zero means none.
RELATIONS = [
    ("adjustment", "AdjType", "definition"),
    ("adjustment", "PatNum", "patient"),
    ("adjustment", "ProcNum", "procedurelog"),
    ("allergy", "AllergyDefNum", "allergydef"),
    ("appointment", "Op", "operatory"),
    ("appointment", "PatNum", "patient"),
    ("appointment", "ProvHyg", "provider"),
    ("appointment", "ProvNum", "provider"),
    ("benefit", "CovCatNum", "covcat"),
    ("benefit", "PlanNum", "insplan"),
    ("claim", "InsSubNum", "inssub"),
    ("claim", "PatNum", "patient"),
    ("claim", "PlanNum", "insplan"),
    ("claimproc", "ClaimNum", "claim"),
    ("claimproc", "ClaimPaymentNum", "claimpayment"),
    ("claimproc", "InsSubNum", "inssub"),
    ("claimproc", "PatNum", "patient"),
    ("claimproc", "ProcNum", "procedurelog"),
    ("claimsnapshot", "ClaimProcNum", "claimproc"),
    ("claimtracking", "ClaimNum", "claim"),
    ("clinic", "DefaultProv", "provider"),
    ("clockevent", "EmployeeNum", "employee"),
    ("commlog", "CommType", "definition"),
    ("commlog", "PatNum", "patient"),
    ("disease", "DiseaseDefNum", "diseasedef"),
    ("fee", "CodeNum", "procedurecode"),
    ("fee", "FeeSched", "feesched"),
    ("insplan", "CarrierNum", "carrier"),
    ("insplan", "EmployerNum", "employer"),
    ("inssub", "PlanNum", "insplan"),
    ("inssub", "Subscriber", "patient"),
    ("labcase", "AptNum", "appointment"),
    ("medicationpat", "MedicationNum", "medication"),
    ("patient", "ClinicNum", "clinic"),
    ("patient", "EmployerNum", "employer"),
    ("patient", "Guarantor", "patient"),
    ("patient", "PriProv", "provider"),
    ("patplan", "InsSubNum", "inssub"),
    ("patplan", "PatNum", "patient"),
    ("payment", "PatNum", "patient"),
    ("payment", "PayType", "definition"),
    ("payplan", "Guarantor", "patient"),
    ("payplancharge", "PayPlanNum", "payplan"),
    ("payplancharge", "ProcNum", "procedurelog"),
    ("payplanlink", "FKey", "procedurelog"),
    ("paysplit", "PatNum", "patient"),
    ("paysplit", "PayNum", "payment"),
    ("paysplit", "PayPlanNum", "payplan"),
    ("paysplit", "ProcNum", "procedurelog"),
    ("paysplit", "UnearnedType", "definition"),
    ("periomeasure", "PerioExamNum", "perioexam"),
    ("procedurecode", "ProcCat", "definition"),
    ("procedurelog", "AptNum", "appointment"),
    ("procedurelog", "CodeNum", "procedurecode"),
    ("procedurelog", "PatNum", "patient"),
    ("procedurelog", "PlannedAptNum", "appointment"),
    ("procedurelog", "ProvNum", "provider"),
    ("procnote", "ProcNum", "procedurelog"),
    ("proctp", "ProcNumOrig", "procedurelog"),
    ("proctp", "TreatPlanNum", "treatplan"),
    ("recall", "PatNum", "patient"),
    ("recall", "RecallTypeNum", "recalltype"),
    ("refattach", "ReferralNum", "referral"),
    ("scheduleop", "ScheduleNum", "schedule"),
    ("sheetfield", "SheetNum", "sheet"),
    ("tasknote", "TaskNum", "task"),
    ("treatplanattach", "ProcNum", "procedurelog"),
    ("treatplanattach", "TreatPlanNum", "treatplan"),
    ("userod", "UserGroupNum", "usergroup"),
]


@pytest.fixture(scope="module")
def world() -> World:
    return generate(seed=7, patients=150, as_of=AS_OF)


def _lines(world: World) -> dict[str, list[str]]:
    return {name: list(encode(tables()[name], rows)) for name, rows in world.rows.items()}


def _totals(rows: list[Row], key: str, amount: str) -> dict[Any, float]:
    totals: dict[Any, float] = defaultdict(float)
    for row in rows:
        totals[row[key]] += row[amount]
    return {key: round(total, 2) for key, total in totals.items()}


def test_same_seed_gives_the_same_rows(world: World) -> None:
    assert _lines(world) == _lines(generate(seed=7, patients=150, as_of=AS_OF))


def test_another_seed_gives_other_rows(world: World) -> None:
    assert _lines(world) != _lines(generate(seed=8, patients=150, as_of=AS_OF))


def test_there_are_as_many_patients_as_asked_for(world: World) -> None:
    assert len(world.rows["patient"]) == 150


def test_every_table_has_rows(world: World) -> None:
    assert [name for name, rows in world.rows.items() if not rows] == []


def test_only_columns_of_the_schema_are_filled(world: World) -> None:
    unknown = {
        (name, column)
        for name, rows in world.rows.items()
        for row in rows
        for column in row
        if column not in tables()[name].columns
    }
    assert unknown == set()


@pytest.mark.parametrize(("child", "column", "parent"), RELATIONS, ids=str)
def test_rows_refer_to_rows_that_exist(world: World, child: str, column: str, parent: str) -> None:
    key = tables()[parent].key
    assert key is not None
    known = {row[key] for row in world.rows[parent]}
    used = {row[column] for row in world.rows[child] if row.get(column)}
    assert used <= known


def test_keys_are_unique_and_grow(world: World) -> None:
    for name, rows in world.rows.items():
        key = tables()[name].key
        keys = [row[key] for row in rows if key]
        assert keys == sorted(set(keys))


def test_nothing_was_completed_on_or_after_the_day_of_looking(world: World) -> None:
    completed = [row["ProcDate"] for row in world.rows["procedurelog"] if row["ProcStatus"] == 2]
    assert max(completed) < AS_OF


def test_appointments_are_scheduled_for_the_future(world: World) -> None:
    scheduled = [row["AptDateTime"] for row in world.rows["appointment"] if row["AptStatus"] == 1]
    assert min(scheduled) >= datetime(2026, 1, 31)  # noqa: DTZ001  # the clinic's local time has no zone


@pytest.mark.parametrize("status", [1, 2, 3, 5, 6], ids=str)
def test_appointments_end_in_every_way(world: World, status: int) -> None:
    assert any(row["AptStatus"] == status for row in world.rows["appointment"])


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("patplan", "Ordinal", 2),
        ("payment", "PayType", 0),
        ("payplan", "IsDynamic", 1),
        ("recall", "DisableUntilBalance", 100.0),
        ("refattach", "RefType", 0),
        ("refattach", "ItemOrder", 2),
    ],
)
def test_what_the_marts_ask_about_occurs(world: World, table: str, column: str, value: object) -> None:
    assert value in {row.get(column) for row in world.rows[table]}


def test_first_visits_are_dated_when_they_happen(world: World) -> None:
    first: dict[int, date] = {}
    for row in world.rows["procedurelog"]:
        if row["ProcStatus"] == 2:
            first[row["PatNum"]] = min(first.get(row["PatNum"], AS_OF), row["ProcDate"])
    recorded = {row["PatNum"]: row["DateFirstVisit"] for row in world.rows["patient"]}
    assert [number for number, day in first.items() if recorded[number] == day] != []


def test_part_of_a_treatment_plan_may_be_left(world: World) -> None:
    done: set[int] = set()
    left: set[int] = set()
    for row in world.rows["treatplanattach"]:
        procedure = world.rows["procedurelog"][row["ProcNum"] - 1]
        (done if procedure["ProcStatus"] == 2 else left).add(row["TreatPlanNum"])
    assert done & left


def test_payments_equal_their_splits(world: World) -> None:
    paid = _totals(world.rows["payment"], "PayNum", "PayAmt")
    assert _totals(world.rows["paysplit"], "PayNum", "SplitAmt") == paid


def test_checks_equal_the_claim_lines_they_pay(world: World) -> None:
    lines = [row for row in world.rows["claimproc"] if row.get("ClaimPaymentNum")]
    checks = _totals(world.rows["claimpayment"], "ClaimPaymentNum", "CheckAmt")
    assert _totals(lines, "ClaimPaymentNum", "InsPayAmt") == pytest.approx(checks, abs=0.02)


def test_payment_plans_charge_what_they_cover(world: World) -> None:
    static = {row["PayPlanNum"]: row["CompletedAmt"] for row in world.rows["payplan"] if not row["IsDynamic"]}
    debits = [row for row in world.rows["payplancharge"] if not row["ChargeType"]]
    charged = _totals(debits, "PayPlanNum", "Principal")
    assert {plan: charged[plan] for plan in static} == pytest.approx(static, abs=0.02)


def test_balances_of_families_are_the_sum_of_their_members(world: World) -> None:
    families = _totals(world.rows["patient"], "Guarantor", "EstBalance")
    heads = {row["PatNum"]: row["BalTotal"] for row in world.rows["patient"] if "BalTotal" in row}
    assert heads == pytest.approx(families, abs=0.05)


def test_buckets_hold_no_more_than_a_family_owes_with_its_credit(world: World) -> None:
    owing = [row for row in world.rows["patient"] if row.get("BalTotal", 0) > 0]
    buckets = ("Bal_0_30", "Bal_31_60", "Bal_61_90", "BalOver90")
    assert all(sum(row[name] for name in buckets) >= row["BalTotal"] - 0.05 for row in owing)


def test_e_mail_addresses_belong_to_nobody(world: World) -> None:
    addresses = [row["Email"] for row in world.rows["patient"] if row["Email"]]
    assert all(address.endswith("@example.com") for address in addresses)


def test_telephone_numbers_belong_to_nobody(world: World) -> None:
    numbers = [row[column] for row in world.rows["patient"] for column in ("HmPhone", "WirelessPhone")]
    assert all("555-01" in number for number in numbers if number)


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("patient", "Birthdate", "0000-00-00"),
        ("patient", "AdmitDate", "2020-00-15"),
        ("labcase", "DateTStamp", None),
        ("periomeasure", "SecDateTEdit", "0000-00-00 00:00:00"),
        ("procnote", "EntryDateTime", "2099-12-31 23:59:59"),
        ("recall", "DateTStamp", "2038-01-19 03:14:07"),
        ("timeadjust", "RegHours", timedelta(hours=-12, minutes=-30)),
        ("labcase", "LabFee", 0.1 + 0.2),
        ("claimproc", "WriteOffEst", -1.0),
        ("procnote", "Note", "\\N"),
        ("commlog", "Mode_", 77),
    ],
)
def test_odd_values_of_real_clinics_occur(world: World, table: str, column: str, value: object) -> None:
    assert value in [row.get(column, "") for row in world.rows[table]]


def test_scratch_copy_holds_equal_rows(world: World) -> None:
    lines = list(encode(tables()["tmp_patient_backup"], world.rows["tmp_patient_backup"]))
    assert len(set(lines)) < len(lines)


def test_schema_has_a_statement_per_table() -> None:
    assert len(statements()) == len(tables()) >= 64


def test_schema_knows_keys_and_stamps() -> None:
    patient = tables()["patient"]
    assert (patient.key, patient.stamp, len(patient.columns)) == ("PatNum", "DateTStamp", 84)


def test_columns_left_out_take_the_schema_s_default() -> None:
    defaults = tables()["claim"].defaults
    assert (defaults["ClaimType"], defaults["DateSent"], defaults["PlanNum"]) == ("", "0001-01-01", 0)


def test_encoding_keeps_what_would_end_a_field_or_a_row() -> None:
    table = tables()["zipcode"]
    (line,) = encode(table, [{"ZipCodeNum": 1, "City": "a\tb\nc\\N", "State": None}])
    assert line == "1\t\ta\\tb\\nc\\\\N\t\\N\t0\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(hours=838, minutes=59, seconds=59), "838:59:59"),
        (timedelta(hours=-12, minutes=-30), "-12:30:00"),
        (timedelta(), "00:00:00"),
    ],
    ids=str,
)
def test_durations_are_signed_and_pass_a_day(value: timedelta, text: str) -> None:
    assert duration(value) == text
