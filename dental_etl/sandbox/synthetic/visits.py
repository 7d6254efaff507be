"""Appointments from the day they are made to the day they are kept, or not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial

from dental_etl.sandbox.synthetic import office as desk
from dental_etl.sandbox.synthetic.chart import Chart
from dental_etl.sandbox.synthetic.insurance import NO_DATE, Insurance
from dental_etl.sandbox.synthetic.money import Money
from dental_etl.sandbox.synthetic.office import Office
from dental_etl.sandbox.synthetic.people import Patient
from dental_etl.sandbox.synthetic.practice import Practice
from dental_etl.sandbox.synthetic.world import Row, World

_SCHEDULED, _COMPLETE, _UNSCHEDULED, _BROKEN, _PLANNED, _NOTE = 1, 2, 3, 5, 6, 7
_CREATED, _CHANGED, _MISSED, _CANCELLED, _DELETED = range(5)
_DELETED_PATIENT = 4
#: Columns that histappointment has of its own.
_NOT_IN_HISTORY = {"DateTStamp"}


def leave(world: World, patient: Patient) -> None:
    """Let a patient go; one who is deleted becomes a family of their own, as Open Dental has it."""
    patient.is_gone = True
    status = world.pick((1, 2, 2, 2, 3, 4, 5))
    is_guarantor = patient.guarantor is patient.row
    if status == _DELETED_PATIENT and not is_guarantor:
        world.touch("patient", patient.row, PatStatus=status, Guarantor=patient.number)
    else:
        world.touch("patient", patient.row, PatStatus=2 if status == _DELETED_PATIENT else status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """An appointment with the procedures it is for."""

    patient: Patient
    appointment: Row
    procedures: list[Row]
    is_hygiene: bool


class Visits:
    """Books appointments and plays them."""

    def __init__(
        self, world: World, practice: Practice, insurance: Insurance, money: Money, office: Office
    ) -> None:
        self._world = world
        self._practice = practice
        self._insurance = insurance
        self._money = money
        self._office = office
        self._chart = Chart(world, practice, insurance)

    def book_recall(self, patient: Patient, days_ahead: int) -> None:
        """Make the next cleaning's appointment, or the first appointment of a new patient."""
        if patient.is_gone:
            return
        day = self._world.weekday_in(days_ahead)
        procedures = [self._chart.plan(patient, code) for code in self._chart.recall_codes(patient)]
        self._book(patient, day, procedures, is_hygiene=True)
        for recall in patient.recalls.values():
            self._world.touch("recall", recall, DateScheduled=day)

    def book_treatment(self, patient: Patient) -> None:
        """Make an appointment for what was found, if the patient wants it done."""
        wanted = [procedure for procedure in patient.planned if procedure["AptNum"] == 0]
        if len(wanted) > 1 and self._world.chance(0.3):
            wanted = wanted[: len(wanted) // 2]  # the rest stays on the plan, for another year perhaps
        if wanted and not patient.is_gone:
            day = self._world.weekday_in(self._world.between(5, 40))
            self._book(patient, day, wanted, is_hygiene=False)

    def add_planned_appointment(self, patient: Patient, procedures: list[Row]) -> None:
        """Keep a template of an appointment to be made; it is never kept itself."""
        appointment = self._add_appointment(
            patient, self._world.today, procedures, _PLANNED, is_hygiene=False
        )
        appointment["AptDateTime"] = NO_DATE
        for procedure in procedures:
            procedure["PlannedAptNum"] = appointment["AptNum"]

    def _book(self, patient: Patient, day: date, procedures: list[Row], *, is_hygiene: bool) -> None:
        world = self._world
        appointment = self._add_appointment(patient, day, procedures, _SCHEDULED, is_hygiene=is_hygiene)
        for procedure in procedures:
            world.touch("procedurelog", procedure, AptNum=appointment["AptNum"])
        self._remember(appointment, _CREATED)
        self._office.log(
            desk.APPOINTMENT_CREATED, "Appointment created", patient=patient.number, key=appointment["AptNum"]
        )
        world.add("entrylog", UserNum=2, FKeyType=0, FKey=appointment["AptNum"], EntryDateTime=world.now)
        visit = Visit(patient=patient, appointment=appointment, procedures=procedures, is_hygiene=is_hygiene)
        world.at(max(world.today, day - timedelta(days=2)), partial(self._confirm, visit))
        world.at(day, partial(self._play, visit))

    def _add_appointment(
        self, patient: Patient, day: date, procedures: list[Row], status: int, *, is_hygiene: bool
    ) -> Row:
        world = self._world
        room = world.between(4, 7) if is_hygiene else world.between(0, 3)
        starts_at = datetime.combine(day, time(world.between(8, 16), world.pick((0, 10, 20, 30, 40, 50))))
        return world.add(
            "appointment",
            PatNum=patient.number,
            AptStatus=status,
            Pattern="/" + "X" * (4 + 2 * len(procedures)) + "/",
            Confirmed=self._practice.definitions[2][0],
            Op=self._practice.operatories[room]["OperatoryNum"],
            ProvNum=patient.dentist["ProvNum"],
            ProvHyg=patient.hygienist["ProvNum"] if is_hygiene else 0,
            AptDateTime=starts_at,
            IsNewPatient=int(patient.visits == 0),
            IsHygiene=int(is_hygiene and world.chance(0.4)),
            ClinicNum=patient.row["ClinicNum"],
            ProcDescript=", ".join(self._chart.short_name(procedure) for procedure in procedures)[:250],
            Note="",
            Priority=int(world.chance(0.02)),
            AppointmentTypeNum=2 if is_hygiene else 3,
            InsPlan1=patient.coverages[0].plan.row["PlanNum"] if patient.coverages else 0,
        )

    def _confirm(self, visit: Visit) -> None:
        world = self._world
        if visit.appointment["AptStatus"] == _SCHEDULED and world.chance(0.8):
            world.touch("appointment", visit.appointment, Confirmed=self._practice.definitions[2][2])
            self._office.contact(visit.patient, "Reminded of the appointment.", 0, world.pick((1, 3, 5)))

    def _play(self, visit: Visit) -> None:
        outcome = self._world.weighted(
            {self._complete: 0.86, self._miss: 0.05, self._cancel: 0.06, self._move: 0.02, self._delete: 0.01}
        )
        outcome(visit)

    def _complete(self, visit: Visit) -> None:
        world, patient, appointment = self._world, visit.patient, visit.appointment
        came = appointment["AptDateTime"]
        world.touch(
            "appointment",
            appointment,
            AptStatus=_COMPLETE,
            Confirmed=self._practice.definitions[2][5],
            DateTimeArrived=came - timedelta(minutes=world.between(0, 12)),
            DateTimeSeated=came + timedelta(minutes=world.between(0, 9)),
            DateTimeDismissed=came + timedelta(minutes=world.between(30, 90)),
        )
        self._remember(appointment, _CHANGED)
        self._chart.complete(patient, visit.procedures, appointment, is_hygiene=visit.is_hygiene)
        self._insurance.complete(patient, visit.procedures)
        self._money.settle_visit(patient, visit.procedures)
        self._office.log(
            desk.PROCEDURE_COMPLETED,
            "Procedures completed",
            patient=patient.number,
            key=appointment["AptNum"],
        )
        if patient.visits == 0:
            self._office.welcome(patient)
            world.touch("patient", patient.row, DateFirstVisit=world.today)
        if world.chance(0.005):
            self._add_appointment(patient, world.today, [], _NOTE, is_hygiene=False)
        patient.visits += 1
        patient.planned = [row for row in patient.planned if row not in visit.procedures]
        self._plan_ahead(visit)

    def _plan_ahead(self, visit: Visit) -> None:
        world, patient = self._world, visit.patient
        if visit.is_hygiene:
            found = self._chart.diagnose(patient) if world.chance(0.36) else []
            if found and world.chance(0.62):
                self.book_treatment(patient)
            elif found and world.chance(0.3):
                self.add_planned_appointment(patient, found)
            self._keep_or_lose(patient)
        elif world.chance(0.01):
            self._money.transfer_income(patient)

    def _keep_or_lose(self, patient: Patient) -> None:
        world = self._world
        if world.chance(0.85):
            months = 3 if patient.is_perio else 6
            self.book_recall(patient, months * 30 + world.between(-5, 25))
        elif world.chance(0.5):
            days = world.between(150, 500)
            world.at(world.today + timedelta(days=days), partial(self.book_recall, patient, 14))
        elif world.chance(0.3):
            leave(world, patient)

    def _miss(self, visit: Visit) -> None:
        self._break(visit, "D9986", _MISSED)
        if self._world.chance(0.4):
            self._money.charge_missed(visit.patient, visit.procedures[0])

    def _cancel(self, visit: Visit) -> None:
        self._break(visit, "D9987", _CANCELLED)

    def _break(self, visit: Visit, code: str, action: int) -> None:
        world, appointment = self._world, visit.appointment
        status = _BROKEN if world.chance(0.8) else _UNSCHEDULED
        world.touch("appointment", appointment, AptStatus=status)
        self._remember(appointment, action)
        self._chart.complete_one(visit.patient, code, appointment)
        self._release(visit)
        if world.chance(0.75):
            world.at(world.weekday_in(world.between(1, 20)), partial(self._book_again, visit))

    def _book_again(self, visit: Visit) -> None:
        if not visit.patient.is_gone:
            day = self._world.weekday_in(self._world.between(3, 30))
            self._book(visit.patient, day, visit.procedures, is_hygiene=visit.is_hygiene)

    def _move(self, visit: Visit) -> None:
        """Move an appointment to another day; the row stays."""
        world = self._world
        day = world.weekday_in(world.between(2, 30))
        moved = datetime.combine(day, visit.appointment["AptDateTime"].time())
        world.touch("appointment", visit.appointment, AptDateTime=moved)
        self._remember(visit.appointment, _CHANGED)
        self._office.log(desk.APPOINTMENT_MOVED, "Appointment moved", patient=visit.patient.number,
                         key=visit.appointment["AptNum"])  # fmt: skip
        world.at(day, partial(self._play, visit))

    def _delete(self, visit: Visit) -> None:
        """Delete an appointment for good; a trace stays in two other tables."""
        self._remember(visit.appointment, _DELETED)
        self._release(visit)
        self._world.remove("appointment", visit.appointment)
        self._world.add("deletedobject", ObjectNum=visit.appointment["AptNum"], ObjectType=0)
        for procedure in visit.procedures:
            self._chart.drop(procedure)

    def _release(self, visit: Visit) -> None:
        for procedure in visit.procedures:
            self._world.touch("procedurelog", procedure, AptNum=0)

    def _remember(self, appointment: Row, action: int) -> None:
        """Copy the appointment as it is now into its history."""
        copied = {name: value for name, value in appointment.items() if name not in _NOT_IN_HISTORY}
        self._world.add(
            "histappointment",
            HistUserNum=self._world.between(2, 9),
            HistDateTStamp=self._world.now,
            HistApptAction=action,
            **copied,
        )
