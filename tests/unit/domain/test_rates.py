"""Measured rates: bands that follow the scores alone, and nothing claimed that nobody saw."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.domain.inspection import Verdict
from inspection.domain.rates import Judged, bands_of, rates_of, thinnest
from inspection.domain.review import Decision

OK, NG, UNSURE = Decision.OK, Decision.NG, Decision.UNSURE


def judged(
    verdict: Verdict,
    population: Mapping[int, int],
    decided: Mapping[tuple[int, Decision], int] | None = None,
) -> Judged:
    return Judged(verdict=verdict, threshold_id=1, population=population, decided=decided or {})


@given(
    st.dictionaries(st.integers(-1, 1000), st.integers(1, 5_000), max_size=60),
    st.sampled_from([Verdict.OK, Verdict.NG]),
)
def test_every_inspection_is_in_exactly_one_band(
    population: dict[int, int], verdict: Verdict
) -> None:
    bands = bands_of(judged(verdict, population))

    assert sum(band.stratum.total_count for band in bands) == sum(population.values())
    for bin_ in population:
        assert sum(band.first_bin <= bin_ <= band.last_bin for band in bands) == 1


def test_bands_are_narrow_at_the_threshold() -> None:
    population = dict.fromkeys(range(500), 100)

    bands = bands_of(judged(Verdict.OK, population))

    assert [band.stratum.total_count for band in bands] == [500, 2000, 7500, 15000, 25000]
    assert bands[0].scores == "below 0.500"
    assert bands[-1].last_bin == 249


def test_few_inspections_are_one_band() -> None:
    bands = bands_of(judged(Verdict.NG, dict.fromkeys(range(600, 640), 1)))

    assert [band.stratum.total_count for band in bands] == [40]


def test_rate_is_unknown_when_nothing_supports_it_and_says_what_is_missing() -> None:
    population = dict.fromkeys(range(500), 100)

    near = rates_of([judged(Verdict.OK, population, {(499, OK): 30, (498, NG): 2})]).escapes
    nobody = rates_of([judged(Verdict.OK, {3: 12_345})]).escapes
    nothing = rates_of([]).escapes

    assert near.interval is None
    assert near.wrong_count == 2
    assert near.sentence == (
        "unknown (32 of 50,000 OK inspections reviewed, none of the 2,000 with scores below 0.495)"
    )
    assert nobody.sentence == "unknown (0 of 12,345 OK inspections reviewed)"
    assert nothing.sentence == "none (no OK inspections)"


def test_unsure_is_counted_apart() -> None:
    found = rates_of([judged(Verdict.NG, {700: 4}, {(700, OK): 1, (700, UNSURE): 2})])

    rejects = found.false_rejects
    assert (rejects.decided_count, rejects.wrong_count, rejects.unsure_count) == (1, 1, 2)


def test_hard_cases_that_were_all_looked_at_do_not_stand_for_the_easy_ones() -> None:
    # 40 near the threshold are half bad; of the 3,960 others 100 were looked at, all good.
    population = {499: 40} | dict.fromkeys(range(400, 440), 99)
    decided = {(499, NG): 20, (499, OK): 20, **{(n, OK): 3 for n in range(400, 440)}}

    found = rates_of([judged(Verdict.OK, population, decided)]).escapes

    assert found.interval is not None
    assert found.interval.share == pytest.approx(20 / 4000)
    assert found.interval.low == pytest.approx(20 / 4000)
    assert found.interval.high < 0.06


def test_false_rejects_of_good_parts_follow_from_those_of_ng_verdicts() -> None:
    ng = judged(Verdict.NG, {700: 100}, {(700, OK): 50, (700, NG): 50})
    ok = judged(Verdict.OK, {100: 900})

    found = rates_of([ng, ok])

    assert found.false_reject_rate is not None
    assert found.false_reject_rate.share == pytest.approx(50 / 950)
    assert found.false_reject_rate.low == found.false_reject_rate.high


def test_thinnest_band_is_the_one_of_which_least_is_known() -> None:
    bands = bands_of(
        judged(Verdict.OK, dict.fromkeys(range(500), 100), {(n, OK): 9 for n in range(240)})
    )

    found = thinnest(bands)

    assert found is bands[3]
    assert thinnest([]) is None
