"""`inspection train`: adapters for a frozen backbone, learnt from labelled data sets."""

import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inspection.cli import context, data, output, train_pocket
from inspection.errors import ConfigurationError
from inspection.model.checkpoint_folder import POCKET

if TYPE_CHECKING:
    from inspection.training.adaptation import Adaptation, Adapted
    from inspection.training.datasets import Dataset
    from inspection.training.plan import Epoch, Group


@dataclass(frozen=True, kw_only=True)
class _Defaults:
    """What belongs to a backbone."""

    text: str
    #: The text tower as the published codes compute it.
    published_text: str
    image_size_px: int
    rate: float


_POCKET = _Defaults(text=POCKET, published_text=POCKET, image_size_px=256, rate=1e-3)
_LARGE = _Defaults(
    text="ViT-L-14-336-quickgelu@openai",
    published_text="ViT-L-14-336@openai",
    image_size_px=512,
    rate=1e-4,
)


app = typer.Typer()
app.command("pocket")(train_pocket.pocket)


@app.callback(invoke_without_command=True)
def train(  # noqa: PLR0913 - one option a choice
    called: typer.Context,
    *,
    method: Annotated[str, typer.Option(help="ava-dino or ad-dinov3")] = "ava-dino",
    sources: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="NAME=PATH",
            help="data set and its folder; may be given repeatedly  [required]",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="checkpoint folder to write  [required]")] = None,
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
        bool, typer.Option(help="head, text tower and plan of the published code, where unset")
    ] = False,
    epochs: Annotated[int | None, typer.Option(min=1, max=10_000, help="unset: 20")] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, max=65_536, help="images of a step; unset: 64")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            min=1e-9, max=1.0, help="learning rate; unset: 1e-3 with pocket, 1e-4 with others"
        ),
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(min=0.0, max=0.9, help="share of images that chooses the epoch; unset: 0.1"),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(min=0, help="epochs without a better one that end it; 0: none; unset: 5"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    device: Annotated[str, typer.Option(help=data.DEVICE_HELP)] = "auto",
    chunk: Annotated[
        int, typer.Option(min=1, max=4096, help="images computed at once; less for a small GPU")
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
    if called.invoked_subcommand is not None:
        return
    if not sources or out is None:
        raise ConfigurationError("inspection train needs --data NAME=PATH and --out FOLDER")
    settings = context.begin("train")
    opened = data.opened(sources, data.names(categories))
    # torch is loaded from here on.
    from inspection.model.methods import METHODS, PUBLISHED
    from inspection.training.adaptation import Adaptation, in_group, trainable
    from inspection.training.features import Extraction
    from inspection.training.plan import PUBLISHED_PLANS, Plan

    if method not in METHODS:
        raise ConfigurationError(f"--method: {method!r} is unknown; choose {' or '.join(METHODS)}")
    datasets = [trainable(dataset) for dataset in opened]
    default = _POCKET if backbone == POCKET else _LARGE
    planned = PUBLISHED_PLANS[method] if published else Plan(rate=default.rate)
    given = {
        "epochs_count": epochs,
        "batch_count": batch,
        "rate": rate,
        "validation_share": validation,
        "patience_epochs": patience,
    }
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    plan = replace(planned, seed=seed, chunk_count=chunk, **changed)
    text = text or (default.published_text if published else default.text)
    with in_group(data.device_of(device)) as (group, group_device):
        if group.is_first:
            _say_remarks(datasets)
        adaptation = Adaptation(
            name=out.resolve().name,
            method=method,
            backbone=data.anchored(backbone),
            text=data.anchored(text),
            datasets=datasets,
            extraction=Extraction(
                image_size_px=image_size or default.image_size_px,
                cache=cache or settings.cache_dir,
                device=group_device,
                batch_count=chunk,
                threads_count=threads,
                is_strict=strict,
            ),
            plan=plan,
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
    with data.progress_bar(is_shown=group.is_first) as progress:
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


def _say_remarks(datasets: "list[Dataset]") -> None:
    for dataset in datasets:
        for remark in dataset.remarks:
            output.say(f"{dataset.name}: {remark}")


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
