from pathlib import Path

import pytest
import structlog
import torch

from inspection.domain.recipe import Recipe
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


def test_tower_encodes_a_recipe_with_many_defects_in_batches() -> None:
    tower = TextTower(TINY).eval()
    prompts = prompts_for("nut", tuple(f"with a hole of {size} mm" for size in range(5)))

    with torch.inference_mode():
        columns = tower.encode(prompts)
        vectors = tower(tower.tokenise(prompts.anomalous))

    assert len(prompts.anomalous) > 256
    expected = torch.nn.functional.normalize(vectors.mean(dim=0), dim=0)
    torch.testing.assert_close(columns[:, 1], expected)


def test_product_texts_encode_a_product_once() -> None:
    texts = ProductTexts(TextTower(TINY).eval())

    first, again = texts(Recipe(product="metal_nut")), texts(Recipe(product="metal nut"))

    assert first is again


def test_product_texts_of_a_recipe_with_defects_are_others() -> None:
    texts = ProductTexts(TextTower(TINY).eval())

    plain = texts(Recipe(product="nut"))
    more = texts(Recipe(product="nut", defects=("with a missing screw",)))

    torch.testing.assert_close(more[:, 0], plain[:, 0])
    assert (more[:, 1] - plain[:, 1]).abs().max() > 1e-4


def test_product_texts_forget_the_product_that_was_used_longest_ago() -> None:
    texts = ProductTexts(TextTower(TINY).eval(), limit_count=2)
    nut, bolt, ring = (Recipe(product=name) for name in ("nut", "bolt", "ring"))
    first, second = texts(nut), texts(bolt)

    texts(nut)
    texts(ring)

    assert texts(nut) is first
    assert texts(bolt) is not second


def test_product_texts_can_be_trained_on() -> None:
    columns = ProductTexts(TextTower(TINY).eval())(Recipe(product="nut"))
    layer = torch.nn.Linear(2, 1)

    layer(columns).sum().backward()

    assert layer.weight.grad is not None


class Counting(TextTower):
    """A tower that counts what it encodes."""

    encoded_count = 0

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        self.encoded_count += len(tokens)
        return super().forward(tokens)


def test_product_texts_find_in_the_cache_what_another_process_encoded(tmp_path: Path) -> None:
    tower = Counting(TINY).eval()
    recipe = Recipe(product="nut", defects=("with a crack",))
    first = ProductTexts(tower, cache=tmp_path)(recipe)

    found = ProductTexts(tower, cache=tmp_path)(recipe)

    assert torch.equal(found, first)
    assert tower.encoded_count == 245 + 210


def test_product_texts_do_not_find_what_another_tower_encoded(tmp_path: Path) -> None:
    recipe = Recipe(product="nut")
    ProductTexts(Counting(TINY).eval(), cache=tmp_path)(recipe)

    other = Counting(TINY).eval()
    ProductTexts(other, cache=tmp_path)(recipe)

    assert other.encoded_count == 420


def test_product_texts_log_a_recipe_whose_sentences_are_too_long_for_the_tower() -> None:
    texts = ProductTexts(TextTower(TINY).eval())
    long_phrase = "with " + " and ".join(["a crack"] * 20)

    with structlog.testing.capture_logs() as records:
        texts(Recipe(product="nut"))
        texts(Recipe(product="nut", defects=(long_phrase,)))
        texts(Recipe(product="nut", defects=(long_phrase,)))

    (record,) = records
    assert record["event"] == "prompts_cut"
    assert (record["product"], record["sentences"], record["tokens"]) == ("nut", 35, 32)


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


def test_open_clip_config_refuses_a_tower_of_another_kind() -> None:
    with pytest.raises(CheckpointError, match=r"not like CLIP's \(.*tokenizer"):
        open_clip_config("ViT-B-16-SigLIP")
