import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from inspection.training.curve import aupro, auroc, average_precision, f1_max


def counted(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count good and defective examples per score, highest first."""
    distinct, places = np.unique(scores, return_inverse=True)
    both = [np.bincount(places[labels == label], minlength=len(distinct)) for label in (0, 1)]
    return both[0][::-1].astype(float), both[1][::-1].astype(float)


@pytest.mark.parametrize("levels_count", [2, 7, 1000])
def test_figures_are_those_of_scikit_learn_with_any_number_of_ties(levels_count: int) -> None:
    rng = np.random.default_rng(levels_count)
    labels = rng.integers(2, size=500)
    scores = np.rint((labels + rng.normal(size=500)) * levels_count / 5)
    precision, recall, _ = precision_recall_curve(labels, scores)

    good, defective = counted(labels, scores)

    assert auroc(good, defective) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    expected = average_precision_score(labels, scores)
    assert average_precision(good, defective) == pytest.approx(expected, abs=1e-12)
    best = (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max()
    assert f1_max(good, defective) == pytest.approx(best, abs=1e-12)


def test_figures_of_many_rounds_are_those_of_each_round() -> None:
    rng = np.random.default_rng(0)
    good, defective = rng.integers(4, size=(2, 3, 20)).astype(float)

    for figure in (auroc, average_precision, f1_max):
        alone = [float(figure(*each)) for each in zip(good, defective, strict=True)]
        assert figure(good, defective).tolist() == pytest.approx(alone)


@pytest.mark.parametrize("figure", [auroc, average_precision, f1_max])
def test_figure_is_undefined_when_a_kind_is_missing(figure: type) -> None:
    none, some = np.zeros(3), np.ones(3)

    assert np.isnan(figure(some, none))
    assert np.isnan(figure(none, some))


def test_aupro_interpolates_at_its_limit_and_is_divided_by_it() -> None:
    # The curve rises from (0, 0) over (0, 0.5) to (1, 1).
    good, overlap = np.array([0.0, 8.0]), np.array([1.0, 1.0])

    area = aupro(good, overlap, np.array(2.0), limit=0.4)

    assert area == pytest.approx((0.5 + 0.7) / 2)


def test_aupro_counts_regions_of_any_size_the_same() -> None:
    # One region of 1 pixel is found before any good pixel, one of 9 pixels after all of them.
    good, overlap = np.array([0.0, 10.0, 0.0]), np.array([1.0, 0.0, 9 / 9])

    assert aupro(good, overlap, np.array(2.0), limit=0.3) == pytest.approx(0.5)


def test_aupro_is_undefined_without_regions_or_good_pixels() -> None:
    some = np.ones(2)

    assert np.isnan(aupro(some, 0 * some, np.array(0.0), limit=0.3))
    assert np.isnan(aupro(0 * some, some, np.array(2.0), limit=0.3))
