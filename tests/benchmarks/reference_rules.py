"""Ways of measuring how far patches are from those of good parts, to compare the chosen one with.

All take tokens after the final LayerNorm, ``(k, taps, N, D)`` of the references and
``(n, taps, N, D)`` of what is judged, and return ``(n, N)``, higher is worse.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

#: Patches that are remembered per tap, where patches are remembered.
REMEMBERED_COUNT = 1000
#: Share of the variance that the subspace of a plain PCA holds.
PCA_SHARE = 0.99
#: Neighbours that a patch may be drawn to, and how much it holds on to its own place.
NEIGHBOURS_COUNT, OWN_WEIGHT = 10, 1.0
_LEAST = 1e-6

Tokens = Callable[[Tensor], Tensor]
#: Fits ``(m, D)`` patches and returns what measures ``(…, D)``.
Fit = Callable[[Tensor], Callable[[Tensor], Tensor]]
Rule = Callable[[Tensor, Tensor], Tensor]


def as_they_are(tokens: Tensor) -> Tensor:
    return tokens


def centred(tokens: Tensor) -> Tensor:
    return tokens - tokens.mean(dim=2, keepdim=True)


def standardised(tokens: Tensor) -> Tensor:
    return centred(tokens) / (tokens.std(dim=2, keepdim=True) + _LEAST)


def with_neighbours(tokens: Tensor) -> Tensor:
    """Return centred tokens, each the mean of the 3 x 3 around it."""
    count, taps, patches, width = tokens.shape
    edge = round(patches**0.5)
    grid = centred(tokens).reshape(-1, edge, edge, width).permute(0, 3, 1, 2)
    mean = functional.avg_pool2d(functional.pad(grid, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return mean.permute(0, 2, 3, 1).reshape(count, taps, patches, width)


def per_tap(fit: Fit, tokens: Tokens, taps: tuple[int, ...] = (0, 1, 2, 3)) -> Rule:
    """Return the rule that takes the mean of the logarithms over the taps."""

    def rule(references: Tensor, judged: Tensor) -> Tensor:
        known, seen = tokens(references), tokens(judged)
        found = [fit(known[:, tap].flatten(0, 1))(seen[:, tap]) for tap in taps]
        return torch.stack(found).clamp_min(_LEAST).log().mean(dim=0)

    return rule


def concatenated(fit: Fit, tokens: Tokens) -> Rule:
    """Return the rule that takes the channels of all taps as one token."""

    def rule(references: Tensor, judged: Tensor) -> Tensor:
        known, seen = (
            tokens(each).transpose(1, 2).flatten(2) for each in (references, judged)
        )  # (…, N, taps * D)
        return fit(known.flatten(0, 1))(seen).clamp_min(_LEAST).log()

    return rule


def pca_residual(patches: Tensor) -> Callable[[Tensor], Tensor]:
    """Squared distance from the subspace that holds most of the variance."""
    mean, values, vectors = _axes(patches)
    kept = int((values.cumsum(0) / values.sum() < PCA_SHARE).sum()) + 1
    inside = vectors[:, : min(kept, len(mean) - 8)]

    def measure(tokens: Tensor) -> Tensor:
        off = tokens - mean
        return off.square().sum(-1) - (off @ inside).square().sum(-1)

    return measure


def subspace(patches: Tensor) -> Callable[[Tensor], Tensor]:
    """Mahalanobis's distance with a third of the directions, and noise in all others."""
    mean, values, vectors = _axes(patches)
    kept = len(mean) // 3
    noise = max(float(values[kept:].mean()), 0.01 * float(values.mean()))
    lengths = (1 / noise - 1 / values[:kept].clamp_min(noise)).clamp_min(0).sqrt()
    inside = vectors[:, :kept] * lengths

    def measure(tokens: Tensor) -> Tensor:
        off = tokens - mean
        return (off.square().sum(-1) / noise - (off @ inside).square().sum(-1)) / len(mean)

    return measure


def nearest_neighbour(patches: Tensor) -> Callable[[Tensor], Tensor]:
    """Cosine distance from the nearest of the patches that are remembered."""
    known = functional.normalize(_some(patches), dim=-1)

    def measure(tokens: Tensor) -> Tensor:
        return 1 - (functional.normalize(tokens, dim=-1) @ known.T).amax(dim=-1)

    return measure


def drawn_to_normal(patches: Tensor) -> Callable[[Tensor], Tensor]:
    """ANoCo: how far a patch moves when similar normal patches draw it to them."""
    known = _some(patches)
    unit, lengths = functional.normalize(known, dim=-1), known.norm(dim=-1)
    own = OWN_WEIGHT * lengths.mean()

    def one(tokens: Tensor) -> Tensor:
        likeness, order = (functional.normalize(tokens, dim=-1) @ unit.T).topk(NEIGHBOURS_COUNT)
        near = unit[order]  # (N, neighbours, D)
        agree = (near @ near[:, 0, :, None])[..., 0] > likeness[:, :1]
        length = tokens.norm(dim=-1)[:, None]
        weight = likeness * 2 * length * lengths[order] / (length + lengths[order])
        weight = weight * agree.cumprod(dim=1)
        drawn = own * tokens + (weight[..., None] * known[order]).sum(dim=1)
        drawn = drawn / (own + weight.sum(dim=1, keepdim=True))
        away = 1 - functional.cosine_similarity(drawn, tokens, dim=-1)
        return (drawn - tokens).square().sum(-1) * away

    return lambda tokens: torch.stack([one(each) for each in tokens])


RULES: dict[str, Rule] = {
    "subspace, centred tokens": per_tap(subspace, centred),
    "subspace, tokens as they are": per_tap(subspace, as_they_are),
    "subspace, standardised tokens": per_tap(subspace, standardised),
    "subspace, mean of 3 x 3 first": per_tap(subspace, with_neighbours),
    "subspace, third tap alone": per_tap(subspace, centred, taps=(2,)),
    "subspace, last tap alone": per_tap(subspace, centred, taps=(3,)),
    "subspace, taps concatenated": concatenated(subspace, centred),
    "PCA residual, centred tokens": per_tap(pca_residual, centred),
    "PCA residual, tokens as they are": per_tap(pca_residual, as_they_are),
    "nearest of 1,000 patches": per_tap(nearest_neighbour, as_they_are),
    "nearest of 1,000 patches, last tap alone": per_tap(nearest_neighbour, as_they_are, taps=(3,)),
    "ANoCo on 1,000 patches": per_tap(drawn_to_normal, as_they_are),
}


def _axes(patches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean, variances and directions, the widest first."""
    mean = patches.mean(dim=0)
    off = (patches - mean).double()
    values, vectors = torch.linalg.eigh(off.T @ off / len(off))
    return mean, values.flip(0).clamp_min(0).float(), vectors.flip(1).float()


def _some(patches: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return patches[torch.randperm(len(patches), generator=generator)[:REMEMBERED_COUNT]]
