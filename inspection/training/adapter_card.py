"""The card of trained adapters: what they learnt from, how, and what they reached on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inspection.model.checkpoint import AdaptedConfig
from inspection.model.methods import PUBLISHED, method_of
from inspection.training.datasets import Dataset
from inspection.training.plan import Epoch, Plan

_UNKNOWN = "not known here: look it up before the checkpoint leaves your hands"
_NON_COMMERCIAL = "CC BY-NC-SA 4.0: not for commercial use"
#: Under what terms the public data sets are given.
_LICENCES: Mapping[str, str] = {
    "visa": "CC BY 4.0: commercial use with attribution",
    "mvtec-ad": _NON_COMMERCIAL,
    "mvtec-ad-2": _NON_COMMERCIAL,
    "ksdd2": _NON_COMMERCIAL,
    "real-iad": _NON_COMMERCIAL,
    "btad": "stated in conflicting ways; treat as not for commercial use",
    "mpdd": "no licence stated; treat as not for commercial use",
    "kvasir": "research use",
    "isic": "CC0",
}
#: The one set whose terms allow everything is known by its classes too.
_VISA_CATEGORIES = frozenset(
    [
        "candle",
        "capsules",
        "cashew",
        "chewinggum",
        "fryum",
        "macaroni1",
        "macaroni2",
        "pcb1",
        "pcb2",
        "pcb3",
        "pcb4",
        "pipe_fryum",
    ]
)


@dataclass(frozen=True, kw_only=True)
class AdapterCard:
    """What a card says."""

    config: AdaptedConfig
    datasets: Sequence[Dataset]
    plan: Plan
    #: How the training was called.
    command: str
    content_hash: str
    history: Sequence[Epoch]
    best_epoch: int
    #: Images that were learnt from, and that chose the epoch.
    counts: tuple[int, int]
    #: Processes that shared the steps.
    processes_count: int

    def text(self) -> str:
        """Return the card as Markdown; the same training makes the same card."""
        config, plan = self.config, self.plan
        training_count, validation_count = self.counts
        rows = "\n".join(_row(dataset) for dataset in self.datasets)
        epochs = "\n".join(_epoch(epoch) for epoch in self.history)
        return f"""# {config.name}

Adapters of the method {method_of(config.head)} on a frozen backbone, for images of \
{config.image_size_px} px. {self._faith}

* Content hash: `{self.content_hash}`
* Backbone: {config.backbone.source}, fingerprint `{config.backbone.fingerprint}`
* Text tower: {config.text.source}, fingerprint `{config.text.fingerprint}`
* Command: `{self.command}`{self._sharing}

## Data

| set | classes | normal | anomalous | terms |
| --- | --- | --- | --- | --- |
{rows}
{self._remarks}
## Training

{training_count} images to learn from; {validation_count} images of the same sets, never learnt \
from, chose the epoch. On products that are in neither, its answers are zero-shot.

AdamW, rate {plan.rate:g}, weight decay {plan.weight_decay:g}, warm-up over \
{plan.warm_up_share:.0%} of the steps, {plan.batch_count} images a step, at most \
{plan.epochs_count} epochs, seed {plan.seed}. Kept: epoch {self.best_epoch}.

| epoch | loss | validation loss |
| --- | --- | --- |
{epochs}

## Terms

The adapters are yours as far as the data above allows; they are of no use without the backbone \
and the text tower, which have licences of their own.
"""

    @property
    def _remarks(self) -> str:
        return "".join(
            f"\n* {dataset.name}: {remark}\n"
            for dataset in self.datasets
            for remark in dataset.remarks
        )

    @property
    def _sharing(self) -> str:
        return f", by {self.processes_count} processes" if self.processes_count > 1 else ""

    @property
    def _faith(self) -> str:
        published = PUBLISHED[method_of(self.config.head)]
        differs = [
            f"{name} = {getattr(self.config.head, name)} (there {value})"
            for name, value in published.items()
            if getattr(self.config.head, name) != value
        ]
        if not differs:
            return "The head computes what the published code computes."
        return "It differs from the published code in " + ", ".join(differs) + "."


def _terms(dataset: Dataset) -> str:
    """Return the terms of a set, if it is what it was called: layouts are alike, terms are not."""
    if dataset.name == "visa" and not _VISA_CATEGORIES.issuperset(dataset.categories):
        return _UNKNOWN
    return _LICENCES.get(dataset.name, _UNKNOWN)


def _row(dataset: Dataset) -> str:
    anomalous_count = sum(sample.is_anomalous for sample in dataset.samples)
    return (
        f"| {dataset.name} ({dataset.split} split) | {', '.join(dataset.categories)} | "
        f"{len(dataset.samples) - anomalous_count} | {anomalous_count} | "
        f"{_terms(dataset)} |"
    )


def _epoch(epoch: Epoch) -> str:
    validation = "-" if epoch.validation_loss is None else f"{epoch.validation_loss:.4f}"
    return f"| {epoch.number} | {epoch.training_loss:.4f} | {validation} |"
