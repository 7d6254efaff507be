"""The clinic while it is being made up: its day, its rows so far, and what will happen when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any, TypeVar

from dental_etl.sandbox.schema import Table, tables

#: Column to value; Any, since a row holds what its columns hold. Columns left out have their default.
Row = dict[str, Any]
#: What it returns is not looked at.
Action = Callable[[], object]
T = TypeVar("T")

#: Filled in by `add` where a table has them, unless the caller does.
_ENTERED_ON = ("SecDateEntry", "SecDateTEntry", "DateTEntry", "DateTimeEntry")
#: Stamps are kept in UTC, everything else in the clinic's time.
_UTC_OFFSET = timedelta(hours=6)


class World:
    """Rows by table, made day by day so that keys grow with time as they do in a clinic.

    Args:
        seed: Decides everything.
        as_of: The morning on which the clinic is looked at; nothing happened on or after it.
    """

    def __init__(self, *, seed: int, as_of: date) -> None:
        self.rng = Random(seed)  # noqa: S311  # repeatable on purpose, nothing secret
        self.as_of = as_of
        self.opened_on = as_of - timedelta(days=3 * 365)
        self.now = datetime.combine(self.opened_on, time(8))
        self.rows: dict[str, list[Row]] = {name: [] for name in tables()}
        self._removed: dict[str, set[int]] = defaultdict(set)
        self._last_keys: dict[str, int] = defaultdict(int)
        self._calendar: dict[date, list[Action]] = defaultdict(list)

    @property
    def today(self) -> date:
        return self.now.date()

    @property
    def stamp(self) -> datetime:
        return self.now + _UTC_OFFSET

    def add(self, table: str, **values: Any) -> Row:
        """Add a row; key, stamp, entry date and user are filled in unless given."""
        facts = tables()[table]
        row: Row = {}
        if facts.key is not None and facts.key not in values:
            self._last_keys[table] += 1
            row[facts.key] = self._last_keys[table]
        row |= self._marks(facts)
        row |= values
        self.rows[table].append(row)
        return row

    def touch(self, table: str, row: Row, **values: Any) -> None:
        """Edit a row, moving its stamp as the server would."""
        row.update(values)
        stamp = tables()[table].stamp
        if stamp is not None:
            row[stamp] = self.stamp

    def remove(self, table: str, row: Row) -> None:
        """Delete a row for good; it is gone when the last day has been played."""
        self._removed[table].add(id(row))

    def at(self, day: date, action: Action) -> None:
        """Let something happen on a day; days that never come are simply not played."""
        self._calendar[max(day, self.today)].append(action)

    def play(self) -> None:
        """Play every day until the clinic is looked at."""
        day = self.opened_on
        while day < self.as_of:
            self._play(day)
            day += timedelta(days=1)
        self.now = datetime.combine(self.as_of, time(6))
        for table, removed in self._removed.items():
            self.rows[table] = [row for row in self.rows[table] if id(row) not in removed]

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self.rng.random() * len(choices))]

    def weighted(self, choices: dict[T, float]) -> T:
        return self.rng.choices(list(choices), weights=list(choices.values()))[0]

    def between(self, low: int, high: int) -> int:
        """Return a whole number, both ends included."""
        return low + int(self.rng.random() * (high - low + 1))

    def weekday_in(self, days: int) -> date:
        """Return the first day from Monday to Friday that is at least so many days ahead."""
        day = self.today + timedelta(days=days)
        return day + timedelta(days=max(0, 7 - day.weekday())) if day.weekday() > 4 else day

    def _play(self, day: date) -> None:
        """Play a day's actions, spread over the office's hours; actions may add to the same day."""
        done = 0
        self.now = datetime.combine(day, time(8))
        actions = self._calendar.get(day, [])
        while done < len(actions):
            self.now += timedelta(seconds=self.between(20, 300) if self.now.hour < 17 else 1)
            actions[done]()
            done += 1
        self._calendar.pop(day, None)

    def _marks(self, facts: Table) -> Row:
        marks: Row = {} if facts.stamp is None else {facts.stamp: self.stamp}
        for column in _ENTERED_ON:
            if column in facts.defaults and column not in marks:
                is_date = facts.defaults[column] == "0001-01-01"
                marks[column] = self.today if is_date else self.now
        if "SecUserNumEntry" in facts.defaults:
            marks["SecUserNumEntry"] = 1 + self.between(1, 4)
        return marks
