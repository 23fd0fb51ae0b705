"""Proposals: what reviews speak for, and no further than others' reviews speak for as well."""

import random

import pytest

from inspection.domain.histogram import bin_of
from inspection.domain.inspection import Verdict
from inspection.domain.proposal import STEP, Evidence, Opinion, Proposal, proposed
from inspection.domain.rates import Judged
from inspection.domain.review import Decision

THRESHOLD = 0.5


def evidence(opinions: list[Opinion]) -> Evidence:
    """Make evidence of 100,000 inspections, 1,000 NG among them."""
    return Evidence(
        threshold=THRESHOLD,
        ok=Judged(
            verdict=Verdict.OK,
            threshold_id=1,
            population=dict.fromkeys(range(400), 98000 // 400) | dict.fromkeys(range(400, 500), 10),
        ),
        ng=Judged(
            verdict=Verdict.NG, threshold_id=1, population=dict.fromkeys(range(500, 600), 10)
        ),
        opinions=tuple(opinions),
    )


def opinion(number: int, score: float, *, is_bad: bool, reviewer: str) -> Opinion:
    return Opinion(
        inspection_id=number,
        score=score,
        verdict=Verdict.NG if score > THRESHOLD else Verdict.OK,
        reviewer=reviewer,
        decision=Decision.NG if is_bad else Decision.OK,
    )


def honest(
    limit: float, *, reviewers: str = "abc", count: int = 80, first: int = 0
) -> list[Opinion]:
    """Each reviewer looks at parts of scores 0.4 to 0.6; those above `limit` are bad."""
    return [
        opinion(
            first + 1000 * which + n,
            0.4 + 0.2 * (n + 0.31 * which) / count,
            is_bad=0.4 + 0.2 * (n + 0.31 * which) / count > limit,
            reviewer=reviewer,
        )
        for which, reviewer in enumerate(reviewers)
        for n in range(count)
    ]


def propose(opinions: list[Opinion], *, cost_ratio: float = 5.0) -> Proposal:
    return proposed(evidence(opinions), cost_ratio=cost_ratio)


def test_threshold_moves_to_where_parts_begin_to_be_bad() -> None:
    up, down = propose(honest(0.55)), propose(honest(0.46))

    assert up.value == pytest.approx(0.55, abs=0.005)
    assert down.value == pytest.approx(0.46, abs=0.005)
    assert (up.flipped_bad_count, down.flipped_bad_count) == (0, down.flipped_count)
    assert up.flipped_count > 50
    assert up.changed_at_most == pytest.approx(500, abs=20)
    assert "OK" in up.reason
    assert "NG" in down.reason


def test_nothing_is_proposed_when_the_threshold_is_right() -> None:
    found = propose(honest(0.5))

    assert found.value is None
    assert "no other value" in found.reason


def test_costly_escapes_keep_a_threshold_that_cheap_ones_would_raise() -> None:
    mixed = [
        opinion(1000 * which + n, 0.501 + n / 1000, is_bad=n % 10 == 9, reviewer=reviewer)
        for which, reviewer in enumerate("ab")
        for n in range(90)
    ]

    assert propose(mixed, cost_ratio=50).value is None
    assert propose(mixed, cost_ratio=0.5).value is not None


@pytest.mark.parametrize("reviewers", ["", "a"])
def test_nobody_moves_a_threshold_alone(reviewers: str) -> None:
    found = propose(honest(0.55, reviewers=reviewers))

    assert found.value is None
    assert "at least two people" in found.reason


def test_thin_evidence_is_refused() -> None:
    found = propose(honest(0.55, count=12))
    without = propose(
        honest(0.55, reviewers="a") + honest(0.55, reviewers="b", count=5, first=9000)
    )

    assert found.value is None
    assert without.value is None
    assert "without a" in without.reason


def test_people_who_contradict_each_other_move_nothing() -> None:
    same = honest(0.55, reviewers="a")
    other = [
        opinion(o.inspection_id, o.score, is_bad=o.decision is Decision.OK, reviewer="b")
        for o in same
    ]

    found = propose(same + other + honest(0.55, reviewers="cd", first=9000))

    assert found.value is None
    assert found.disputed_count == 80
    assert "disagree" in found.reason


def test_one_step_changes_few_verdicts() -> None:
    found = propose(
        honest(0.30, count=400)
        + [
            opinion(10**6 + 1000 * which + n, 0.3 + 0.2 * n / 300, is_bad=True, reviewer=reviewer)
            for which, reviewer in enumerate("abc")
            for n in range(300)
        ]
    )

    assert found.value is not None
    assert 0 < found.changed_at_most <= STEP * 100_000


@pytest.mark.parametrize("seed", range(6))
def test_hostile_reviewer_moves_nothing_further_than_all_others_do(seed: int) -> None:
    draw = random.Random(seed)
    limit = draw.choice([0.46, 0.5, 0.55])
    others = honest(limit)
    target = draw.uniform(0.41, 0.59)
    hostile = []
    for n in range(draw.choice([30, 300])):
        score = draw.uniform(0.4, 0.6)
        disputed = draw.choice(others)
        number, score = (
            (disputed.inspection_id, disputed.score) if draw.random() < 0.02 else (10**6 + n, score)
        )
        hostile.append(opinion(number, score, is_bad=score > target, reviewer="mallory"))

    found = propose(others + hostile).value

    # The others' reviews lead to `limit` and no further.
    if found is not None:
        assert min(THRESHOLD, limit) <= found <= max(THRESHOLD, limit)


def test_reviewer_who_calls_bad_parts_good_does_not_raise_it_past_what_others_say() -> None:
    hostile = honest(0.58, reviewers="x", count=300, first=9000)

    found = propose(honest(0.52) + hostile)

    assert found.value is not None
    assert found.value <= 0.52


def test_mistakes_of_one_of_many_leave_the_proposal_where_it_was() -> None:
    draw = random.Random(1)
    opinions = [
        opinion(o.inspection_id, o.score, is_bad=draw.random() < 0.5, reviewer="c")
        if o.reviewer == "c"
        else o
        for o in honest(0.55)
    ]

    found = propose(opinions)

    assert found.value is None or THRESHOLD < found.value <= 0.551


def test_scores_at_the_edge_are_counted_with_their_whole_bin() -> None:
    found = propose(honest(0.55))

    assert found.value is not None
    edge = bin_of(found.value)
    assert found.changed_at_most == 10 * (edge - 500 + 1)


def judged_by(threshold: float, opinions: list[Opinion]) -> Evidence:
    """Make evidence of 10,000 inspections with scores spread evenly, judged by a threshold."""
    edge = bin_of(threshold)
    return Evidence(
        threshold=threshold,
        ok=Judged(verdict=Verdict.OK, threshold_id=1, population=dict.fromkeys(range(edge), 10)),
        ng=Judged(
            verdict=Verdict.NG, threshold_id=1, population=dict.fromkeys(range(edge, 1000), 10)
        ),
        opinions=tuple(opinions),
    )


@pytest.mark.parametrize(("threshold", "limit"), [(0.40, 0.55), (0.70, 0.55)])
def test_step_by_step_a_threshold_comes_to_where_parts_are_bad_and_stays(
    threshold: float, limit: float
) -> None:
    draw = random.Random(3)

    for _ in range(8):
        # Two people look at what is near the threshold, and are wrong about one part in fifty.
        scores = [threshold + (n - 100) / 1500 for n in range(200)]
        opinions = [
            Opinion(
                inspection_id=number,
                score=score,
                verdict=Verdict.NG if score > threshold else Verdict.OK,
                reviewer="ab"[number % 2],
                decision=Decision.NG if (score > limit) != (draw.random() < 0.02) else Decision.OK,
            )
            for number, score in enumerate(scores)
        ]
        found = proposed(judged_by(threshold, opinions), cost_ratio=3)
        threshold = threshold if found.value is None else found.value

    assert threshold == pytest.approx(limit, abs=0.012)
