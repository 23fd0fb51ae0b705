"""A detector small enough to be made by every test that needs one."""

from pathlib import Path

import torch

from inspection.model.ava_dino import AvaDinoConfig
from inspection.model.checkpoint import Network
from inspection.model.text import TextTowerConfig
from inspection.training.design import Design, make_network, save_network

#: Seen on 64 px, in 16 patches, by four blocks of width 32.
TINY = Design(
    name="tiny",
    image_size_px=64,
    backbone={
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "num_register_tokens": 4,
        "patch_size": 16,
        "image_size": 64,
        "pos_embed_rescale": None,
    },
    tap_blocks=(0, 1, 2, 3),
    text=TextTowerConfig(width=16, heads=2, layers=1, context_length=32, output_width=24),
    head=AvaDinoConfig(token_width=32, adapter_width=16, text_width=24),
)


def tiny_network(seed: int = 7) -> Network:
    torch.manual_seed(seed)
    return make_network(TINY).eval()


def save_tiny(folder: Path, seed: int = 7) -> Path:
    """Write the checkpoint of a tiny detector with random weights."""
    save_network(folder, TINY, tiny_network(seed), card="# tiny\n")
    return folder
