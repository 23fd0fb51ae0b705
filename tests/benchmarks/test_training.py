"""Training on cached features: how fast, and does its memory grow with the images?"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(0)]

#: Images of the smaller set; the larger one has four times as many.
IMAGES_COUNT = 150


def trained(folder: Path, images_count: int, method: str) -> tuple[float, float]:
    """Train one epoch in a process of its own; give images a second and MB that are its own."""
    command = [sys.executable, "-m", "tests.benchmarks.one_epoch", method, str(images_count)]
    ended = subprocess.run(
        [*command, str(folder)], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    rate, memory_mb = map(float, ended.stdout.split())
    return rate, memory_mb


@pytest.mark.parametrize("method", ["ava-dino", "ad-dinov3"])
def test_training_memory_does_not_grow_with_the_images(
    tmp_path: Path, method: str, report: Callable[..., None]
) -> None:
    rate, small_mb = trained(tmp_path / "small", IMAGES_COUNT, method)
    _, large_mb = trained(tmp_path / "large", 4 * IMAGES_COUNT, method)

    report(
        method=method,
        images_per_second=round(rate, 1),
        own_memory_mb={str(IMAGES_COUNT): round(small_mb), str(4 * IMAGES_COUNT): round(large_mb)},
    )
    assert large_mb < 1.2 * small_mb
