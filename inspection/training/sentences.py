"""Sentences of a training step: a few drawn for each product stand for its whole ensemble."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inspection.model.prompts import prompts_for
from inspection.model.text import TextTower
from inspection.training.surfaces.imperfection import IMPERFECTIONS
from inspection.training.surfaces.pair import KINDS

#: Anomalous states in the published ensemble; a named defect is one more.
_STATES_COUNT = 5


class Sentences:
    """Draws sentences and encodes them, each name and each kind of damage once."""

    def __init__(self, tower: TextTower, count: int, rng: np.random.Generator) -> None:
        self._tower = tower
        self._count = count
        self._rng = rng

    def columns(self, names: Sequence[str], kinds: Sequence[int] | None = None) -> Tensor:
        """Return ``(B, D, 2)`` unit text columns, normal and anomalous.

        With `kinds`, each picture's words name a defect: the place of its kind in `KINDS`. The
        named state weighs as much as each of the others, as in the ensemble that is used later.
        """
        wanted = [(name, None if kinds is None else kinds[i]) for i, name in enumerate(names)]
        unique = sorted(set(wanted), key=str)
        sentences: list[str] = []
        for name, kind in unique:
            sentences += self._of(name, kind)
        each = self._count * (2 if kinds is None else 3)
        vectors = self._tower(self._tower.tokenise(tuple(sentences))).view(len(unique), each, -1)
        parts = vectors.split(self._count, dim=1)
        normal, anomalous = parts[0].mean(dim=1), parts[1].mean(dim=1)
        if kinds is not None:
            anomalous = (_STATES_COUNT * anomalous + parts[2].mean(dim=1)) / (_STATES_COUNT + 1)
        columns = functional.normalize(torch.stack([normal, anomalous], dim=-1), dim=1)
        return columns[torch.tensor([unique.index(one) for one in wanted])]

    def _of(self, name: str, kind: int | None) -> list[str]:
        prompts = prompts_for(name)
        drawn = self._draw(prompts.normal) + self._draw(prompts.anomalous)
        if kind is not None:
            phrases = IMPERFECTIONS[KINDS[kind]].phrases
            phrase = phrases[self._rng.integers(len(phrases))]
            named = prompts_for(name, (phrase,)).anomalous[len(prompts.anomalous) :]
            drawn += self._draw(named)
        return drawn

    def _draw(self, sentences: tuple[str, ...]) -> list[str]:
        return [sentences[i] for i in self._rng.choice(len(sentences), self._count, replace=False)]
