"""What is shown of reviews, measured rates and proposals; the same keys as `--json` prints."""

from typing import Self

from pydantic import Field

from inspection.api.moment import Moment
from inspection.api.shapes import View
from inspection.domain.inspection import Verdict
from inspection.domain.interval import Interval
from inspection.domain.proposal import Proposal
from inspection.domain.rates import Measured, Rates
from inspection.domain.review import Decision, Review
from inspection.store.measured_rates import LineRates, VersionRates
from inspection.store.thresholds import scope_name


class ReviewView(View):
    """One decision about one inspection, and what it was about."""

    review_id: int = Field(examples=[12])
    inspection_id: int = Field(examples=[4711])
    captured_at: Moment
    line: str = Field(examples=["line-1"])
    camera: str = Field(examples=["cam-1"])
    product: str | None = Field(examples=["washer-m12"])
    score: float = Field(examples=[0.61])
    verdict: Verdict
    threshold_version: int | None = Field(examples=[3])
    decision: Decision
    is_override: bool = Field(description="whether the person contradicts the verdict")
    reviewed_at: Moment
    reviewed_by: str = Field(examples=["anna"])
    note: str = Field(examples=["only dust"])

    @classmethod
    def of(cls, review: Review) -> Self:
        """Return the review as it is shown."""
        return cls(**vars(review), is_override=review.is_override)


class IntervalView(View):
    """A share from 0 to 1, and the limits between which it lies with 95 % confidence."""

    share: float = Field(examples=[0.012])
    low: float = Field(examples=[0.004])
    high: float = Field(examples=[0.029])

    @classmethod
    def of(cls, interval: Interval | None) -> Self | None:
        """Return the interval as it is shown; None: unknown."""
        return None if interval is None else cls(**vars(interval))


class MeasuredView(View):
    """How often a verdict is wrong."""

    inspection_count: int = Field(examples=[12345])
    reviewed_count: int = Field(description="with the decision OK or NG", examples=[140])
    wrong_count: int = Field(description="… that contradicts the verdict", examples=[2])
    unsure_count: int = Field(description="looked at and not known; in no rate", examples=[1])
    interval: IntervalView | None = Field(description="null: what was reviewed supports no number")
    sentence: str = Field(examples=["1.20% (0.40% to 2.90%)"])

    @classmethod
    def of(cls, measured: Measured) -> Self:
        """Return the rate as it is shown."""
        return cls(
            inspection_count=measured.total_count,
            reviewed_count=measured.decided_count,
            wrong_count=measured.wrong_count,
            unsure_count=measured.unsure_count,
            interval=IntervalView.of(measured.interval),
            sentence=measured.sentence,
        )


class RatesView(View):
    """False rejects and escapes, by inspection."""

    false_rejects: MeasuredView = Field(description="good parts, as a share of NG verdicts")
    false_reject_rate: IntervalView | None = Field(description="NG, as a share of good parts")
    escapes: MeasuredView = Field(description="bad parts, as a share of OK verdicts")

    @classmethod
    def of(cls, rates: Rates) -> Self:
        """Return the rates as they are shown."""
        return cls(
            false_rejects=MeasuredView.of(rates.false_rejects),
            false_reject_rate=IntervalView.of(rates.false_reject_rate),
            escapes=MeasuredView.of(rates.escapes),
        )


class VersionRatesView(RatesView):
    """Rates of what one version of a threshold judged."""

    scope: str = Field(examples=["line=line-1 product=washer-m12"])
    version: int = Field(examples=[3])
    value: float | None = Field(examples=[0.62])

    @classmethod
    def of_version(cls, found: VersionRates) -> Self:
        """Return a version's rates as they are shown."""
        return cls(
            **RatesView.of(found.rates).model_dump(),
            scope=scope_name(found.threshold.scope),
            version=found.threshold.version,
            value=found.threshold.value,
        )


class LineRatesView(RatesView):
    """Rates of a line, of all its verdicts and by version of threshold."""

    line: str = Field(examples=["line-1"])
    from_at: Moment
    to_at: Moment
    versions: list[VersionRatesView]

    @classmethod
    def of_line(cls, found: LineRates) -> Self:
        """Return a line's rates as they are shown."""
        return cls(
            **RatesView.of(found.rates).model_dump(),
            line=found.asked.line,
            from_at=found.asked.from_at,
            to_at=found.asked.to_at,
            versions=[VersionRatesView.of_version(one) for one in found.versions],
        )


class ProposalView(View):
    """A value that reviews speak for, or why there is none; nothing sets it but a person."""

    scope: str = Field(examples=["line=line-1"])
    version: int = Field(description="that the reviews are about", examples=[3])
    threshold: float = Field(examples=[0.62])
    value: float | None = Field(description="null: nothing is proposed", examples=[0.64])
    reason: str
    cost_ratio: float = Field(description="false rejects that cost as much as one escape")
    reviewed_count: int
    disputed_count: int = Field(description="inspections about which people disagree")
    reviewers: list[str] = Field(examples=[["anna", "bert"]])
    flipped_reviewed_count: int = Field(description="reviewed ones whose verdict would change")
    flipped_bad_count: int = Field(description="… that are bad")
    flipped_bad_low: float = Field(description="limits of the share of bad ones among such, 95 %")
    flipped_bad_high: float
    changed_at_most: int = Field(description="inspections whose verdict would have been another")

    @classmethod
    def of(cls, proposal: Proposal, *, scope: str, version: int) -> Self:
        """Return the proposal as it is shown."""
        return cls(
            scope=scope,
            version=version,
            threshold=proposal.threshold,
            value=proposal.value,
            reason=proposal.reason,
            cost_ratio=proposal.cost_ratio,
            reviewed_count=proposal.decided_count,
            disputed_count=proposal.disputed_count,
            reviewers=list(proposal.reviewers),
            flipped_reviewed_count=proposal.flipped_count,
            flipped_bad_count=proposal.flipped_bad_count,
            flipped_bad_low=proposal.bad_share_low,
            flipped_bad_high=proposal.bad_share_high,
            changed_at_most=proposal.changed_at_most,
        )
