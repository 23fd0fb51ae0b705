"""Published figures to stand beside one's own, and why the two are not the same measurement."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a publication says a method reaches on a data set."""

    #: Where it is said.
    source: str
    #: Figures in [0, 1]; not every publication gives every figure.
    figures: Mapping[str, float]
    #: What makes them differ from a measurement with this program, in sentences.
    caveats: tuple[str, ...]


_AVA_DINO_SOURCE = "README of the published AVA-DINO code, 15 June 2026"
_AVA_DINO_FIGURES = ("i_auroc", "p_auroc", "p_f1max")
#: I-AUROC, P-AUROC and P-F1max in per cent.
_AVA_DINO: Mapping[str, tuple[float | None, float, float]] = {
    "mvtec-ad": (93.5, 92.1, 50.6),
    "visa": (87.2, 95.9, 29.2),
    "btad": (91.8, 92.2, 27.9),
    "ksdd2": (96.2, 99.3, 72.6),
    "mpdd": (70.1, 94.1, 34.3),
    "mvtec-ad-2": (59.4, 89.5, 17.5),
    "kvasir": (None, 90.6, 66.5),
    "colondb": (None, 82.9, 42.3),
    "clinicdb": (None, 90.7, 57.2),
}
_SELECTED = (
    "Of all epochs, the published code reports the one with the best pixel AUROC on this very "
    "test set; a checkpoint that was chosen without looking at it reaches less."
)
_TRAINED = (
    "Trained on the test split of {auxiliary}, with a DINOv3 ViT-L/16 backbone at 512 px and "
    "CLIP's ViT-L/14 text tower; one run, without an interval."
)
#: Sets whose masks grow in the published loaders.
_GROWN = ("visa", "ksdd2", "mvtec-ad-2", "clinicdb", "kvasir")
_MASKS = "The published loader counts every pixel that its resized mask touches as defective."
_KSDD2 = (
    "The published loader takes every image beside which a mask lies for anomalous; with the "
    "official download that would be all of them."
)

#: Methods for which only averages over several sets are known.
AVERAGES: Mapping[str, str] = {
    "ad-dinov3": (
        "No published figures of AD-DINOv3 for single data sets were found. A third party quotes "
        "P-AUROC 94.2 and P-F1max 44.6 as means over industrial sets, 84.5 and 51.5 over medical "
        "ones."
    )
}


def published(dataset: str, method: str) -> Published | None:
    """Return what is published for a method on a data set, None when nothing is."""
    row = _AVA_DINO.get(dataset) if method == "ava-dino" else None
    if row is None:
        return None
    auxiliary = "MVTec AD" if dataset == "visa" else "VisA"
    caveats = [_SELECTED, _TRAINED.format(auxiliary=auxiliary)]
    caveats += [_MASKS] if dataset in _GROWN else []
    caveats += [_KSDD2] if dataset == "ksdd2" else []
    return Published(
        source=_AVA_DINO_SOURCE,
        figures={
            name: percent / 100
            for name, percent in zip(_AVA_DINO_FIGURES, row, strict=True)
            if percent is not None
        },
        caveats=tuple(caveats),
    )
