"""False rejects and escapes, measured: from what people said of inspections they looked at.

Nobody looks at a random sample: people look at NG parts and at hard cases. So each rate is put
together from strata of like scores (`Band`): what was looked at in a band stands for that band
alone. A band that nobody has looked at leaves the rate unknown, and the answer says which one.
Rates are by inspection, that is by frame; `unsure` is counted apart and stands for nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from inspection.domain.histogram import first_of
from inspection.domain.inspection import Verdict
from inspection.domain.interval import Interval, Stratum, share_of
from inspection.domain.review import Decision

#: Where bands end, as shares of the inspections of a verdict beginning at the threshold: where the
#: hard cases are they are narrow.
CUTS: Final = (0.01, 0.05, 0.2, 0.5, 1.0)
#: A band with fewer inspections is made one with the next.
LEAST_COUNT: Final = 30

#: Inspections by what was decided, by bin of their score.
Decided = Mapping[tuple[int, Decision], int]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Inspections of one verdict by one version of a threshold, and what people said of some."""

    verdict: Verdict
    #: Row id of the threshold's version.
    threshold_id: int
    #: Inspections by bin of `inspection.domain.histogram`.
    population: Mapping[int, int]
    decided: Decided = field(default_factory=dict)

    @property
    def wrong(self) -> Decision:
        """What a person says who contradicts the verdict."""
        return Decision.OK if self.verdict is Verdict.NG else Decision.NG


@dataclass(frozen=True, kw_only=True)
class Band:
    """Inspections of one verdict by one version whose scores are alike."""

    judged: Judged
    first_bin: int
    last_bin: int
    stratum: Stratum

    @property
    def scores(self) -> str:
        """Which scores they have, for people."""
        if self.judged.verdict is Verdict.NG:
            return f"from {max(0.0, first_of(self.first_bin)):.3f} on"
        return f"below {first_of(self.last_bin + 1):.3f}"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """How often a verdict is wrong."""

    verdict: Verdict
    #: Inspections of this verdict.
    total_count: int
    #: … of which so many have the decision OK or NG, …
    decided_count: int
    #: … so many of these contradict the verdict, …
    wrong_count: int
    #: … and so many were looked at and are not known.
    unsure_count: int
    #: Share of all inspections of this verdict that are wrong; None: unknown.
    interval: Interval | None
    #: Bands that nobody has looked at, the one nearest to the threshold first.
    missing: tuple[Band, ...]

    @property
    def sentence(self) -> str:
        """Say it in words: `1.2% (0.4% to 2.9%)`, or what is missing."""
        if self.interval is not None:
            low, high = self.interval.low, self.interval.high
            return f"{self.interval.share:.2%} ({low:.2%} to {high:.2%})"
        if not self.total_count:
            return f"none (no {self.verdict.value} inspections)"
        of_all = f"{self.decided_count:,} of {self.total_count:,} {self.verdict.value} inspections"
        if not self.decided_count:
            return f"unknown ({of_all} reviewed)"
        band = self.missing[0]
        return (
            f"unknown ({of_all} reviewed, none of the {band.stratum.total_count:,} with scores "
            f"{band.scores})"
        )


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How often verdicts were wrong, of one or several versions of thresholds."""

    #: NG verdicts on good parts, as a share of NG verdicts.
    false_rejects: Measured
    #: OK verdicts on bad parts, as a share of OK verdicts.
    escapes: Measured

    @property
    def false_reject_rate(self) -> Interval | None:
        """NG verdicts on good parts, as a share of good parts.

        While escapes are unknown every OK part counts as good, which changes little as long as
        most of them are.
        """
        wrong = self.false_rejects.interval
        if wrong is None:
            return None
        escaped = self.escapes.interval or Interval(share=0.0, low=0.0, high=0.0)
        ng, ok = self.false_rejects.total_count, self.escapes.total_count

        def rate(rejected: float, missed: float) -> float:
            good = ng * rejected + ok * (1 - missed)
            return ng * rejected / good if good else 0.0

        return Interval(
            share=rate(wrong.share, escaped.share),
            low=rate(wrong.low, escaped.low),
            high=rate(wrong.high, escaped.high),
        )


def rates_of(judged: Sequence[Judged]) -> Rates:
    """Measure the rates of what was judged, by whatever versions."""
    return Rates(
        false_rejects=_measured(Verdict.NG, judged),
        escapes=_measured(Verdict.OK, judged),
    )


def bands_of(judged: Judged) -> list[Band]:
    """Cut inspections into bands by score, beginning at the threshold.

    Where they are cut follows from the scores alone, never from what people have looked at.
    """
    is_ng = judged.verdict is Verdict.NG
    bins = sorted((b for b, n in judged.population.items() if n > 0), reverse=not is_ng)
    total = sum(judged.population[bin_] for bin_ in bins)
    bands: list[list[int]] = [[]]
    passed = count = 0
    for bin_ in bins:
        bands[-1].append(bin_)
        passed += judged.population[bin_]
        count += judged.population[bin_]
        is_cut = any(passed - count < cut * total <= passed for cut in CUTS)
        if is_cut and count >= LEAST_COUNT and total - passed >= LEAST_COUNT:
            bands.append([])
            count = 0
    return [_band(judged, band) for band in bands if band]


def thinnest(bands: Sequence[Band]) -> Band | None:
    """Return the band where one more look tells most; None when everything was looked at."""
    open_ = [b for b in bands if b.stratum.decided_count < b.stratum.total_count]
    if not open_:
        return None
    return max(open_, key=lambda b: b.stratum.total_count / (b.stratum.decided_count + 0.5))


def _band(judged: Judged, bins: Sequence[int]) -> Band:
    first, last = min(bins), max(bins)
    decided: Counter[Decision] = Counter()
    for (bin_, decision), count in judged.decided.items():
        if first <= bin_ <= last:
            decided[decision] += count
    stratum = Stratum(
        total_count=sum(judged.population[bin_] for bin_ in bins),
        decided_count=decided[Decision.OK] + decided[Decision.NG],
        hit_count=decided[judged.wrong],
    )
    return Band(judged=judged, first_bin=first, last_bin=last, stratum=stratum)


def _measured(verdict: Verdict, judged: Sequence[Judged]) -> Measured:
    of_verdict = [one for one in judged if one.verdict is verdict]
    bands = [band for one in of_verdict for band in bands_of(one)]
    strata = [band.stratum for band in bands]
    unsure = (
        count
        for one in of_verdict
        for (_, decision), count in one.decided.items()
        if decision is Decision.UNSURE
    )
    return Measured(
        verdict=verdict,
        total_count=sum(stratum.total_count for stratum in strata),
        decided_count=sum(stratum.decided_count for stratum in strata),
        wrong_count=sum(stratum.hit_count for stratum in strata),
        unsure_count=sum(unsure),
        interval=share_of(strata),
        missing=tuple(band for band in bands if not band.stratum.decided_count),
    )
