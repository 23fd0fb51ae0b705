"""The schedule of a training from nothing: how many steps, of what size, at what rate."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast to learn; equal schedules and seeds take equal steps.

    The rate rises, stays, and falls in the last part, so a run that is to be longer or shorter can
    go on from any state of before the fall.
    """

    #: Steps in all.
    steps_count: int
    #: Pictures of a step that shows windows, half of them defective; even.
    windows_count: int = 48
    #: Pictures of a step that shows whole pictures; even.
    wholes_count: int = 12
    #: In this first share of the steps mostly windows are shown, which cost a quarter …
    windows_share: float = 0.7
    #: … but every so manieth step shows whole pictures.
    whole_every: int = 6
    #: Edge of a window.
    window_px: int = 128
    #: Peak learning rate of the backbone's matrices (Muon).
    matrix_rate: float = 2e-3
    #: Peak learning rate of everything else (AdamW).
    other_rate: float = 1e-3
    weight_decay: float = 0.05
    #: Steps in which the rate rises.
    warm_up_count: int = 50
    #: Share of the steps, at the end, in which it falls.
    fall_share: float = 0.65
    #: Weight of the past in the averaged weights.
    averaging: float = 0.998
    #: Sentences of each state that stand for the ensemble in a step.
    sentences_count: int = 3
    #: Share of pictures whose product gets a stand-in name.
    stand_in_share: float = 0.3
    #: Pixels of a cell of the maps on which the losses are computed.
    map_cell_px: int = 4
    #: Every so manieth step teaches what naming a defect means.
    words_every: int = 2
    #: Shares of the terms beside AVA-DINO's own losses.
    patch_guidance: float = 0.5
    score_guidance: float = 0.25
    word_guidance: float = 0.1
    reference_guidance: float = 0.4
    seed: int = 0

    def rate_factor(self, step: int) -> float:
        """Return the share of the peak rate at a step, counted from 0."""
        rise = (step + 1) / (self.warm_up_count + 1)
        left = (self.steps_count - step) / (self.fall_share * self.steps_count)
        return max(min(rise, left, 1.0), 0.01)

    def shows_windows(self, step: int) -> bool:
        """Say whether a step shows windows."""
        return step < self.windows_share * self.steps_count and step % self.whole_every != 0

    def teaches_words(self, step: int) -> bool:
        """Say whether a step teaches what naming a defect means."""
        return step % self.words_every == 0
