"""Parity with published code: ``python -m inspection.training.parity FOLDER``.

The folder holds what the published codes of AD-DINOv3 and AVA-DINO, Meta's DINOv3 and the field's
standard metrics answered on seeded inputs; seed, batch size and labels are read from its
`manifest.json`. Every number is compared with this project's own, and every largest error is
printed beside its tolerance. The exit code is 0 when all of them are within it, 1 when one is not,
and 2 when the folder cannot be read.
"""

import argparse
import hashlib
import json
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional

from inspection.errors import InspectionError
from inspection.model.backbone import IMAGENET, Tap, standardise
from inspection.model.head import HeadAnswer, draw_map, from_published_weights
from inspection.model.methods import PUBLISHED, Head, make_head, read_head_config
from inspection.model.picture import decode
from inspection.model.preprocessing import prepared
from inspection.model.pretrained.backbone import open_backbone
from inspection.model.prompts import prompts_for
from inspection.model.text import TextTower, open_clip_config
from inspection.training.bootstrap import image_figures
from inspection.training.objective import Losses, losses
from inspection.training.pixels import pixel_figures

_TOKEN_WIDTH, _TEXT_WIDTH, _TAPS_COUNT, _GRID, _SIZE_PX = 1024, 768, 4, 32, 512
_WEIGHTS_SCALE, _DEFECT_SCALE = 0.03, 1.5
_CLIP = "ViT-L-14-336"
#: What is raised by files that are missing, damaged, or hold other things than they should.
_NOT_OF_THE_FORMAT = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    RuntimeError,
    BadZipFile,
    InspectionError,
)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One number, or many, beside what is expected of them."""

    #: File and name of what is compared.
    name: str
    #: Largest error: absolute, or relative to the expected value.
    error: float
    tolerance: float
    is_relative: bool = False

    @property
    def has_passed(self) -> bool:
        """Whether the error is within the tolerance; one that is not a number is not."""
        return self.error <= self.tolerance


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """The seeded inputs of a folder."""

    seed: int
    #: Images of a batch.
    batch_count: int
    #: ``(batch,)`` int64, 1 for anomalous.
    labels: Tensor

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a folder's manifest."""
        manifest = _json(folder / "manifest.json")
        return cls(
            seed=manifest["seed"],
            batch_count=manifest["batch_size"],
            labels=torch.tensor(manifest["labels"]),
        )

    def tensor(self, name: str, shape: tuple[int, ...], scale: float = 1.0) -> Tensor:
        """Return the tensor of a name: normally distributed, float32."""
        rng = np.random.default_rng([zlib.crc32(name.encode()), self.seed])
        return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32) * np.float32(scale))


def main(arguments: list[str] | None = None) -> int:
    """Compare a folder, print a table, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m inspection.training.parity")
    parser.add_argument("folder", type=Path, help="reference numbers of the published codes")
    folder: Path = parser.parse_args(arguments).folder
    table = Table("compared", "largest error", "tolerance", "")
    has_passed = True
    try:
        for each in compare(folder):
            kind = " relative" if each.is_relative else ""
            word = "pass" if each.has_passed else "FAIL"
            table.add_row(each.name, f"{each.error:.3g}{kind}", f"{each.tolerance:g}", word)
            has_passed = has_passed and each.has_passed
    except _NOT_OF_THE_FORMAT as error:
        sys.stderr.write(f"{folder} cannot be compared: {error}\n")
        return 2
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    return 0 if has_passed else 1


def compare(folder: Path) -> Iterator[Comparison]:
    """Compare everything in a folder, file by file.

    Raises:
        OSError: a file is missing.
        ValueError, KeyError: a file is not of the format.
        InspectionError: the backbone's weights cannot be used.
    """
    seeds = Seeds.read(folder)
    yield from _backbone(folder)
    for method in PUBLISHED:
        yield from _head(folder, method, seeds)
    yield from _prompts(folder)
    yield from _preprocessing(folder)
    yield from _metrics(folder)


def _backbone(folder: Path) -> Iterator[Comparison]:
    file = "dinov3-tiny.npz"
    expected = np.load(folder / file)
    blocks = tuple(sorted(int(name[4:]) for name in expected if name.startswith("cls.")))
    weights = folder.absolute() / "dinov3-tiny-meta-format.pth"
    backbone = open_backbone(str(weights), folder=folder, tap_blocks=blocks)
    with torch.inference_mode():
        tapped = backbone.raw_tokens(torch.from_numpy(expected["image"]))
    first = tapped[0].shape[1] - expected[f"patches.{blocks[0]}"].shape[1]
    for tokens, block in zip(tapped, blocks, strict=True):
        for name, found in (("cls", tokens[:, 0]), ("patches", tokens[:, first:])):
            yield _absolute(f"{file} {name}.{block}", found, expected[f"{name}.{block}"], 1e-5)


def _head(folder: Path, method: str, seeds: Seeds) -> Iterator[Comparison]:
    file = f"{method}.npz"
    expected = np.load(folder / file)
    found = answers(method, _json(folder / f"{method}.weights.json"), seeds)
    for name, wanted in expected.items():
        compare_values = _relative if name.startswith("loss_") else _absolute
        yield compare_values(f"{file} {name}", found[name], wanted, 1e-4)


def answers(method: str, shapes: Mapping[str, list[int]], seeds: Seeds) -> dict[str, Tensor]:
    """Return everything a method's published head is compared by, by its name in the file.

    `shapes` are those of the published weights.
    """
    head = _published_head(method, shapes, seeds)
    taps = _taps(seeds)
    text = functional.normalize(
        seeds.tensor("text.embedding", (seeds.batch_count, _TEXT_WIDTH, 2)), dim=1
    )
    optimiser = torch.optim.AdamW(head.parameters(), lr=1e-4, weight_decay=1e-2)
    answer = head(taps, text)
    found = {name: value.detach() for name, value in _shown(answer).items()}
    before = _losses(answer, seeds)
    before.total.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    with torch.inference_mode():
        after = _losses(head(taps, text), seeds)
    for prefix, terms in (("loss", before), ("loss_after_one_step", after)):
        found |= {f"{prefix}_{name}": value for name, value in _terms(terms).items()}
    return found


def _published_head(method: str, shapes: Mapping[str, list[int]], seeds: Seeds) -> Head:
    sizes: dict[str, Any] = {"token_width": _TOKEN_WIDTH, "text_width": _TEXT_WIDTH}
    if method == "ava-dino":
        sizes["adapter_width"] = _TEXT_WIDTH
    head = make_head(read_head_config(method, sizes | dict(PUBLISHED[method])))
    weights = {
        name: seeds.tensor(f"weights.{name}", tuple(shape), _WEIGHTS_SCALE)
        for name, shape in shapes.items()
    }
    head.load_state_dict(from_published_weights(weights))
    return head


def _taps(seeds: Seeds) -> list[Tap]:
    made, count = [], seeds.batch_count
    for index in range(_TAPS_COUNT):
        cls = seeds.tensor(f"features.cls.{index}", (count, 1, _TOKEN_WIDTH))[:, 0]
        patches = seeds.tensor(f"features.patch.{index}", (count, _GRID**2, _TOKEN_WIDTH))
        grid = patches.view(count, _GRID, _GRID, _TOKEN_WIDTH)
        grid[:, 8:16, 10:20] += seeds.tensor(
            f"features.defect.{index}", (_TOKEN_WIDTH,), _DEFECT_SCALE
        )
        made.append(Tap(cls=cls, patches=standardise(patches)))
    return made


def _shown(answer: HeadAnswer) -> dict[str, Tensor]:
    anomaly, awareness = (
        draw_map(logits.view(*logits.shape[:2], _GRID, _GRID), (_SIZE_PX, _SIZE_PX))
        for logits in (answer.patch_logits, answer.awareness_logits)
    )
    shown = {
        "cross_map": anomaly[:, ::4, ::4],
        "awareness_map": awareness[:, ::4, ::4],
        "global_logits": answer.global_logits,
        "image_score": anomaly.amax(dim=(1, 2)),
    }
    if answer.routing is not None:
        shown |= {"routing_normal": answer.routing[:, 0], "routing_anomaly": answer.routing[:, 1]}
    return shown


def _losses(answer: HeadAnswer, seeds: Seeds) -> Losses:
    masks = torch.zeros(seeds.batch_count, _SIZE_PX, _SIZE_PX)
    masks[seeds.labels == 1, 128:256, 160:320] = 1
    return losses(answer, masks, seeds.labels, (_GRID, _GRID))


def _terms(terms: Losses) -> dict[str, Tensor]:
    return {
        "awareness": terms.awareness.detach(),
        "segmentation": terms.segmentation.detach(),
        "global": terms.image.detach(),
        "routing": terms.routing.detach(),
        "total": terms.total.detach(),
    }


def _prompts(folder: Path) -> Iterator[Comparison]:
    file = "prompts.json"
    expected = _json(folder / file)
    prompts = prompts_for(expected["object"])
    tokens = TextTower.tokens_of(
        prompts.normal + prompts.anomalous, open_clip_config(_CLIP).context_length
    )
    rows = np.asarray(sorted(tokens.tolist()), dtype="<i8")
    found = {
        "normal_count": len(prompts.normal),
        "anomalous_count": len(prompts.anomalous),
        "normal_sentences_sha256": _sha256(prompts.normal),
        "anomalous_sentences_sha256": _sha256(prompts.anomalous),
        "token_ids_sha256_of_sorted_rows": hashlib.sha256(rows.tobytes()).hexdigest(),
    }
    for name, value in found.items():
        error = float(value != expected[name])
        yield Comparison(name=f"{file} {name}", error=error, tolerance=0)


def _preprocessing(folder: Path) -> Iterator[Comparison]:
    file = "preprocess.npz"
    expected = np.load(folder / file)["tensor_every_4th"]
    pixels = decode((folder / "preprocess.png").read_bytes())
    found = prepared([pixels], _SIZE_PX, IMAGENET)[0, :, ::4, ::4].numpy()
    yield _absolute(f"{file} tensor", found, expected, 2e-2)
    mean_error = float(np.abs(found - expected).mean())
    yield Comparison(name=f"{file} tensor, mean", error=mean_error, tolerance=2e-3)


def _metrics(folder: Path) -> Iterator[Comparison]:
    data, expected = np.load(folder / "metrics.npz"), _json(folder / "metrics.json")
    maps, masks = data["anomaly_maps"], data["masks"] > 0
    labels = masks.any(axis=(1, 2)).astype(np.int64)
    found: dict[str, ArrayLike] = {
        **image_figures(labels, maps.max(axis=(1, 2))),
        **pixel_figures(maps, masks),
    }
    for name, value in expected.items():
        tolerance = 1e-4 if name.startswith("aupro") else 1e-6
        own_name = name.replace("image_", "i_").replace("pixel_", "p_")
        yield _absolute(f"metrics.json {name}", found[own_name], value, tolerance)


def _absolute(name: str, found: ArrayLike, expected: ArrayLike, tolerance: float) -> Comparison:
    error = np.abs(_array(found) - _array(expected)).max()
    return Comparison(name=name, error=float(error), tolerance=tolerance)


def _relative(name: str, found: ArrayLike, expected: ArrayLike, tolerance: float) -> Comparison:
    wanted = _array(expected)
    error = np.abs(_array(found) - wanted) / np.maximum(np.abs(wanted), np.finfo(np.float32).tiny)
    return Comparison(name=name, error=float(error.max()), tolerance=tolerance, is_relative=True)


def _array(values: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _sha256(sentences: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(sorted(sentences)).encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
