"""What references are worth, on what may choose a rule: rendered parts, coffee leaves and fabric.

``python -m tests.benchmarks.references rules OUT REAL_MINI`` compares ways of measuring how far a
patch is from those of good parts; what the backbone says is kept in OUT.
``python -m tests.benchmarks.references contaminated`` puts defects among 40 references.
``python -m tests.benchmarks.references recurring`` learns from a stream whose every 50th part has
the same defect, and looks at its first 5,000 parts. Each prints a Markdown table.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor

from inspection.capture.rendering import PRODUCTS, RenderedPart
from inspection.capture.rendering.parts import render_of_design
from inspection.domain.recipe import Recipe
from inspection.model import normality
from inspection.model.backbone import Tap, standardise
from inspection.model.checkpoint import BareNetwork, load_checkpoint
from inspection.model.detector import Detector
from inspection.model.distance import anomaly_logits
from inspection.model.head import draw_map
from inspection.model.learner import Learner
from inspection.model.preprocessing import prepared
from inspection.model.reference import Reference, Survey, build_reference
from inspection.model.text import ProductTexts
from tests.benchmarks.reference_parts import (
    COMPARED_SIZE_PX,
    JUDGED_COUNT,
    REFERENCES_COUNT,
    SIZE_PX,
    coarse,
    photographs,
    rendered_parts,
)
from tests.benchmarks.reference_rules import RULES, centred

BATCH_COUNT = 16
PHOTOGRAPHS = ("coffee_leaf", "fabric")
COUNTS = (1, 4, 16)
#: Products that rules are compared on.
COMPARED = PRODUCTS[::2]
#: Defective among the references: 5 %.
CONTAMINATING_COUNT = 2
RECURRING = (
    ("metal washer", "stain"),
    ("metal washer", "scratch"),
    ("printed label", "hole"),
    ("woven fabric", "stain"),
)
EVERY_COUNT, STREAM_COUNT, LATE_COUNT = 50, 5000, 1500
FRAMES_COUNTS = (64, 256)

Picture = NDArray[np.uint8]
Figures = tuple[float, float, float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.references")
    parser.add_argument("--threads", type=int, default=2)
    commands = parser.add_subparsers(dest="command", required=True)
    rules = commands.add_parser("rules")
    rules.add_argument("out", type=Path)
    rules.add_argument("real_mini", type=Path)
    commands.add_parser("contaminated")
    commands.add_parser("recurring")
    parsed = parser.parse_args()
    torch.set_num_threads(parsed.threads)
    if parsed.command == "rules":
        lines = compared_rules(parsed.out, parsed.real_mini)
    else:
        lines = {"contaminated": contaminated, "recurring": recurring}[parsed.command]()
    for line in lines:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What pocket says of one product: the references first, then what is judged."""

    #: ``(n, taps, N, D)`` float16, after the final LayerNorm.
    tokens: Tensor
    #: ``(n, taps, N)``.
    text: Tensor
    #: ``(n,)``, 1 for defective.
    labels: NDArray[np.int64]
    #: ``(n, size, size)``.
    masks: NDArray[np.bool_]
    references_count: int

    @classmethod
    def of(cls, path: Path, product: str, parts: Callable[[], Sequence[RenderedPart]]) -> Self:
        """Return what is kept at a path, or see the parts and keep it."""
        if not path.is_file():
            shown = parts()
            tokens, text = _seen([part.image for part in shown], product)
            np.savez(
                path,
                tokens=tokens,
                text=text,
                labels=np.array([part.defect is not None for part in shown], dtype=np.int64),
                masks=np.stack([coarse(part.mask) for part in shown]),
                references_count=len(shown) - JUDGED_COUNT,
            )
        kept = np.load(path)
        return cls(
            tokens=torch.from_numpy(kept["tokens"]).float(),
            text=torch.from_numpy(kept["text"]),
            labels=kept["labels"],
            masks=kept["masks"],
            references_count=int(kept["references_count"]),
        )

    def figures(self, logits: Tensor) -> Figures:
        """Return image AUROC, pixel AUROC and pixel AP of ``(n, taps, N)`` of what is judged."""
        edge = round(logits.shape[2] ** 0.5)
        size = (COMPARED_SIZE_PX, COMPARED_SIZE_PX)
        maps = draw_map(logits.view(*logits.shape[:2], edge, edge).double(), size).numpy()
        return figures(
            self.labels[self.references_count :], maps, self.masks[self.references_count :]
        )


def figures(
    labels: NDArray[np.int64], maps: NDArray[np.floating], masks: NDArray[np.bool_]
) -> Figures:
    return (
        float(roc_auc_score(labels, maps.max(axis=(1, 2)))),
        float(roc_auc_score(masks.ravel(), maps.ravel())),
        float(average_precision_score(masks.ravel(), maps.ravel())),
    )


def compared_rules(out: Path, real_mini: Path) -> Iterator[str]:
    out.mkdir(parents=True, exist_ok=True)
    # What another checkpoint said must not be taken for what this one says.
    checkpoint = load_checkpoint("pocket").content_hash[:12]
    yield "| rule | " + " | ".join(f"{k} references" for k in COUNTS) + " |"
    yield "| --- |" + " --- |" * len(COUNTS)
    groups: list[dict[str, list[Figures]]] = []
    for names in (COMPARED, *((name,) for name in PHOTOGRAPHS)):
        group: dict[str, list[Figures]] = {}
        for name in names:
            parts = rendered_parts(name) if name in PRODUCTS else photographs(real_mini, name)
            seen = Seen.of(out / f"{name}-{checkpoint}.npz", name, parts)
            for rule, found in _by_rule(seen).items():
                group.setdefault(rule, []).extend(found)
        groups.append(group)
    for rule in groups[0]:
        cells = []
        for position in range(len(COUNTS)):
            means = [np.mean(group[rule][position :: len(COUNTS)], axis=0) for group in groups]
            cells.append(" / ".join(f"{100 * value:.1f}" for value in np.mean(means, axis=0)))
        yield f"| {rule} | " + " | ".join(cells) + " |"


def _by_rule(seen: Seen) -> dict[str, list[Figures]]:
    """Return the figures of every rule, for each number of references."""
    judged, text = seen.tokens[seen.references_count :], seen.text[seen.references_count :]
    found: dict[str, list[Figures]] = {"text alone": [seen.figures(text)] * len(COUNTS)}
    for count in COUNTS:
        some = slice(min(count, seen.references_count))
        reference = build_reference("", _surveys(seen, some))
        taps = [
            Tap(cls=torch.empty(0), patches=tap, deviation=torch.ones(1))
            for tap in centred(judged).unbind(dim=1)
        ]
        logits = anomaly_logits(taps, text, reference)[:, None]
        found.setdefault("as built: subspace and text", []).append(seen.figures(logits))
        for name, rule in RULES.items():
            logits = rule(seen.tokens[some], judged)[:, None]
            # Only the order matters; around 0 a sigmoid keeps it.
            logits = (logits - logits.mean()) / logits.std()
            found.setdefault(name, []).append(seen.figures(logits))
    return found


def _surveys(seen: Seen, some: slice) -> list[Survey]:
    patches = centred(seen.tokens[some]).half().numpy()
    text = seen.text[some].mean(dim=1).half().numpy()
    return [
        Survey(checkpoint_hash="", key=f"{number:04}", patches=each, text=told)
        for number, (each, told) in enumerate(zip(patches, text, strict=True))
    ]


def contaminated() -> Iterator[str]:
    yield "| product | clean | 5 % defective | 5 % defective, none left out | left out |"
    yield "| --- | --- | --- | --- | --- |"
    detector = Detector.load("pocket", device="cpu")
    rows = []
    for name in PRODUCTS:
        parts = rendered_parts(name)()
        good, judged = parts[:REFERENCES_COUNT], parts[REFERENCES_COUNT:]
        bad = [part for part in judged if part.defect is not None][:CONTAMINATING_COUNT]
        judged = [part for part in judged if not any(part is each for each in bad)]
        clean = _surveyed(detector, good)
        mixed = [*_surveyed(detector, bad), *clean[CONTAMINATING_COUNT:]]
        trimmed = build_reference(detector.checkpoint_hash, mixed)
        with patch.object(normality, "_TRIMMED_COUNT", 10**9):
            trusting = build_reference(detector.checkpoint_hash, mixed)
        references = (build_reference(detector.checkpoint_hash, clean), trimmed, trusting)
        rows.append(_judged(detector, references, judged))
        cells = " | ".join(_shown(each) for each in rows[-1])
        yield f"| {name} | {cells} | {len(mixed) - trimmed.images_count} |"
    yield "| mean | " + " | ".join(_shown(each) for each in np.mean(rows, axis=0)) + " | |"


def recurring() -> Iterator[str]:
    yield (
        "| product, defect | frames learnt | defects met, frames refused | AUROC, clean reference "
        "| AUROC after 5,000 parts | flagged | good parts flagged |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    detector = Detector.load("pocket", device="cpu")
    for product, defect in RECURRING:
        stream = RecurringStream(product, defect)
        good_parts = [stream.good(number) for number in range(FRAMES_COUNTS[0])]
        clean = build_reference(detector.checkpoint_hash, _surveyed(detector, good_parts))
        before = _auroc(*_scores_late(detector, stream, clean))
        for frames_count in FRAMES_COUNTS:
            learner, met_count = _learnt(detector, stream, frames_count)
            good, bad = _scores_late(detector, stream, _newest(learner))
            limit = good[::2].max()
            yield (
                f"| {product}, {defect} | {frames_count} | {met_count}, {learner.refused_count} | "
                f"{100 * before:.1f} | {100 * _auroc(good, bad):.1f} | "
                f"{100 * (bad > limit).mean():.0f} % | {100 * (good[1::2] > limit).mean():.0f} % |"
            )


class RecurringStream:
    """Parts of one design, of which every 50th has one and the same defect at the same place."""

    def __init__(self, product: str, defect: str, seed: int = 77) -> None:
        self.product, self._seed = product, seed
        good, bad = (
            render_of_design(product, (seed, 10**6), SIZE_PX, kind).image.astype(np.int16)
            for kind in (None, defect)
        )
        self._damage = bad - good
        self._rendered: dict[int, RenderedPart] = {}

    @staticmethod
    def has_defect(number: int) -> bool:
        return number % EVERY_COUNT == EVERY_COUNT // 2

    def good(self, number: int) -> RenderedPart:
        if number not in self._rendered:
            self._rendered[number] = render_of_design(
                self.product, (self._seed, number), SIZE_PX, None
            )
        return self._rendered[number]

    def picture(self, number: int) -> Picture:
        image = self.good(number).image
        if self.has_defect(number):
            return (image + self._damage).clip(0, 255).astype(np.uint8)
        return image


def _learnt(detector: Detector, stream: RecurringStream, frames_count: int) -> tuple[Learner, int]:
    """Return a learner that has seen the stream, and how often it met the defect.

    A complete learner takes in nothing more, so the rest of the 5,000 parts is not rendered.
    """
    learner = Learner(detector.checkpoint_hash, frames_count=frames_count)
    met_count = 0
    for start in range(0, STREAM_COUNT, BATCH_COUNT):
        numbers = range(start, start + BATCH_COUNT)
        pictures = [stream.picture(number) for number in numbers]
        learner.take(detector.survey(pictures, [Recipe(product=stream.product)] * BATCH_COUNT))
        met_count += sum(stream.has_defect(number) for number in numbers)
        if learner.is_complete:
            break
    return learner, met_count


def _newest(learner: Learner) -> Reference:
    if learner.reference is None:
        raise SystemExit("the learner has published nothing")
    return learner.reference


def _scores_late(
    detector: Detector, stream: RecurringStream, reference: Reference
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the scores of good and of defective parts among the last of the stream."""
    late = range(STREAM_COUNT - LATE_COUNT, STREAM_COUNT)
    bad = [number for number in late if stream.has_defect(number)]
    good = [number for number in late if not stream.has_defect(number)][::12]
    scores = []
    for start in range(0, len(good + bad), BATCH_COUNT):
        pictures = [stream.picture(number) for number in (good + bad)[start : start + BATCH_COUNT]]
        recipes = [Recipe(product=stream.product)] * len(pictures)
        scored = detector.score(pictures, recipes, [reference] * len(pictures))
        scores += [each.score for each in scored]
    return np.array(scores[: len(good)]), np.array(scores[len(good) :])


def _auroc(good: NDArray[np.float64], bad: NDArray[np.float64]) -> float:
    return float(roc_auc_score([0] * len(good) + [1] * len(bad), [*good, *bad]))


def _surveyed(detector: Detector, parts: Sequence[RenderedPart]) -> list[Survey]:
    recipes = [Recipe(product=part.product) for part in parts]
    return [
        survey
        for start in range(0, len(parts), BATCH_COUNT)
        for survey in detector.survey(
            [part.image for part in parts[start : start + BATCH_COUNT]],
            recipes[start : start + BATCH_COUNT],
            of_count=len(parts),
        )
    ]


def _judged(
    detector: Detector, references: Sequence[Reference], parts: Sequence[RenderedPart]
) -> list[Figures]:
    """Return the figures of parts that are looked at once, with one reference after another."""
    maps: list[list[NDArray[np.float32]]] = [[] for _ in references]
    for start in range(0, len(parts), BATCH_COUNT):
        batch = parts[start : start + BATCH_COUNT]
        look = detector.look(
            [part.image for part in batch], [Recipe(product=part.product) for part in batch]
        )
        for drawn, reference in zip(maps, references, strict=True):
            scored = detector.judge(look, [reference] * len(batch))
            grids = torch.from_numpy(np.stack([each.grid for each in scored])).float()
            drawn.append(draw_map(grids, (COMPARED_SIZE_PX, COMPARED_SIZE_PX)).numpy())
    labels = np.array([part.defect is not None for part in parts], dtype=np.int64)
    masks = np.stack([coarse(part.mask) for part in parts])
    return [figures(labels, np.concatenate(drawn), masks) for drawn in maps]


def _seen(
    images: Sequence[Picture], product: str
) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    network = load_checkpoint("pocket").network
    if isinstance(network, BareNetwork):
        raise SystemExit("pocket has no adapters")
    text = ProductTexts(network.text)(Recipe(product=product))
    all_tokens, logits = [], []
    for start in range(0, len(images), BATCH_COUNT):
        with torch.inference_mode():
            batch = prepared(
                images[start : start + BATCH_COUNT], SIZE_PX, network.backbone.normalisation
            )
            raw = network.backbone.raw_tokens(batch)
            patches_count = (SIZE_PX // network.backbone.patch_size_px) ** 2
            taps = [
                Tap(cls=tokens[:, 0], patches=standardise(tokens[:, -patches_count:]))
                for tokens in raw
            ]
            logits.append(network.head(taps, text.expand(len(batch), -1, -1)).patch_logits)
            all_tokens.append(torch.stack(raw, dim=1)[:, :, -patches_count:].half())
    return torch.cat(all_tokens).numpy(), torch.cat(logits).numpy()


def _shown(found: Sequence[float]) -> str:
    return " / ".join(f"{100 * value:.1f}" for value in found)


if __name__ == "__main__":
    main()
