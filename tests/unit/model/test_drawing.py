import numpy as np
import pytest
import torch

from inspection.model.head import draw_map
from inspection.store.maps import draw


@pytest.mark.parametrize(("height_px", "width_px"), [(256, 256), (217, 300), (1, 1), (9, 16)])
def test_stored_map_is_drawn_as_the_model_draws_it(height_px: int, width_px: int) -> None:
    rng = np.random.default_rng(5)
    grid = rng.normal(-3, 6, (4, 16, 16)).astype(np.float16)

    stored = draw(grid, height_px=height_px, width_px=width_px)
    drawn = draw_map(torch.from_numpy(grid).float()[None], (height_px, width_px))[0]

    assert stored.shape == (height_px, width_px)
    assert np.abs(stored - drawn.numpy()).max() < 1 / 255
