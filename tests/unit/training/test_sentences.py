import numpy as np
import torch

from inspection.training.sentences import Sentences
from inspection.training.surfaces.pair import KINDS
from tests.tiny import tiny_network


def sentences() -> Sentences:
    return Sentences(tiny_network().text, 3, np.random.default_rng(0))


def test_columns_are_unit_vectors_one_pair_a_picture() -> None:
    with torch.inference_mode():
        columns = sentences().columns(["nut", "bolt", "nut"])

    assert columns.shape == (3, 24, 2)
    torch.testing.assert_close(columns.norm(dim=1), torch.ones(3, 2))
    torch.testing.assert_close(columns[0], columns[2])


def test_naming_a_defect_changes_the_anomalous_column() -> None:
    scratch, hole = KINDS.index("scratch"), KINDS.index("hole")

    with torch.inference_mode():
        columns = sentences().columns(["nut", "nut"], [scratch, hole])

    assert (columns[0, :, 1] - columns[1, :, 1]).abs().max() > 1e-3
