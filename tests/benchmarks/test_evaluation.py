"""Evaluation against its bare detector: share of time spent on metrics, and memory that is flat."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from inspection.model.detector import Detector
from inspection.training.datasets import Dataset, open_dataset
from inspection.training.evaluation import Evaluation, EvaluationOptions, evaluate
from tests.datasets import render_dataset

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

#: Images of the short run; the long one has four times as many.
IMAGES = 96


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("mvtec-ad")
    render_dataset("mvtec-ad", folder, normal=12, anomalous=12, size_px=256)
    return open_dataset("mvtec-ad", folder)


def repeated(dataset: Dataset, images_count: int) -> Dataset:
    """Return a data set that has each of its images several times."""
    times = images_count // len(dataset.samples)
    return replace(dataset, samples=tuple(each for each in dataset.samples for _ in range(times)))


def measured(detector: Detector, dataset: Dataset) -> tuple[Evaluation, float]:
    """Evaluate; give the largest resident memory on the way, in MB."""
    process = psutil.Process()
    resident: list[int] = []

    def look(_images_count: int) -> None:
        resident.append(process.memory_info().rss)

    found = evaluate(detector, dataset, EvaluationOptions(), on_images=look)
    return found, max(resident) / 1e6


def test_metrics_take_little_time_and_no_memory_for_more_images(
    rendered: Dataset, checkpoint: str, report: Callable[..., None]
) -> None:
    detector = Detector.load(Path(checkpoint) if "/" in checkpoint else checkpoint, device="cpu")
    measured(detector, rendered)  # what is loaded and allocated once

    short, short_mb = measured(detector, repeated(rendered, IMAGES))
    long, long_mb = measured(detector, repeated(rendered, 4 * IMAGES))

    report(
        images=long.images_count,
        images_per_second=round(long.images_count / long.seconds, 1),
        metrics_share=round(long.metrics_s / long.seconds, 3),
        metrics_ms_per_image=round(1e3 * long.metrics_s / long.images_count, 2),
        resident_mb={
            str(short.images_count): round(short_mb),
            str(long.images_count): round(long_mb),
        },
    )
    assert long.images_count == 4 * short.images_count == 4 * IMAGES
