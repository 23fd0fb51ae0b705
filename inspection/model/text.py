"""The text tower: sentences about a product become two directions, normal and anomalous."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import open_clip
import torch
from open_clip.transformer import QuickGELU, TextTransformer
from torch import Tensor, nn
from torch.nn import functional

from inspection import telemetry
from inspection.domain.recipe import GENERAL_PRODUCT, Recipe
from inspection.errors import CheckpointError
from inspection.model.embedding_file import EmbeddingFiles
from inspection.model.fingerprint import fingerprint
from inspection.model.prompts import Prompts, prompts_for

#: Recipes whose embedding is kept in memory; one takes a few KB.
CACHED_RECIPES_COUNT = 1024
#: Sentences that are encoded at a time; more than the published ensemble has of either kind.
_BATCH_COUNT = 256
#: What CLIP's text tower is described by; any other field makes another kind of tower.
_TEXT_FIELDS = frozenset({"context_length", "vocab_size", "width", "heads", "layers"})


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
        CheckpointError: open_clip knows no such model, or its text tower is of another kind.
    """
    config = open_clip.get_model_config(model_name)
    if config is None:
        raise CheckpointError(
            f"open_clip knows no model {model_name!r}; take a name from open_clip.list_models()"
        )
    text: dict[str, Any] = config["text_cfg"]
    foreign = sorted(text.keys() - _TEXT_FIELDS)
    if foreign:
        raise CheckpointError(
            f"the text tower of {model_name!r} is not like CLIP's ({', '.join(foreign)}); "
            "take another model, for example ViT-L-14-336-quickgelu"
        )
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

    @property
    def constants(self) -> dict[str, float | int | str | bool]:
        """What decides its answers beside its tensors and their shapes."""
        return {"heads": self.config.heads, "quick_gelu": self.config.quick_gelu}

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
            tokens = self.tokenise(sentences).to(self.device)
            starts = range(0, len(tokens), _BATCH_COUNT)
            vectors = torch.cat([self(tokens[start : start + _BATCH_COUNT]) for start in starts])
            columns.append(functional.normalize(vectors.mean(dim=0), dim=0))
        return torch.stack(columns, dim=1)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return cast("torch.device", self.transformer.token_embedding.weight.device)

    def cut(self, prompts: Prompts) -> int:
        """Return how many sentences are longer than the tower reads, so that their end is lost."""
        tokens = self.tokens_of(prompts.normal + prompts.anomalous, self.config.context_length + 1)
        return int((tokens[:, -1] != 0).sum())


class ProductTexts:
    """The text embeddings of the recipes met so far, each computed once.

    With a `cache` folder they are also kept there, for later processes and other machines with
    the same text tower. Sentences that are too long for the tower lose their end, as everywhere
    with CLIP; a recipe that has such is logged as `prompts_cut`.
    """

    def __init__(
        self,
        tower: TextTower,
        *,
        cache: Path | None = None,
        limit_count: int = CACHED_RECIPES_COUNT,
    ) -> None:
        self._tower = tower
        self._files = (
            None if cache is None else EmbeddingFiles(cache / "prompts", tower=fingerprint(tower))
        )
        self._limit_count = limit_count
        self._columns: OrderedDict[Recipe, Tensor] = OrderedDict()

    def __call__(self, recipe: Recipe) -> Tensor:
        """Return ``(output_width, 2)`` unit columns, normal and anomalous, for a recipe."""
        named = Recipe(product=in_words(recipe.product), defects=recipe.defects)
        columns = self._columns.pop(named, None)
        if columns is None:
            columns = self._found_or_encoded(named)
        self._columns[named] = columns  # now the newest
        if len(self._columns) > self._limit_count:
            self._columns.popitem(last=False)
        return columns

    def _found_or_encoded(self, recipe: Recipe) -> Tensor:
        prompts = prompts_for(recipe.product, recipe.defects)
        shape = (self._tower.config.output_width, 2)
        found = None if self._files is None else self._files.find(prompts, shape)
        if found is not None:
            return found.to(self._tower.device)
        cut_count = self._tower.cut(prompts)
        if cut_count:
            telemetry.logger().warning(
                "prompts_cut",
                product=recipe.product,
                defects=recipe.defects,
                sentences=cut_count,
                tokens=self._tower.config.context_length,
            )
        with torch.no_grad():  # not in inference mode: a head is trained on these
            columns = self._tower.encode(prompts)
        if self._files is not None:
            self._files.keep(prompts, columns)
        return columns


def in_words(product: str) -> str:
    """Return a product's name as plain words: `metal_nut-M8` becomes `metal nut M8`."""
    return " ".join(product.replace("_", " ").replace("-", " ").split()) or GENERAL_PRODUCT


@lru_cache(maxsize=1)
def _tokeniser() -> open_clip.SimpleTokenizer:
    return open_clip.SimpleTokenizer()
