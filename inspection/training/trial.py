"""What a checkpoint reaches on simulated cameras whose designs it has never seen.

For every conveyor the first parts are good and give a threshold, as they do when a line starts;
the parts after them, half of them defective, are judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from inspection.capture.rendering import Conveyor, RenderedPart
from inspection.domain.recipe import Recipe
from inspection.model.checkpoint import Network
from inspection.model.detector import Detector
from inspection.model.head import draw_map
from inspection.model.preprocessing import normalise
from inspection.model.text import ProductTexts
from inspection.training.bootstrap import image_rounds, interval
from inspection.training.metrics import Interval, auroc, recall_above
from inspection.training.synthesis import Examples
from inspection.training.trainer import coarse_masks

#: Edge of the maps and masks that pixels are compared at.
_COMPARED_SIZE_PX = 64
_BATCH_COUNT = 16
#: Rounds of the bootstrap.
_ROUNDS_COUNT = 1000
#: Share of the good parts below the threshold.
THRESHOLD_QUANTILE = 0.99


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Which conveyors are looked at."""

    product: str
    #: One conveyor each.
    seeds: tuple[int, ...]
    #: Edge of the rendered frames.
    size_px: int = 384
    #: Good parts at the start of each conveyor.
    good_parts_count: int = 100
    #: Parts after them, half of them defective.
    judged_parts_count: int = 100


@dataclass(frozen=True, kw_only=True)
class Reached:
    """Figures of one product over all its conveyors."""

    product: str
    image_auroc: Interval
    pixel_auroc: float
    #: Share of defective parts above their own conveyor's threshold, mean over the conveyors.
    recall: float
    #: Share of the good parts after the first ones above that threshold.
    false_reject_rate: float
    #: Judged parts.
    parts_count: int


@dataclass(frozen=True, kw_only=True)
class _Judged:
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    maps: NDArray[np.float32]
    masks: NDArray[np.int64]


def evaluate(detector: Detector, trial: Trial) -> Reached:
    """Score the parts of all conveyors of a trial."""
    judged: list[_Judged] = []
    recalls, false_rejects = [], []
    for seed in trial.seeds:
        conveyor = Conveyor(
            product=trial.product,
            seed=seed,
            size_px=trial.size_px,
            defect_rate=0.5,
            good_parts_count=trial.good_parts_count,
        )
        count = trial.good_parts_count + trial.judged_parts_count
        answer = _judge(detector, [conveyor.part(index) for index in range(count)])
        first, rest = answer.scores[: trial.good_parts_count], slice(trial.good_parts_count, None)
        scores, labels = answer.scores[rest], answer.labels[rest]
        recalls.append(recall_above(first, scores[labels == 1], THRESHOLD_QUANTILE))
        false_rejects.append(recall_above(first, scores[labels == 0], THRESHOLD_QUANTILE))
        judged.append(
            _Judged(scores=scores, labels=labels, maps=answer.maps[rest], masks=answer.masks[rest])
        )
    labels = np.concatenate([each.labels for each in judged])
    scores = np.concatenate([each.scores for each in judged])
    rounds = image_rounds(labels, scores, rounds_count=_ROUNDS_COUNT)["i_auroc"]
    return Reached(
        product=trial.product,
        image_auroc=interval(auroc(labels, scores), rounds),
        pixel_auroc=auroc(
            np.concatenate([each.masks.ravel() for each in judged]),
            np.concatenate([each.maps.ravel() for each in judged]),
        ),
        recall=float(np.mean(recalls)),
        false_reject_rate=float(np.mean(false_rejects)),
        parts_count=len(labels),
    )


def describe_examples(network: Network, examples: Examples) -> str:
    """Return image and pixel AUROC per product of rendered pairs, and of all, in one line."""
    drawn, masks = _draw_examples(network, examples)
    both = auroc(examples.labels, drawn.max(axis=(1, 2))), auroc(masks.ravel(), drawn.ravel())
    lines = [f"all {both[0]:.3f}/{both[1]:.3f}"]
    for product in dict.fromkeys(examples.products):
        chosen = np.asarray([each == product for each in examples.products])
        image = auroc(examples.labels[chosen], drawn[chosen].max(axis=(1, 2)))
        pixel = auroc(masks[chosen].ravel(), drawn[chosen].ravel())
        lines.append(f"{product} {image:.3f}/{pixel:.3f}")
    return "held out: " + ", ".join(lines)


def as_table(figures: Sequence[Reached]) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        "| product | image AUROC (95 % interval) | pixel AUROC | recall | false rejects | parts |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {each.product} | {each.image_auroc.value:.3f} "
        f"({each.image_auroc.low:.3f} to {each.image_auroc.high:.3f}) | {each.pixel_auroc:.3f} | "
        f"{each.recall:.2f} | {each.false_reject_rate:.3f} | {each.parts_count} |"
        for each in figures
    ]
    return "\n".join(lines)


def _draw_examples(
    network: Network, examples: Examples
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    edge = examples.pictures.shape[1] // network.backbone.patch_size_px
    size = (_COMPARED_SIZE_PX, _COMPARED_SIZE_PX)
    texts = ProductTexts(network.text)
    maps = []
    with torch.inference_mode():
        for first in range(0, len(examples.pictures), _BATCH_COUNT):
            rows = slice(first, first + _BATCH_COUNT)
            text = torch.stack(
                [texts(Recipe(product=product)) for product in examples.products[rows]]
            )
            with torch.autocast("cpu", torch.bfloat16):
                taps = network.backbone(
                    normalise(examples.pictures[rows], network.backbone.normalisation)
                )
            grids = network.head(taps, text).patch_logits.unflatten(2, (edge, edge))
            maps.append(draw_map(grids, size))
    masks = coarse_masks(np.asarray(examples.masks) > 0, _COMPARED_SIZE_PX)
    return torch.cat(maps).numpy(), masks.numpy().astype(np.int64)


def _judge(detector: Detector, parts: Sequence[RenderedPart]) -> _Judged:
    scores, maps = [], []
    size = (_COMPARED_SIZE_PX, _COMPARED_SIZE_PX)
    for start in range(0, len(parts), _BATCH_COUNT):
        batch = parts[start : start + _BATCH_COUNT]
        scored = detector.score(
            [part.image for part in batch], [Recipe(product=part.product) for part in batch]
        )
        scores += [each.score for each in scored]
        grids = torch.from_numpy(np.stack([each.grid for each in scored])).float()
        maps.append(draw_map(grids, size).numpy())
    masks = coarse_masks(np.stack([part.mask for part in parts]), _COMPARED_SIZE_PX)
    return _Judged(
        scores=np.asarray(scores),
        labels=np.asarray([part.defect is not None for part in parts], dtype=np.int64),
        maps=np.concatenate(maps),
        masks=masks.numpy().astype(np.int64),
    )
