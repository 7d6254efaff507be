"""The clinical record: procedures from plan to completion, notes, gums, recalls, treatment plans."""

from __future__ import annotations

from datetime import date, timedelta

from dental_etl.sandbox.synthetic.insurance import NO_DATE, Insurance
from dental_etl.sandbox.synthetic.people import Patient
from dental_etl.sandbox.synthetic.practice import Practice
from dental_etl.sandbox.synthetic.world import Row, World

_PLANNED, _COMPLETE, _EXISTING, _DELETED = 1, 2, 4, 6
_TREATMENTS = {
    ("D2391",): 0.24,
    ("D2392",): 0.16,
    ("D2330",): 0.1,
    ("D2140",): 0.05,
    ("D2393", "D2391"): 0.06,
    ("D2950", "D2740"): 0.12,
    ("D2750",): 0.04,
    ("D3330", "D2950", "D2740"): 0.05,
    ("D3310",): 0.03,
    ("D7140",): 0.06,
    ("D7210", "D9230"): 0.02,
    ("D6010",): 0.015,
    ("D5110",): 0.005,
    ("D4341", "D4341"): 0.05,
}
_CHILD_TREATMENTS = {("D1351", "D1351"): 0.5, ("D2391",): 0.42, ("D8080",): 0.08}


class Chart:
    """Writes the clinical record."""

    def __init__(self, world: World, practice: Practice, insurance: Insurance) -> None:
        self._world = world
        self._practice = practice
        self._insurance = insurance
        self._codes = {row["CodeNum"]: code for code, row in practice.codes.items()}

    def short_name(self, procedure: Row) -> str:
        return self._practice.services[self._codes[procedure["CodeNum"]]].short

    def recall_codes(self, patient: Patient) -> tuple[str, ...]:
        """Return what is done at the next cleaning, or at the first visit."""
        cleaning = "D1120" if patient.is_child else "D4910" if patient.is_perio else "D1110"
        if patient.visits == 0 and patient.row["DateFirstVisit"] >= self._world.opened_on:
            return ("D0150", "D0210", "D1120" if patient.is_child else "D1110")
        codes: tuple[str, ...] = ("D0120", cleaning)
        if patient.visits % 2:
            codes += ("D0274",)
        return (*codes, "D1206") if patient.is_child else codes

    def plan(self, patient: Patient, code: str) -> Row:
        """Add a planned procedure with its estimates."""
        world, service = self._world, self._practice.services[code]
        provider = patient.hygienist if service.is_hygiene else patient.dentist
        tooth = str(world.between(1, 32)) if service.area in {1, 2} else ""
        procedure = world.add(
            "procedurelog",
            PatNum=patient.number,
            AptNum=0,
            ProcDate=world.today,
            ProcFee=service.fee,
            Surf=world.pick(("O", "MO", "DO", "MOD", "B")) if service.area == 1 else "",
            ToothNum=tooth,
            ProcStatus=_PLANNED,
            ProvNum=provider["ProvNum"],
            Priority=self._practice.definitions[20][world.between(0, 3)],
            Dx=self._practice.definitions[16][world.between(0, 2)] if tooth else 0,
            ClinicNum=patient.row["ClinicNum"],
            CodeNum=self._practice.codes[code]["CodeNum"],
            UnitQty=2 if world.chance(0.004) else 1,
            BaseUnits=0,
            DateTP=world.today,
            BillingNote="",
        )
        self._insurance.estimate(patient, procedure, code)
        return procedure

    def diagnose(self, patient: Patient) -> list[Row]:
        """Find something, put it on the treatment plan, and return it."""
        world = self._world
        codes = world.weighted(_CHILD_TREATMENTS if patient.is_child else _TREATMENTS)
        found = [self.plan(patient, code) for code in codes]
        patient.planned += found
        plan = self._active_plan(patient)
        for procedure in found:
            world.add(
                "treatplanattach",
                TreatPlanNum=plan["TreatPlanNum"],
                ProcNum=procedure["ProcNum"],
                Priority=procedure["Priority"],
            )
        if world.chance(0.4):
            self._save_plan(patient)
        if patient.coverages and patient.coverages[0].plan.kind != "c" and found[-1]["ProcFee"] > 1000:
            self._insurance.preauthorise(patient, found[-1])
        return found

    def complete(
        self, patient: Patient, procedures: list[Row], appointment: Row, *, is_hygiene: bool
    ) -> None:
        """Complete a visit's procedures and write down what belongs to them."""
        world = self._world
        for procedure in procedures:
            self._complete(procedure)
            self._note(procedure)
            if procedure["ProcFee"] > 1000 and world.chance(0.9):
                self._order_from_laboratory(patient, appointment)
        if is_hygiene:
            self._update_recalls(patient)
            if not patient.is_child and world.chance(0.15):
                self._probe(patient)

    def complete_one(self, patient: Patient, code: str, appointment: Row) -> None:
        """Add a procedure that is complete at once, like a missed appointment."""
        procedure = self.plan(patient, code)
        procedure["AptNum"] = appointment["AptNum"]
        self._complete(procedure)

    def drop(self, procedure: Row) -> None:
        """Mark a procedure deleted; its row stays, its estimates do not."""
        self._world.touch("procedurelog", procedure, ProcStatus=_DELETED)
        self._insurance.forget(procedure)

    def add_existing(self, patient: Patient) -> None:
        """Add work that another dentist did, long ago."""
        procedure = self.plan(patient, "D2391")
        procedure |= {"ProcStatus": _EXISTING, "ProcFee": 0.0, "ProcDate": patient.row["DateFirstVisit"]}
        self._insurance.forget(procedure)

    def _complete(self, procedure: Row) -> None:
        world = self._world
        world.touch(
            "procedurelog",
            procedure,
            ProcStatus=_COMPLETE,
            ProcDate=world.today,
            DateEntryC=world.today,
            DateComplete=world.today,
            ProcTime=world.now.time(),
        )
        if procedure["ProcFee"] > 1000 and world.chance(0.2):
            world.add(
                "procmultivisit",
                GroupProcMultiVisitNum=procedure["ProcNum"],
                ProcNum=procedure["ProcNum"],
                ProcStatus=_COMPLETE,
                IsInProcess=0,
                PatNum=procedure["PatNum"],
            )

    def _note(self, procedure: Row) -> None:
        world = self._world
        if world.chance(0.5):
            world.add(
                "procnote",
                PatNum=procedure["PatNum"],
                ProcNum=procedure["ProcNum"],
                EntryDateTime=world.now,
                UserNum=world.between(10, 17),
                Note=f"{self.short_name(procedure)}: tolerated well.",
                Signature="",
            )

    def _active_plan(self, patient: Patient) -> Row:
        if patient.treatment_plan is None:
            patient.treatment_plan = self._world.add(
                "treatplan",
                PatNum=patient.number,
                DateTP=NO_DATE,
                Heading="Active Treatment Plan",
                Note="",
                Signature="",
                TPStatus=1,
            )
        return patient.treatment_plan

    def _save_plan(self, patient: Patient) -> None:
        """Save the plan as it was presented, with a copy of each procedure."""
        world = self._world
        plan = world.add(
            "treatplan",
            PatNum=patient.number,
            DateTP=world.today,
            Heading="Proposed treatment",
            Note="",
            Signature="",
            TPStatus=0,
            UserNumPresenter=world.between(2, 9),
        )
        for order, procedure in enumerate(patient.planned):
            code = self._codes[procedure["CodeNum"]]
            world.add(
                "proctp",
                TreatPlanNum=plan["TreatPlanNum"],
                PatNum=patient.number,
                ProcNumOrig=procedure["ProcNum"],
                ItemOrder=order,
                Priority=procedure["Priority"],
                ToothNumTP=procedure["ToothNum"],
                Surf=procedure["Surf"],
                ProcCode=code,
                Descript=self._practice.services[code].description,
                ProcAbbr=self._practice.services[code].short,
                FeeAmt=procedure["ProcFee"],
                PatAmt=procedure["ProcFee"],
                FeeAllowed=-1.0,
                ProvNum=procedure["ProvNum"],
                DateTP=world.today,
                ClinicNum=procedure["ClinicNum"],
            )

    def _update_recalls(self, patient: Patient) -> None:
        name = "Perio" if patient.is_perio else "Child prophy" if patient.is_child else "Prophy"
        kinds = {name: 91 if patient.is_perio else 183}
        if patient.visits % 2:
            kinds["Bitewings"] = 365
        for kind, days in kinds.items():
            self._update_recall(patient, kind, self._world.today + timedelta(days=days))

    def _update_recall(self, patient: Patient, kind: str, due: date) -> None:
        world = self._world
        values = {
            "DateDueCalc": due,
            "DateDue": due,
            "DatePrevious": world.today,
            "DateScheduled": NO_DATE,
        }
        if kind in patient.recalls:
            world.touch("recall", patient.recalls[kind], **values)
            return
        patient.recalls[kind] = world.add(
            "recall",
            PatNum=patient.number,
            RecallTypeNum=self._practice.recall_types[kind],
            RecallInterval=6 * 65536 + 1,
            RecallStatus=0,
            Note="",
            IsDisabled=int(world.chance(0.02)),
            DisableUntilBalance=100.0 if world.chance(0.05) else 0.0,
            DisableUntilDate=due + timedelta(days=world.between(30, 90)) if world.chance(0.03) else NO_DATE,
            **values,
        )

    def _probe(self, patient: Patient) -> None:
        world = self._world
        exam = world.add(
            "perioexam",
            PatNum=patient.number,
            ExamDate=world.today,
            ProvNum=patient.hygienist["ProvNum"],
            DateTMeasureEdit=world.now,
        )
        for tooth in range(2, 32, 5):
            depths = {
                side: world.between(1, 6) for side in ("MBvalue", "Bvalue", "DBvalue", "MLvalue", "Lvalue")
            }
            world.add(
                "periomeasure",
                PerioExamNum=exam["PerioExamNum"],
                SequenceType=4,
                IntTooth=tooth,
                ToothValue=-1,
                DLvalue=-1,
                **depths,
            )

    def _order_from_laboratory(self, patient: Patient, appointment: Row) -> None:
        world = self._world
        world.add(
            "labcase",
            PatNum=patient.number,
            LaboratoryNum=world.between(1, 2),
            AptNum=appointment["AptNum"],
            DateTimeCreated=world.now,
            DateTimeSent=world.now + timedelta(hours=4),
            DateTimeDue=world.now + timedelta(days=12),
            ProvNum=patient.dentist["ProvNum"],
            Instructions="Shade A2",
            LabFee=float(world.between(90, 240)),
        )
