"""Families, the insurance they have, and what is known about their health."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from dental_etl.sandbox.synthetic.practice import Practice
from dental_etl.sandbox.synthetic.wordlists import CITIES, FIRST_NAMES, LAST_NAMES, STREETS
from dental_etl.sandbox.synthetic.world import Row, World

_NOBODY_MOVES_IN = date(1, 1, 1)


@dataclass(slots=True, kw_only=True)
class Plan:
    """An insurance plan as the practice knows it."""

    row: Row
    carrier: Row
    #: ``""`` percentage, ``p`` PPO, ``c`` capitation.
    kind: str


@dataclass(slots=True, kw_only=True)
class Coverage:
    """One patient's place in one plan."""

    plan: Plan
    subscription: Row
    pat_plan: Row


@dataclass(slots=True, kw_only=True)
class Patient:
    """A patient and what is going on with them."""

    row: Row
    guarantor: Row
    is_child: bool
    is_perio: bool
    #: Dentist and hygienist.
    dentist: Row
    hygienist: Row
    coverages: list[Coverage] = field(default_factory=list)
    #: Planned procedures nobody has made an appointment for.
    planned: list[Row] = field(default_factory=list)
    treatment_plan: Row | None = None
    recalls: dict[str, Row] = field(default_factory=dict)
    visits: int = 0
    #: Not coming any more.
    is_gone: bool = False

    @property
    def number(self) -> int:
        return int(self.row["PatNum"])


def add_plans(world: World, practice: Practice, patients: int) -> list[Plan]:
    """Add the plans that the patients of a practice of this size have."""
    schedules = practice.fee_schedules
    fees = {"": 0, "p": schedules["ppo"], "c": schedules["copay"], "l": schedules["ppo local"]}
    plans = []
    for order in range(8 + patients // 60):
        kind = world.weighted({"": 0.35, "p": 0.4, "l": 0.17, "c": 0.08})
        carrier = world.pick(practice.carriers)
        employer = world.pick(practice.employers)
        plan_type = "p" if kind == "l" else kind
        row = world.add(
            "insplan",
            GroupName=employer["EmpName"],
            GroupNum=f"G{1000 + order}",
            PlanType=plan_type,
            FeeSched=fees[kind] if plan_type == "p" else 0,
            CopayFeeSched=fees[kind] if plan_type == "c" else 0,
            AllowedFeeSched=schedules["out of network"] if plan_type == "" else 0,
            EmployerNum=employer["EmployerNum"],
            CarrierNum=carrier["CarrierNum"],
            MonthRenew=0,
        )
        _add_benefits(world, row)
        plans.append(Plan(row=row, carrier=carrier, kind=plan_type))
    return plans


def _add_benefits(world: World, plan: Row) -> None:
    shared = {"PlanNum": plan["PlanNum"], "TimePeriod": 2, "MonetaryAmt": -1.0, "Percent": -1}
    for category, percent in enumerate((100, 100, 80, 50, 80, 80, 80, 50), start=1):
        world.add("benefit", **shared | {"CovCatNum": category, "BenefitType": 1, "Percent": percent})
    maximum = float(world.pick((1000, 1500, 2000)))
    world.add("benefit", **shared | {"BenefitType": 5, "MonetaryAmt": maximum, "CoverageLevel": 1})
    world.add("benefit", **shared | {"BenefitType": 2, "MonetaryAmt": 50.0, "CoverageLevel": 1})


class People:
    """Everybody the practice knows; new families come through `add_family`."""

    def __init__(self, world: World, practice: Practice, plans: list[Plan]) -> None:
        self._world = world
        self._practice = practice
        self._plans = plans
        self.patients: list[Patient] = []

    def add_family(self, size: int, first_visit: date) -> list[Patient]:
        """Add a guarantor, the rest of the family, and their insurance.

        Args:
            size: Number of people.
            first_visit: In the past for families that have long been here.
        """
        last_name = self._world.pick(LAST_NAMES)
        home = self._home()
        family: list[Patient] = []
        for position in range(size):
            guarantor = family[0].row if family else None
            family.append(self._add_patient(last_name, home, position, guarantor, first_visit))
        self._insure(family)
        self.patients += family
        return family

    def _home(self) -> Row:
        world = self._world
        city, postcode = world.pick(CITIES)
        return {
            "Address": f"{world.between(1, 999)} {world.pick(STREETS)}",
            "City": city,
            "State": "IL",
            "Zip": postcode,
            "HmPhone": f"(555)555-01{world.between(0, 99):02}",
        }

    def _add_patient(
        self, last_name: str, home: Row, position: int, guarantor: Row | None, first_visit: date
    ) -> Patient:
        world, practice = self._world, self._practice
        number = len(self.patients) + position + 1
        is_child = position >= 2
        dentist, hygienist = world.pick(practice.dentists), world.pick(practice.hygienists)
        clinic = practice.clinics[0] if world.chance(0.65) else practice.clinics[1]
        row = world.add(
            "patient",
            LName=last_name,
            FName=world.pick(FIRST_NAMES),
            MiddleI=world.pick(("", "", "A", "J", "M")),
            Gender=world.between(0, 1),
            Position=2 if is_child else int(position == 1),
            Birthdate=self._birthdate(is_child),
            **home,
            WirelessPhone=f"555-555-01{world.between(0, 99):02}" if not is_child else "",
            Email=f"patient{number}@example.com" if world.chance(0.7) else "",
            PriProv=dentist["ProvNum"],
            SecProv=hygienist["ProvNum"],
            BillingType=practice.definitions[4][0],
            DateFirstVisit=first_visit,
            ClinicNum=clinic["ClinicNum"],
            TxtMsgOk=world.between(0, 2),
            EmployerNum=world.pick(practice.employers)["EmployerNum"] if position == 0 else 0,
            SecDateEntry=first_visit,
            PreferRecallMethod=world.pick((0, 5, 7, 8)),
        )
        row["Guarantor"] = (guarantor or row)["PatNum"]
        self._add_background(row)
        return Patient(
            row=row,
            guarantor=guarantor or row,
            is_child=is_child,
            is_perio=not is_child and world.chance(0.15),
            dentist=dentist,
            hygienist=hygienist,
        )

    def _birthdate(self, is_child: bool) -> date:  # noqa: FBT001  # private, and reads well at the call
        world = self._world
        age_days = world.between(3 * 365, 17 * 365) if is_child else world.between(20 * 365, 88 * 365)
        return world.as_of - timedelta(days=age_days)

    def _add_background(self, row: Row) -> None:
        world, number = self._world, row["PatNum"]
        world.add("patientnote", PatNum=number, Medical="", Service="", Treatment="", FamFinancial="")
        if world.chance(0.6):
            referral = world.pick(self._practice.referrals)
            world.add(
                "refattach",
                ReferralNum=referral["ReferralNum"],
                PatNum=number,
                ItemOrder=1,
                RefDate=row["DateFirstVisit"],
                RefType=1,
            )
            self._add_more_referrals(row)
        if world.chance(0.2):
            world.add("disease", PatNum=number, DiseaseDefNum=world.between(1, 4), DateStart=_NOBODY_MOVES_IN)
        if world.chance(0.12):
            world.add(
                "allergy", PatNum=number, AllergyDefNum=world.between(1, 3), StatusIsActive=1, Reaction="rash"
            )
        if world.chance(0.15):
            world.add(
                "medicationpat",
                PatNum=number,
                MedicationNum=world.between(1, 3),
                DateStart=row["DateFirstVisit"],
            )
        if world.chance(0.1):
            world.add(
                "patfield", PatNum=number, FieldName="Likes music", FieldValue=world.pick(("yes", "no", ""))
            )
        if world.chance(0.08):
            world.add("toothinitial", PatNum=number, ToothNum=str(world.between(1, 32)), InitialType=0)

    def _add_more_referrals(self, row: Row) -> None:
        """Add a second source, or somebody to whom the patient was sent on."""
        world = self._world
        for order, (kind, share) in enumerate(((1, 0.05), (0, 0.1)), start=2):
            if world.chance(share):
                world.add(
                    "refattach",
                    ReferralNum=world.pick(self._practice.referrals)["ReferralNum"],
                    PatNum=row["PatNum"],
                    ItemOrder=order,
                    RefDate=row["DateFirstVisit"],
                    RefType=kind,
                )

    def _insure(self, family: list[Patient]) -> None:
        world = self._world
        if world.chance(0.3):
            return
        for ordinal in range(1, 3 if world.chance(0.1) else 2):
            plan = world.pick(self._plans)
            subscriber = family[min(ordinal - 1, len(family) - 1)]
            subscription = world.add(
                "inssub",
                PlanNum=plan.row["PlanNum"],
                Subscriber=subscriber.number,
                DateEffective=subscriber.row["DateFirstVisit"],
                ReleaseInfo=1,
                AssignBen=1,
                SubscriberID=f"S{subscriber.number:07}",
                BenefitNotes="",
                SubscNote="",
            )
            for patient in family:
                self._cover(patient, plan, subscription, ordinal)

    def _cover(self, patient: Patient, plan: Plan, subscription: Row, ordinal: int) -> None:
        world = self._world
        is_subscriber = patient.number == subscription["Subscriber"]
        pat_plan = world.add(
            "patplan",
            PatNum=patient.number,
            Ordinal=ordinal,
            Relationship=0 if is_subscriber else 2 if patient.is_child else 1,
            InsSubNum=subscription["InsSubNum"],
            PatID="",
            OrthoAutoFeeBilledOverride=-1.0,
        )
        patient.row["HasIns"] = "I"
        patient.coverages.append(Coverage(plan=plan, subscription=subscription, pat_plan=pat_plan))
        if world.chance(0.5):
            world.add(
                "insverify",
                DateLastVerified=world.today,
                UserNum=2,
                VerifyType=2,
                FKey=pat_plan["PatPlanNum"],
                DefNum=self._practice.definitions[38][0],
                DateTimeEntry=datetime.combine(world.today, time(9)),
            )
