"""The practice itself: rooms, people who work there, price lists, lists of definitions, preferences."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from dental_etl.sandbox.synthetic.wordlists import (
    CARRIERS,
    CITIES,
    DEFINITIONS,
    EMPLOYERS,
    FIRST_NAMES,
    LAST_NAMES,
    SERVICES,
    STREETS,
    Service,
)
from dental_etl.sandbox.synthetic.world import Row, World

_DENTISTS = 4
_HYGIENISTS = 4
_CATEGORY_NAMES = (
    "Exams and cleanings",
    "X-rays",
    "Fillings",
    "Crowns and dentures",
    "Root canals",
    "Gums",
    "Surgery",
    "Orthodontics",
)


@dataclass(slots=True, kw_only=True)
class Practice:
    """What the days at the clinic draw on."""

    clinics: list[Row] = field(default_factory=list)
    dentists: list[Row] = field(default_factory=list)
    hygienists: list[Row] = field(default_factory=list)
    operatories: list[Row] = field(default_factory=list)
    employees: list[Row] = field(default_factory=list)
    users: list[Row] = field(default_factory=list)
    #: Procedure code to its row.
    codes: dict[str, Row] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    #: Definition category to its keys, in order.
    definitions: dict[int, list[int]] = field(default_factory=dict)
    fee_schedules: dict[str, int] = field(default_factory=dict)
    #: Fee schedule and code to the amount.
    fees: dict[tuple[int, str], float] = field(default_factory=dict)
    recall_types: dict[str, int] = field(default_factory=dict)
    referrals: list[Row] = field(default_factory=list)
    carriers: list[Row] = field(default_factory=list)
    employers: list[Row] = field(default_factory=list)

    def fee(self, schedule: int, code: str) -> float:
        """Return a fee, the office's own where the schedule has none."""
        return self.fees.get((schedule, code), self.services[code].fee)


def found_practice(world: World) -> Practice:
    """Add every row that is there before the first patient comes."""
    practice = Practice()
    _add_definitions(world, practice)
    _add_clinics(world, practice)
    _add_providers(world, practice)
    _add_staff(world, practice)
    _add_operatories(world, practice)
    _add_codes(world, practice)
    _add_fees(world, practice)
    _add_recall_types(world, practice)
    _add_lists(world)
    _add_outsiders(world, practice)
    _add_preferences(world, practice)
    return practice


def _add_definitions(world: World, practice: Practice) -> None:
    for category, entries in DEFINITIONS:
        for order, entry in enumerate(entries):
            name, _, value = entry.partition("=")
            row = world.add("definition", Category=category, ItemOrder=order, ItemName=name, ItemValue=value)
            practice.definitions.setdefault(category, []).append(row["DefNum"])


def _add_clinics(world: World, practice: Practice) -> None:
    for order, (city, postcode) in enumerate(CITIES[:2]):
        row = world.add(
            "clinic",
            Description=f"{city} office",
            Abbr=city[:4].upper(),
            Address=f"{100 + order} {STREETS[order]}",
            City=city,
            State="IL",
            Zip=postcode,
            Phone=f"555555010{order}",
            DefaultProv=1,
            InsBillingProv=1,
            Region=practice.definitions[39][order],
            ItemOrder=order,
            TimeZone="America/Chicago",
        )
        practice.clinics.append(row)
    world.add("clinic", Description="Closed office", Abbr="OLD", IsHidden=1, ItemOrder=9)
    for city, postcode in CITIES:
        world.add("zipcode", ZipCodeDigits=postcode, City=city, State="IL", IsFrequent=1)


def _add_providers(world: World, practice: Practice) -> None:
    for order in range(_DENTISTS + _HYGIENISTS):
        is_hygienist = order >= _DENTISTS
        row = world.add(
            "provider",
            Abbr=f"{'HYG' if is_hygienist else 'DOC'}{order + 1}",
            ItemOrder=order,
            LName=world.pick(LAST_NAMES),
            FName=world.pick(FIRST_NAMES),
            Suffix="RDH" if is_hygienist else "DDS",
            FeeSched=1,
            IsSecondary=int(is_hygienist),
            SigOnFile=1,
            NationalProvID=f"100000000{order}",
            HourlyProdGoalAmt=120.0 if is_hygienist else 450.0,
            ProvColor=-16777216 + order * 4096,
        )
        (practice.hygienists if is_hygienist else practice.dentists).append(row)
    world.add("provider", Abbr="OFFICE", LName="Office", IsNotPerson=1, ItemOrder=90, FeeSched=1)
    world.add("provider", Abbr="GONE", LName="Gone", ProvStatus=1, IsHidden=1, ItemOrder=91, FeeSched=1,
              DateTerm=world.opened_on)  # fmt: skip


def _add_staff(world: World, practice: Practice) -> None:
    for name in ("Admin", "Front desk", "Clinical"):
        world.add("usergroup", Description=name)
    world.add("userod", UserName="Admin", UserGroupNum=1, IsHidden=0)
    for order in range(8):
        employee = world.add(
            "employee",
            LName=world.pick(LAST_NAMES),
            FName=world.pick(FIRST_NAMES),
            ClockStatus="Home",
            PayrollID=f"E{order:03}",
            EmailWork=f"staff{order}@clinic.example.com",
        )
        practice.employees.append(employee)
        user = world.add(
            "userod",
            UserName=f"staff{order}",
            UserGroupNum=2 + order % 2,
            EmployeeNum=employee["EmployeeNum"],
            ClinicNum=practice.clinics[order % 2]["ClinicNum"],
            TaskListInBox=1,
        )
        practice.users.append(user)
    for provider in (*practice.dentists, *practice.hygienists):
        world.add("userod", UserName=provider["Abbr"].lower(), UserGroupNum=3, ProvNum=provider["ProvNum"])


def _add_operatories(world: World, practice: Practice) -> None:
    for order, provider in enumerate((*practice.dentists, *practice.hygienists)):
        is_hygiene = provider in practice.hygienists
        row = world.add(
            "operatory",
            OpName=f"Room {order + 1}",
            Abbrev=f"R{order + 1}",
            ItemOrder=order,
            ProvDentist=practice.dentists[order % _DENTISTS]["ProvNum"],
            ProvHygienist=provider["ProvNum"] if is_hygiene else 0,
            IsHygiene=int(is_hygiene),
            ClinicNum=practice.clinics[order % 2]["ClinicNum"],
        )
        practice.operatories.append(row)


def _add_codes(world: World, practice: Practice) -> None:
    categories = practice.definitions[11]
    for service in SERVICES:
        practice.services[service.code] = service
        practice.codes[service.code] = world.add(
            "procedurecode",
            ProcCode=service.code,
            Descript=service.description,
            AbbrDesc=service.short,
            LaymanTerm=service.description,
            ProcTime="X" * (service.minutes // 10),
            ProcCat=categories[service.category],
            TreatArea=service.area,
            IsHygiene=int(service.is_hygiene),
            IsProsth=int(service.category == 6),
            IsRadiology=int(service.benefit_category == 2),
            IsMultiVisit=int(service.category == 3),
            NoBillIns=int(service.fee == 0),
        )
    for order, name in enumerate(_CATEGORY_NAMES):
        world.add(
            "covcat",
            Description=name,
            DefaultPercent=(100, 100, 80, 50, 80, 80, 80, 50)[order],
            CovOrder=order,
        )


def _add_fees(world: World, practice: Practice) -> None:
    schedules = {"office": 0, "ppo": 0, "ppo local": 0, "copay": 1, "out of network": 2}
    for order, (name, kind) in enumerate(schedules.items()):
        row = world.add("feesched", Description=name.capitalize(), FeeSchedType=kind, ItemOrder=order)
        practice.fee_schedules[name] = row["FeeSchedNum"]
    shares = {"office": 1.0, "ppo": 0.72, "ppo local": 0.81, "copay": 0.3, "out of network": 0.9}
    for name, share in shares.items():
        for service in SERVICES:
            amount = round(service.fee * share, 2)
            practice.fees[practice.fee_schedules[name], service.code] = amount
            world.add(
                "fee",
                Amount=amount,
                FeeSched=practice.fee_schedules[name],
                CodeNum=practice.codes[service.code]["CodeNum"],
                OldCode="",
            )
    _add_fee_overrides(world, practice)


def _add_fee_overrides(world: World, practice: Practice) -> None:
    """Clinics and providers with fees of their own; -1 means blank, do not use the default."""
    for code, clinic, provider, amount in (
        ("D2740", practice.clinics[1]["ClinicNum"], 0, 1310.0),
        ("D1110", 0, practice.hygienists[0]["ProvNum"], 109.0),
        ("D3330", practice.clinics[0]["ClinicNum"], practice.dentists[0]["ProvNum"], 1225.0),
        ("D0330", practice.clinics[1]["ClinicNum"], 0, -1.0),
    ):
        world.add(
            "fee",
            Amount=amount,
            FeeSched=practice.fee_schedules["office"],
            CodeNum=practice.codes[code]["CodeNum"],
            OldCode="",
            ClinicNum=clinic,
            ProvNum=provider,
        )


def _add_recall_types(world: World, practice: Practice) -> None:
    half_year, quarter, year = 6 * 65536 + 1, 3 * 65536 + 1, 16777216 + 1
    kinds = (
        ("Prophy", half_year, "D0120,D1110", ("D1110", "D1120")),
        ("Child prophy", half_year, "D0120,D1120,D1206", ()),
        ("Perio", quarter, "D4910", ("D4910", "D4341")),
        ("Bitewings", year, "D0274", ("D0274",)),
    )
    for name, interval, procedures, triggers in kinds:
        row = world.add(
            "recalltype",
            Description=name,
            DefaultInterval=interval,
            TimePattern="/XXXX/",
            Procedures=procedures,
            AppendToSpecial=int(name == "Bitewings"),
        )
        practice.recall_types[name] = row["RecallTypeNum"]
        for code in triggers:
            world.add(
                "recalltrigger",
                RecallTypeNum=row["RecallTypeNum"],
                CodeNum=practice.codes[code]["CodeNum"],
            )


def _add_lists(world: World) -> None:
    for name in ("Asthma", "Diabetes", "High blood pressure", "Pregnancy"):
        world.add("diseasedef", DiseaseName=name, ItemOrder=0)
    for name in ("Penicillin", "Latex", "Codeine"):
        world.add("allergydef", Description=name)
    for key, name in enumerate(("Amoxicillin", "Ibuprofen", "Metformin"), start=1):
        world.add("medication", MedName=name, GenericNum=key)
    for order, name in enumerate(("New patient", "Recall", "Treatment")):
        world.add(
            "appointmenttype", AppointmentTypeName=name, AppointmentTypeColor=-1 - order * 99, ItemOrder=order
        )
    for order, name in enumerate(("Imaging bridge", "Payment bridge", "Electronic prescriptions")):
        world.add("program", ProgName=name.replace(" ", ""), ProgDesc=name, Enabled=order % 2)
    for name, phone in (("Crown Works", "5555550130"), ("Bridge & Sons", "5555550131")):
        world.add("laboratory", Description=name, Phone=phone)
    world.add("pharmacy", StoreName="Corner Pharmacy", Phone="5555550140", City="Springhaven", State="IL")
    for name in ("Inbox", "Insurance", "Recall calls"):
        world.add("tasklist", Descript=name, DateTimeEntry=world.now)


def _add_outsiders(world: World, practice: Practice) -> None:
    for order, name in enumerate(CARRIERS):
        city, postcode = world.pick(CITIES)
        row = world.add(
            "carrier",
            CarrierName=name,
            Address=f"PO Box {100 + order}",
            City=city,
            State="IL",
            Zip=postcode,
            Phone=f"(555)555-01{order:02}",
            ElectID=f"{90000 + order}",
            CarrierGroupName=practice.definitions[46][order % 2],
        )
        practice.carriers.append(row)
    for order, name in enumerate(EMPLOYERS):
        practice.employers.append(
            world.add("employer", EmpName=name, City="Springhaven", State="IL", Phone=f"555555015{order}")
        )
    sources = ("Web search", "Neighbour", "Radio", "Walked past")
    for order in range(10):
        is_doctor = order >= len(sources)
        row = world.add(
            "referral",
            LName=world.pick(LAST_NAMES) if is_doctor else sources[order],
            FName=world.pick(FIRST_NAMES) if is_doctor else "",
            IsDoctor=int(is_doctor),
            NotPerson=int(not is_doctor),
            Telephone=f"55555501{order:02}",
        )
        practice.referrals.append(row)


def _add_preferences(world: World, practice: Practice) -> None:
    day_before = world.as_of - timedelta(days=1)
    types = practice.recall_types
    values: dict[str, object] = {
        "AgingProcLifo": 0,
        "BalancesDontSubtractIns": 0,
        "BrokenAppointmentAdjustmentType": practice.definitions[1][3],
        "ConfirmStatusEmailed": practice.definitions[2][1],
        "CorruptedDatabase": 0,
        "DataBaseVersion": "24.3.32.0",
        "DateLastAging": _iso(day_before),
        "EasyNoClinics": 0,
        "InsVerifyBenefitEligibilityDays": 90,
        "MySqlVersion": "10.5",
        "PayPlansBillInAdvanceDays": 10,
        "PayPlansVersion": 2,
        "PracticeTitle": "Synthetic Dental",
        "PrepaymentUnearnedType": practice.definitions[29][0],
        "ProgramVersion": "24.3.32.0",
        "RandomPrimaryKeys": 0,
        "RecallExcludeIfAnyFutureAppt": 0,
        "RecallTypeSpecialChildProphy": types["Child prophy"],
        "RecallTypeSpecialPerio": types["Perio"],
        "RecallTypeSpecialProphy": types["Prophy"],
        "RecallTypesShowingInList": f"{types['Prophy']},{types['Child prophy']},{types['Perio']}",
        "ReportPandIschedProdSubtractsWO": 0,
        "ReportsPPOwriteoffDefaultToProcDate": 0,
        "ReportsShowPatNum": 1,
        "UpdateInProgressOnComputerName": "",
    }
    for name, value in values.items():
        world.add("preference", PrefName=name, ValueString=str(value))


def _iso(day: date | datetime) -> str:
    return day.isoformat()
