"""Whether a camera still sees what it normally sees: black, frozen, blurred, moved.

Every camera is held against its own history of the product it looks at:

1. The first `LEARN_COUNT` looks of a product say what is normal.
2. After that each look is held against them; one bad look is nothing, `BAD_LOOKS` in a row are.
3. The view is good again after `GOOD_LOOKS` good looks in a row.

Measures do not depend on how much light there is, and what is normal follows slow change of light,
because lamps age and the sun goes down. A view without a structure that stays (bare cloth, bare
leather) has nothing to see a movement by; there the limit of `moved` is out of reach, and says so.
"""

import json
import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from statistics import fmean, median
from typing import Any, Final, Self

#: Side of a thumbnail, in px.
THUMBNAIL_PX: Final = 16

#: Looks that say what is normal.
LEARN_COUNT: Final = 48
#: Looks whose mean picture is held against the learnt one; `LEARN_COUNT` is a multiple of it.
WINDOW_COUNT: Final = 8
#: Bad looks in a row that make a view bad, and good ones in a row that make it good again.
BAD_LOOKS: Final = 4
GOOD_LOOKS: Final = 6

#: The brightest places of a black picture are darker than this, in grey levels of 255, …
BLACK_GREY: Final = 12.0
#: … or than this part of what is normal.
BLACK_SHARE: Final = 1 / 6

#: How long a picture stays the same before it is frozen, in seconds.
FROZEN_S: Final = 6.0
#: Mean change of a frozen picture in grey levels, at most; noise of any sensor is more than that.
FROZEN_CHANGE: Final = 0.01
#: A frozen picture changes by less than this part of the usual change.
FROZEN_SHARE: Final = 1 / 20

#: Least fall of the logarithm of sharpness that is a blur: to two fifths …
BLUR_FALL: Final = 0.9
#: … and least fall in standard deviations of what is normal.
BLUR_DEVIATIONS: Final = 6.0
#: Median absolute deviations to standard deviations of a bell curve.
_TO_DEVIATION: Final = 1.4826

#: Least distance (1 minus correlation) of a view that has moved, from what was learnt: about
#: a tenth of the picture's width for a part that fills half of it.
MOVED_DISTANCE: Final = 0.08
#: The same for a view that varies: so many times the greatest distance while learning, and more.
MOVED_TIMES: Final = 3.0
MOVED_MARGIN: Final = 0.04
#: With each good look the learnt picture comes so much nearer to what is seen.
FOLLOW_SHARE: Final = 1 / 1000


#: What is left of a picture that is even, in grey levels, is rounding.
_EVEN: Final = 1e-6


class ViewState(StrEnum):
    """What a camera's pictures look like, against what they normally do."""

    #: Nobody has looked: a folder or video, or no picture yet.
    UNKNOWN = "unknown"
    #: What is normal is being learnt.
    LEARNING = "learning"
    GOOD = "good"
    BLACK = "black"
    FROZEN = "frozen"
    BLURRED = "blurred"
    MOVED = "moved"

    @property
    def is_blind(self) -> bool:
        """Whether nothing on such pictures can be judged."""
        return self in (self.BLACK, self.FROZEN, self.BLURRED, self.MOVED)


@dataclass(frozen=True, kw_only=True)
class Look:
    """Measures of one picture."""

    #: When it was looked at, in seconds of a clock that only goes forward.
    at_s: float
    #: Grey that 99 % of the picture are darker than, 0 to 255.
    brightness: float
    #: Logarithm of the energy of fine detail, in parts of the squared mean grey.
    sharpness: float
    #: Mean absolute difference from the look before, in grey levels; None for the first.
    change: float | None
    #: The picture in `THUMBNAIL_PX` times as many grey pixels, row by row.
    thumbnail: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Normal:
    """What a camera normally sees of one product."""

    #: Medians of the looks it was learnt from.
    brightness: float
    sharpness: float
    change: float
    #: Greatest fall of the sharpness that is not a blur.
    sharpness_fall: float
    #: Mean picture, of mean 0 and length 1.
    thumbnail: tuple[float, ...]
    #: Greatest distance from it that is not a movement.
    distance: float


@dataclass(frozen=True, kw_only=True)
class History:
    """What is known of a camera's view of one product, as it is kept over restarts."""

    #: None while it is being learnt.
    normal: Normal | None = None
    #: What it is being learnt from.
    looks: tuple[Look, ...] = ()

    def to_text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `to_text` wrote; what cannot be read is learnt anew."""
        try:
            read = json.loads(text)
            looks = tuple(Look(**_with_tuple(look)) for look in read["looks"])
            normal = read["normal"] and Normal(**_with_tuple(read["normal"]))
        except (ValueError, TypeError, KeyError):
            return cls()
        return cls(normal=normal, looks=looks)


@dataclass(frozen=True, kw_only=True)
class View:
    """What a camera sees, in a word and a sentence."""

    state: ViewState = ViewState.UNKNOWN
    #: One sentence for people; empty when all is well.
    detail: str = ""


class Sight:
    """Judges the looks of one camera at one product, one after the other."""

    def __init__(self, history: History) -> None:
        self._normal = history.normal
        self._learning = list(history.looks)
        self._recent: deque[tuple[float, ...]] = deque(maxlen=WINDOW_COUNT)
        #: Mean of the last looks, without its light.
        self._seen: tuple[float, ...] | None = None
        self._unchanged_since_s: float | None = None
        self._bad_count = 0
        self._good_count = GOOD_LOOKS
        self._view = View()

    @property
    def history(self) -> History:
        """What is to be kept."""
        return History(normal=self._normal, looks=tuple(self._learning))

    def take(self, look: Look) -> View:
        """Return what the camera sees, after one more look."""
        found = self._found(look)
        if found.state.is_blind:
            # A frozen picture has been so for many looks.
            self._bad_count += BAD_LOOKS if found.state is ViewState.FROZEN else 1
            self._good_count = 0
        else:
            self._bad_count = 0
            self._good_count += 1
            self._learn(look)
        if self._bad_count >= BAD_LOOKS or self._good_count >= GOOD_LOOKS:
            self._view = found
        return self._view

    def _found(self, look: Look) -> View:
        """Say what this look alone shows."""
        normal = self._normal
        usual = 0.0 if normal is None else normal.brightness
        if look.brightness < max(BLACK_GREY, BLACK_SHARE * usual):
            return View(
                state=ViewState.BLACK,
                detail=f"its pictures are black: grey {look.brightness:.0f} of 255 at their "
                "brightest; look after lamp, lens cap and exposure",
            )
        if self._has_been_same_for(look) >= FROZEN_S:
            return View(
                state=ViewState.FROZEN,
                detail="it gives the same picture again and again; switch it off and on",
            )
        if normal is None:
            return View(
                state=ViewState.LEARNING,
                detail=f"what it normally sees is being learnt: {len(self._learning)} of "
                f"{LEARN_COUNT} looks",
            )
        return self._held_against(normal, look)

    def _held_against(self, normal: Normal, look: Look) -> View:
        fall = normal.sharpness - look.sharpness
        if fall > normal.sharpness_fall:
            return View(
                state=ViewState.BLURRED,
                detail=f"its pictures are blurred: {100 * math.exp(-fall):.0f} % of the usual fine "
                "detail; clean and focus the lens, or accept the view",
            )
        # The same picture again and again is not the mean of many.
        if self._unchanged_since_s is None:
            self._recent.append(unit(look.thumbnail))
        if len(self._recent) < WINDOW_COUNT:
            return View(state=ViewState.GOOD)
        self._seen = unit(mean(self._recent))
        far = 1 - _product(self._seen, normal.thumbnail)
        if far <= normal.distance:
            return View(state=ViewState.GOOD)
        return View(
            state=ViewState.MOVED,
            detail=f"it sees something else than it has learnt (distance {far:.2f}, limit "
            f"{normal.distance:.2f}): it was moved, or another product is made; put it back, or "
            "accept the view",
        )

    def _has_been_same_for(self, look: Look) -> float:
        """Return for how long the picture has not changed, in seconds."""
        usual = self._usual_change()
        limit = min(FROZEN_CHANGE, FROZEN_SHARE * usual) if usual is not None else 0.0
        if look.change is None or look.change > limit:
            self._unchanged_since_s = None
            return 0.0
        if self._unchanged_since_s is None:
            self._unchanged_since_s = look.at_s
        return look.at_s - self._unchanged_since_s

    def _usual_change(self) -> float | None:
        return None if self._normal is None else self._normal.change

    def _learn(self, look: Look) -> None:
        """Take a good look into what is normal."""
        if self._normal is None:
            # What does not change is not yet known to be a picture of anything.
            if self._unchanged_since_s is None:
                self._learning.append(look)
            if len(self._learning) == LEARN_COUNT:
                self._normal = learnt(self._learning)
                self._learning.clear()
        elif self._seen is not None:
            self._normal = _following(self._normal, self._seen)


def learnt(looks: Sequence[Look]) -> Normal:
    """Return what is normal, from `LEARN_COUNT` looks.

    How much the view varies is seen from blocks of `WINDOW_COUNT` looks, each held against the
    mean of all others.
    """
    sharpness = median(look.sharpness for look in looks)
    spread = _TO_DEVIATION * median(abs(look.sharpness - sharpness) for look in looks)
    units = [unit(look.thumbnail) for look in looks]
    blocks = [
        mean(units[start : start + WINDOW_COUNT]) for start in range(0, len(units), WINDOW_COUNT)
    ]
    varied = max(
        distance(block, mean([*blocks[:number], *blocks[number + 1 :]]))
        for number, block in enumerate(blocks)
    )
    return Normal(
        brightness=median(look.brightness for look in looks),
        sharpness=sharpness,
        change=median([look.change for look in looks if look.change is not None] or [0.0]),
        sharpness_fall=max(BLUR_FALL, BLUR_DEVIATIONS * spread),
        thumbnail=unit(mean(units)),
        distance=max(MOVED_DISTANCE, MOVED_TIMES * varied + MOVED_MARGIN),
    )


def unit(thumbnail: Sequence[float]) -> tuple[float, ...]:
    """Return a square picture without its light: the plane through its greys, and its contrast.

    What is left has mean 0 and length 1; it is all 0 when nothing is left.
    """
    side = THUMBNAIL_PX
    middle = fmean(thumbnail)
    ramp = [number - (side - 1) / 2 for number in range(side)]
    steepness = side * sum(x * x for x in ramp)
    columns = [sum(thumbnail[x::side]) for x in range(side)]
    rows = [sum(thumbnail[y * side : (y + 1) * side]) for y in range(side)]
    right = sum(x * grey for x, grey in zip(ramp, columns, strict=True)) / steepness
    down = sum(y * grey for y, grey in zip(ramp, rows, strict=True)) / steepness
    left = [
        grey - middle - right * ramp[number % side] - down * ramp[number // side]
        for number, grey in enumerate(thumbnail)
    ]
    length = math.sqrt(sum(grey * grey for grey in left))
    if length < _EVEN:
        return (0.0,) * len(left)
    return tuple(grey / length for grey in left)


def mean(thumbnails: Iterable[Sequence[float]]) -> tuple[float, ...]:
    """Return the mean picture."""
    return tuple(fmean(greys) for greys in zip(*thumbnails, strict=True))


def distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Return 1 minus the correlation of two pictures: 0 for the same, 1 for unrelated ones."""
    return 1 - _product(unit(one), unit(other))


def _product(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _following(normal: Normal, seen: tuple[float, ...]) -> Normal:
    nearer = (
        before + FOLLOW_SHARE * (now - before)
        for before, now in zip(normal.thumbnail, seen, strict=True)
    )
    return replace(normal, thumbnail=unit(tuple(nearer)))


def _with_tuple(values: dict[str, Any]) -> dict[str, Any]:
    thumbnail = tuple(map(float, values["thumbnail"]))
    if len(thumbnail) != THUMBNAIL_PX**2:
        raise ValueError(len(thumbnail))
    return values | {"thumbnail": thumbnail}
