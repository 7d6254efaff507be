"""A small practice with hostile books, written straight into `raw` tables.

Rows cluster around the ages at which buckets change, and every kind of entry of the ledger occurs:
reversals, payments by total, hidden prepayments, plans of patients and of insurers, dynamic plans with
overrides, objects that are gone, dates that are missing.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from dental_etl.config.tables import Column
from dental_etl.load.postgres_types import postgres_type
from dental_etl.sandbox import schema

Row = dict[str, Any]
Tables = dict[str, list[Row]]

#: The day that ages count from.
TODAY = date(2026, 1, 31)
NO_DATE = date(1, 1, 1)

#: Raw tables as the product would create them from Open Dental's own.
COLUMNS: Mapping[str, Mapping[str, str]] = {
    name: {
        column: postgres_type(
            Column(
                name=column,
                data_type=declared.partition("(")[0].partition(" ")[0],
                column_type=declared,
                is_nullable=True,
            )
        )
        for column, declared in table.types.items()
    }
    for name, table in schema.tables().items()
    if table.key
}

#: What a row holds that does not name a column, by the beginning of the type.
_EMPTY: Mapping[str, Any] = {
    "bigint": 0,
    "integer": 0,
    "smallint": 0,
    "double precision": 0.0,
    "real": 0.0,
    "text": "",
    "date": NO_DATE,
    "timestamp(0) without time zone": datetime(1, 1, 1),  # noqa: DTZ001  # clinics keep local times without a zone
    "timestamp(0) with time zone": None,
    "interval(0)": timedelta(0),
}


def create_raw(connection: Connection, tables: Tables) -> None:
    """Replace schema `raw` by these rows; columns that a row does not name hold Open Dental's defaults."""
    connection.execute(text("DROP SCHEMA IF EXISTS raw CASCADE"))
    connection.execute(text("CREATE SCHEMA raw"))
    connection.execute(
        text(
            "CREATE TABLE raw.etl_load_status (table_name text PRIMARY KEY, last_loaded timestamptz,"
            " rows_loaded bigint, load_status text)"
        )
    )
    for table, types in COLUMNS.items():
        _create_table(connection, table, types)
        _insert(connection, table, tables.get(table, []))
    connection.execute(
        text(
            "INSERT INTO raw.etl_load_status SELECT table_name, now(), 0, 'success'"
            " FROM information_schema.tables WHERE table_schema = 'raw' AND table_name <> 'etl_load_status'"
        )
    )
    connection.commit()


def set_preference(connection: Connection, name: str, value: str) -> None:
    connection.execute(
        text('UPDATE raw.preference SET "ValueString" = :value WHERE "PrefName" = :name'),
        {"name": name, "value": value},
    )
    connection.commit()


def _create_table(connection: Connection, table: str, types: Mapping[str, str]) -> None:
    columns = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
    connection.execute(
        text(f'CREATE TABLE raw."{table}" ({columns}, "_loaded_at" timestamptz DEFAULT now())')
    )


def _insert(connection: Connection, table: str, rows: list[Row]) -> None:
    if not rows:
        return
    types = COLUMNS[table]
    columns = ", ".join(f'"{name}"' for name in types)
    values = ", ".join(f":{name}" for name in types)
    connection.execute(
        text(f'INSERT INTO raw."{table}" ({columns}) VALUES ({values})'),
        [{name: row.get(name, _EMPTY[kind]) for name, kind in types.items()} for row in rows],
    )


def practice(seed: int, families: int = 60) -> Tables:
    """Return the rows of a practice; the same for the same seed."""
    return _Practice(random.Random(seed)).tables(families)  # noqa: S311  # reproducible, not secret


class _Practice:
    """Adds rows family by family; keys count up per table."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._rows: Tables = {name: [] for name in COLUMNS}

    def tables(self, families: int) -> Tables:
        self._reference()
        for _ in range(families):
            self._family()
        return self._rows

    def _reference(self) -> None:
        for number in range(1, 4):
            self._rows["provider"].append({"ProvNum": number, "Abbr": f"P{number}"})
        self._rows["definition"] += [
            {"DefNum": 1, "Category": 29, "ItemName": "Prepayment"},
            {"DefNum": 2, "Category": 29, "ItemName": "Hidden prepayment", "ItemValue": "X"},
            {"DefNum": 3, "Category": 1, "ItemName": "Discount"},
        ]
        for number, (name, value) in enumerate(
            {
                "PayPlansVersion": "2",
                "AgingProcLifo": "0",
                "DataBaseVersion": "24.3.35.0",
                "PayPlansBillInAdvanceDays": "10",
                "ReportsPPOwriteoffDefaultToProcDate": "1",
            }.items(),
            start=1,
        ):
            self._rows["preference"].append({"PrefNum": number, "PrefName": name, "ValueString": value})

    def _add(self, table: str, key: str, **values: Any) -> int:
        number = len(self._rows[table]) + 1
        self._rows[table].append({key: number, **values})
        return number

    def _day(self) -> date | None:
        """Return a day near a boundary, any day of a year, one to come, or none."""
        kind = self._chance.randrange(12)
        if kind == 0:
            return self._chance.choice([None, NO_DATE])
        if kind == 1:
            return TODAY + timedelta(days=self._chance.randint(1, 20))
        if kind <= 6:
            return TODAY - timedelta(days=self._chance.choice([0, 1, 29, 30, 31, 59, 60, 61, 89, 90, 91]))
        return TODAY - timedelta(days=self._chance.randint(0, 200))

    def _money(self) -> float:
        return self._chance.randint(1, 800) / 4

    def _who(self) -> Row:
        return {"ProvNum": self._chance.randint(0, 3), "ClinicNum": self._chance.choice([0, 0, 1])}

    def _family(self) -> None:
        guarantor = len(self._rows["patient"]) + 1
        members = [
            self._add("patient", "PatNum", Guarantor=guarantor, PriProv=1)
            for _ in range(self._chance.randint(1, 3))
        ]
        for patient in members:
            procedures = [self._procedure(patient) for _ in range(self._chance.randint(0, 4))]
            for _ in range(self._chance.randint(0, 3)):
                self._split(patient, 0)
            if self._chance.random() < 0.3:
                self._claim_procedure(patient, 0)
            for _ in range(self._chance.randint(0, 2)):
                self._plan(patient, guarantor, procedures)

    def _procedure(self, patient: int) -> int:
        status = self._chance.choice([2, 2, 2, 2, 1, 6, 8])
        who = self._who()
        day = self._day()
        procedure = self._add(
            "procedurelog",
            "ProcNum",
            PatNum=patient,
            ProcStatus=status,
            ProcDate=day,
            ProcFee=self._chance.choice([0.0, self._money(), self._money(), self._money()]),
            UnitQty=self._chance.choice([1, 1, 1, 2]),
            BaseUnits=self._chance.choice([0, 0, 1]),
            Discount=self._chance.choice([0.0, 5.0]),
            **who,
        )
        # A stale copy of the date, the same for all adjustments of the procedure: two dates in one group
        # are undefined in Open Dental itself. Every fifth procedure has one, and no plan names it.
        copied = NO_DATE if procedure % 5 == 0 else day
        for _ in range(self._chance.randint(0, 2)):
            self._adjustment(patient, procedure, copied, who)
        for _ in range(self._chance.randint(0, 2)):
            self._claim_procedure(patient, procedure)
        if self._chance.random() < 0.5:
            self._split(patient, procedure)
        return procedure

    def _adjustment(self, patient: int, procedure: int, copied: date | None, who: Row) -> None:
        self._add(
            "adjustment",
            "AdjNum",
            PatNum=patient,
            ProcNum=procedure if self._chance.random() < 0.7 else 0,
            ProcDate=copied,
            AdjDate=self._day(),
            AdjAmt=self._money() * self._chance.choice([-1, -1, -0.5, 0.5, 0]),
            AdjType=3,
            **(who if self._chance.random() < 0.7 else self._who()),
        )

    def _claim_procedure(self, patient: int, procedure: int) -> None:
        payment = 0
        if self._chance.random() < 0.5:
            payment = self._add("claimpayment", "ClaimPaymentNum", CheckDate=self._day(), CheckAmt=1.0)
        paid = self._money() * self._chance.choice([0, 0.5, 1, -0.5])
        number = self._add(
            "claimproc",
            "ClaimProcNum",
            PatNum=patient,
            ProcNum=procedure,
            Status=self._chance.choice([0, 0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8]),
            ProcDate=self._day(),
            DateCP=self._day(),
            InsPayEst=self._money(),
            InsPayAmt=paid,
            WriteOff=self._chance.choice([0.0, 12.5, -3.25]),
            InsEstTotalOverride=self._chance.choice([-1.0, -1.0, 20.0]),
            WriteOffEst=self._chance.choice([-1.0, 8.0]),
            WriteOffEstOverride=self._chance.choice([-1.0, -1.0, 4.0]),
            ClaimPaymentNum=payment,
            PayPlanNum=self._chance.choice([0, 0, 0, 1]),
            **self._who(),
        )
        if self._chance.random() < 0.4:
            entered = datetime(2026, 1, 5, 9, 30)  # noqa: DTZ001  # local time, as the clinic keeps it
            self._add(
                "claimsnapshot",
                "ClaimSnapshotNum",
                ClaimProcNum=number,
                Writeoff=self._chance.choice([-1.0, 10.0]),
                DateTEntry=entered,
            )

    def _split(self, patient: int, procedure: int, plan: int = 0, adjustment: int = 0) -> None:
        payment = self._add("payment", "PayNum", PatNum=patient, PayDate=self._day())
        self._add(
            "paysplit",
            "SplitNum",
            PayNum=payment,
            PatNum=patient,
            ProcNum=procedure,
            AdjNum=adjustment,
            PayPlanNum=plan,
            DatePay=self._day(),
            SplitAmt=self._money() * self._chance.choice([0, 0.5, 1, 1, -0.5]),
            UnearnedType=self._chance.choice([0, 0, 0, 0, 1, 2]),
            IsDiscount=self._chance.choice([0, 0, 0, 0, 1]),
            **self._who(),
        )

    def _plan(self, patient: int, guarantor: int, procedures: list[int]) -> None:
        plan = self._add(
            "payplan",
            "PayPlanNum",
            PatNum=patient,
            Guarantor=guarantor,
            PlanNum=self._chance.choice([0, 0, 7]),
            PayPlanDate=self._day(),
            CompletedAmt=self._chance.choice([0.0, self._money()]),
            IsClosed=self._chance.choice([0, 0, 1]),
            IsDynamic=1,
            DynamicPayPlanTPOption=self._chance.randint(0, 2),
        )
        named = [procedure for procedure in procedures if procedure % 5]
        for _ in range(self._chance.randint(0, 4)):
            self._charge(plan, patient, guarantor, named)
        for _ in range(self._chance.randint(0, 2)):
            self._link(plan, named)
        if self._chance.random() < 0.5:
            self._split(patient, 0, plan=plan)

    def _charge(self, plan: int, patient: int, guarantor: int, named: list[int]) -> None:
        gone = 999_999
        self._add(
            "payplancharge",
            "PayPlanChargeNum",
            PayPlanNum=plan if self._chance.random() < 0.95 else gone,
            PatNum=patient,
            # The payer of a plan may belong to another family.
            Guarantor=self._chance.choice([guarantor, 1]),
            ChargeType=self._chance.randint(0, 1),
            ChargeDate=self._day(),
            Principal=self._money(),
            Interest=self._chance.choice([0.0, 1.25]),
            ProcNum=self._chance.choice([0, gone, *named]),
        )

    def _link(self, plan: int, named: list[int]) -> None:
        kind = self._chance.randint(1, 3)
        adjustments = len(self._rows["adjustment"])
        target = self._chance.choice([999_999, *named]) if kind == 2 else max(1, adjustments)
        self._add(
            "payplanlink",
            "PayPlanLinkNum",
            PayPlanNum=plan,
            LinkType=kind,
            FKey=target,
            AmountOverride=self._chance.choice([0.0, 0.0, 33.0]),
            SecDateTEntry=datetime(2025, 12, 20, 8, 0),  # noqa: DTZ001  # local time, as the clinic keeps it
        )
        if kind == 1 and adjustments and self._chance.random() < 0.5:
            self._split(1, 0, adjustment=target)
