"""What each family owes, by age, in the columns where Open Dental itself keeps it.

The rules are those of version 24.2 and later with the preferences that the practice has:
PayPlansVersion 2 (credits and debits age) and AgingProcLifo unset, which means yes.

Source: Open Dental's manual on aging, and its public source (Ledgers).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from dental_etl.sandbox.synthetic.world import Row, World

_COMPLETE = 2
_PAID_STATUSES = {1, 4, 5, 7}
_BUCKETS = ("BalOver90", "Bal_61_90", "Bal_31_60", "Bal_0_30")
_BILLED_IN_ADVANCE = timedelta(days=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One line of a patient's account; charges are positive."""

    patient: int
    day: date
    amount: float
    #: Procedure it belongs to, for adjustments and plan credits.
    procedure: int = 0
    #: Day of that procedure.
    procedure_day: date | None = None


def age_accounts(world: World) -> None:
    """Write balances as of the evening before, the day of preference DateLastAging."""
    as_of = world.as_of - timedelta(days=1)
    families = {row["PatNum"]: row["Guarantor"] for row in world.rows["patient"]}
    by_family: dict[int, list[_Entry]] = defaultdict(list)
    balances: dict[int, float] = defaultdict(float)
    for entry in _entries(world, as_of):
        by_family[families[entry.patient]].append(entry)
        balances[entry.patient] += entry.amount
    estimates = _estimates(world, families)
    dues = _plan_dues(world, families, as_of)
    for row in world.rows["patient"]:
        number = row["PatNum"]
        row["EstBalance"] = _cents(balances[number])
        if row["Guarantor"] == number:
            entries = by_family[number]
            row["BalTotal"] = _cents(sum(entry.amount for entry in entries))
            row |= dict(zip(_BUCKETS, _buckets(entries, as_of), strict=True))
            row |= {"InsEst": _cents(estimates[number]), "PayPlanDue": _cents(dues[number])}


def _entries(world: World, as_of: date) -> Iterator[_Entry]:
    procedures = {row["ProcNum"]: row for row in world.rows["procedurelog"]}
    hidden = {row["DefNum"] for row in world.rows["definition"] if row["Category"] == 29 and row["ItemValue"]}
    for row in procedures.values():
        if row["ProcStatus"] == _COMPLETE and row["ProcFee"]:
            amount = row["ProcFee"] * (row["UnitQty"] + row["BaseUnits"])
            yield _Entry(patient=row["PatNum"], day=row["ProcDate"], amount=amount)
    for row in world.rows["claimproc"]:
        is_done = row["ProcNum"] == 0 or procedures[row["ProcNum"]]["ProcStatus"] == _COMPLETE
        if row["Status"] in _PAID_STATUSES and is_done:
            amount = -row.get("InsPayAmt", 0.0) - row.get("WriteOff", 0.0)
            yield _Entry(patient=row["PatNum"], day=row["DateCP"], amount=amount)
    for row in world.rows["adjustment"]:
        yield _Entry(
            patient=row["PatNum"],
            day=row["AdjDate"],
            amount=row["AdjAmt"],
            procedure=row["ProcNum"],
            procedure_day=row["ProcDate"],
        )
    for row in world.rows["paysplit"]:
        if row.get("UnearnedType", 0) not in hidden:
            yield _Entry(patient=row["PatNum"], day=row["DatePay"], amount=-row["SplitAmt"])
    yield from _plan_entries(world, procedures, as_of)


def _plan_entries(world: World, procedures: dict[int, Row], as_of: date) -> Iterator[_Entry]:
    plans = {row["PayPlanNum"]: row for row in world.rows["payplan"]}
    for row in world.rows["payplancharge"]:
        if row["ChargeDate"] <= as_of and row["ChargeType"] == 0:
            amount = row["Principal"] + row["Interest"]
            yield _Entry(patient=row["Guarantor"], day=row["ChargeDate"], amount=amount)
        elif row["ChargeDate"] <= as_of:
            yield _Entry(
                patient=plans[row["PayPlanNum"]]["PatNum"],
                day=row["ChargeDate"],
                amount=-row["Principal"],
                procedure=row["ProcNum"],
                procedure_day=procedures[row["ProcNum"]]["ProcDate"],
            )
    for row in world.rows["payplanlink"]:
        procedure = procedures[row["FKey"]]
        if procedure["ProcStatus"] == _COMPLETE:
            yield _Entry(
                patient=plans[row["PayPlanNum"]]["PatNum"],
                day=procedure["ProcDate"],
                amount=-row["AmountOverride"],
                procedure=row["FKey"],
                procedure_day=procedure["ProcDate"],
            )


def _buckets(entries: list[_Entry], as_of: date) -> list[float]:
    """Return what is owed, oldest first: credits pay the oldest charges first.

    What belongs to a procedure lowers that procedure's own bucket before anything else.
    """
    charges, credit = [0.0, 0.0, 0.0, 0.0], 0.0
    linked: dict[tuple[int, int, date], float] = defaultdict(float)
    days: dict[tuple[int, int, date], date] = {}
    for entry in entries:
        if entry.procedure and entry.procedure_day:
            key = (entry.patient, entry.procedure, entry.day)
            linked[key] += entry.amount
            days[key] = entry.procedure_day
        elif entry.day <= as_of and entry.amount > 0:
            charges[_bucket(entry.day, as_of)] += entry.amount
        elif entry.day <= as_of:
            credit -= entry.amount
    for key, amount in linked.items():
        day = days[key] if amount < 0 else key[2]
        if day <= as_of:
            charges[_bucket(day, as_of)] += amount
    credit -= sum(charge for charge in charges if charge < 0)
    return _waterfall([max(charge, 0.0) for charge in charges], credit)


def _waterfall(charges: list[float], credit: float) -> list[float]:
    owed, so_far = [], 0.0
    for charge in charges:
        so_far += charge
        owed.append(_cents(max(0.0, min(charge, so_far - credit))))
    return owed


def _bucket(day: date, as_of: date) -> int:
    age = (as_of - day).days
    return 3 if age <= 30 else 2 if age <= 60 else 1 if age <= 90 else 0


def _estimates(world: World, families: dict[int, int]) -> dict[int, float]:
    totals: dict[int, float] = defaultdict(float)
    for row in world.rows["claimproc"]:
        if row["Status"] == 0:
            totals[families[row["PatNum"]]] += row["InsPayEst"] + row["WriteOff"]
    return totals


def _plan_dues(world: World, families: dict[int, int], as_of: date) -> dict[int, float]:
    """Return what has been charged on payment plans, less what was paid on them."""
    totals: dict[int, float] = defaultdict(float)
    for row in world.rows["payplancharge"]:
        if row["ChargeType"] == 0 and row["ChargeDate"] <= as_of + _BILLED_IN_ADVANCE:
            totals[families[row["Guarantor"]]] += row["Principal"] + row["Interest"]
    for row in world.rows["paysplit"]:
        if row.get("PayPlanNum"):
            totals[families[row["PatNum"]]] -= row["SplitAmt"]
    return totals


def _cents(amount: float) -> float:
    """Round to cents, and never to minus zero."""
    return round(amount, 2) + 0.0
