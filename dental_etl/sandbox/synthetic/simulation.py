"""Play three years at the clinic."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial

from dental_etl.sandbox.synthetic.aging import age_accounts
from dental_etl.sandbox.synthetic.chart import Chart
from dental_etl.sandbox.synthetic.insurance import Insurance
from dental_etl.sandbox.synthetic.money import Money
from dental_etl.sandbox.synthetic.oddities import add_oddities
from dental_etl.sandbox.synthetic.office import Office
from dental_etl.sandbox.synthetic.people import People, add_plans
from dental_etl.sandbox.synthetic.practice import found_practice
from dental_etl.sandbox.synthetic.visits import Visits, leave
from dental_etl.sandbox.synthetic.world import World

#: Share of the patients who were there before the first day played.
_LONG_HERE = 0.62


def generate(*, seed: int, patients: int, as_of: date) -> World:
    """Make up a clinic.

    Args:
        seed: The same seed, size and date give the same rows.
        patients: Number of patients, in families of one to five.
        as_of: The morning on which the clinic is looked at.
    """
    world = World(seed=seed, as_of=as_of)
    practice = found_practice(world)
    people = People(world, practice, add_plans(world, practice, patients))
    insurance = Insurance(world, practice)
    office = Office(world, practice)
    visits = Visits(world, practice, insurance, Money(world, practice, insurance), office)
    office.open()
    reception = _Reception(world, people, visits, Chart(world, practice, insurance), insurance)
    reception.expect(patients)
    world.play()
    age_accounts(world)
    add_oddities(world)
    return world


class _Reception:
    """Lets the families in: those who were always there, and those who come."""

    def __init__(
        self, world: World, people: People, visits: Visits, chart: Chart, insurance: Insurance
    ) -> None:
        self._world = world
        self._people = people
        self._visits = visits
        self._chart = chart
        self._insurance = insurance

    def expect(self, patients: int) -> None:
        world = self._world
        expected = 0
        while expected < patients:
            size = min(world.weighted({1: 0.35, 2: 0.27, 3: 0.15, 4: 0.16, 5: 0.07}), patients - expected)
            expected += size
            if expected <= patients * _LONG_HERE:
                self._admit_old(size)
            else:
                day = world.opened_on + timedelta(days=world.between(1, 3 * 365 - 30))
                world.at(day, partial(self._admit_new, size))

    def _admit_old(self, size: int) -> None:
        world = self._world
        first_visit = world.opened_on - timedelta(days=world.between(30, 3000))
        for patient in self._people.add_family(size, first_visit):
            patient.visits = world.between(1, 9)
            if world.chance(0.25):
                self._chart.add_existing(patient)
            if world.chance(0.02):
                self._insurance.add_history(patient)
            if world.chance(0.88):
                self._visits.book_recall(patient, world.between(1, 200))
            else:
                leave(world, patient)

    def _admit_new(self, size: int) -> None:
        world = self._world
        for patient in self._people.add_family(size, world.today):
            if world.chance(0.97):
                self._visits.book_recall(patient, world.between(1, 21))
            else:
                world.touch("patient", patient.row, PatStatus=6)
