import pytest
import torch

from inspection.errors import CheckpointError
from inspection.model.prompts import prompts_for
from inspection.model.text import (
    ProductTexts,
    TextTower,
    TextTowerConfig,
    in_words,
    open_clip_config,
)

TINY = TextTowerConfig(width=16, heads=2, layers=1, context_length=32, output_width=24)


def test_tower_encodes_the_ensemble_to_two_unit_columns() -> None:
    tower = TextTower(TINY).eval()

    with torch.inference_mode():
        columns = tower.encode(prompts_for("metal nut"))

    assert columns.shape == (24, 2)
    torch.testing.assert_close(columns.norm(dim=0), torch.ones(2))


def test_product_texts_encode_a_product_once() -> None:
    texts = ProductTexts(TextTower(TINY).eval())

    first, again = texts("metal_nut"), texts("metal nut")

    assert first is again


def test_product_texts_forget_the_product_that_was_used_longest_ago() -> None:
    texts = ProductTexts(TextTower(TINY).eval(), limit_count=2)
    nut, bolt = texts("nut"), texts("bolt")

    texts("nut")
    texts("ring")

    assert texts("nut") is nut
    assert texts("bolt") is not bolt


@pytest.mark.parametrize(
    ("product", "words"),
    [("metal_nut", "metal nut"), ("  M8-bolt ", "M8 bolt"), ("", "object"), ("__", "object")],
)
def test_product_names_become_plain_words(product: str, words: str) -> None:
    assert in_words(product) == words


def test_open_clip_config_knows_the_size_of_clips_large_tower() -> None:
    config = open_clip_config("ViT-L-14-336")

    assert (config.width, config.heads, config.layers) == (768, 12, 12)
    assert (config.context_length, config.output_width, config.quick_gelu) == (77, 768, False)


def test_open_clip_config_keeps_quick_gelu_apart() -> None:
    assert open_clip_config("ViT-L-14-336-quickgelu").quick_gelu


def test_open_clip_config_refuses_an_unknown_model() -> None:
    with pytest.raises(CheckpointError, match="no model 'ViT-X'"):
        open_clip_config("ViT-X")
