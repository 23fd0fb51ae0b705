import copy

import pytest
import torch
from torch import nn

from inspection.model.backbone import Backbone
from inspection.model.fingerprint import fingerprint
from inspection.model.text import TextTower, TextTowerConfig

CONFIG = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "num_register_tokens": 4,
}


@pytest.fixture
def backbone() -> Backbone:
    torch.manual_seed(2)
    return Backbone(CONFIG)


def test_fingerprint_is_the_same_for_the_same_weights(backbone: Backbone) -> None:
    first = fingerprint(backbone)

    assert fingerprint(copy.deepcopy(backbone)) == first
    assert len(first) == 64


def test_fingerprint_changes_with_a_single_weight(backbone: Backbone) -> None:
    before = fingerprint(backbone)

    with torch.no_grad():
        backbone.vit.norm.bias[3] += 1e-3

    assert fingerprint(backbone) != before


def test_fingerprint_does_not_cover_what_only_training_uses(backbone: Backbone) -> None:
    before = fingerprint(backbone)

    with torch.no_grad():
        backbone.vit.embeddings.mask_token += 1

    assert fingerprint(backbone) == before


def test_fingerprint_takes_a_bias_of_zeros_and_none_for_the_same() -> None:
    torch.manual_seed(2)
    with_bias = nn.Sequential(nn.Linear(3, 2))
    without = nn.Sequential(nn.Linear(3, 2, bias=False))
    without.load_state_dict({"0.weight": with_bias[0].weight})

    with torch.no_grad():
        with_bias[0].bias.zero_()

    assert fingerprint(with_bias) == fingerprint(without)


def test_fingerprint_tells_towers_apart_that_compute_another_gelu() -> None:
    sizes = {"width": 16, "heads": 2, "layers": 1, "context_length": 32, "output_width": 24}
    plain = TextTower(TextTowerConfig(**sizes))
    quick = TextTower(TextTowerConfig(**sizes, quick_gelu=True))
    quick.load_state_dict(plain.state_dict())

    assert fingerprint(plain) != fingerprint(quick)
