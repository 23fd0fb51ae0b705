"""Whether scores still look like those a threshold was made from: a test that never ends.

Of the calibration's scores a few order statistics are watched. The rates at which good scores lie
above and below each of them are known up to the calibration's own sampling error; a run of scores
that exceeds such a rate is evidence of drift, collected by betting against it.

What it guarantees. If the scores to come are independent of each other and distributed like those
of calibration, apart from a share of defective parts that is at most the tolerated one both then
and now and that score no lower than good ones, then the mean number of parts until a false alarm
is at least `parts_per_false_alarm`, except for one calibration in a hundred whose order statistics
lie further off than allowed for (`CALIBRATION_ERROR`). Nothing is assumed about the distribution.

The method: shares of scores above (below) an order statistic are at most `null_rate`, and for each
rate above it the ratio of the likelihoods of both is an e-value: its mean under the null is at
most 1. A Shiryaev-Roberts detector M <- (M + 1) * e collects them; its mean after t parts is at
most t, and so is that of several detectors' average, hence the mean time until it first reaches N
is at least N (Shin, Ramdas and Rinaldo, E-detectors, https://arxiv.org/abs/2203.03532).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from inspection.domain.calibration import rate_bound

#: Shares of the calibration's scores at which it is watched.
LEVELS: Final = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9)
#: How far from the null rate to certainty the rates lie that are bet on.
STAKES: Final = (0.06, 0.2, 0.5, 0.9)
#: Probability that any of the watched order statistics lies further off than allowed for.
CALIBRATION_ERROR: Final = 0.01
#: Null rates from here on say nothing that could be exceeded.
CERTAIN: Final = 0.98
#: Share of defective parts that is no drift.
TOLERATED_DEFECTS: Final = 0.1
#: Mean number of parts until a false alarm, at least.
PARTS_PER_FALSE_ALARM: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Mark:
    """An order statistic of the calibration's scores, and how often others may lie beside it."""

    score: float
    #: Largest rate of scores above it that is no drift, 0 to 1.
    rate_above: float
    #: Largest rate of scores below it that is no drift, 0 to 1.
    rate_below: float


@dataclass(frozen=True, kw_only=True)
class DriftState:
    """How far the test has come."""

    #: Scores it has looked at; after an alarm it looks at no more.
    seen_count: int = 0
    #: What every bet has brought in; empty before the first score.
    evidence: tuple[float, ...] = ()
    #: Whether scores do not look any more like those of calibration.
    is_alarmed: bool = False


@dataclass(frozen=True, kw_only=True)
class _Bet:
    """A bet that scores lie on one side of a mark at a higher rate than they may."""

    mark: int
    is_above: bool
    #: Factor of the evidence when a score lies there …
    win: float
    #: … and when it does not.
    loss: float


def marks_of(
    scores: Sequence[float], *, tolerated_defects: float = TOLERATED_DEFECTS
) -> tuple[Mark, ...]:
    """Return the order statistics to watch and the rates at which scores may lie beside them.

    A tolerated share d of defective parts that appears raises the rate above from r to r + d(1-r)
    at most; one that was there in the calibration and disappears raises the rate below from r to
    r / (1-d).

    Args:
        scores: of the calibration, in any order, at least one.
        tolerated_defects: share of defective parts that is no drift, from 0 to below 1.
    """
    ascending, count = sorted(scores), len(scores)
    confidence = 1 - CALIBRATION_ERROR / (2 * len(LEVELS))
    marks = []
    for level in LEVELS:
        order = min(max(round(level * count), 1), count)
        above = rate_bound(count - order, count, confidence=confidence)
        below = rate_bound(order - 1, count, confidence=confidence)
        marks.append(
            Mark(
                score=ascending[order - 1],
                rate_above=above + tolerated_defects * (1 - above),
                rate_below=min(1.0, below / (1 - tolerated_defects)),
            )
        )
    return tuple(marks)


def watch(
    state: DriftState,
    marks: Sequence[Mark],
    scores: Iterable[float],
    *,
    parts_per_false_alarm: int = PARTS_PER_FALSE_ALARM,
) -> DriftState:
    """Go on with the test over further scores, in their order; stop at the alarm."""
    bets = _bets(marks)
    if state.is_alarmed or not bets:
        return state
    places = [mark.score for mark in marks]

    @cache
    def factors(below_count: int, up_to_count: int) -> tuple[float, ...]:
        return tuple(
            bet.win
            if (bet.mark < below_count if bet.is_above else bet.mark >= up_to_count)
            else bet.loss
            for bet in bets
        )

    limit = parts_per_false_alarm * len(bets)
    evidence, seen_count = state.evidence or (0.0,) * len(bets), state.seen_count
    for score in scores:
        seen_count += 1
        step = factors(bisect_left(places, score), bisect_right(places, score))
        evidence = tuple([(e + 1) * f for e, f in zip(evidence, step, strict=True)])
        if sum(evidence) >= limit:
            return DriftState(seen_count=seen_count, evidence=evidence, is_alarmed=True)
    return DriftState(seen_count=seen_count, evidence=evidence)


def described(state: DriftState, marks: Sequence[Mark]) -> str:
    """Say in words what the strongest evidence of drift is."""
    bet = _bets(marks)[state.evidence.index(max(state.evidence))]
    way, side = ("higher", "above") if bet.is_above else ("lower", "below")
    score = marks[bet.mark].score
    return (
        f"scores have gone {way}: by part {state.seen_count} after calibration too many of the "
        f"last ones lie {side} {score:.4g}"
    )


def _bets(marks: Sequence[Mark]) -> list[_Bet]:
    """Return a bet for each mark, side and stake, always in the same order."""
    return [
        _Bet(
            mark=number,
            is_above=is_above,
            win=1 + stake * (1 - null_rate) / null_rate,
            loss=1 - stake,
        )
        for number, mark in enumerate(marks)
        for is_above, null_rate in ((True, mark.rate_above), (False, mark.rate_below))
        if null_rate < CERTAIN
        for stake in STAKES
    ]
