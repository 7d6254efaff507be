"""Family aging against a slow, literal reading of Open Dental's rules, row by row in Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from dental_practice import NO_DATE, TODAY, Row, Tables, create_raw, practice, set_preference
from sqlalchemy import Connection, text

from dental_etl import transform
from dental_etl.config import Settings
from dental_etl.run import DbtStatus
from dental_etl.transform import selection

BUCKETS = ("balance_0_30", "balance_31_60", "balance_61_90", "balance_over_90")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    patient: int
    day: date
    amount: Decimal
    #: Procedure whose age the entry changes; 0 for none.
    linked: int = 0
    #: None when that procedure is gone.
    linked_day: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    buckets: tuple[Decimal, ...]
    total: Decimal
    unused_credit: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    pay_plans_version: int
    #: Preference AgingProcLifo as stored; only 2 means no.
    lifo: str
    #: Release of Open Dental.
    release: str = "24.3.35.0"

    @property
    def generation(self) -> tuple[int, int]:
        year, number = self.release.split(".")[:2]
        return int(year), int(number)


class Books:
    """The ledger of a practice as the rules describe it, under one set of preferences."""

    def __init__(self, tables: Tables, case: Case) -> None:
        self._tables = tables
        self._version = case.pay_plans_version
        self._generation = case.generation
        self._procedures = {row["ProcNum"]: row for row in tables["procedurelog"]}
        self._plans = {row["PayPlanNum"]: row for row in tables["payplan"]}
        self._adjustments = {row["AdjNum"]: row for row in tables["adjustment"]}

    def entries(self) -> Iterator[Entry]:
        yield from self._charges()
        yield from self._insurance()
        yield from self._adjusted()
        yield from self._payments()
        yield from self._whole_plans()
        yield from self._plan_charges()
        yield from self._plan_links()
        yield from self._plan_discounts()

    def _charges(self) -> Iterator[Entry]:
        for row in self._procedures.values():
            if row["ProcStatus"] == 2:
                yield Entry(patient=row["PatNum"], day=_day(row["ProcDate"]), amount=_fee(row))

    def _insurance(self) -> Iterator[Entry]:
        for row in self._tables["claimproc"]:
            procedure = self._procedures.get(row["ProcNum"])
            is_counted = row["ProcNum"] == 0 or (procedure is not None and procedure["ProcStatus"] == 2)
            is_counted = is_counted or self._generation < (22, 2)
            if row["Status"] in {1, 4, 5, 7} and is_counted:
                paid = _money(row["InsPayAmt"]) if row["PayPlanNum"] == 0 else Decimal(0)
                amount = -paid - _money(row["WriteOff"])
                yield Entry(patient=row["PatNum"], day=_day(row["DateCP"]), amount=amount)

    def _adjusted(self) -> Iterator[Entry]:
        for row in self._adjustments.values():
            yield Entry(
                patient=row["PatNum"],
                day=_day(row["AdjDate"]),
                amount=_money(row["AdjAmt"]),
                linked=row["ProcNum"],
                linked_day=_day(row["ProcDate"]),
            )

    def _payments(self) -> Iterator[Entry]:
        for row in self._tables["paysplit"]:
            is_on_account = self._version in {2, 4} or row["PayPlanNum"] == 0
            if is_on_account and row["UnearnedType"] != 2:
                yield Entry(patient=row["PatNum"], day=_day(row["DatePay"]), amount=-_money(row["SplitAmt"]))

    def _whole_plans(self) -> Iterator[Entry]:
        for row in self._plans.values():
            is_insurers = row["PlanNum"] != 0 and self._generation >= (22, 2)
            if self._version == 1 or (self._version == 4 and is_insurers):
                amount = -_money(row["CompletedAmt"])
                yield Entry(patient=row["PatNum"], day=_day(row["PayPlanDate"]), amount=amount)

    def _plan_charges(self) -> Iterator[Entry]:
        for row in self._tables["payplancharge"]:
            if self._version not in {2, 3} or _day(row["ChargeDate"]) > TODAY:
                continue
            plan = self._plans.get(row["PayPlanNum"])
            if row["ChargeType"] == 1:
                yield from self._plan_credit(row, plan)
            elif self._version == 2 and plan is not None and plan["PlanNum"] == 0:
                amount = _money(row["Principal"]) + _money(row["Interest"])
                yield Entry(patient=row["Guarantor"], day=_day(row["ChargeDate"]), amount=amount)

    def _plan_credit(self, row: Row, plan: Row | None) -> Iterator[Entry]:
        patient = row["PatNum"] if self._version == 3 else (plan or {"PatNum": 0})["PatNum"]
        procedure = self._procedures.get(row["ProcNum"])
        yield Entry(
            patient=patient,
            day=_day(row["ChargeDate"]),
            amount=-_money(row["Principal"]),
            linked=row["ProcNum"],
            linked_day=_day(procedure["ProcDate"]) if procedure else None,
        )

    def _plan_links(self) -> Iterator[Entry]:
        for row in self._tables["payplanlink"] if self._version in {2, 3} else ():
            procedure = self._procedures.get(row["FKey"]) if row["LinkType"] == 2 else None
            adjustment = self._adjustments.get(row["FKey"]) if row["LinkType"] == 1 else None
            if procedure is not None and self._takes(row, procedure):
                day = _day(procedure["ProcDate"])
                yield Entry(
                    patient=procedure["PatNum"],
                    day=self._link_day(row, day),
                    amount=-(_money(row["AmountOverride"]) or self._worth(procedure)),
                    linked=procedure["ProcNum"],
                    linked_day=day,
                )
            if adjustment is not None:
                worth = _money(adjustment["AdjAmt"]) - self._split_sum("AdjNum", adjustment["AdjNum"])
                yield Entry(
                    patient=adjustment["PatNum"],
                    day=self._link_day(row, _day(adjustment["AdjDate"])),
                    amount=-(_money(row["AmountOverride"]) or worth),
                )

    def _takes(self, link: Row, procedure: Row) -> bool:
        if self._generation >= (24, 2) or procedure["ProcStatus"] == 2:
            return bool(procedure["ProcStatus"] == 2)
        return bool(self._plans[link["PayPlanNum"]]["DynamicPayPlanTPOption"] != 1)

    def _link_day(self, link: Row, day: date) -> date:
        entered: date = link["SecDateTEntry"].date()
        return day if self._generation >= (24, 2) else entered

    def _plan_discounts(self) -> Iterator[Entry]:
        if self._version not in {2, 3} or not (23, 2) <= self._generation < (24, 2):
            return
        for link in self._tables["payplanlink"]:
            plan, procedure = self._plans[link["PayPlanNum"]], self._procedures.get(link["FKey"])
            if link["LinkType"] != 2 or procedure is None or procedure["ProcStatus"] != 1:
                continue
            if plan["IsDynamic"] and plan["DynamicPayPlanTPOption"] == 2:
                day = _day(procedure["ProcDate"])
                yield Entry(
                    patient=plan["PatNum"],
                    day=day,
                    amount=_money(procedure["Discount"]),
                    linked=procedure["ProcNum"],
                    linked_day=day,
                )

    def _worth(self, procedure: Row) -> Decimal:
        """What is left of a procedure after adjustments, insurance and payments outside plans."""
        number = procedure["ProcNum"]
        worth = _fee(procedure)
        for row in self._adjustments.values():
            same = ("PatNum", "ProvNum", "ClinicNum")
            if row["ProcNum"] == number and all(row[key] == procedure[key] for key in same):
                worth += _money(row["AdjAmt"])
        for row in self._tables["claimproc"]:
            if row["ProcNum"] == number and row["Status"] != 2:
                worth -= _insured(row)
        return worth - self._split_sum("ProcNum", number)

    def _split_sum(self, key: str, number: int) -> Decimal:
        return sum(
            (
                _money(row["SplitAmt"])
                for row in self._tables["paysplit"]
                if row[key] == number and row["PayPlanNum"] == 0
            ),
            start=Decimal(0),
        )


def _insured(row: Row) -> Decimal:
    if row["Status"] in {1, 4, 7}:
        return _money(row["InsPayAmt"]) + _money(row["WriteOff"])
    estimate = row["InsPayEst"] if row["InsEstTotalOverride"] == -1 else row["InsEstTotalOverride"]
    write_off = row["WriteOffEst"] if row["WriteOffEstOverride"] == -1 else row["WriteOffEstOverride"]
    return _money(estimate) + (Decimal(0) if write_off == -1 else _money(write_off))


def _day(value: date | None) -> date:
    return value or NO_DATE


def _money(value: float) -> Decimal:
    return Decimal(str(value))


def _fee(row: Row) -> Decimal:
    quantity: int = row["UnitQty"] + row["BaseUnits"]
    return _money(row["ProcFee"]) * quantity


def aged_families(tables: Tables, case: Case) -> dict[int, Aged]:
    family = {row["PatNum"]: row["Guarantor"] for row in tables["patient"]}
    by_family: dict[int, list[Entry]] = defaultdict(list)
    for entry in Books(tables, case).entries():
        if entry.patient in family:
            by_family[family[entry.patient]].append(entry)
    is_lifo = case.lifo != "2"
    return {guarantor: _age(entries, lifo=is_lifo) for guarantor, entries in by_family.items() if entries}


def _age(entries: list[Entry], *, lifo: bool) -> Aged:
    """Pay the charges one by one, oldest bucket first, until the credits are used up."""
    owed = [Decimal(0)] * 4
    credit = Decimal(0)
    linked: dict[tuple[int, int, date], list[Entry]] = defaultdict(list)
    for entry in entries:
        if lifo and entry.linked:
            linked[entry.patient, entry.linked, entry.day].append(entry)
        elif entry.amount > 0:
            _add(owed, entry.day, entry.amount)
        elif entry.day <= TODAY:
            credit -= entry.amount
    for (_patient, _procedure, day), group in linked.items():
        amount = sum((entry.amount for entry in group), start=Decimal(0))
        _add(owed, group[0].linked_day if amount < 0 else day, amount)
    for index, amount in enumerate(owed):
        credit -= min(amount, Decimal(0))
        owed[index] = max(amount, Decimal(0))
    for index in (3, 2, 1, 0):
        used = min(owed[index], credit)
        owed[index] -= used
        credit -= used
    total = sum((entry.amount for entry in entries), start=Decimal(0))
    return Aged(buckets=tuple(owed), total=total, unused_credit=credit)


def _add(owed: list[Decimal], day: date | None, amount: Decimal) -> None:
    if day is None or day > TODAY:
        return
    bounds = [TODAY - timedelta(days=days) for days in (30, 60, 90)]
    index = next((number for number, bound in enumerate(bounds) if day >= bound), 3)
    owed[index] += amount


CASES = [
    Case(pay_plans_version=version, lifo=lifo, release=release)
    for version in (1, 2, 3, 4)
    for lifo in ("0", "1", "2")
    for release in ("24.3.35.0", "24.1.10.0", "23.1.4.0", "21.4.1.0")
]


@pytest.fixture
def tables(analytics: Connection) -> Tables:
    rows = practice(seed=7)
    create_raw(analytics, rows)
    return rows


@pytest.fixture
def ledger_sql(tables: Tables, sandbox_settings: Settings, tmp_path: Path) -> str:
    """What dbt compiled the ledger to, after building everything that the aging stands on."""
    result = transform.build(
        replace(sandbox_settings, artifacts_url=str(tmp_path)),
        run_id="aging",
        as_of_date=TODAY,
        record=lambda _node: None,
        selection=selection.selector("daily_critical"),
    )
    assert result.status is DbtStatus.SUCCESS, result.reason
    return next(tmp_path.rglob("compiled/dental_models/models/*/ledger/int_ledger_entries.sql")).read_text(
        encoding="utf-8"
    )


def test_aging_equals_the_literal_rules_under_every_preference_and_release(
    tables: Tables, ledger_sql: str, analytics: Connection
) -> None:
    """One test over all cases: the ledger is the only table between raw and the families, the rest are views."""
    mart = _families(analytics, "marts.mart_ar_aging_family")
    expected = _rounded(aged_families(tables, Case(pay_plans_version=2, lifo="0")))
    assert {family: mart[family] for family in expected} == expected
    assert {case: found for case in CASES if (found := _differing(analytics, tables, ledger_sql, case))} == {}


def _differing(connection: Connection, tables: Tables, ledger_sql: str, case: Case) -> dict[int, object]:
    set_preference(connection, "PayPlansVersion", str(case.pay_plans_version))
    set_preference(connection, "AgingProcLifo", case.lifo)
    set_preference(connection, "DataBaseVersion", case.release)
    connection.exec_driver_sql("TRUNCATE intermediate.int_ledger_entries")
    connection.exec_driver_sql(f"INSERT INTO intermediate.int_ledger_entries {ledger_sql}".replace("%", "%%"))
    modelled = _families(connection, "intermediate.int_family_balances_bucketed")
    expected = aged_families(tables, case)
    return {
        family: (modelled.get(family), expected.get(family))
        for family in modelled.keys() | expected.keys()
        if modelled.get(family, _NOTHING) != expected.get(family, _NOTHING)
    }


_NOTHING = Aged(buckets=(Decimal(0),) * 4, total=Decimal(0), unused_credit=Decimal(0))


def _families(connection: Connection, relation: str) -> dict[int, Aged]:
    names = ", ".join((*BUCKETS, "balance_total", "unused_credit"))
    rows = connection.execute(text(f"SELECT family_id, {names} FROM {relation}")).all()
    connection.commit()
    return {row[0]: Aged(buckets=tuple(row[1:5]), total=row[5], unused_credit=row[6]) for row in rows}


def _rounded(aged: dict[int, Aged]) -> dict[int, Aged]:
    cent = Decimal("0.01")
    return {
        family: Aged(
            buckets=tuple(amount.quantize(cent, "ROUND_HALF_UP") for amount in one.buckets),
            total=one.total.quantize(cent, "ROUND_HALF_UP"),
            unused_credit=one.unused_credit.quantize(cent, "ROUND_HALF_UP"),
        )
        for family, one in aged.items()
    }
