"""What a benchmark concludes from its measurements."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from ops.benchmarks import limits
from ops.benchmarks.contestants import Contestant, Hop, Kind, Verdict
from ops.benchmarks.datasets import Shape, clinic, datasets
from ops.benchmarks.measure import ClientCost, Cost
from ops.benchmarks.results import Measurement, Results, budgets, to_markdown
from ops.benchmarks.trials import is_wanted
from ops.benchmarks.verify import _plain

_EQUAL = Verdict(is_equal=True, detail="count")


def _measurement(
    name: str,
    kind: Kind,
    hop: Hop,
    seconds: float,
    *,
    start: float = 0.0,
    verdict: Verdict = _EQUAL,
    others: float = 0.0,
    source: float = 2.2,
) -> Measurement:
    client = ClientCost(wall_seconds=seconds, cpu_seconds=2.0, peak_mb=26.0, start_seconds=start)
    return Measurement(
        contestant=name,
        kind=kind,
        hop=hop,
        dataset="procclean",
        rows=1_000_000,
        round=1,
        cost=Cost(
            client=client,
            source_cpu_seconds=source,
            replication_cpu_seconds=0.0,
            analytics_cpu_seconds=0.0,
            others_cores=others,
        ),
        verdict=verdict,
    )


def _results(*measurements: Measurement) -> Results:
    return Results(
        begun_at=datetime(2026, 1, 31, 3, tzinfo=UTC),
        machine="2 cores, 8 GB",
        load_average=0.5,
        engine="InnoDB",
        measurements=measurements,
    )


def _budget(results: Results, words: str) -> tuple[float, bool | None]:
    found = next(budget for budget in budgets(results) if words in budget.promise)
    return round(found.measured, 3), found.is_met


_LOAD = _measurement("dental_etl load", Kind.OURS, Hop.SECOND, 5.0)


@pytest.mark.parametrize(("seconds", "expected"), [(4.5, (0.9, True)), (4.0, (0.8, False))])
def test_a_load_is_held_against_what_the_server_takes_alone(
    seconds: float, expected: tuple[float, bool]
) -> None:
    limit = _measurement(limits.COPY_FILE, Kind.LIMIT, Hop.SECOND, seconds)
    assert _budget(_results(_LOAD, limit), "load beside COPY") == expected


def test_wall_times_beside_busy_neighbours_are_not_judged() -> None:
    limit = _measurement(limits.COPY_FILE, Kind.LIMIT, Hop.SECOND, 4.0, others=1.5)
    assert _budget(_results(_LOAD, limit), "load beside COPY") == (0.8, None)


@pytest.mark.parametrize(("source", "expected"), [(2.0, (1.1, True)), (1.76, (1.25, False))])
def test_the_source_is_held_against_a_plain_read_of_the_same_rows(
    source: float, expected: tuple[float, bool]
) -> None:
    extract = _measurement("dental_etl extract", Kind.OURS, Hop.FIRST, 9.0, others=1.5)
    read = _measurement(limits.SELECT_ALL, Kind.LIMIT, Hop.READ, 2.0, source=source)
    assert _budget(_results(extract, read), "source CPU") == expected


def test_only_the_fastest_other_tool_counts_for_twice_as_fast() -> None:
    slow = _measurement("pgloader", Kind.PEER, Hop.SECOND, 15.0)
    fast = _measurement("ingestr", Kind.PEER, Hop.SECOND, 9.0)
    assert _budget(_results(_LOAD, slow, fast), "load beside ingestr") == (1.8, False)


def test_the_start_of_another_program_is_not_held_against_it() -> None:
    peer = _measurement("dlt", Kind.PEER, Hop.SECOND, 12.0, start=2.0)
    assert _budget(_results(_LOAD, peer), "load beside dlt") == (2.0, True)


def test_the_quickest_of_several_rounds_counts() -> None:
    again = _measurement("dental_etl load", Kind.OURS, Hop.SECOND, 4.0)
    assert [one.seconds for one in _results(_LOAD, again).best()] == [4.0]


def test_our_cpu_is_counted_for_a_million_rows() -> None:
    both = _measurement("dental_etl extract, load", Kind.OURS, Hop.BOTH, 12.0)
    assert _budget(_results(both), "our CPU") == (2.0, True)


def test_the_table_says_whose_copy_differs_and_where() -> None:
    wrong = Verdict(is_equal=False, detail="columns that differ: Dose")
    peer = _measurement("ingestr", Kind.PEER, Hop.SECOND, 9.0, verdict=wrong)
    text = to_markdown(_results(_LOAD, peer))
    assert "| 1.80x | NO |" in text
    assert "- ingestr: columns that differ: Dose" in text


def test_results_are_plain_json() -> None:
    made = json.loads(json.dumps(_results(_LOAD).to_json()))
    assert made["measurements"][0]["cost"]["client"]["peak_mb"] == 26.0


def test_only_the_wide_table_holds_zero_dates() -> None:
    zero = {one.shape for one in datasets(1000, "InnoDB") if "0000-00-00" in one.statements[1]}
    assert zero == {Shape.WIDE}


def test_a_clinic_has_436_tables_of_very_different_sizes() -> None:
    tables = clinic(5_000_000, "MyISAM")
    assert (len(tables), len({one.table for one in tables})) == (436, 436)
    assert tables[0].rows > 400 * tables[-1].rows


def test_who_cannot_copy_zero_dates_is_not_asked_to() -> None:
    peer = Contestant(
        name="peer",
        kind=Kind.PEER,
        hop=Hop.SECOND,
        prepare=lambda _lab, _dataset: lambda: ClientCost(wall_seconds=1.0),
        verify=None,
        takes_zero_dates=False,
    )
    assert [is_wanted(peer, one) for one in datasets(1000, "InnoDB")] == [False, True, True]


@pytest.mark.parametrize(
    ("mysql", "data_type", "postgres"),
    [
        (1, "tinyint", True),
        (0.1, "double", Decimal("0.1")),
        (0.10000000149011612, "float", 0.1),
        (timedelta(hours=8), "time", datetime(2026, 1, 1, 8).time()),  # noqa: DTZ001  # only its time
        (date(2026, 1, 1), "date", datetime(2026, 1, 1)),  # noqa: DTZ001  # as a timestamp column gives it
        (
            datetime(2026, 1, 1, 6),  # noqa: DTZ001  # MySQL's are without a zone
            "timestamp",
            datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=-6))),
        ),
    ],
)
def test_a_value_is_the_same_in_any_type_that_holds_it(
    mysql: object, data_type: str, postgres: object
) -> None:
    assert _plain(mysql, data_type) == _plain(postgres, data_type)


def test_a_float_that_lost_digits_is_another_value() -> None:
    assert _plain(0.14285714924335480, "float") != _plain(0.142857, "float")
