"""Alerts that rules would have opened over a history: the conditions of rules, without a clock.

A replay takes every inspection of a line, in the order of exposure, as looked at when it was
exposed. It begins with no alert open and no frame seen. A rule is looked at with every frame; the
alert worker looks about once a second, so that of a condition that holds for less it may see
nothing. Silence is left out: alerts of a paused line would be opened as well. What is seen here are
only the frames at which something changes: of the others whoever counts them keeps count.

Only alerts about NG frames follow from verdicts. Scores, cameras, backlogs and frames that could
not be judged stay what they were whatever the threshold is, and whether a promise would have been
withdrawn depends on which threshold carried one.

Times are microseconds since 1970: whole numbers, so that ends of windows are exact.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from inspection.domain.alert import AlertKind
from inspection.domain.rule import NgCondition, RateCondition, Rule

#: Kinds of rules whose alerts are not replayed, and why not.
LEFT_OUT: Final = {
    AlertKind.TREND: "follows from scores, whatever the threshold",
    AlertKind.UNINSPECTED: "follows from frames without a score",
    AlertKind.CAMERA: "follows from cameras",
    AlertKind.BACKLOG: "follows from streams",
    AlertKind.DRIFT: "depends on which threshold carries a promise",
}


def replay_of(rule: Rule) -> "RuleReplay | None":
    """Return a replay of a rule; None: its alerts do not follow from verdicts, or it is off."""
    match rule.condition if rule.is_enabled else None:
        case NgCondition() as condition:
            return NgReplay(rule, condition)
        case RateCondition() as condition:
            return RateReplay(rule, condition)
    return None


def needs_all(rules: Iterable[Rule]) -> bool:
    """Say whether a replay of rules must know every inspection, and not the NG ones alone."""
    return any(rule.is_enabled and _needs_others(rule) for rule in rules)


def _needs_others(rule: Rule) -> bool:
    match rule.condition:
        case RateCondition():
            return True
        case NgCondition(n=n):
            return n > 1 or rule.on_delay_s > 0
    return False


class _Alarm:
    """What has become of a rule's condition so far: armed, an open alert, its calm."""

    def __init__(self, rule: Rule) -> None:
        self.opened_at: list[int] = []
        self.is_open = False
        self._on_delay = _microseconds(rule.on_delay_s)
        self._off_delay = _microseconds(rule.off_delay_s)
        self._armed_at: int | None = None
        self._calm_at: int | None = None

    def pass_until(self, at: int) -> None:
        """Let happen what the delays bring about up to a moment, while nothing changed."""
        if self._armed_at is not None and self._armed_at + self._on_delay <= at:
            self._open(self._armed_at + self._on_delay)
        if self._calm_at is not None and self._calm_at + self._off_delay <= at:
            self.is_open, self._calm_at = False, None

    def begin(self, at: int) -> None:
        """Note that the condition holds, and no alert is open."""
        if self._on_delay == 0:
            self._open(at)
        elif self._armed_at is None:
            self._armed_at = at

    def disarm(self) -> None:
        """Note that the condition does not hold."""
        self._armed_at = None

    def calm(self, at: int | None) -> None:
        """Note since when the condition of the open alert is gone; None: it holds."""
        self._calm_at = at

    def _open(self, at: int) -> None:
        self.opened_at.append(at)
        self.is_open, self._armed_at, self._calm_at = True, None, None


class NgReplay:
    """The alerts of a rule about NG frames."""

    def __init__(self, rule: Rule, condition: NgCondition) -> None:
        self._alarm = _Alarm(rule)
        #: Places of the newest NG frames, as many as the condition counts.
        self._places: deque[int] = deque(maxlen=condition.k)
        self.condition = condition
        #: Whether the condition must hold for some time, so that its end matters as well.
        self.is_delayed = rule.on_delay_s > 0
        #: An open alert resolves when no NG frame joins for so long.
        self.off_delay = _microseconds(rule.off_delay_s)
        #: When each alert was opened.
        self.opened_at = self._alarm.opened_at

    def see(self, at: int, place: int, *, is_ng: bool) -> None:
        """Take an NG frame, or if the rule is delayed one with which the condition ends.

        Args:
            at: when it was exposed; never before the last one.
            place: counts up by 1 with each inspection of the line, seen or passed over.
            is_ng: its verdict is NG.
        """
        alarm = self._alarm
        opened_count = len(alarm.opened_at)
        alarm.pass_until(at)
        if len(alarm.opened_at) > opened_count:
            # Frames calm what frames open: from its opening on, until one joins.
            alarm.calm(alarm.opened_at[-1])
            alarm.pass_until(at)
        if is_ng:
            self._places.append(place)
            if not alarm.is_open and self.condition.holds_at(self._places, place):
                alarm.begin(at)
            if alarm.is_open:
                alarm.calm(at)
        elif not self.condition.holds_at(self._places, place):
            alarm.disarm()

    def see_run(self, begin_at: int, holds_at: int | None, last_at: int) -> None:
        """Take NG frames of which each follows the one before within `off_delay`.

        The rule is not delayed.

        Args:
            begin_at: exposure of the first.
            holds_at: exposure of the first with which the condition holds; None: with none.
            last_at: exposure of the last.
        """
        alarm = self._alarm
        alarm.pass_until(begin_at)
        if not alarm.is_open and holds_at is not None:
            alarm.begin(holds_at)
        if alarm.is_open:
            alarm.calm(last_at)

    def end(self, at: int) -> None:
        """Take the end of the history."""
        self._alarm.pass_until(at)


class RateReplay:
    """The alerts of a rule about the share of NG frames."""

    def __init__(self, rule: Rule, condition: RateCondition) -> None:
        self._alarm = _Alarm(rule)
        self.condition = condition
        #: Length of the window.
        self.window = _microseconds(condition.window_s)
        #: When each alert was opened.
        self.opened_at = self._alarm.opened_at

    def see(self, at: int, *, holds: bool) -> None:
        """Take a frame with which the condition begins to hold, or no longer does."""
        alarm = self._alarm
        alarm.pass_until(at)
        if holds:
            alarm.calm(None)
            if not alarm.is_open:
                alarm.begin(at)
            return
        alarm.disarm()
        if alarm.is_open:
            alarm.calm(at)

    def end(self, at: int) -> None:
        """Take the end of the history."""
        self._alarm.pass_until(at)


class RateGrounds:
    """Whether so many of so many are too many, asked again and again.

    More NG frames, or fewer frames, are never less of a reason: what is known of one pair of
    counts answers for others.
    """

    def __init__(self, condition: RateCondition) -> None:
        self._condition = condition
        #: For each number of NG frames, the most frames of which these are too many …
        self._too_many: dict[int, int] = {}
        #: … and the fewest of which they are not.
        self._fine: dict[int, int] = {}

    def hold(self, ng_count: int, judged_count: int) -> bool:
        """Say whether the condition holds."""
        if ng_count < self._condition.least_count:
            return False
        if judged_count <= self._too_many.get(ng_count, -1):
            return True
        fine = self._fine.get(ng_count)
        if fine is not None and judged_count >= fine:
            return False
        holds = self._condition.holds(ng_count=ng_count, judged_count=judged_count)
        (self._too_many if holds else self._fine)[ng_count] = judged_count
        return holds


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)


RuleReplay = NgReplay | RateReplay
