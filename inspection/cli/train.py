"""`inspection train`: adapters for a frozen backbone, learnt from labelled data sets."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inspection.cli import context, data, output
from inspection.errors import ConfigurationError
from inspection.model.checkpoint_folder import POCKET

if TYPE_CHECKING:
    from inspection.training.adaptation import Adaptation, Adapted
    from inspection.training.adapters import Epoch, Group

#: Text tower and image size that belong to a backbone other than the packaged one.
_TEXT, _IMAGE_SIZE_PX = "ViT-L-14-336-quickgelu@openai", 512
_POCKET_IMAGE_SIZE_PX = 256


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(train)


def train(  # noqa: PLR0913 - one option a choice
    *,
    method: Annotated[str, typer.Option(help="ava-dino or ad-dinov3")] = "ava-dino",
    sources: Annotated[
        list[str],
        typer.Option(
            "--data", metavar="NAME=PATH", help="data set and its folder; may be given repeatedly"
        ),
    ],
    out: Annotated[Path, typer.Option(help="checkpoint folder to write")],
    backbone: Annotated[
        str, typer.Option(help="`pocket`, a repository on the Hugging Face Hub, a file or a folder")
    ] = POCKET,
    text: Annotated[
        str | None, typer.Option(help="text tower: `pocket`, MODEL@WEIGHTS of open_clip, a folder")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(min=16, max=4096, help="edge of the images, in px")
    ] = None,
    categories: Annotated[
        str | None, typer.Option(metavar="A,B", help="only these categories")
    ] = None,
    head: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="a value of the head, as text_stack=interleave"),
    ] = None,
    published: Annotated[
        bool, typer.Option(help="compute exactly what the published code computes")
    ] = False,
    epochs: Annotated[int, typer.Option(min=1, max=10_000)] = 20,
    batch: Annotated[int, typer.Option(min=1, max=65_536, help="images of a step")] = 64,
    rate: Annotated[
        float | None,
        typer.Option(min=1e-9, max=1.0, help="learning rate; unset: 1e-3, or the published one"),
    ] = None,
    validation: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="share of the images that chooses the epoch")
    ] = 0.1,
    patience: Annotated[
        int, typer.Option(min=0, help="epochs without a better one, after which it ends; 0: never")
    ] = 5,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    device: Annotated[str, typer.Option(help=data.DEVICE_HELP)] = "auto",
    chunk: Annotated[
        int, typer.Option(min=1, max=4096, help="images in memory at once; less for a small GPU")
    ] = 16,
    threads: Annotated[int, typer.Option(min=1, max=256, help="threads that read images")] = 2,
    cache: Annotated[
        Path | None, typer.Option(help="folder for features; unset: in the data directory")
    ] = None,
    strict: Annotated[bool, typer.Option(help="end at the first unreadable file")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Train adapters on labelled data sets and write a checkpoint folder.

    Called again after it was ended, it goes on where it was. Data sets are those of `inspection
    evaluate`; their test split, which has the defects, is what is learnt from.

    Example: inspection train --method ava-dino --data visa=/data/VisA --out checkpoints/visa
    """
    settings = context.begin("train")
    is_pocket = backbone == POCKET
    datasets = data.opened(sources, data.names(categories))
    # torch is loaded from here on.
    from inspection.model.methods import METHODS, PUBLISHED, PUBLISHED_RATES
    from inspection.training.adaptation import Adaptation, join_group
    from inspection.training.adapters import Plan
    from inspection.training.features import Extraction

    if method not in METHODS:
        raise ConfigurationError(f"--method: {method!r} is unknown; choose {' or '.join(METHODS)}")
    group, device = join_group(data.device_of(device))
    adaptation = Adaptation(
        name=out.resolve().name,
        method=method,
        backbone=data.anchored(backbone),
        text=data.anchored(text or (POCKET if is_pocket else _TEXT)),
        datasets=datasets,
        extraction=Extraction(
            image_size_px=image_size or (_POCKET_IMAGE_SIZE_PX if is_pocket else _IMAGE_SIZE_PX),
            cache=cache or settings.cache_dir / "features",
            device=device,
            threads_count=threads,
            is_strict=strict,
        ),
        plan=Plan(
            epochs_count=epochs,
            batch_count=batch,
            rate=rate or (PUBLISHED_RATES[method] if published else Plan.rate),
            validation_share=validation,
            patience_epochs=patience,
            seed=seed,
            chunk_count=chunk,
        ),
        head=(dict(PUBLISHED[method]) if published else {}) | _values(head or []),
        command=shlex.join(["inspection", *sys.argv[1:]]),
    )
    adapted = _watched(adaptation, out, group)
    if group.is_first:
        output.show_object(
            {
                "checkpoint": str(out),
                "content_hash": adapted.content_hash,
                "epochs": adapted.epochs_count,
                "best_epoch": adapted.best_epoch,
                "validation_loss": adapted.validation_loss,
                "training_images": adapted.training_count,
                "validation_images": adapted.validation_count,
                "unreadable": list(adapted.unreadable),
            },
            as_json=as_json,
        )


def _watched(adaptation: "Adaptation", out: Path, group: "Group") -> "Adapted":
    from inspection.training.adaptation import Watch, adapt

    count = sum(len(dataset.samples) for dataset in adaptation.datasets)
    with data.progress_bar() as progress:
        features = progress.add_task("features", total=count)
        steps = progress.add_task("training", total=None)

        def on_epoch(epoch: "Epoch") -> None:
            validation = (
                "" if epoch.validation_loss is None else f", validation {epoch.validation_loss:.4f}"
            )
            if group.is_first:
                output.say(f"epoch {epoch.number}: loss {epoch.training_loss:.4f}{validation}")

        watch = Watch(
            on_rows=lambda rows: progress.update(features, completed=rows),
            on_step=lambda step, total: progress.update(steps, completed=step, total=total),
            on_epoch=on_epoch,
        )
        return adapt(adaptation, out, watch, group)


def _values(texts: list[str]) -> dict[str, Any]:
    """Read `KEY=VALUE` pairs; a value is a number, true or false, or a word."""
    words = {"true": True, "false": False}
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ConfigurationError(f"--head: {text!r} is not KEY=VALUE")
        values[name] = int(value) if value.isdecimal() else words.get(value, value)
    return values
