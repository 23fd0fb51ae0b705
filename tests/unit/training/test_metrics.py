import json
from pathlib import Path

import numpy as np
import pytest

from inspection.training.metrics import auroc, recall_above


@pytest.mark.parametrize("level", ["image", "pixel"])
def test_auroc_is_the_fields_standard_one(reference_dir: Path, level: str) -> None:
    data = np.load(reference_dir / "metrics.npz")
    expected = json.loads((reference_dir / "metrics.json").read_text())
    maps, masks = data["anomaly_maps"], data["masks"]
    if level == "image":
        labels, scores = masks.max(axis=(1, 2)), maps.max(axis=(1, 2))
    else:
        labels, scores = masks.ravel(), maps.ravel()

    assert auroc(labels, scores) == pytest.approx(expected[f"{level}_auroc"], abs=1e-6)


def test_recall_above_counts_what_lies_over_the_quantile_of_good_scores() -> None:
    good = np.linspace(0, 1, 101)

    assert recall_above(good, np.array([0.5, 0.985, 0.995, 2.0]), 0.99) == 0.5
