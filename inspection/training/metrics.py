"""How well anomaly scores and maps tell defective from good: the field's usual figures."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A figure with its bootstrap interval."""

    #: The figure on all examples.
    value: float
    #: Lower end of the 95 % interval.
    low: float
    #: Upper end of the 95 % interval.
    high: float


def auroc(labels: NDArray[np.integer], scores: NDArray[np.floating]) -> float:
    """Return the area under the receiver operating characteristic; labels are 0 or 1."""
    return float(roc_auc_score(labels, scores))


def recall_above(
    good_scores: NDArray[np.floating],
    defective_scores: NDArray[np.floating],
    quantile: float,
) -> float:
    """Return the share of defective scores above a quantile of the good ones."""
    return float((defective_scores > np.quantile(good_scores, quantile)).mean())
