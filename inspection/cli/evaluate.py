"""`inspection evaluate`: what a checkpoint reaches on labelled data sets."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from inspection.cli import context, data
from inspection.errors import ConfigurationError
from inspection.model.checkpoint_folder import (
    POCKET,
    REFERENCES,
    read_description,
    resolve_checkpoint,
)

if TYPE_CHECKING:
    from inspection.model.detector import Detector
    from inspection.training.comparison import Count
    from inspection.training.datasets import Dataset
    from inspection.training.evaluation import EvaluationOptions
    from inspection.training.report import Subject

#: Stands for all good parts of a category.
ALL = "all"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evaluate)


def evaluate(  # noqa: PLR0913 - one option a choice
    *,
    sources: Annotated[
        list[str],
        typer.Option("--data", metavar="[NAME=]PATH", help=data.DATA_HELP),
    ],
    checkpoint: Annotated[str, typer.Option(help="`pocket`, or a checkpoint folder")] = POCKET,
    device: Annotated[str, typer.Option(help=data.DEVICE_HELP)] = "auto",
    categories: Annotated[
        str | None, typer.Option(metavar="A,B", help="only these categories")
    ] = None,
    references: Annotated[
        str | None,
        typer.Option(
            metavar="0,1,4,all",
            help="compare these numbers of good training parts as references, and two baselines",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="draws the references and the bootstrap's rounds")
    ] = 0,
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
    in the layout of MVTec AD by its path alone, or as `folder`.

    With --references the figures are those beside references, drawn from each category's
    train/good, and those of two baselines on the same images.

    Example: inspection evaluate --data /data/mvtec --references 0,1,4,16,all --json
    """
    settings = context.begin("evaluate")
    counts = None if references is None else _counts(references)
    datasets = data.opened(sources, data.names(categories))
    description, _ = read_description(resolve_checkpoint(checkpoint))
    if counts is None and description["method"] == REFERENCES:
        raise ConfigurationError(
            f"--checkpoint: {checkpoint} scores beside references only; say --references 1,4,16,all"
        )
    # torch is loaded from here on.
    from inspection.model.detector import Detector, Sources
    from inspection.training.evaluation import EvaluationOptions
    from inspection.training.report import Subject

    subject = Subject(
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
        seed=seed,
    )
    if counts is None:
        _print_evaluations(subject, detector, datasets, options, as_json=as_json)
    else:
        _print_comparisons(subject, detector, datasets, counts, options, as_json=as_json)


def _counts(text: str) -> "tuple[Count, ...]":
    """Read numbers of references parted by commas, each once.

    Raises:
        ConfigurationError: one is neither a number nor `all`, or there is none.
    """
    parts = data.names(text)
    # Longer numbers are of no use, and of some length Python refuses to read them.
    if wrong := [each for each in parts if each != ALL and not re.fullmatch(r"[0-9]{1,9}", each)]:
        raise ConfigurationError(f"--references: {wrong[0]!r} is no number of parts and not `all`")
    if not parts:
        raise ConfigurationError("--references: name numbers of parts, such as 0,1,4,16,all")
    return tuple(dict.fromkeys("all" if each == ALL else int(each) for each in parts))


def _print_evaluations(
    subject: "Subject",
    detector: "Detector",
    datasets: "list[Dataset]",
    options: "EvaluationOptions",
    *,
    as_json: bool,
) -> None:
    from inspection.training import report
    from inspection.training.evaluation import evaluate

    with data.progress_bar() as progress:
        evaluations = [
            evaluate(
                detector,
                dataset,
                options,
                on_images=_advancing(progress, dataset, len(dataset.samples)),
            )
            for dataset in datasets
        ]
    if as_json:
        sys.stdout.write(json.dumps(report.as_json(subject, evaluations)) + "\n")
    else:
        sys.stdout.write(report.as_markdown(subject, evaluations) + "\n")


def _print_comparisons(
    subject: "Subject",
    detector: "Detector",
    datasets: "list[Dataset]",
    counts: "tuple[Count, ...]",
    options: "EvaluationOptions",
    *,
    as_json: bool,
) -> None:
    from inspection.training import comparison_report
    from inspection.training.comparison import compare, images_count

    with data.progress_bar() as progress:
        comparisons = [
            compare(
                detector,
                dataset,
                counts,
                options,
                on_images=_advancing(progress, dataset, images_count(dataset)),
            )
            for dataset in datasets
        ]
    if as_json:
        sys.stdout.write(json.dumps(comparison_report.as_json(subject, comparisons)) + "\n")
    else:
        sys.stdout.write(comparison_report.as_markdown(subject, comparisons) + "\n")


def _advancing(progress: Progress, dataset: "Dataset", total: int) -> Callable[[int], None]:
    task = progress.add_task(dataset.name, total=total)

    def advance(images_count: int) -> None:
        progress.advance(task, images_count)

    return advance
