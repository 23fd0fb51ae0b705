"""A threshold that reviews speak for: proposed with its evidence, never set by itself.

An escape costs so many false rejects (the cost ratio r). Parts of some score are better NG than OK
when more than 1/(1 + r) of them are bad. From the threshold in force the proposal goes up over NG
parts, or down over OK parts, as far as that saves most, and

1. no further than parts that people have looked at, and than `STEP` of what was judged;
2. only where what was looked at is enough (`LEAST_FLIPPED`) and shows with `CONFIDENCE`, by the
   exact binomial test, that the move saves anything;
3. where people contradict each other about a part it says nothing, and where they do so often
   nothing is proposed;
4. the same is worked out once without each reviewer. All must lead the same way, and the shortest
   way is taken: nobody's reviews, mistaken or hostile, move a threshold further than the reviews
   of all the others do without them. So it takes at least two people.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, nextafter
from typing import Final

from inspection.domain.calibration import is_exceeded
from inspection.domain.histogram import bin_of
from inspection.domain.inspection import Verdict
from inspection.domain.interval import binomial_limits
from inspection.domain.rates import Judged, bands_of
from inspection.domain.review import Decision

#: People who must have reviewed.
LEAST_REVIEWERS: Final = 2
#: Inspections with a decision that are needed, …
LEAST_DECIDED: Final = 20
#: … and so many of those whose verdict would change.
LEAST_FLIPPED: Final = 8
#: Share of what was judged whose verdict may change at most, in one step.
STEP: Final = 0.05
#: Share of doubly reviewed inspections that may be disputed.
DISPUTED: Final = 0.2
#: … or at least so many.
DISPUTED_COUNT: Final = 2
#: Probability that a move which saves nothing is not taken for one that does.
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """The newest decision of one person about one inspection."""

    inspection_id: int
    score: float
    verdict: Verdict
    reviewer: str
    decision: Decision


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a proposal is made from: inspections judged by one version of a threshold."""

    #: The version's value.
    threshold: float
    #: Its OK and its NG inspections.
    ok: Judged
    ng: Judged
    opinions: tuple[Opinion, ...]


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A value for a threshold, or why there is none."""

    #: None: nothing is proposed.
    value: float | None
    #: One sentence for people.
    reason: str
    threshold: float
    cost_ratio: float
    #: Inspections with a decision, and those about which people disagree.
    decided_count: int
    disputed_count: int
    reviewers: tuple[str, ...]
    #: Reviewed inspections whose verdict would change, …
    flipped_count: int = 0
    #: … so many of which are bad, …
    flipped_bad_count: int = 0
    #: … and the limits of the share of bad ones among such.
    bad_share_low: float = 0.0
    bad_share_high: float = 1.0
    #: Inspections, reviewed or not, whose verdict would have been another, at most.
    changed_at_most: int = 0


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One inspection about which people agree."""

    score: float
    verdict: Verdict
    is_bad: bool


class _UnfitError(Exception):
    """Nothing can be proposed; says why."""


def proposed(evidence: Evidence, *, cost_ratio: float) -> Proposal:
    """Propose a threshold, or say why not.

    Args:
        evidence: what people said.
        cost_ratio: false rejects that cost as much as one escape, greater than 0.
    """
    reviewers = tuple(sorted({opinion.reviewer for opinion in evidence.opinions}))
    parts, disputed_count = _agreed(evidence.opinions)
    value, reason = None, ""
    try:
        value = _shortest(evidence, reviewers, cost_ratio)
    except _UnfitError as unfit:
        reason = str(unfit)
    flipped = [] if value is None else [p for p in parts if _flips(p, evidence.threshold, value)]
    bad_count = sum(part.is_bad for part in flipped)
    low, high = binomial_limits(bad_count, len(flipped))
    if value is not None:
        reason = (
            f"of the parts that would be {'OK' if value > evidence.threshold else 'NG'} "
            f"{bad_count} of {len(flipped)} reviewed are bad; an escape costs {cost_ratio:g} "
            "false rejects"
        )
    return Proposal(
        value=value,
        reason=reason,
        threshold=evidence.threshold,
        cost_ratio=cost_ratio,
        decided_count=len(parts),
        disputed_count=disputed_count,
        reviewers=reviewers,
        flipped_count=len(flipped),
        flipped_bad_count=bad_count,
        bad_share_low=low,
        bad_share_high=high,
        changed_at_most=0 if value is None else _changed_at_most(evidence, value),
    )


def _shortest(evidence: Evidence, reviewers: Sequence[str], cost_ratio: float) -> float:
    """Return the value nearest to the threshold, with all reviewers and without each of them."""
    if len(reviewers) < LEAST_REVIEWERS:
        who = f"all of them are {reviewers[0]}'s" if reviewers else "there are none"
        raise _UnfitError(f"at least two people must have reviewed inspections; {who}")
    values = [_best(evidence, evidence.opinions, cost_ratio, "")]
    for reviewer in reviewers:
        rest = tuple(o for o in evidence.opinions if o.reviewer != reviewer)
        values.append(_best(evidence, rest, cost_ratio, f" without {reviewer}"))
    if any((value > evidence.threshold) != (values[0] > evidence.threshold) for value in values):
        raise _UnfitError(
            "reviewers contradict each other: some speak for a higher threshold, "
            "others for a lower one"
        )
    return min(values, key=lambda value: abs(value - evidence.threshold))


def _best(evidence: Evidence, opinions: Sequence[Opinion], cost_ratio: float, whose: str) -> float:
    """Return the value that saves most, going by some opinions."""
    parts, disputed_count = _agreed(opinions)
    if disputed_count > max(DISPUTED_COUNT, DISPUTED * _doubly_count(opinions)):
        raise _UnfitError(
            f"people disagree about {disputed_count} of {_doubly_count(opinions)} inspections that "
            f"several reviewed{whose}; settle these first"
        )
    if len(parts) < LEAST_DECIDED:
        raise _UnfitError(
            f"{len(parts)} inspections of this version are reviewed{whose}; {LEAST_DECIDED} are "
            "needed"
        )
    up = _farthest(evidence, parts, Verdict.NG, cost_ratio)
    down = _farthest(evidence, parts, Verdict.OK, cost_ratio)
    if up is None and down is None:
        raise _UnfitError(
            f"what is reviewed{whose} speaks for no other value than the one in force"
        )
    return max((found for found in (up, down) if found is not None), key=lambda found: found[0])[1]


def _farthest(
    evidence: Evidence, parts: Sequence[_Part], verdict: Verdict, cost_ratio: float
) -> tuple[float, float] | None:
    """Return what is saved most by changing verdicts of one kind, and the value that does it."""
    judged = evidence.ng if verdict is Verdict.NG else evidence.ok
    weight = _weights(judged, parts)
    rows = sorted((p for p in parts if p.verdict is verdict), key=lambda p: p.score)
    rows = rows if verdict is Verdict.NG else rows[::-1]
    best: tuple[float, float] | None = None
    saved, bad_count = 0.0, 0
    for count, row in enumerate(rows, start=1):
        bad_count += row.is_bad
        gain = cost_ratio if row.is_bad else -1.0
        saved += weight(row) * (gain if verdict is Verdict.OK else -gain)
        if count < len(rows) and rows[count].score == row.score:
            continue
        value = row.score if verdict is Verdict.NG else nextafter(row.score, -inf)
        if _changed_at_most(evidence, value) > STEP * _judged_count(evidence):
            break
        if saved > (0.0 if best is None else best[0]) and _is_shown(
            verdict, bad_count, count, cost_ratio
        ):
            best = saved, value
    return best


def _is_shown(verdict: Verdict, bad_count: int, count: int, cost_ratio: float) -> bool:
    """Say whether so many bad parts of so many show that another verdict costs less."""
    if count < LEAST_FLIPPED:
        return False
    even = 1 / (1 + cost_ratio)
    if verdict is Verdict.OK:
        return is_exceeded(bad_count, count, rate=even, confidence=CONFIDENCE)
    return is_exceeded(count - bad_count, count, rate=1 - even, confidence=CONFIDENCE)


def _weights(judged: Judged, parts: Sequence[_Part]) -> Callable[[_Part], float]:
    """Return for how many inspections a reviewed one stands: those of its band."""
    bins = [bin_of(part.score) for part in parts if part.verdict is judged.verdict]
    bands = []
    for band in bands_of(judged):
        looked = sum(band.first_bin <= bin_ <= band.last_bin for bin_ in bins)
        weight = band.stratum.total_count / looked if looked else 1.0
        bands.append((band.first_bin, band.last_bin, weight))

    def weight_of(part: _Part) -> float:
        bin_ = bin_of(part.score)
        return next((weight for first, last, weight in bands if first <= bin_ <= last), 1.0)

    return weight_of


def _agreed(opinions: Sequence[Opinion]) -> tuple[list[_Part], int]:
    """Return the inspections that people agree about, and how many they do not."""
    by_inspection: defaultdict[int, list[Opinion]] = defaultdict(list)
    for opinion in opinions:
        if opinion.decision is not Decision.UNSURE:
            by_inspection[opinion.inspection_id].append(opinion)
    parts = [
        _Part(
            score=same[0].score,
            verdict=same[0].verdict,
            is_bad=same[0].decision is Decision.NG,
        )
        for same in by_inspection.values()
        if len({opinion.decision for opinion in same}) == 1
    ]
    return parts, len(by_inspection) - len(parts)


def _doubly_count(opinions: Sequence[Opinion]) -> int:
    counts: defaultdict[int, int] = defaultdict(int)
    for opinion in opinions:
        counts[opinion.inspection_id] += opinion.decision is not Decision.UNSURE
    return sum(count > 1 for count in counts.values())


def _flips(part: _Part, threshold: float, value: float) -> bool:
    return min(threshold, value) < part.score <= max(threshold, value)


def _changed_at_most(evidence: Evidence, value: float) -> int:
    """Count the inspections of which the value could change the verdict, whole bins at the edge."""
    if value > evidence.threshold:
        edge = bin_of(value)
        return sum(count for bin_, count in evidence.ng.population.items() if bin_ <= edge)
    edge = bin_of(nextafter(value, inf))
    return sum(count for bin_, count in evidence.ok.population.items() if bin_ >= edge)


def _judged_count(evidence: Evidence) -> int:
    return sum(evidence.ok.population.values()) + sum(evidence.ng.population.values())
