"""Joint training of backbone, text tower and head from nothing, against the clock."""

import copy
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from inspection.model.backbone import Tap, standardise
from inspection.model.checkpoint import Network
from inspection.model.head import HeadAnswer
from inspection.model.preprocessing import normalise
from inspection.model.prompts import prompts_for
from inspection.training.augmentation import augment
from inspection.training.design import Design, make_network
from inspection.training.objective import losses, patch_guidance, score_guidance
from inspection.training.synthesis import Examples, words_for


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast to learn."""

    #: Seconds of training, evaluation and rendering not counted.
    duration_s: float
    #: Pictures in a step, half of them defective.
    batch_count: int = 16
    #: Peak learning rate of the backbone's matrices (Muon).
    matrix_rate: float = 2e-3
    #: Peak learning rate of everything else (AdamW).
    other_rate: float = 1e-3
    weight_decay: float = 0.05
    #: Share of the duration in which the rate rises.
    warm_up_share: float = 0.04
    #: Weight of the past in the averaged weights.
    averaging: float = 0.995
    #: Sentences of each state that stand for the ensemble in a step.
    sentences_count: int = 6
    #: Share of pictures whose product gets a stand-in name.
    stand_in_share: float = 0.3
    #: Pixels of a cell of the maps on which the losses are computed.
    map_cell_px: int = 4
    #: In this first share of the schedule only a window around a place of the defect is shown,
    #: which costs less and shows more of the defect.
    window_share: float = 0.5
    #: Edge of that window.
    window_px: int = 128
    #: Share of the per-patch and score terms beside AVA-DINO's own losses.
    patch_guidance: float = 0.5
    score_guidance: float = 0.25
    seed: int = 0


class Trainer:
    """A network under training, its optimisers and its place in the schedule."""

    def __init__(
        self,
        design: Design,
        schedule: Schedule,
        *,
        is_compiled: bool = False,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        torch.manual_seed(schedule.seed)
        self.design = design
        self.schedule = schedule
        self.network = make_network(design).train()
        self.averaged = copy.deepcopy(self.network).eval()
        self.optimisers = _optimisers(self.network, schedule)
        self.elapsed_s = 0.0
        self.steps_count = 0
        self._clock_s = clock_s
        tokens = self.network.backbone.raw_tokens
        self._tokens: Any = torch.compile(tokens, dynamic=False) if is_compiled else tokens

    @property
    def progress(self) -> float:
        """Share of the schedule that is done, 0 to 1."""
        return min(self.elapsed_s / self.schedule.duration_s, 1.0)

    def step(self, examples: Examples) -> dict[str, float]:
        """Learn from one batch; the batch depends on the seed and the step's number alone."""
        started = self._clock_s()
        self._set_rates()
        rng = np.random.default_rng((self.schedule.seed, self.steps_count))
        pictures, masks, labels, products = self._draw(examples, rng)
        names = [
            words_for(product, rng, stand_in_share=self.schedule.stand_in_share)
            for product in products
        ]
        answer = self._answer(pictures, self._text(names, rng))
        terms = self._terms(answer, masks, labels)
        total = torch.stack(list(terms.values())).sum()
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self._average()
        self.steps_count += 1
        self.elapsed_s += self._clock_s() - started
        return {name: float(term.detach()) for name, term in terms.items()}

    def save(self, path: Path) -> None:
        """Write the whole state; a reader never sees half of it."""
        state = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "elapsed_s": self.elapsed_s,
            "steps_count": self.steps_count,
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, path)  # noqa: PTH105 - the name says what it does on every system

    def restore(self, path: Path) -> None:
        """Go on from a state that `save` wrote."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.elapsed_s = state["elapsed_s"]
        self.steps_count = state["steps_count"]

    def _set_rates(self) -> None:
        done = self.progress
        rise = self.schedule.warm_up_share
        if done < rise:
            factor = (done + 1e-3) / (rise + 1e-3)
        else:
            factor = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (done - rise) / (1 - rise)))
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * factor

    def _draw(
        self, examples: Examples, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor, list[str]]:
        """Return pairs: each part once good and once defective, changed independently."""
        pairs = rng.choice(
            len(examples.pictures) // 2, self.schedule.batch_count // 2, replace=False
        )
        rows = np.stack([2 * pairs, 2 * pairs + 1], axis=1).ravel()
        changed = []
        for pair in pairs:
            good, defective = 2 * pair, 2 * pair + 1
            shown = self._window(examples.masks[defective], rng)
            changed += [
                augment(examples.pictures[row][shown], examples.masks[row][shown], rng)
                for row in (good, defective)
            ]
        pictures = normalise(
            np.stack([picture for picture, _ in changed]), self.network.backbone.normalisation
        )
        masks = coarse_masks(
            np.stack([mask for _, mask in changed]), pictures.shape[-1] // self.schedule.map_cell_px
        )
        # A crop may have lost the defect.
        labels = (masks.flatten(1).amax(dim=1) > 0).long()
        return pictures, masks, labels, [examples.products[row] for row in rows]

    def _window(self, mask: NDArray[np.uint8], rng: np.random.Generator) -> tuple[slice, slice]:
        """Return the rows and columns to show: everything, or a window with some of the defect."""
        size_px, edge = mask.shape[0], self.schedule.window_px
        places = np.argwhere(mask)
        if self.progress >= self.schedule.window_share:
            return slice(None), slice(None)
        place = places[rng.integers(len(places))] if len(places) else rng.integers(size_px, size=2)
        start = np.clip(place - rng.integers(edge, size=2), 0, size_px - edge)
        return slice(start[0], start[0] + edge), slice(start[1], start[1] + edge)

    def _text(self, names: list[str], rng: np.random.Generator) -> Tensor:
        """Return ``(B, D, 2)`` text columns, each the mean of a few sentences drawn anew."""
        unique = sorted(set(names))
        count = self.schedule.sentences_count
        sentences: list[str] = []
        for name in unique:
            prompts = prompts_for(name)
            for ensemble in (prompts.normal, prompts.anomalous):
                drawn = rng.choice(len(ensemble), count, replace=False)
                sentences += [ensemble[index] for index in drawn]
        vectors = self.network.text(self.network.text.tokenise(tuple(sentences)))
        means = vectors.view(len(unique), 2, count, -1).mean(dim=2)
        columns = functional.normalize(means, dim=-1).transpose(1, 2)  # (unique, D, 2)
        return columns[torch.tensor([unique.index(name) for name in names])]

    def _answer(self, pictures: Tensor, text: Tensor) -> HeadAnswer:
        with torch.autocast("cpu", torch.bfloat16):
            tokens = self._tokens(pictures)
        first = 1 + self.design.backbone.get("num_register_tokens", 0)
        taps = [
            Tap(cls=each[:, 0].float(), patches=standardise(each[:, first:].float()))
            for each in tokens
        ]
        answer: HeadAnswer = self.network.head(taps, text)
        return answer

    def _terms(self, answer: HeadAnswer, masks: Tensor, labels: Tensor) -> dict[str, Tensor]:
        edge = math.isqrt(answer.patch_logits.shape[2])
        return {
            "ava": losses(answer, masks, labels, (edge, edge)).total,
            "patch": self.schedule.patch_guidance * patch_guidance(answer, masks, (edge, edge)),
            "score": self.schedule.score_guidance * score_guidance(answer, labels),
        }

    def _average(self) -> None:
        """Let the averaged weights follow; early on they follow faster."""
        keep = min(self.schedule.averaging, self.steps_count / (self.steps_count + 10))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.averaged.parameters()), list(self.network.parameters()), 1 - keep
            )


def coarse_masks(masks: NDArray[np.uint8], size_px: int) -> Tensor:
    """Return ``(B, size, size)`` masks that are 1 where a fifth or more of a cell is defective."""
    covered = functional.adaptive_avg_pool2d(torch.from_numpy(masks)[:, None].float(), size_px)
    return (covered[:, 0] >= 0.2).float()  # noqa: PLR2004


def _optimisers(network: Network, schedule: Schedule) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices inside the backbone's blocks and AdamW for the rest."""
    matrices, others, plain = [], [], []
    for name, parameter in network.named_parameters():
        if parameter.ndim == 2 and name.startswith("backbone.vit.model.layer"):  # noqa: PLR2004
            matrices.append(parameter)
        elif parameter.ndim <= 1 or "token" in name.rsplit(".", 1)[-1]:
            plain.append(parameter)
        else:
            others.append(parameter)
    rate, decay = schedule.other_rate, schedule.weight_decay
    muon = torch.optim.Muon(
        [{"params": matrices, "peak": schedule.matrix_rate}],
        lr=schedule.matrix_rate,
        weight_decay=decay,
        adjust_lr_fn="match_rms_adamw",
    )
    adam = torch.optim.AdamW(
        [
            {"params": others, "peak": rate, "weight_decay": decay},
            {"params": plain, "peak": rate, "weight_decay": 0.0},
        ],
        lr=rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    return [muon, adam]


def start_from_principal_patches(network: Network, pictures: Tensor, *, seed: int) -> None:
    """Let the patch embedding start from the whitened principal components of real patches.

    ``pictures`` is ``(n, 3, H, W)``, normalised.
    """
    convolution = network.backbone.vit.embeddings.patch_embeddings
    edge = network.backbone.patch_size_px
    patches = functional.unfold(pictures, edge, stride=edge).transpose(1, 2).flatten(0, 1)
    generator = torch.Generator().manual_seed(seed)
    chosen = patches[torch.randperm(len(patches), generator=generator)[:20_000]]
    chosen = chosen - chosen.mean(dim=0)
    values, vectors = torch.linalg.eigh(chosen.T @ chosen / len(chosen))
    width = convolution.weight.shape[0]
    values, vectors = values[-width:].clamp_min(0), vectors[:, -width:]
    floor = values[width // 2]
    filters = (vectors / (values + floor).sqrt()).T
    with torch.no_grad():
        convolution.weight.copy_(filters.reshape(convolution.weight.shape))
