"""The learner: the reference of a fresh line, from its own frames as they pass."""

from collections.abc import Sequence

from inspection.model.reference import Reference, Survey, reference_of

#: Good frames of the first reference; every further one is made of twice as many.
FIRST_COUNT = 8


class Learner:
    """Takes in frames that look like the others until it has enough, and no more after that.

    1. The first frames are held against each other; those that look unlike the others are dropped.
       The rest make the first reference.
    2. A later frame is taken in only when it looks like what the newest reference is made of.
    3. At 16, 32, 64 ... frames, and at the last, all of them are held against each other again
       and make the next reference.

    So a defect that comes again and again is not learnt: it is refused each time, and the few that
    were there before it could be recognised are dropped. What is dropped does not come back. A
    learner can be pickled. Its memory is bounded by the number of frames.
    """

    def __init__(self, checkpoint_hash: str, *, frames_count: int) -> None:
        self._checkpoint_hash = checkpoint_hash
        self._frames_count = frames_count
        self._next_count = min(FIRST_COUNT, frames_count)
        # Equal pictures, of a folder shown again and again, are kept once and counted each time.
        self._surveys: dict[str, Survey] = {}
        self._taken_count = 0
        self._reference: Reference | None = None
        self._is_complete = frames_count < 1
        #: Frames that looked unlike the others.
        self.refused_count = 0

    def take(self, surveys: Sequence[Survey]) -> None:
        """Look at the surveys of the next frames, in their order; later ones are ignored.

        Raises:
            CheckpointError: a survey is by another checkpoint.
        """
        for survey in surveys:
            if self._is_complete:
                return
            if self._reference is not None and not self._reference.resembles(survey):
                self.refused_count += 1
                continue
            self._surveys[survey.key] = survey
            self._taken_count += 1
            if self._taken_count >= self._next_count:
                self._publish()

    @property
    def reference(self) -> Reference | None:
        """The newest reference worth publishing; None before the first."""
        return self._reference

    @property
    def is_complete(self) -> bool:
        """Whether it has taken in all the frames it wants."""
        return self._is_complete

    def _publish(self) -> None:
        self._reference, kept = reference_of(self._checkpoint_hash, list(self._surveys.values()))
        dropped_count = len(self._surveys) - len(kept)
        self.refused_count += dropped_count
        self._taken_count -= dropped_count
        self._surveys = {survey.key: survey for survey in kept}
        self._is_complete = self._next_count >= self._frames_count
        self._next_count = min(2 * self._next_count, self._frames_count)
        if self._is_complete:
            self._surveys.clear()
