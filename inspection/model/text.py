"""The text tower: sentences about a product become two directions, normal and anomalous."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import open_clip
import torch
from open_clip.transformer import QuickGELU, TextTransformer
from torch import Tensor, nn
from torch.nn import functional

from inspection.errors import CheckpointError
from inspection.model.prompts import Prompts, prompts_for

#: Products whose embedding is kept in memory; one takes a few KB.
CACHED_PRODUCTS_COUNT = 1024


@dataclass(frozen=True, kw_only=True)
class TextTowerConfig:
    """The size of a text tower."""

    #: Channels inside the tower.
    width: int
    #: Attention heads; divides `width`.
    heads: int
    #: Transformer blocks.
    layers: int
    #: Tokens of a sentence, start and end included; longer sentences are cut.
    context_length: int
    #: Channels of the answer.
    output_width: int
    #: Entries of the vocabulary; CLIP's byte-pair vocabulary has 49,408.
    vocabulary_count: int = 49408
    #: True when the weights were trained with CLIP's approximation of GELU.
    quick_gelu: bool = False


def open_clip_config(model_name: str) -> TextTowerConfig:
    """Return the text tower's size of a model that open_clip knows, for example `ViT-L-14-336`.

    Raises:
        CheckpointError: open_clip knows no such model.
    """
    config = open_clip.get_model_config(model_name)
    if config is None:
        raise CheckpointError(
            f"open_clip knows no model {model_name!r}; take a name from open_clip.list_models()"
        )
    text: dict[str, Any] = config["text_cfg"]
    return TextTowerConfig(
        width=text["width"],
        heads=text["heads"],
        layers=text["layers"],
        context_length=text.get("context_length", 77),
        output_width=config["embed_dim"],
        vocabulary_count=text.get("vocab_size", 49408),
        quick_gelu=bool(config.get("quick_gelu", False)),
    )


class TextTower(nn.Module):
    """CLIP's text transformer of any size."""

    def __init__(self, config: TextTowerConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = TextTransformer(
            context_length=config.context_length,
            vocab_size=config.vocabulary_count,
            width=config.width,
            heads=config.heads,
            layers=config.layers,
            output_dim=config.output_width,
            act_layer=QuickGELU if config.quick_gelu else nn.GELU,
        )

    @staticmethod
    def tokens_of(sentences: tuple[str, ...], context_length: int) -> Tensor:
        """Return ``(n, context_length)`` int64 ids from CLIP's vocabulary."""
        return cast("Tensor", _tokeniser()(list(sentences), context_length))

    def tokenise(self, sentences: tuple[str, ...]) -> Tensor:
        """Return ``(n, context_length)`` int64 token ids."""
        return self.tokens_of(sentences, self.config.context_length)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return ``(n, output_width)`` unit vectors for ``(n, context_length)`` token ids."""
        return functional.normalize(self.transformer(tokens).float(), dim=-1)

    def encode(self, prompts: Prompts) -> Tensor:
        """Return ``(output_width, 2)`` unit columns: the normal and the anomalous mean."""
        columns = []
        for sentences in (prompts.normal, prompts.anomalous):
            tokens = self.tokenise(sentences).to(self.transformer.token_embedding.weight.device)
            columns.append(functional.normalize(self(tokens).mean(dim=0), dim=0))
        return torch.stack(columns, dim=1)


class ProductTexts:
    """The text embeddings of the products met so far, each computed once."""

    def __init__(self, tower: TextTower, *, limit_count: int = CACHED_PRODUCTS_COUNT) -> None:
        self._tower = tower
        self._limit_count = limit_count
        self._columns: OrderedDict[str, Tensor] = OrderedDict()

    def __call__(self, product: str) -> Tensor:
        """Return ``(output_width, 2)`` unit columns, normal and anomalous, for a product's name."""
        words = in_words(product)
        columns = self._columns.pop(words, None)
        if columns is None:
            with torch.inference_mode():
                columns = self._tower.encode(prompts_for(words))
        self._columns[words] = columns  # now the newest
        if len(self._columns) > self._limit_count:
            self._columns.popitem(last=False)
        return columns


def in_words(product: str) -> str:
    """Return a product's name as plain words: `metal_nut-M8` becomes `metal nut M8`."""
    return " ".join(product.replace("_", " ").replace("-", " ").split()) or "object"


@lru_cache(maxsize=1)
def _tokeniser() -> open_clip.SimpleTokenizer:
    return open_clip.SimpleTokenizer()
