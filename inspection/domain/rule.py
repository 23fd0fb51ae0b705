"""The rules of a line: on which condition an alert opens, and how it behaves from then on."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from inspection.domain.alert import AlertKind
from inspection.domain.calibration import MARGIN, is_exceeded
from inspection.domain.trend import MOST_BLOCKS, Trend
from inspection.errors import ConfigurationError


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ConfigurationError(f"{name} {value}: take more than 0 seconds")


def _check_share(name: str, value: float) -> None:
    if not MARGIN <= value <= 1 - MARGIN:
        raise ConfigurationError(f"{name} {value}: take one between 0 and 1, for example 0.01")


def _check_confidence(value: float) -> None:
    _check_share("confidence", value)
    if value <= 0.5:  # noqa: PLR2004
        raise ConfigurationError(f"confidence {value}: take more than 0.5, for example 0.999")


@dataclass(frozen=True, kw_only=True)
class NgCondition:
    """At least `k` of the last `n` inspections of the line are NG; 1 of 1 is any NG."""

    kind: ClassVar = AlertKind.NG
    k: int = 1
    n: int = 1

    def __post_init__(self) -> None:
        """Refuse what can never or must always hold."""
        if not 1 <= self.k <= self.n:
            raise ConfigurationError(
                f"alert rule {self.k} of {self.n}: take 1 <= k <= n, for example k: 2, n: 10"
            )

    def holds(self, newest_first: Sequence[bool]) -> bool:
        """Say whether at least `k` of the newest `n` inspections (True = NG) are NG."""
        return sum(newest_first[: self.n]) >= self.k

    def holds_at(self, ng_places: Sequence[int], newest: int) -> bool:
        """Say the same of inspections that are counted up, ending with the number `newest`.

        Args:
            ng_places: numbers of the NG inspections, the oldest first; at least the last `k`.
            newest: number of the newest inspection, NG or not.
        """
        return len(ng_places) >= self.k and newest - ng_places[-self.k] < self.n


@dataclass(frozen=True, kw_only=True)
class RateCondition:
    """More of the judged parts of a window are NG than the expected rate makes probable."""

    kind: ClassVar = AlertKind.RATE
    #: NG share of judged parts that is no reason to look, between 0 and 1.
    expected_rate: float
    #: Length of the window, which ends with the newest exposure.
    window_s: float = 3600.0
    #: So many NG would come by chance with a probability of at most 1 less this, at each look.
    confidence: float = 0.999
    #: Fewer NG parts are never enough.
    least_count: int = 3

    def __post_init__(self) -> None:
        """Refuse what can never or must always hold."""
        _check_share("expected_rate", self.expected_rate)
        _check_confidence(self.confidence)
        _check_positive("window_s", self.window_s)
        if self.least_count < 1:
            raise ConfigurationError(f"least_count {self.least_count}: take 1 or more")

    def holds(self, *, ng_count: int, judged_count: int) -> bool:
        """Say whether so many NG of so many judged parts are more than chance explains."""
        return ng_count >= self.least_count and is_exceeded(
            ng_count, judged_count, rate=self.expected_rate, confidence=self.confidence
        )


@dataclass(frozen=True, kw_only=True)
class TrendCondition:
    """The last `n` scores of a camera rise; each camera of the line is looked at by itself."""

    kind: ClassVar = AlertKind.TREND
    #: Scores looked at: of one product, checkpoint and reference, without a gap.
    n: int = 1000
    #: Blocks of equal length whose medians are compared; `n` is a multiple.
    blocks: int = 20
    #: So clear a rise would come by chance with a probability of at most 1 less this, at each look.
    confidence: float = 0.999

    def __post_init__(self) -> None:
        """Refuse what can never hold."""
        _check_confidence(self.confidence)
        if not 1 <= self.blocks <= MOST_BLOCKS or self.n < 1 or self.n % self.blocks:
            raise ConfigurationError(
                f"{self.n} scores in {self.blocks} blocks: take at most {MOST_BLOCKS} blocks, and "
                "`n` a multiple of them, for example n: 1000, blocks: 20"
            )
        if 1 / math.factorial(self.blocks) > 1 - self.confidence:
            raise ConfigurationError(
                f"{self.blocks} blocks can never show a rise with confidence {self.confidence}; "
                "take more of them"
            )

    def holds(self, trend: Trend) -> bool:
        """Say whether a rise is clearer than chance explains."""
        return trend.probability <= 1 - self.confidence


@dataclass(frozen=True, kw_only=True)
class CameraCondition:
    """A camera of the line is stalled or blind; one alert a camera."""

    kind: ClassVar = AlertKind.CAMERA


@dataclass(frozen=True, kw_only=True)
class BacklogCondition:
    """The oldest frame of a camera that is not judged has waited for too long."""

    kind: ClassVar = AlertKind.BACKLOG
    limit_s: float = 30.0

    def __post_init__(self) -> None:
        """Refuse what must always hold."""
        _check_positive("limit_s", self.limit_s)


@dataclass(frozen=True, kw_only=True)
class UninspectedCondition:
    """A frame of the line could not be judged."""

    kind: ClassVar = AlertKind.UNINSPECTED


@dataclass(frozen=True, kw_only=True)
class DriftCondition:
    """A threshold of the line no longer keeps its promise."""

    kind: ClassVar = AlertKind.DRIFT


Condition = (
    NgCondition
    | RateCondition
    | TrendCondition
    | CameraCondition
    | BacklogCondition
    | UninspectedCondition
    | DriftCondition
)

CONDITIONS: Final[Mapping[AlertKind, type[Condition]]] = {
    condition.kind: condition
    for condition in (
        NgCondition,
        RateCondition,
        TrendCondition,
        CameraCondition,
        BacklogCondition,
        UninspectedCondition,
        DriftCondition,
    )
}
#: Kinds whose alerts are opened by frames, as these are recorded; others are looked at.
FRAME_KINDS: Final = frozenset({AlertKind.NG, AlertKind.UNINSPECTED, AlertKind.DRIFT})
#: Of kinds that begin with patience: a camera is recovered before anybody is called.
ON_DELAYS_S: Final = {AlertKind.CAMERA: 30.0}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A condition, and how the alerts behave that it opens."""

    #: Unique on its line.
    name: str
    condition: Condition
    #: The condition must hold so long before the alert opens.
    on_delay_s: float = 0.0
    #: It must be gone so long before the alert resolves.
    off_delay_s: float = 60.0
    #: An open alert that goes on growing, and that nobody has acknowledged, is told again at most
    #: so often; None: never.
    repeat_s: float | None = 900.0
    #: An open alert that nobody has acknowledged for so long is told once more; None: never.
    escalate_after_s: float | None = None
    is_enabled: bool = True

    def __post_init__(self) -> None:
        """Refuse times that cannot be kept."""
        if not 0 <= self.on_delay_s < math.inf:
            raise ConfigurationError(f"on_delay_s {self.on_delay_s}: take 0 or more seconds")
        if self.on_delay_s and self.kind is AlertKind.DRIFT:
            raise ConfigurationError(
                "on_delay_s: a withdrawn promise does not come back by itself; leave it out"
            )
        _check_positive("off_delay_s", self.off_delay_s)
        for name in ("repeat_s", "escalate_after_s"):
            if (value := getattr(self, name)) is not None:
                _check_positive(name, value)

    @property
    def kind(self) -> AlertKind:
        """What its alerts are about."""
        return self.condition.kind

    @property
    def settings(self) -> dict[str, Any]:
        """Everything but name, kind and whether it is enabled; `rule_of` takes it back."""
        return asdict(self.condition) | {name: getattr(self, name) for name in _TIMES}

    def is_calm(self, *, since: datetime, now: datetime) -> bool:
        """Say whether the condition has been gone for so long that the alert is over."""
        return now - since >= timedelta(seconds=self.off_delay_s)


_TIMES: Final = ("on_delay_s", "off_delay_s", "repeat_s", "escalate_after_s")


def rule_of(
    kind: AlertKind,
    settings: Mapping[str, Any],
    *,
    name: str | None = None,
    is_enabled: bool = True,
) -> Rule:
    """Make a rule from its settings; what they leave out has its default.

    Raises:
        ConfigurationError: a setting is unknown for this kind, missing or out of range.
    """
    own = {field.name: field for field in fields(CONDITIONS[kind])}
    for key in settings:
        if key not in own and key not in _TIMES:
            raise ConfigurationError(
                f"a rule of kind {kind} has no {key!r}; it has: {', '.join((*own, *_TIMES))}"
            )
    for key, field in own.items():
        if field.default is MISSING and key not in settings:
            raise ConfigurationError(f"a rule of kind {kind} needs {key!r}")
    times = {key: value for key, value in settings.items() if key in _TIMES}
    return Rule(
        name=name or kind.value,
        condition=CONDITIONS[kind](**{k: v for k, v in settings.items() if k in own}),
        is_enabled=is_enabled,
        **{"on_delay_s": ON_DELAYS_S.get(kind, 0.0)} | times,
    )


#: What every line has without a word.
DEFAULT_RULES: Final = tuple(
    rule_of(kind, {})
    for kind in (
        AlertKind.NG,
        AlertKind.UNINSPECTED,
        AlertKind.DRIFT,
        AlertKind.CAMERA,
        AlertKind.BACKLOG,
    )
)


def with_defaults(*listed: Rule) -> tuple[Rule, ...]:
    """Return the rules of a line that lists some: a listed kind replaces its default."""
    rules: list[Rule] = []
    for default in DEFAULT_RULES:
        rules += [rule for rule in listed if rule.kind is default.kind] or [default]
    return (*rules, *(rule for rule in listed if rule not in rules))


def check_names(rules: Sequence[Rule]) -> None:
    """Refuse rules of one line that nobody could tell apart.

    Raises:
        ConfigurationError: two have the same name.
    """
    for name, count in Counter(rule.name for rule in rules).items():
        if count > 1:
            raise ConfigurationError(
                f"rule {name!r} is there {count} times; give each a `name` of its own"
            )
