"""What if: frames judged anew, as if a threshold had been in force instead of what was.

The question is asked for a scope, a limit and a period of exposure. Its answer is that of a world
in which the scope had this threshold, and no other version, whenever one of these frames was
judged. All other scopes have what they had then. So a frame

* that the scope does not cover, or that a more specific scope decided, keeps its verdict;
* that the limit is not for, being bound to another checkpoint or reference, is pending, and so is
  every other one where the limit withdraws the threshold;
* is NG if and only if its score is greater than the limit, and OK otherwise.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from inspection.domain.inspection import Verdict
from inspection.domain.line import Scope
from inspection.errors import ConfigurationError

#: Years that a period may be in; none of them is near an end of the calendar.
FIRST_YEAR: Final = 1971
LAST_YEAR: Final = 2200
#: Verdict before, and after.
Move = tuple[Verdict, Verdict]

#: Of a part, from the mildest to the worst; its verdict is the worst of its frames'.
PART_VERDICTS: Final = ("OK", "pending", "uninspected", "NG")


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What judges: a threshold without its history."""

    #: NG if and only if a score is greater; None withdraws the threshold: verdicts are pending.
    value: float | None
    #: SHA-256 of the checkpoint whose scores alone it judges; None: of any.
    checkpoint_hash: str | None = None
    #: SHA-256 of the reference of those scores; None: they were made without one.
    reference_hash: str | None = None

    def judges(self, *, checkpoint_hash: str, reference_hash: str | None) -> bool:
        """Say whether it gives scores of this checkpoint and reference a verdict but pending."""
        if self.value is None:
            return False
        made_from = (self.checkpoint_hash, self.reference_hash)
        return self.checkpoint_hash is None or made_from == (checkpoint_hash, reference_hash)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What if this had been the threshold of a scope for a period?"""

    scope: Scope
    limit: Limit
    #: Exposures from this moment on …
    from_at: datetime
    #: … and before this one.
    to_at: datetime

    def __post_init__(self) -> None:
        """Refuse a period that is none, or that no calendar of frames knows."""
        if self.from_at.year < FIRST_YEAR or self.to_at.year > LAST_YEAR:
            raise ConfigurationError(
                f"the period is from {self.from_at} to {self.to_at}: take years from {FIRST_YEAR} "
                f"to {LAST_YEAR}"
            )
        if self.from_at >= self.to_at:
            raise ConfigurationError(
                f"the period ends at {self.to_at}, before it begins at {self.from_at}"
            )

    def has_say(self, decided_by: Scope | None) -> bool:
        """Say whether its scope would have decided a frame it covers, given what did."""
        return decided_by is None or decided_by.specificity <= self.scope.specificity


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Frames by what their verdict is and would have been."""

    moves: Mapping[Move, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Leave out what never happened."""
        counts = {move: count for move, count in self.moves.items() if count}
        object.__setattr__(self, "moves", counts)

    def before(self, verdict: Verdict) -> int:
        """Return how many have this verdict."""
        return sum(count for (before, _), count in self.moves.items() if before is verdict)

    def after(self, verdict: Verdict) -> int:
        """Return how many would have had this verdict."""
        return sum(count for (_, after), count in self.moves.items() if after is verdict)

    def flipped(self, before: Verdict, after: Verdict) -> int:
        """Return how many would have gone from one verdict to the other."""
        return self.moves.get((before, after), 0)

    @property
    def frame_count(self) -> int:
        """How many frames there are."""
        return sum(self.moves.values())


@dataclass(frozen=True, kw_only=True)
class Span:
    """NG frames of an hour or a day of the period."""

    begin_at: datetime
    end_at: datetime
    ng_before_count: int
    ng_after_count: int

    @property
    def hours(self) -> float:
        """How long it is; less than an hour or a day at the ends of the period."""
        return (self.end_at - self.begin_at) / timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What would have become of the frames of a scope."""

    question: Question
    #: Of all frames the scope covers, exposed in the period.
    tally: Tally
    #: Of these, frames that more specific thresholds decided: nothing would change for them.
    untouched_count: int
    #: Hours or days of the period, the oldest first; those without frames have 0.
    spans: tuple[Span, ...]
    #: Version of the scope's threshold when this was answered; 0: it has none.
    version: int

    @property
    def hours(self) -> float:
        """Length of the period."""
        return (self.question.to_at - self.question.from_at) / timedelta(hours=1)


def spans_of(
    question: Question, width_s: int, counts: Iterable[tuple[int, Move, int]]
) -> tuple[Span, ...]:
    """Return the hours or days of a period with their NG frames.

    Args:
        question: asked for the period.
        width_s: 3,600 or 86,400.
        counts: number since 1970 of an hour or day, a move, and how many frames made it.
    """
    ng_before: Counter[int] = Counter()
    ng_after: Counter[int] = Counter()
    for place, (before, after), count in counts:
        ng_before[place] += count * (before is Verdict.NG)
        ng_after[place] += count * (after is Verdict.NG)
    width = timedelta(seconds=width_s)
    epoch = datetime.fromtimestamp(0, tz=question.from_at.tzinfo)
    first = (question.from_at - epoch) // width
    last = -((epoch - question.to_at) // width)
    return tuple(
        Span(
            begin_at=max(question.from_at, epoch + place * width),
            end_at=min(question.to_at, epoch + (place + 1) * width),
            ng_before_count=ng_before[place],
            ng_after_count=ng_after[place],
        )
        for place in range(first, last)
    )
