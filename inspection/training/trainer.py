"""Joint training of backbone, text tower and head from nothing."""

import copy
import math
import os
from concurrent.futures import Future, ThreadPoolExecutor
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
from inspection.training.batch import Batch, draw_batch, named_kinds
from inspection.training.design import Design, make_network
from inspection.training.guidance import (
    ReferenceGuidance,
    patch_guidance,
    patch_truth,
    score_guidance,
    word_guidance,
)
from inspection.training.objective import losses
from inspection.training.schedule import Schedule
from inspection.training.sentences import Sentences
from inspection.training.synthesis import Examples

#: A cell is defective when this share of it is.
_DEFECTIVE_SHARE = 0.2


class Trainer:
    """A network under training, its optimisers and its place in the schedule."""

    def __init__(
        self,
        design: Design,
        schedule: Schedule,
        *,
        is_compiled: bool = False,
    ) -> None:
        torch.manual_seed(schedule.seed)
        self.design = design
        self.schedule = schedule
        self.network = make_network(design).train()
        self.averaged = copy.deepcopy(self.network).eval()
        self.comparison = ReferenceGuidance(len(design.tap_blocks))
        self.optimisers = _optimisers(self.network, self.comparison, schedule)
        self.steps_count = 0
        self._drawing = ThreadPoolExecutor(1, thread_name_prefix="draw")
        self._ahead: dict[int, Future[Batch]] = {}
        tokens = self.network.backbone.raw_tokens
        self._tokens: Any = torch.compile(tokens, dynamic=False) if is_compiled else tokens

    def start_from(self, network: Network) -> None:
        """Begin with the weights of a network of the same design."""
        self.network.load_state_dict(network.state_dict())
        self.averaged.load_state_dict(network.state_dict())

    @property
    def progress(self) -> float:
        """Share of the schedule that is done, 0 to 1."""
        return min(self.steps_count / self.schedule.steps_count, 1.0)

    def step(self, examples: Examples) -> dict[str, float]:
        """Learn from one batch; what is in it depends on the seed and the step's number alone."""
        self._set_rates()
        rng = np.random.default_rng((self.schedule.seed, self.steps_count, 1))
        batch = self._batch(examples)
        pictures = normalise(batch.pictures, self.network.backbone.normalisation)
        taps, tokens = self._look(pictures)
        terms = self._terms(batch, taps, tokens, rng)
        total = torch.stack(list(terms.values())).sum()
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self._average()
        self.steps_count += 1
        return {name: float(term.detach()) for name, term in terms.items()}

    def save(self, path: Path) -> None:
        """Write the whole state; a reader never sees half of it."""
        state = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "comparison": self.comparison.state_dict(),
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
        self.comparison.load_state_dict(state["comparison"])
        self.steps_count = state["steps_count"]

    def _batch(self, examples: Examples) -> Batch:
        """Return this step's batch; the next one is drawn meanwhile, beside the computing."""
        step = self.steps_count
        waiting = self._ahead.pop(step, None) or self._drawing.submit(self._draw, examples, step)
        if step + 1 < self.schedule.steps_count:
            self._ahead[step + 1] = self._drawing.submit(self._draw, examples, step + 1)
        return waiting.result()

    def _draw(self, examples: Examples, step: int) -> Batch:
        rng = np.random.default_rng((self.schedule.seed, step, 0))
        return draw_batch(examples, self.schedule, step, rng)

    def _set_rates(self) -> None:
        factor = self.schedule.rate_factor(self.steps_count)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * factor

    def _look(self, pictures: Tensor) -> tuple[list[Tap], list[Tensor]]:
        """Return the taps as heads take them, and their patches as they are, ``(B, N, D)``."""
        with torch.autocast("cpu", torch.bfloat16):
            answered = self._tokens(pictures)
        first = 1 + self.design.backbone.get("num_register_tokens", 0)
        tokens = [each[:, first:].float() for each in answered]
        taps = [
            Tap(cls=each[:, 0].float(), patches=standardise(patches))
            for each, patches in zip(answered, tokens, strict=True)
        ]
        return taps, tokens

    def _terms(
        self, batch: Batch, taps: list[Tap], tokens: list[Tensor], rng: np.random.Generator
    ) -> dict[str, Tensor]:
        schedule, step = self.schedule, self.steps_count
        edge = math.isqrt(tokens[0].shape[1])
        cells = batch.masks.shape[-1] // schedule.map_cell_px
        masks = coarse_masks(batch.masks > 0, cells)
        # A crop may have lost the defect.
        labels = (masks.flatten(1).amax(dim=1) > 0).long()
        truth = patch_truth(masks, (edge, edge))
        sentences = Sentences(self.network.text, schedule.sentences_count, rng)
        general = self._answer(taps, sentences.columns(batch.names))
        terms = {
            "ava": losses(general, masks, labels, (edge, edge)).total,
            "patch": schedule.patch_guidance * patch_guidance(general, truth),
            "score": schedule.score_guidance * score_guidance(general, labels),
            "reference": schedule.reference_guidance * self.comparison(tokens, truth),
        }
        if schedule.teaches_words(step):
            kinds = named_kinds(batch.masks, rng)
            named = self._answer(taps, sentences.columns(batch.names, kinds))
            shown = batch.masks == (1 + np.asarray(kinds))[:, None, None]
            is_named = patch_truth(coarse_masks(shown, cells), (edge, edge)).target
            terms["words"] = schedule.word_guidance * word_guidance(general, named, is_named)
        return terms

    def _answer(self, taps: list[Tap], text: Tensor) -> HeadAnswer:
        with torch.autocast("cpu", torch.bfloat16):
            answer: HeadAnswer = self.network.head(taps, text)
        return answer

    def _average(self) -> None:
        """Let the averaged weights follow; early on they follow faster."""
        keep = min(self.schedule.averaging, self.steps_count / (self.steps_count + 10))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.averaged.parameters()), list(self.network.parameters()), 1 - keep
            )


def coarse_masks(masks: NDArray[np.bool_], size_px: int) -> Tensor:
    """Return ``(B, size, size)`` masks that are 1 where a fifth or more of a cell is defective."""
    covered = functional.adaptive_avg_pool2d(torch.from_numpy(masks)[:, None].float(), size_px)
    return (covered[:, 0] >= _DEFECTIVE_SHARE).float()


def _optimisers(
    network: Network, comparison: ReferenceGuidance, schedule: Schedule
) -> list[torch.optim.Optimizer]:
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
            {"params": [*plain, *comparison.parameters()], "peak": rate, "weight_decay": 0.0},
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
