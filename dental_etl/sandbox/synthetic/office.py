"""What an office writes down beside the treatment: schedules, hours, tasks, letters, logs."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import partial

from dental_etl.sandbox.synthetic.people import Patient
from dental_etl.sandbox.synthetic.practice import Practice
from dental_etl.sandbox.synthetic.world import Row, World

#: What securitylog.PermType says was done.
APPOINTMENT_CREATED, APPOINTMENT_MOVED, APPOINTMENT_EDITED = 25, 26, 27
PAYMENT_CREATED, PROCEDURE_COMPLETED, LOGGED_ON = 15, 23, 7


class Office:
    """The front desk and the back office."""

    def __init__(self, world: World, practice: Practice) -> None:
        self._world = world
        self._practice = practice

    def open(self) -> None:
        """Arrange for every working day, and for the schedule of the months to come."""
        world = self._world
        day = world.opened_on
        while day < world.as_of + timedelta(days=60):
            if day.weekday() < 5:
                if day < world.as_of:
                    world.at(day, self._work_a_day)
                world.at(max(world.opened_on, day - timedelta(days=60)), partial(self._plan_a_day, day))
            day += timedelta(days=1)

    def log(self, kind: int, text: str, *, patient: int = 0, key: int = 0) -> None:
        """Write the audit trail."""
        world = self._world
        world.add(
            "securitylog",
            PermType=kind,
            UserNum=world.between(1, 9),
            LogDateTime=world.now,
            LogText=text,
            PatNum=patient,
            CompName=f"DESK{world.between(1, 6)}",
            FKey=key,
        )

    def contact(self, patient: Patient, text: str, kind: int, mode: int) -> None:
        """Write down that somebody spoke or wrote to a patient."""
        world = self._world
        world.add(
            "commlog",
            PatNum=patient.number,
            CommDateTime=world.now,
            CommType=self._practice.definitions[27][kind],
            Note=text,
            Mode_=mode,
            SentOrReceived=world.between(1, 2),
            UserNum=world.between(2, 9),
            DateTEntry=world.now,
        )

    def welcome(self, patient: Patient) -> None:
        """File what a new patient fills in."""
        world = self._world
        sheet = world.add(
            "sheet",
            SheetType=11,
            PatNum=patient.number,
            DateTimeSheet=world.now,
            FontName="Arial",
            FontSize=9.0,
            Width=850,
            Height=1100,
            Description="Medical history",
            ClinicNum=patient.row["ClinicNum"],
            DateTSheetEdited=world.now,
            InternalNote="",
        )
        for order, name in enumerate(("LName", "Birthdate", "misc", "signature")):
            world.add(
                "sheetfield",
                SheetNum=sheet["SheetNum"],
                FieldType=order % 3,
                FieldName=name,
                FieldValue=world.pick(("", "X", "see chart")),
                YPos=40 * order,
                RadioButtonGroup="",
            )
        self.file_document(patient, "Medical history")

    def file_document(self, patient: Patient, description: str) -> None:
        world = self._world
        world.add(
            "document",
            Description=description,
            DateCreated=world.now,
            DocCategory=0,
            PatNum=patient.number,
            FileName=f"doc{patient.number}_{patient.visits}.pdf",
            ImgType=0,
            Note="",
            Signature="",
        )

    def _plan_a_day(self, day: date) -> None:
        world, practice = self._world, self._practice
        for order, provider in enumerate((*practice.dentists, *practice.hygienists)):
            # Everybody works at both clinics, on alternate days.
            clinic = practice.clinics[(order + day.weekday()) % 2]["ClinicNum"]
            row = world.add(
                "schedule", SchedDate=day, StartTime=time(8), StopTime=time(17), SchedType=1,
                ProvNum=provider["ProvNum"], ClinicNum=clinic,
            )  # fmt: skip
            operatory = practice.operatories[order]["OperatoryNum"]
            world.add("scheduleop", ScheduleNum=row["ScheduleNum"], OperatoryNum=operatory)
        world.add(
            "schedule", SchedDate=day, StartTime=time(12), StopTime=time(13), SchedType=2,
            BlockoutType=practice.definitions[25][0], ClinicNum=practice.clinics[0]["ClinicNum"], Note="lunch",
        )  # fmt: skip
        if day.month == 12 and day.day in {24, 25}:
            world.add("schedule", SchedDate=day, SchedType=0, Status=2, Note="Holiday")

    def _work_a_day(self) -> None:
        world = self._world
        for employee in self._practice.employees:
            if world.chance(0.93):
                self._clock(employee)
        for user in self._practice.users[:3]:
            self.log(LOGGED_ON, "User logged on", key=user["UserNum"])
        if world.chance(0.5):
            self._add_task()
        if world.today > world.as_of - timedelta(days=14):
            for _ in range(6):
                world.add(
                    "signalod", SigDateTime=world.now, DateViewing=world.today, IType=world.between(0, 24)
                )
        if world.today.weekday() == 4:
            self._adjust_hours()

    def _clock(self, employee: Row) -> None:
        world = self._world
        came = datetime.combine(world.today, time(7, world.between(40, 59)))
        left = datetime.combine(world.today, time(17, world.between(0, 40)))
        world.add(
            "clockevent",
            EmployeeNum=employee["EmployeeNum"],
            TimeEntered1=came,
            TimeDisplayed1=came,
            TimeEntered2=left,
            TimeDisplayed2=left,
            OTimeHours=timedelta(hours=-1),
            OTimeAuto=timedelta(minutes=world.between(0, 50)),
            Adjust=timedelta(),
            AdjustAuto=timedelta(minutes=-world.between(0, 30)),
            ClockStatus=0,
            Note="",
            ClinicNum=self._practice.clinics[0]["ClinicNum"],
        )

    def _adjust_hours(self) -> None:
        """Move hours into overtime; payroll keeps sums of weeks, which pass 24 hours, and debts."""
        world = self._world
        for employee in self._practice.employees:
            overtime = timedelta(minutes=world.between(0, 300))
            world.add(
                "timeadjust",
                EmployeeNum=employee["EmployeeNum"],
                TimeEntry=world.now,
                RegHours=-overtime,
                OTimeHours=overtime,
                PtoHours=timedelta(hours=world.pick((0, 0, 0, 8, 32, 40))),
                Note="",
                IsAuto=1,
                ClinicNum=self._practice.clinics[0]["ClinicNum"],
            )

    def _add_task(self) -> None:
        world = self._world
        task = world.add(
            "task",
            TaskListNum=world.between(1, 3),
            Descript="Call back about insurance",
            TaskStatus=2 if world.chance(0.9) else 0,
            UserNum=world.between(2, 9),
            DateTimeEntry=world.now,
            DateTimeOriginal=world.now,
            DateTimeFinished=world.now + timedelta(hours=3),
        )
        if world.chance(0.5):
            world.add(
                "tasknote", TaskNum=task["TaskNum"], UserNum=3, DateTimeNote=world.now, Note="left message"
            )
