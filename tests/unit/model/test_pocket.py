import numpy as np
import pytest

from inspection.capture.rendering import defects_of, render_part
from inspection.domain.recipe import Recipe
from inspection.model.checkpoint_folder import read_description, resolve_checkpoint
from inspection.model.detector import Detector
from inspection.training.surfaces.imperfection import IMPERFECTIONS
from inspection.training.surfaces.pair import KINDS, draw_pair

#: Halved weights of backbone, text tower and head.
LARGEST_MB = 25
PAIRS_COUNT = 8


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.load("pocket", device="cpu")


def test_pocket_is_small_enough_for_the_package() -> None:
    files = (path for path in resolve_checkpoint("pocket").rglob("*") if path.is_file())
    sizes_bytes = [path.stat().st_size for path in files]

    assert sum(sizes_bytes) <= LARGEST_MB * 1_000_000


def test_pocket_says_what_it_is() -> None:
    card = (resolve_checkpoint("pocket") / "card.md").read_text()

    assert "Apache-2.0" in card
    assert read_description(resolve_checkpoint("pocket"))[1] in card
    assert "image AUROC" in card


# Printed labels are beyond it, as its card says.
@pytest.mark.parametrize("product", ["metal washer", "woven fabric", "leather"])
def test_pocket_usually_scores_a_part_higher_once_it_has_a_defect(
    detector: Detector, product: str
) -> None:
    defects = defects_of(product)
    seeds = range(3_000_000_000, 3_000_000_000 + PAIRS_COUNT)
    good = [render_part(product, seed=seed) for seed in seeds]
    defective = [
        render_part(product, seed=seed, defect=defects[seed % len(defects)]) for seed in seeds
    ]

    recipes = [Recipe(product=product)] * PAIRS_COUNT
    scores = [
        [result.score for result in detector.score([part.image for part in parts], recipes)]
        for parts in (good, defective)
    ]

    higher = sum(after > before for before, after in zip(*scores, strict=True))
    assert higher >= 0.75 * PAIRS_COUNT


def test_naming_a_defect_raises_its_map_and_there_more_than_elsewhere(detector: Detector) -> None:
    there: list[float] = []
    elsewhere: list[float] = []
    for seed in range(40):
        pair = draw_pair(np.random.default_rng((5_000_000_000, seed)), 256)
        kind = KINDS[int(pair.mask.max()) - 1]
        phrase = IMPERFECTIONS[kind].phrases[0]
        recipes = [Recipe(product="surface"), Recipe(product="surface", defects=(phrase,))]
        general, named = (
            scored.grid.astype(np.float32).mean(axis=0)
            for scored in detector.score([pair.defective] * 2, recipes)
        )
        patches = pair.mask.reshape(16, 16, 16, 16)
        is_named = (patches == pair.mask.max()).mean(axis=(1, 3)) > 0.1
        there += (named - general)[is_named].tolist()
        elsewhere += (named - general)[patches.max(axis=(1, 3)) == 0].tolist()

    assert np.mean(there) > 0.3
    assert np.mean(there) > 1.5 * np.mean(elsewhere)
