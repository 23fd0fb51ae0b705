import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve

from inspection.training.bootstrap import PixelRounds, image_figures, image_rounds, interval
from inspection.training.metrics import auroc
from inspection.training.pixels import PixelCounts, keyed, pixel_figures


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    return float(average_precision_score(labels, scores))


def f1_max(labels: np.ndarray, scores: np.ndarray) -> float:
    precision, recall, _ = precision_recall_curve(labels, scores)
    return float((2 * precision * recall / np.maximum(precision + recall, 1e-12)).max())


def scored(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores of as many good as anomalous images."""
    labels = np.repeat([0, 1], count)
    return labels, np.random.default_rng(seed).normal(labels, 1.0)


def mapped(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return maps and masks of images that differ more from each other than their pixels do."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((count, 24, 24), dtype=bool)
    for mask in masks[::2]:
        top, left = rng.integers(16, size=2)
        mask[top : top + 6, left : left + 6] = True
    level = rng.normal(size=(count, 1, 1))
    maps = level + masks * rng.normal(1, 1, size=(count, 1, 1)) + rng.normal(size=masks.shape)
    return maps.astype(np.float32), masks


def rounds_of(
    maps: np.ndarray, masks: np.ndarray, *, batch: int = 8, seed: int = 0
) -> dict[str, np.ndarray]:
    counts, rounds = PixelCounts(), PixelRounds(seed=seed)
    for first in range(0, len(maps), batch):
        each = keyed(maps[first : first + batch], masks[first : first + batch])
        counts.add(each)
        rounds.add(each)
    return rounds.figures(counts.curve())


def test_image_figures_are_the_fields_standard_ones() -> None:
    labels, scores = scored(50)
    scores = np.round(scores, 1)

    found = image_figures(labels, scores)

    assert found["i_auroc"] == pytest.approx(auroc(labels, scores))
    assert found["i_ap"] == pytest.approx(average_precision(labels, scores))
    assert found["i_f1max"] == pytest.approx(f1_max(labels, scores))


def test_image_interval_holds_the_figure_and_narrows_with_more_images() -> None:
    widths = []
    for count in (20, 400):
        labels, scores = scored(count)
        value = auroc(labels, scores)
        found = interval(value, image_rounds(labels, scores)["i_auroc"])
        assert found.low <= found.value == value <= found.high
        widths.append(found.high - found.low)

    assert widths[1] < widths[0] / 2


def test_image_rounds_draw_each_kind_by_itself() -> None:
    labels, scores = np.array([0] * 30 + [1]), np.arange(31.0)

    rounds = image_rounds(labels, scores)

    # The one anomalous image is in every round, so that every round is defined.
    assert rounds["i_auroc"].tolist() == [1.0] * 200


def test_rounds_are_the_same_for_the_same_seed() -> None:
    labels, scores = scored(20)
    maps, masks = mapped(40)

    assert image_rounds(labels, scores, seed=3)["i_ap"].tolist() == (
        image_rounds(labels, scores, seed=3)["i_ap"].tolist()
    )
    assert rounds_of(maps, masks, seed=3)["p_ap"].tolist() == (
        rounds_of(maps, masks, seed=3)["p_ap"].tolist()
    )
    assert rounds_of(maps, masks, seed=3)["p_ap"].tolist() != (
        rounds_of(maps, masks, seed=4)["p_ap"].tolist()
    )


@pytest.mark.parametrize("count", [24, 100])
def test_pixel_rounds_do_not_depend_on_how_maps_are_cut_into_batches(count: int) -> None:
    maps, masks = mapped(count)

    # 32 images are what the bins are learned from.
    whole, cut = rounds_of(maps, masks, batch=32), rounds_of(maps, masks, batch=16)

    for name, values in whole.items():
        assert cut[name] == pytest.approx(values), name


def test_pixel_interval_is_that_of_drawing_whole_images() -> None:
    maps, masks = mapped(80)
    rng = np.random.default_rng(1)
    drawn: dict[str, list[float]] = {}
    for _ in range(100):
        chosen = rng.integers(len(maps), size=len(maps))
        for name, value in pixel_figures(maps[chosen], masks[chosen]).items():
            drawn.setdefault(name, []).append(value)

    rounds = rounds_of(maps, masks)

    for name, values in drawn.items():
        assert rounds[name].mean() == pytest.approx(np.mean(values), abs=0.02), name
        assert rounds[name].std() == pytest.approx(np.std(values), rel=0.35), name


def test_pixel_interval_holds_the_figure_when_maps_are_almost_perfect() -> None:
    _, masks = mapped(40)
    maps = np.where(masks, 0.9999, 1e-6).astype(np.float32)
    maps[0, :2] = 0.99995

    value, rounds = pixel_figures(maps, masks), rounds_of(maps, masks)

    for name, each in rounds.items():
        found = interval(value[name], each)
        assert 0 <= found.low <= found.value <= found.high <= 1, name


def test_interval_of_a_figure_without_defined_rounds_is_the_figure() -> None:
    found = interval(0.5, np.full(10, np.nan))

    assert (found.low, found.high) == (0.5, 0.5)
