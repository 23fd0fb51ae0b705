"""`inspection evaluate`: what a checkpoint reaches on labelled data sets."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import TaskID

from inspection.cli import context, data
from inspection.model.checkpoint_folder import POCKET, read_description, resolve_checkpoint

if TYPE_CHECKING:
    from inspection.model.detector import Detector
    from inspection.training.datasets import Dataset
    from inspection.training.evaluation import Evaluation, EvaluationOptions


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evaluate)


def evaluate(  # noqa: PLR0913 - one option a choice
    *,
    sources: Annotated[
        list[str],
        typer.Option(
            "--data", metavar="NAME=PATH", help="data set and its folder; may be given repeatedly"
        ),
    ],
    checkpoint: Annotated[str, typer.Option(help="`pocket`, or a checkpoint folder")] = POCKET,
    device: Annotated[str, typer.Option(help=data.DEVICE_HELP)] = "auto",
    categories: Annotated[
        str | None, typer.Option(metavar="A,B", help="only these categories")
    ] = None,
    strict: Annotated[bool, typer.Option(help="end at the first unreadable file")] = False,
    pictures: Annotated[
        Path | None,
        typer.Option(help="write the best and worst images with mask and heatmap to this folder"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json/--table", help="print JSON, or a Markdown table")
    ] = False,
    batch: Annotated[int, typer.Option(min=1, max=1024, help="images scored at once")] = 8,
    threads: Annotated[int, typer.Option(min=1, max=256, help="threads that read images")] = 2,
) -> None:
    """Measure a checkpoint on labelled data: image and pixel figures with 95 % intervals.

    Data sets in their own layouts: mvtec-ad, visa, btad, mpdd, ksdd2, mvtec-ad-2, real-iad, dagm,
    dtd-synthetic, clinicdb, colondb, kvasir, isic, tn3k, br35h, brainmri, headct; and any folder
    in the layout of MVTec AD as `folder`.

    Example: inspection evaluate --data mvtec-ad=/data/mvtec --checkpoint pocket --pictures seen
    """
    settings = context.begin("evaluate")
    datasets = data.opened(sources, data.names(categories))
    description, _ = read_description(resolve_checkpoint(checkpoint))
    # torch is loaded from here on.
    from inspection.model.detector import Detector, Sources
    from inspection.training import report
    from inspection.training.evaluation import EvaluationOptions

    subject = report.Subject(
        checkpoint=checkpoint, method=description["method"], device=data.device_of(device)
    )
    found = Sources(
        backbone=settings.backbone and data.anchored(settings.backbone),
        text=settings.text_tower and data.anchored(settings.text_tower),
        cache=settings.cache_dir,
    )
    detector = Detector.load(checkpoint, device=subject.device, sources=found)
    options = EvaluationOptions(
        batch_count=batch,
        threads_count=threads,
        device=subject.device,
        is_strict=strict,
        pictures=pictures,
    )
    evaluations = _evaluated(detector, datasets, options)
    if as_json:
        sys.stdout.write(json.dumps(report.as_json(subject, evaluations)) + "\n")
    else:
        sys.stdout.write(report.as_markdown(subject, evaluations) + "\n")


def _evaluated(
    detector: "Detector", datasets: "list[Dataset]", options: "EvaluationOptions"
) -> "list[Evaluation]":
    from inspection.training.evaluation import evaluate

    found = []
    with data.progress_bar() as progress:
        for dataset in datasets:
            task = progress.add_task(dataset.name, total=len(dataset.samples))

            def advance(images_count: int, task: TaskID = task) -> None:
                progress.advance(task, images_count)

            found.append(evaluate(detector, dataset, options, on_images=advance))
    return found
