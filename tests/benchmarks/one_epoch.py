"""One epoch on made-up features of the packaged backbone's size, and what it took.

``python -m tests.benchmarks.one_epoch METHOD IMAGES FOLDER`` prints images a second and the MB of
memory that are the process's own: what is mapped from files belongs to the system's cache.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap

from inspection.model.methods import head_config, make_head
from inspection.training.adapters import AdapterTraining
from inspection.training.datasets import Sample
from inspection.training.features import Features
from inspection.training.plan import Plan

WIDTH, TEXT_WIDTH, PATCHES_COUNT, SIZE_PX = 192, 64, 256, 256


def made_up(folder: Path, images_count: int) -> Features:
    """Write features of noise."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    shapes = {
        "cls": ((images_count, 4, WIDTH), np.float16),
        "patches": ((images_count, 4, PATCHES_COUNT, WIDTH), np.float16),
        "masks": ((images_count, SIZE_PX, SIZE_PX // 8), np.uint8),
    }
    for name, (shape, kind) in shapes.items():
        array = open_memmap(folder / f"{name}.npy", "w+", dtype=kind, shape=shape)
        for row in range(images_count):
            array[row] = rng.standard_normal(shape[1:], dtype=np.float32).astype(kind)
        array.flush()
    samples = [
        Sample(
            image=Path(f"{row}.png"),
            product="plate",
            category="plate",
            kind="stain" if row % 2 else "good",
            is_anomalous=bool(row % 2),
            mask=None,
        )
        for row in range(images_count)
    ]
    return Features(folder, samples, {})


def own_memory_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("RssAnon:")]
    return int(line.split()[1]) / 1000


def main(method: str, images_count: int, folder: Path) -> None:
    features = made_up(folder / "features", images_count)
    config = head_config(method, token_width=WIDTH, text_width=TEXT_WIDTH, taps_count=4)
    text = torch.nn.functional.normalize(torch.randn(TEXT_WIDTH, 2), dim=0)
    plan = Plan(epochs_count=1, batch_count=32, validation_share=0)
    training = AdapterTraining(make_head(config), features, {"plate": text}, plan)
    begun_s = time.monotonic()
    training.run(folder / "state.pt")
    took_s = time.monotonic() - begun_s
    sys.stdout.write(f"{images_count / took_s} {own_memory_mb()}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
