"""What patients pay: payments and their splits, adjustments, payment plans, statements."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from functools import partial

from dental_etl.sandbox.synthetic.insurance import NO_DATE, Insurance
from dental_etl.sandbox.synthetic.people import Patient
from dental_etl.sandbox.synthetic.practice import Practice
from dental_etl.sandbox.synthetic.world import Row, World

_DISCOUNT, _COURTESY, _FINANCE_CHARGE, _MISSED, _BAD_DEBT = range(5)


class Money:
    """Keeps the patients' side of every procedure."""

    def __init__(self, world: World, practice: Practice, insurance: Insurance) -> None:
        self._world = world
        self._practice = practice
        self._insurance = insurance
        #: Procedure to what the patient paid, was forgiven, or pays by a plan.
        self._settled: dict[int, float] = defaultdict(float)

    def settle_visit(self, patient: Patient, procedures: list[Row]) -> None:
        """Ask for the patient's share of a visit; some pay at once, some later, some never."""
        world = self._world
        if world.chance(0.06):
            self._adjust(patient, procedures[0], world.pick((_DISCOUNT, _COURTESY)), -0.1)
        due = self._due(procedures)
        total = sum(due.values())
        if total > 400 and world.chance(0.25):
            self._add_payment_plan(patient, procedures)
        elif total > 0 and world.chance(0.68):
            self._pay(patient, procedures)
        elif total > 0:
            self._send_statement(patient, total)
            self._pay_later(patient, procedures, 0.7)
        if any(self._insurance.is_covered(procedure) for procedure in procedures):
            world.at(world.weekday_in(world.between(50, 75)), partial(self._settle_rest, patient, procedures))
        if world.chance(0.01):
            self._prepay(patient)
        if world.chance(0.003):
            self._discount(patient)

    def charge_missed(self, patient: Patient, procedure: Row) -> None:
        """Charge for an appointment that the patient missed."""
        self._add_adjustment(patient, procedure, _MISSED, 50.0)

    def transfer_income(self, patient: Patient) -> None:
        """Move income from one provider to another: a payment of zero whose splits cancel out."""
        amount = float(self._world.between(20, 200))
        payment = self._add_payment(patient, 0.0, payment_type=0)
        for provider, sign in ((patient.dentist, 1), (patient.hygienist, -1)):
            self._add_split(payment, patient.row, sign * amount, provider["ProvNum"])

    def _due(self, procedures: list[Row]) -> dict[int, float]:
        dues = {}
        for procedure in procedures:
            key = procedure["ProcNum"]
            fee = procedure["ProcFee"] * max(1, procedure["UnitQty"] + procedure["BaseUnits"])
            due = round(fee - self._insurance.covered[key] - self._settled[key], 2)
            if due > 0.01:
                dues[key] = due
        return dues

    def _pay(self, patient: Patient, procedures: list[Row]) -> None:
        due = self._due(procedures)
        if not due:
            return
        payment = self._add_payment(patient, round(sum(due.values()), 2))
        for procedure in procedures:
            amount = due.get(procedure["ProcNum"])
            if amount is not None:
                self._add_split(
                    payment, patient.row, amount, procedure["ProvNum"],
                    ProcNum=procedure["ProcNum"], ProcDate=procedure["ProcDate"],
                )  # fmt: skip
                self._settled[procedure["ProcNum"]] += amount

    def _pay_later(self, patient: Patient, procedures: list[Row], probability: float) -> None:
        if self._world.chance(probability):
            day = self._world.weekday_in(self._world.between(15, 75))
            self._world.at(day, partial(self._pay, patient, procedures))

    def _settle_rest(self, patient: Patient, procedures: list[Row]) -> None:
        """Ask for what insurance left open, or give back what was paid too much."""
        total = sum(self._due(procedures).values())
        if total > 1:
            self._send_statement(patient, total)
            self._pay_later(patient, procedures, 0.75)
            if self._world.chance(0.03):
                self._adjust(patient, procedures[0], _BAD_DEBT, -1.0)
            elif self._world.chance(0.04):
                self._add_adjustment(patient, None, _FINANCE_CHARGE, round(total * 0.015, 2))
        elif self._world.chance(0.01):
            payment = self._add_payment(patient, -25.0, payment_type=self._practice.definitions[10][4])
            self._add_split(payment, patient.row, -25.0, patient.dentist["ProvNum"])

    def _prepay(self, patient: Patient) -> None:
        """Take money for work not yet done; one kind of it does not show on the account."""
        amount = float(self._world.between(50, 300))
        payment = self._add_payment(patient, amount)
        kind = self._practice.definitions[29][int(self._world.chance(0.3))]
        self._add_split(payment, patient.row, amount, 0, UnearnedType=kind)

    def _discount(self, patient: Patient) -> None:
        """Give a discount as older versions did: a payment that nobody made."""
        payment = self._add_payment(patient, 15.0)
        self._add_split(payment, patient.row, 15.0, patient.dentist["ProvNum"], IsDiscount=1)

    def _add_payment(self, patient: Patient, amount: float, payment_type: int | None = None) -> Row:
        world = self._world
        kind = world.pick(self._practice.definitions[10][:4]) if payment_type is None else payment_type
        is_card = kind == self._practice.definitions[10][2]
        return world.add(
            "payment",
            PayType=kind,
            PayDate=world.today,
            PayAmt=amount,
            CheckNum=str(world.between(100, 9999)) if kind == self._practice.definitions[10][0] else "",
            PayNote="",
            PatNum=patient.guarantor["PatNum"] if world.chance(0.8) else patient.number,
            ClinicNum=patient.row["ClinicNum"],
            DateEntry=world.today,
            IsSplit=1,
            PaymentSource=3 if is_card and world.chance(0.4) else 0,
            MerchantFee=round(amount * 0.027, 2) if is_card else 0.0,
        )

    def _add_split(self, payment: Row, patient: Row, amount: float, provider: int, **more: object) -> Row:
        return self._world.add(
            "paysplit",
            SplitAmt=amount,
            PatNum=patient["PatNum"],
            PayNum=payment["PayNum"],
            ProvNum=provider,
            DatePay=payment["PayDate"],
            DateEntry=payment["PayDate"],
            ClinicNum=payment["ClinicNum"],
            **more,
        )

    def _adjust(self, patient: Patient, procedure: Row, kind: int, share: float) -> None:
        """Forgive a share of what is due for a procedure."""
        amount = round(self._due([procedure]).get(procedure["ProcNum"], 0.0) * share, 2)
        if amount:
            self._add_adjustment(patient, procedure, kind, amount)
            self._settled[procedure["ProcNum"]] -= amount

    def _add_adjustment(self, patient: Patient, procedure: Row | None, kind: int, amount: float) -> None:
        world = self._world
        world.add(
            "adjustment",
            AdjDate=world.today,
            AdjAmt=amount,
            PatNum=patient.number,
            AdjType=self._practice.definitions[1][kind],
            ProvNum=patient.dentist["ProvNum"],
            AdjNote="",
            ProcDate=procedure["ProcDate"] if procedure else NO_DATE,
            ProcNum=procedure["ProcNum"] if procedure else 0,
            DateEntry=world.today,
            ClinicNum=patient.row["ClinicNum"],
        )

    def _send_statement(self, patient: Patient, balance: float) -> None:
        world = self._world
        world.add(
            "statement",
            PatNum=patient.guarantor["PatNum"],
            DateSent=world.today,
            DateRangeFrom=world.today - timedelta(days=90),
            DateRangeTo=world.today,
            Note="",
            NoteBold="",
            Mode_=world.pick((0, 0, 2)),
            IsSent=1,
            Intermingled=1,
            IsBalValid=1,
            BalTotal=round(balance, 2),
        )

    def _add_payment_plan(self, patient: Patient, procedures: list[Row]) -> None:
        """Spread what is due over months: a credit per procedure today, a debit per month."""
        world = self._world
        due = self._due(procedures)
        total, months = round(sum(due.values()), 2), world.pick((6, 9, 12))
        is_dynamic = world.chance(0.25)
        plan = world.add(
            "payplan",
            PatNum=patient.number,
            Guarantor=patient.guarantor["PatNum"],
            PayPlanDate=world.today,
            APR=0.0,
            Note="",
            CompletedAmt=total,
            NumberOfPayments=months,
            PayAmt=round(total / months, 2),
            IsDynamic=int(is_dynamic),
            ChargeFrequency=3,
            DatePayPlanStart=world.today,
            PlanCategory=self._practice.definitions[47][0],
            DynamicPayPlanTPOption=int(is_dynamic),
        )
        for procedure in procedures:
            amount = due.get(procedure["ProcNum"])
            if amount is not None:
                self._credit(plan, procedure, amount, is_dynamic=is_dynamic)
                self._settled[procedure["ProcNum"]] += amount
        for month in range(months):
            self._plan_month(patient, plan, procedures[0], month, is_dynamic=is_dynamic)

    def _credit(self, plan: Row, procedure: Row, amount: float, *, is_dynamic: bool) -> None:
        if is_dynamic:
            self._world.add(
                "payplanlink",
                PayPlanNum=plan["PayPlanNum"],
                LinkType=2,
                FKey=procedure["ProcNum"],
                AmountOverride=amount,
            )
        else:
            self._add_charge(plan, procedure, self._world.today, amount, charge_type=1)

    def _plan_month(
        self, patient: Patient, plan: Row, procedure: Row, month: int, *, is_dynamic: bool
    ) -> None:
        """Add one month's debit; a dynamic plan makes it on its day, the other kind beforehand."""
        world = self._world
        months = plan["NumberOfPayments"]
        is_last = month == months - 1
        rest = round(plan["CompletedAmt"] - plan["PayAmt"] * (months - 1), 2)
        amount, day = rest if is_last else plan["PayAmt"], world.today + timedelta(days=30 * month)
        debit = partial(self._add_charge, plan, procedure, day, amount, charge_type=0)
        if is_dynamic:
            world.at(day, debit)
        else:
            debit()
        if world.chance(0.9):
            world.at(
                day + timedelta(days=world.between(0, 6)), partial(self._pay_month, patient, plan, amount)
            )

    def _add_charge(self, plan: Row, procedure: Row, day: date, amount: float, *, charge_type: int) -> Row:
        return self._world.add(
            "payplancharge",
            PayPlanNum=plan["PayPlanNum"],
            Guarantor=plan["Guarantor"],
            PatNum=plan["PatNum"],
            ChargeDate=day,
            Principal=amount,
            Interest=0.0,
            Note="",
            ProvNum=procedure["ProvNum"],
            ClinicNum=procedure["ClinicNum"],
            ChargeType=charge_type,
            ProcNum=procedure["ProcNum"] if charge_type else 0,
        )

    def _pay_month(self, patient: Patient, plan: Row, amount: float) -> None:
        payment = self._add_payment(patient, amount)
        self._add_split(
            payment, patient.row, amount, patient.dentist["ProvNum"], PayPlanNum=plan["PayPlanNum"]
        )
