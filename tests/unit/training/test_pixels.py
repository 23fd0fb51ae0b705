import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from inspection.errors import CheckpointError
from inspection.training.pixels import KEYS_COUNT, PixelCounts, keyed, keys_of, pixel_figures

numbers = st.floats(width=32, allow_nan=False)

#: Maps as detectors of all kinds make them, from standard normal numbers.
SHAPES = {
    "around a half": lambda normal: 1 / (1 + np.exp(-normal)),
    "near 0": lambda normal: 1 / (1 + np.exp(9 - normal)),
    "near 1": lambda normal: 1 - 1 / (1 + np.exp(9 + normal)) / 8,
    "negative": lambda normal: -20 + normal,
    "of both signs": lambda normal: normal,
}


def noisy(seed: int = 0, count: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Return standard normal maps that are higher on the defects of their masks."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((count, 48, 64), dtype=bool)
    for mask in masks[::2]:
        for _ in range(rng.integers(1, 4)):
            top, left = rng.integers(36), rng.integers(48)
            mask[top : top + rng.integers(2, 12), left : left + rng.integers(2, 12)] = True
    return rng.normal(size=masks.shape) + masks, masks


def exact(maps: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    labels, scores = masks.ravel(), maps.ravel()
    precision, recall, _ = precision_recall_curve(labels, scores)
    return {
        "p_auroc": roc_auc_score(labels, scores),
        "p_ap": average_precision_score(labels, scores),
        "p_f1max": (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max(),
    }


def test_pixel_figures_are_the_fields_standard_ones(reference_dir: Path) -> None:
    data = np.load(reference_dir / "metrics.npz")
    expected = json.loads((reference_dir / "metrics.json").read_text())

    found = pixel_figures(data["anomaly_maps"], data["masks"] > 0)

    assert found["p_auroc"] == pytest.approx(expected["pixel_auroc"], abs=1e-6)
    assert found["p_ap"] == pytest.approx(expected["pixel_ap"], abs=1e-6)
    assert found["p_f1max"] == pytest.approx(expected["pixel_f1max"], abs=1e-6)
    assert found["aupro_30"] == pytest.approx(expected["aupro_30"], abs=1e-6)
    assert found["aupro_05"] == pytest.approx(expected["aupro_05"], abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_keys_change_the_figures_by_less_than_anybody_prints(shape: str) -> None:
    normal, masks = noisy()
    maps = SHAPES[shape](normal).astype(np.float32)

    found = pixel_figures(maps, masks)

    for name, value in exact(maps, masks).items():
        assert found[name] == pytest.approx(value, abs=5e-4), name


@pytest.mark.parametrize("shape", SHAPES)
def test_auroc_changes_by_at_most_half_the_pairs_that_share_a_key(shape: str) -> None:
    normal, masks = noisy()
    maps = SHAPES[shape](normal).astype(np.float32)
    keys = keys_of(maps)
    good, defective = (np.bincount(keys[masks == kind], minlength=KEYS_COUNT) for kind in (0, 1))
    tied = float(good @ defective) / good.sum() / defective.sum()

    found = pixel_figures(maps, masks)["p_auroc"]

    assert abs(found - exact(maps, masks)["p_auroc"]) <= tied / 2 + 1e-12


def test_figures_of_maps_that_say_nothing_are_those_of_chance() -> None:
    _, masks = noisy()

    found = pixel_figures(np.full(masks.shape, 0.25, np.float32), masks)

    assert found["p_auroc"] == pytest.approx(0.5)
    assert found["p_ap"] == pytest.approx(masks.mean())
    assert found["aupro_30"] == pytest.approx(0.15)


def test_figures_do_not_depend_on_how_maps_are_cut_into_batches() -> None:
    normal, masks = noisy()
    maps = normal.astype(np.float32)
    counts = PixelCounts()

    for some in (slice(0, 1), slice(1, 6), slice(6, 8)):
        counts.add(keyed(maps[some], masks[some]))

    found = {name: float(value) for name, value in counts.curve().figures().items()}
    assert found == pytest.approx(pixel_figures(maps, masks))


def test_regions_that_touch_at_a_corner_are_one() -> None:
    mask = np.zeros((1, 8, 8), dtype=bool)
    mask[0, 1, 1] = mask[0, 2, 2] = True
    mask[0, 5:7, 5:7] = True

    found = keyed(np.zeros((1, 8, 8), np.float32), mask)

    assert found.regions.tolist() == [2]
    assert found.overlaps.tolist() == [0.5, 0.5, 0.25, 0.25, 0.25, 0.25]


def test_good_image_has_no_region_but_counts_in_the_false_positive_rate() -> None:
    maps = np.zeros((2, 8, 8), np.float32)
    masks = np.zeros((2, 8, 8), dtype=bool)
    masks[1, 2:4, 2:4] = True
    maps[1][masks[1]] = 0.5
    maps[0, :4] = 0.9

    found = pixel_figures(maps, masks)

    # 32 of 124 good pixels are above every defective one: nothing is found up to 0.05.
    assert found["aupro_05"] == 0
    assert found["p_auroc"] == pytest.approx(1 - 32 / 124)


@given(numbers, numbers)
def test_keys_are_in_the_order_of_the_scores(one: float, other: float) -> None:
    low, high = keys_of(np.sort(np.array([one, other], np.float32)))

    assert 0 <= low <= high < KEYS_COUNT


@given(st.floats(2.0**-99, 0.4375, width=32))
def test_scores_apart_by_more_than_the_stated_share_have_keys_of_their_own(distance: float) -> None:
    distances = np.array([1, 1 + 2.0**-15]) * distance
    low, high = distances.astype(np.float32), (1 - distances).astype(np.float32)

    assert len(set(keys_of(low))) == 2
    # Nearer to 1, a float32 cannot tell them apart.
    assert len(set(keys_of(high))) == len(set(high))


def test_minus_zero_ties_with_zero() -> None:
    assert len(set(keys_of(np.array([0.0, -0.0], np.float32)).tolist())) == 1


def test_map_that_holds_no_number_is_refused() -> None:
    maps = np.zeros((1, 4, 4), np.float32)
    maps[0, 1, 1] = np.nan

    with pytest.raises(CheckpointError, match="NaN"):
        keyed(maps, np.zeros((1, 4, 4), dtype=bool))


@pytest.mark.parametrize(("level", "reason"), [(0, "no defective pixel"), (1, "no good pixel")])
def test_counts_of_one_kind_say_why_they_have_no_figures(level: int, reason: str) -> None:
    counts = PixelCounts()

    counts.add(keyed(np.zeros((2, 4, 4), np.float32), np.full((2, 4, 4), level, dtype=bool)))

    assert counts.one_sided() == reason
    assert all(np.isnan(value) for value in counts.curve().figures().values())
