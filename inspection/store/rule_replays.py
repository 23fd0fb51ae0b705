"""Rules replayed over arrays of frames: of most frames a rule learns nothing, and is not asked.

What changes is found for all frames at once, and told to the replays of `inspection.domain.replay`.
"""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inspection.domain.replay import NgReplay, RateGrounds, RateReplay

Numbers = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]

#: How a verdict is written: 0 is OK.
NG: Final = 1
PENDING: Final = 2
#: Later than any exposure.
_NEVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Frames of a line, the oldest first; arrays of one length."""

    #: Exposures in microseconds since 1970.
    at: Numbers
    #: Verdicts: 0, `NG` or `PENDING`.
    verdict: npt.NDArray[Any]
    #: Frames of the line before these.
    passed_count: int = 0

    @property
    def ng(self) -> Numbers:
        """Numbers of the NG frames among these."""
        return np.flatnonzero(self.verdict == NG)


class NgWatch:
    """A rule about NG frames."""

    def __init__(self, replay: NgReplay) -> None:
        self._replay = replay
        self._condition = replay.condition
        #: Places of the NG frames that the condition still counts: at most `k`.
        self._places: Numbers = np.empty(0, np.int64)

    def see(self, frames: Frames) -> None:
        """Take the next frames: all of them, or those that are NG if `n` is 1."""
        new, k = frames.ng, self._condition.k
        known = np.concatenate([self._places, new + frames.passed_count])
        if self._replay.is_delayed:
            self._see_each(frames, new, self._ends(known, frames))
        elif len(new):
            self._see_runs(frames.at[new], self._holds(known)[-len(new) :])
        self._places = known[-k:]

    def _holds(self, places: Numbers) -> Marks:
        """Say with which of some NG frames the condition holds."""
        condition = self._condition
        holds = np.zeros(len(places), bool)
        first = condition.k - 1
        holds[first:] = places[first:] - places[: len(places) - first] < condition.n
        return holds

    def _ends(self, places: Numbers, frames: Frames) -> Numbers:
        """Return the numbers of the frames with which the condition ends."""
        condition, first = self._condition, self._condition.k - 1
        ends = places[: max(0, len(places) - first)] + condition.n
        nexts = np.append(places[first + 1 :], _NEVER)[: len(ends)]
        numbers: Numbers = ends[ends < nexts] - frames.passed_count
        return numbers[(numbers >= 0) & (numbers < len(frames.at))]

    def _see_each(self, frames: Frames, new: Numbers, ends: Numbers) -> None:
        numbers = np.union1d(new, ends)
        is_ng = frames.verdict[numbers] == NG
        rows = zip(frames.at[numbers].tolist(), numbers.tolist(), is_ng.tolist(), strict=True)
        for at, number, ng in rows:
            self._replay.see(at, frames.passed_count + number, is_ng=ng)

    def _see_runs(self, at: Numbers, holds: Marks) -> None:
        is_first = np.append(True, np.diff(at) >= self._replay.off_delay)
        firsts = np.flatnonzero(is_first)
        lasts = np.append(firsts[1:], len(at)) - 1
        holds_at = np.minimum.reduceat(np.where(holds, at, _NEVER), firsts)
        runs = zip(at[firsts].tolist(), holds_at.tolist(), at[lasts].tolist(), strict=True)
        for begin_at, opens_at, last_at in runs:
            self._replay.see_run(begin_at, None if opens_at == _NEVER else opens_at, last_at)


class RateWatch:
    """A rule about the share of NG frames."""

    def __init__(self, replay: RateReplay) -> None:
        self._replay = replay
        self._grounds = RateGrounds(replay.condition)
        #: Judged frames of the newest window: exposures, and which of them are NG.
        self._at: Numbers = np.empty(0, np.int64)
        self._is_ng: Marks = np.empty(0, bool)
        self._holds = False

    def see(self, frames: Frames) -> None:
        """Take the next frames, all of them."""
        if not len(frames.at):
            return
        is_judged = frames.verdict != PENDING
        judged_at = np.concatenate([self._at, frames.at[is_judged]])
        is_ng = np.concatenate([self._is_ng, (frames.verdict == NG)[is_judged]])
        # Of each frame's window the last judged frame and the first, by number.
        end = len(self._at) + np.cumsum(is_judged)
        begin = np.searchsorted(judged_at, frames.at - self._replay.window, side="right")
        begin = np.minimum(begin, end)
        ng_until = np.append(0, np.cumsum(is_ng))
        holds = self._hold(ng_until[end] - ng_until[begin], end - begin)
        changes = np.flatnonzero(np.diff(holds, prepend=self._holds))
        for at, held in zip(frames.at[changes].tolist(), holds[changes].tolist(), strict=True):
            self._replay.see(at, holds=held)
        self._holds = bool(holds[-1])
        kept = judged_at > frames.at[-1] - self._replay.window
        self._at, self._is_ng = judged_at[kept], is_ng[kept]

    def _hold(self, ng_count: Numbers, judged_count: Numbers) -> Marks:
        """Say for which windows the condition holds."""
        holds = np.zeros(len(ng_count), bool)
        asked = np.flatnonzero(ng_count >= self._replay.condition.least_count)
        order = asked[np.lexsort((judged_count[asked], ng_count[asked]))]
        counts, begins = np.unique(ng_count[order], return_index=True)
        for count, of in zip(counts.tolist(), np.split(order, begins[1:]), strict=False):
            # Of fewer frames these are too many, of more they are not.
            of_counts = judged_count[of].tolist()
            held = bisect_left(of_counts, 1, key=lambda n: 1 - self._grounds.hold(count, n))
            holds[of[:held]] = True
        return holds
