"""A detector small enough to be made by every test that needs one."""

from inspection.model.ava_dino import AvaDinoConfig
from inspection.model.checkpoint import CheckpointConfig
from inspection.model.text import TextTowerConfig

#: Seen on 64 px, in 16 patches, by four blocks of width 32.
TINY = CheckpointConfig(
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
