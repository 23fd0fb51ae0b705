"""The plan of a training of adapters, and what its epochs came to."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How adapters learn; the defaults are those of AVA-DINO's paper but for the rate.

    Its 1e-4 is for 28 million parameters; on features of small backbones ten times as much was
    better for both methods (`tests/benchmarks/ablation.py`).
    """

    epochs_count: int = 20
    #: Images of a step.
    batch_count: int = 64
    #: Learning rate of AdamW after the warm-up.
    rate: float = 1e-3
    weight_decay: float = 1e-2
    #: Share of all steps in which the rate rises from zero.
    warm_up_share: float = 0.03
    #: Share of the images that is never learnt from and chooses the epoch; 0 for none.
    validation_share: float = 0.1
    #: Epochs without a smaller validation loss after which training ends; 0 for never.
    patience_epochs: int = 5
    seed: int = 0
    #: Images whose maps are in memory at once.
    chunk_count: int = 16


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What an epoch came to."""

    #: Counted from 1.
    number: int
    #: Mean loss of the steps.
    training_loss: float
    #: Mean loss of the validation images; None without any.
    validation_loss: float | None


@dataclass(frozen=True, kw_only=True)
class Group:
    """The processes that train together."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0


#: How the published codes learn by default: to the end, and from all images.
PUBLISHED_PLANS: Mapping[str, Plan] = {
    "ava-dino": Plan(
        epochs_count=10, batch_count=16, rate=1e-4, validation_share=0, patience_epochs=0
    ),
    "ad-dinov3": Plan(
        epochs_count=100, batch_count=64, rate=1e-5, validation_share=0, patience_epochs=0
    ),
}
