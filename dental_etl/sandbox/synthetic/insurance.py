"""Estimates, claims and what the carriers make of them."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from enum import IntEnum
from functools import partial

from dental_etl.sandbox.synthetic.people import Coverage, Patient
from dental_etl.sandbox.synthetic.practice import Practice
from dental_etl.sandbox.synthetic.world import Row, World

NO_DATE = date(1, 1, 1)
#: "Says nothing" in the columns where zero is an amount.
_BLANKS = {
    "AllowedOverride": -1.0,
    "PercentOverride": -1,
    "CopayAmt": -1.0,
    "PaidOtherIns": -1.0,
    "CopayOverride": -1.0,
    "DedEstOverride": -1.0,
    "InsEstTotalOverride": -1.0,
    "PaidOtherInsOverride": -1.0,
    "WriteOffEstOverride": -1.0,
}


class ClaimProcStatus(IntEnum):
    NOT_RECEIVED = 0
    RECEIVED = 1
    PREAUTHORISATION = 2
    BENEFIT_ADJUSTMENT = 3
    SUPPLEMENTAL = 4
    CAPITATED_CLAIM = 5
    ESTIMATE = 6
    CAPITATION_COMPLETE = 7
    CAPITATION_ESTIMATE = 8
    HISTORY = 9


class Insurance:
    """Keeps the claims' side of every procedure."""

    def __init__(self, world: World, practice: Practice) -> None:
        self._world = world
        self._practice = practice
        #: Procedure to its claimprocs, in the order of the patient's coverages.
        self._estimates: dict[int, list[tuple[Coverage, Row]]] = defaultdict(list)
        #: Procedure to what insurance paid and wrote off, or will by estimate.
        self.covered: dict[int, float] = defaultdict(float)
        self._fees: dict[int, float] = {}
        self._checks: dict[tuple[int, date], Row] = {}

    def estimate(self, patient: Patient, procedure: Row, code: str) -> None:
        """Add what each plan is expected to pay for a planned procedure."""
        fee, earlier = procedure["ProcFee"], 0.0
        if fee == 0:
            return
        self._fees[procedure["ProcNum"]] = fee
        for coverage in patient.coverages:
            if coverage.plan.kind == "c":
                row = self._capitation_estimate(procedure, coverage, code)
            else:
                row = self._percentage_estimate(procedure, coverage, code, earlier)
                earlier += row["InsEstTotal"] + max(row["WriteOffEst"], 0)
            self._estimates[procedure["ProcNum"]].append((coverage, row))

    def preauthorise(self, patient: Patient, procedure: Row) -> None:
        """Ask the first carrier beforehand; both spellings of the type occur."""
        world, coverage = self._world, patient.coverages[0]
        claim = self._add_claim(patient, coverage, world.pick(("PreAuth", "Preauth")), "S")
        claim["ClaimFee"] = procedure["ProcFee"]
        row = self._add_claimproc(procedure, coverage, ClaimProcStatus.PREAUTHORISATION)
        row |= {"ClaimNum": claim["ClaimNum"], "InsPayEst": round(procedure["ProcFee"] * 0.5, 2)}
        world.at(
            world.weekday_in(world.between(14, 30)),
            partial(
                world.touch, "claim", claim, ClaimStatus="R", DateReceived=world.today + timedelta(days=14)
            ),
        )

    def complete(self, patient: Patient, procedures: list[Row]) -> None:
        """Turn the estimates of completed procedures into claims, one per plan."""
        for position, coverage in enumerate(patient.coverages):
            rows = [
                self._estimates[procedure["ProcNum"]][position][1]
                for procedure in procedures
                if procedure["ProcNum"] in self._estimates
            ]
            if rows and coverage.plan.kind == "c":
                self._complete_capitation(patient, coverage, rows)
            elif rows:
                self._submit(patient, coverage, rows, is_first=position == 0)

    def is_covered(self, procedure: Row) -> bool:
        return procedure["ProcNum"] in self._estimates

    def forget(self, procedure: Row) -> None:
        """Delete the estimates of a procedure that will not be done, for good."""
        for _, row in self._estimates.pop(procedure["ProcNum"], ()):
            self._world.remove("claimproc", row)

    def add_history(self, patient: Patient) -> None:
        """Add what the carrier did before it knew us: a used-up benefit, and an old procedure."""
        if not patient.coverages:
            return
        values = {"ProcNum": 0, "ProcDate": self._world.today, "ClinicNum": 0, "ProvNum": 0, "ProcFee": 0.0}
        source = values | {"PatNum": patient.number}
        row = self._add_claimproc(source, patient.coverages[0], ClaimProcStatus.BENEFIT_ADJUSTMENT)
        row |= {"InsPayAmt": 0.0, "DedApplied": 50.0}
        self._add_claimproc(source, patient.coverages[0], ClaimProcStatus.HISTORY)

    def _percentage_estimate(self, procedure: Row, coverage: Coverage, code: str, earlier: float) -> Row:
        service, fee = self._practice.services[code], procedure["ProcFee"]
        schedule = coverage.plan.row["FeeSched"]
        allowed = min(fee, self._practice.fee(schedule, code)) if schedule else fee
        share = service.coverage * (0.8 if earlier else 1.0)
        expected = max(0.0, round(min(allowed * share, fee - earlier), 2))
        write_off = round(fee - allowed, 2) if schedule and not earlier else -1.0
        row = self._add_claimproc(procedure, coverage, ClaimProcStatus.ESTIMATE)
        row |= {
            "Percentage": int(service.coverage * 100),
            "BaseEst": expected,
            "InsEstTotal": expected,
            "WriteOffEst": write_off,
            "CodeSent": code,
        }
        return row

    def _capitation_estimate(self, procedure: Row, coverage: Coverage, code: str) -> Row:
        copay = self._practice.fee(coverage.plan.row["CopayFeeSched"], code)
        row = self._add_claimproc(procedure, coverage, ClaimProcStatus.CAPITATION_ESTIMATE)
        row |= {"CopayAmt": copay, "WriteOffEst": round(procedure["ProcFee"] - copay, 2), "CodeSent": code}
        return row

    def _add_claimproc(self, procedure: Row, coverage: Coverage, status: ClaimProcStatus) -> Row:
        return self._world.add(
            "claimproc",
            ProcNum=procedure["ProcNum"],
            PatNum=procedure["PatNum"],
            ProvNum=procedure["ProvNum"],
            FeeBilled=0.0,
            Status=int(status),
            PlanNum=coverage.plan.row["PlanNum"],
            InsSubNum=coverage.subscription["InsSubNum"],
            DateCP=procedure["ProcDate"],
            ProcDate=procedure["ProcDate"],
            DateEntry=self._world.today,
            ClinicNum=procedure["ClinicNum"],
            Percentage=-1,
            WriteOffEst=-1.0,
            InsEstTotal=0.0,
            **_BLANKS,
        )

    def _complete_capitation(self, patient: Patient, coverage: Coverage, rows: list[Row]) -> None:
        """Write off what the plan's monthly sum covers; some plans want a claim all the same."""
        today, status, claim = self._world.today, ClaimProcStatus.CAPITATION_COMPLETE, 0
        if self._world.chance(0.1):
            sent = self._add_claim(patient, coverage, "Cap", "R")
            sent["DateReceived"] = today
            status, claim = ClaimProcStatus.CAPITATED_CLAIM, sent["ClaimNum"]
        for row in rows:
            self._world.touch(
                "claimproc",
                row,
                Status=int(status),
                ClaimNum=claim,
                WriteOff=row["WriteOffEst"],
                DateCP=today,
                ProcDate=today,
            )
            self.covered[row["ProcNum"]] += row["WriteOff"]

    def _submit(self, patient: Patient, coverage: Coverage, rows: list[Row], *, is_first: bool) -> None:
        world = self._world
        status = ("W" if world.chance(0.02) else "S") if is_first else "H"
        claim = self._add_claim(patient, coverage, "P" if is_first else "S", status)
        for line, row in enumerate(rows, start=1):
            self._attach(claim, row, line)
        claim["InsPayEst"] = round(sum(row["InsPayEst"] for row in rows), 2)
        claim["ClaimFee"] = round(sum(row["FeeBilled"] for row in rows), 2)
        if world.chance(0.03):
            return  # never answered: the claims that somebody must ask about
        days = world.between(10, 40) if is_first else world.between(45, 80)
        world.at(world.weekday_in(days), partial(self._receive, coverage, claim, rows))

    def _attach(self, claim: Row, row: Row, line: int) -> None:
        world = self._world
        expected, write_off = row["InsEstTotal"], max(row["WriteOffEst"], 0.0)
        world.touch(
            "claimproc",
            row,
            ClaimNum=claim["ClaimNum"],
            Status=int(ClaimProcStatus.NOT_RECEIVED),
            ProcDate=world.today,
            DateCP=world.today,
            FeeBilled=self._fees[row["ProcNum"]],
            InsPayEst=expected,
            WriteOff=write_off,
            LineNumber=line,
        )
        self.covered[row["ProcNum"]] += expected + write_off
        world.add(
            "claimsnapshot",
            ProcNum=row["ProcNum"],
            ClaimType=claim["ClaimType"],
            Writeoff=row["WriteOffEst"],
            InsPayEst=expected,
            Fee=row["FeeBilled"],
            DateTEntry=world.now,
            ClaimProcNum=row["ClaimProcNum"],
            SnapshotTrigger=0,
        )

    def _add_claim(self, patient: Patient, coverage: Coverage, kind: str, status: str) -> Row:
        world = self._world
        sent = world.today if status == "S" else NO_DATE
        claim = world.add(
            "claim",
            PatNum=patient.number,
            DateService=world.today,
            DateSent=sent,
            DateSentOrig=sent,
            ClaimStatus=status,
            ClaimType=kind,
            PlanNum=coverage.plan.row["PlanNum"],
            InsSubNum=coverage.subscription["InsSubNum"],
            PatRelat=coverage.pat_plan["Relationship"],
            ProvTreat=patient.dentist["ProvNum"],
            ProvBill=self._practice.dentists[0]["ProvNum"],
            InsPayEst=0.0,
            InsPayAmt=0.0,
            WriteOff=0.0,
            ClinicNum=patient.row["ClinicNum"],
            ClaimIdentifier=f"{patient.number}/{world.today:%y%m%d}/{coverage.pat_plan['Ordinal']}",
        )
        if world.chance(0.15):
            world.add(
                "claimtracking",
                ClaimNum=claim["ClaimNum"],
                TrackingType="StatusHistory",
                UserNum=2,
                DateTimeEntry=world.stamp,
                TrackingDefNum=self._practice.definitions[36][0],
            )
        return claim

    def _receive(self, coverage: Coverage, claim: Row, rows: list[Row]) -> None:
        world = self._world
        share = world.weighted({1.0: 0.8, 0.9: 0.08, 0.6: 0.06, 0.0: 0.06})
        is_paid_out = not world.chance(0.03)
        for row in rows:
            paid = round(row["InsPayEst"] * share, 2)
            write_off = 0.0 if share == 0.0 else row["WriteOff"]
            self.covered[row["ProcNum"]] += paid + write_off - row["InsPayEst"] - row["WriteOff"]
            world.touch(
                "claimproc",
                row,
                Status=int(ClaimProcStatus.RECEIVED),
                InsPayAmt=paid,
                WriteOff=write_off,
                DateCP=world.today,
                ClaimPaymentNum=self._pay_out(coverage, paid) if is_paid_out else 0,
                DateInsFinalized=world.today if is_paid_out else NO_DATE,
            )
        world.touch(
            "claim",
            claim,
            ClaimStatus="R",
            DateReceived=world.today,
            InsPayAmt=round(sum(row["InsPayAmt"] for row in rows), 2),
            WriteOff=round(sum(row["WriteOff"] for row in rows), 2),
        )
        if claim["ClaimType"] == "S" and claim["DateSent"] == NO_DATE:
            claim |= {"DateSent": world.today, "DateSentOrig": world.today}
        if world.chance(0.05):
            world.at(world.weekday_in(world.between(20, 60)), partial(self._supplement, coverage, rows[0]))

    def _supplement(self, coverage: Coverage, received: Row) -> None:
        """Pay a little more later, or take back what was paid."""
        world = self._world
        amount = round(
            -received["InsPayAmt"] if world.chance(0.25) else 12.5 + received["InsPayAmt"] * 0.1, 2
        )
        row = world.add(
            "claimproc",
            **{
                name: value
                for name, value in received.items()
                if name not in {"ClaimProcNum", "SecDateTEdit"}
            }
            | {
                "Status": int(ClaimProcStatus.SUPPLEMENTAL),
                "InsPayAmt": amount,
                "InsPayEst": 0.0,
                "WriteOff": 0.0,
                "DateCP": world.today,
                "DateEntry": world.today,
                "DateSuppReceived": world.today,
                "ClaimPaymentNum": self._pay_out(coverage, amount),
            },
        )
        self.covered[row["ProcNum"]] += amount

    def _pay_out(self, coverage: Coverage, amount: float) -> int:
        """Add an amount to the carrier's check of the day; return the check's key."""
        world, carrier = self._world, coverage.plan.carrier
        key = (carrier["CarrierNum"], world.today)
        if key not in self._checks:
            self._checks[key] = world.add(
                "claimpayment",
                CheckDate=world.today,
                DateIssued=world.today - timedelta(days=3),
                CheckAmt=0.0,
                CheckNum=str(world.between(10000, 99999)),
                CarrierName=carrier["CarrierName"],
                PayType=world.pick(self._practice.definitions[32]),
                IsPartial=int(world.chance(0.01)),
                ClinicNum=self._practice.clinics[0]["ClinicNum"],
            )
        check = self._checks[key]
        check["CheckAmt"] = round(check["CheckAmt"] + amount, 2)
        return int(check["ClaimPaymentNum"])
