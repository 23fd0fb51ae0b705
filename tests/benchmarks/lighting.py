"""How soon a promise is withdrawn when the light changes, and good scores to calibrate on.

``python -m tests.benchmarks.lighting`` lets rendered good parts pass the ``pocket`` checkpoint with
a reference of 32 of them: 300 make a threshold, more follow in the same light, and then in another
one. It prints a Markdown table. With ``--scores FILE`` the scores of all good parts go into a JSON
file for ``python -m tests.benchmarks.promise``; with ``--photographs FOLDER`` those of the good
photographs in a folder in MVTec layout as well, each category with a reference of 16 of them.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspection.capture.rendering import Conveyor
from inspection.domain.calibration import Calibration, calibrated
from inspection.domain.drift import DriftState, Mark, marks_of, watch
from inspection.domain.recipe import Recipe
from inspection.model.detector import Detector
from inspection.model.reference import Reference, build_reference
from inspection.training.datasets import open_dataset, read_image

PRODUCTS = ("metal washer", "printed label", "woven fabric")
REFERENCE_PARTS, CALIBRATION_PARTS, QUIET_PARTS, CHANGED_PARTS = 32, 300, 300, 150
#: What the light changes to, as a share of what it was.
LIGHTS = (0.9, 0.8)
PHOTOGRAPHS = 16

Picture = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.lighting")
    parser.add_argument("--scores", type=Path, help="write the scores of good parts to this file")
    parser.add_argument("--photographs", type=Path, help="folder in the layout of MVTec AD")
    parsed = parser.parse_args()
    detector = Detector.load("pocket", device="cpu")
    scores: dict[str, list[float]] = {}
    lights = " | ".join(f"light x {light:g}" for light in LIGHTS)
    _print(f"| product | false rejects in the same light | {lights} |")
    _print("| --- | --- |" + " --- |" * len(LIGHTS))
    for product in PRODUCTS:
        scores[product] = _passed(detector, product)
    if parsed.photographs:
        scores |= dict(_photographed(detector, parsed.photographs))
    if parsed.scores:
        parsed.scores.write_text(json.dumps(scores))


def _passed(detector: Detector, product: str) -> list[float]:
    conveyor = Conveyor(product=product, seed=77, size_px=256, defect_rate=0.0)
    parts = [conveyor.part(index).image for index in range(REFERENCE_PARTS)]
    recipe = Recipe(product=product)
    surveys = detector.survey(parts, [recipe] * len(parts), of_count=len(parts))
    reference = build_reference(detector.checkpoint_hash, surveys)
    first = REFERENCE_PARTS
    calibrating = _scores(detector, _parts(conveyor, first, CALIBRATION_PARTS), recipe, reference)
    first += CALIBRATION_PARTS
    quiet = _scores(detector, _parts(conveyor, first, QUIET_PARTS), recipe, reference)
    first += QUIET_PARTS
    made = calibrated(calibrating, false_reject_rate=0.02, confidence=0.95)
    assert isinstance(made, Calibration)
    rejected = sum(score > made.threshold for score in quiet)
    cells = [f"{rejected} of {len(quiet)}"]
    marks = marks_of(calibrating)
    before = watch(DriftState(), marks, quiet)
    for light in LIGHTS:
        changed = (
            np.clip(part * light, 0, 255).astype(np.uint8)
            for part in _parts(conveyor, first, CHANGED_PARTS)
        )
        cells.append(_delay(before, marks, _scores(detector, changed, recipe, reference)))
    _print(f"| {product} | " + " | ".join(cells) + " |")
    return calibrating + quiet


def _delay(before: DriftState, marks: Sequence[Mark], scores: Sequence[float]) -> str:
    """Return after how many parts the promise is gone."""
    if before.is_alarmed:
        return "before the change"
    after = watch(before, marks, scores)
    if not after.is_alarmed:
        return f"not in {len(scores)}"
    return f"{after.seen_count - before.seen_count} parts"


def _photographed(detector: Detector, folder: Path) -> Iterator[tuple[str, list[float]]]:
    samples = [
        sample
        for split in ("train", "test")
        for sample in open_dataset("folder", folder, split=split).samples
        if not sample.is_anomalous
    ]
    for category in sorted({sample.category for sample in samples}):
        images = [read_image(sample) for sample in samples if sample.category == category]
        recipe = Recipe(product=category.replace("_", " "))
        surveys = detector.survey(
            images[:PHOTOGRAPHS], [recipe] * PHOTOGRAPHS, of_count=PHOTOGRAPHS
        )
        reference = build_reference(detector.checkpoint_hash, surveys)
        yield category, _scores(detector, iter(images[PHOTOGRAPHS:]), recipe, reference)


def _parts(conveyor: Conveyor, first: int, count: int) -> Iterator[Picture]:
    return (conveyor.part(index).image for index in range(first, first + count))


def _scores(
    detector: Detector, pictures: Iterator[Picture], recipe: Recipe, reference: Reference
) -> list[float]:
    found: list[float] = []
    while batch := [picture for _, picture in zip(range(16), pictures, strict=False)]:
        count = len(batch)
        scored = detector.score(batch, [recipe] * count, [reference] * count)
        found += [each.score for each in scored]
    return found


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
