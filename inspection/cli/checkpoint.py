"""`inspection checkpoint`: look at checkpoints, check them, and make them of published weights."""

from pathlib import Path
from typing import Annotated

import typer

from inspection.cli import context, data, output
from inspection.errors import ConfigurationError
from inspection.model.checkpoint_folder import CARD_FILE, read_description, resolve_checkpoint

app = typer.Typer(no_args_is_help=True, help="Look at checkpoints, check, create and convert them.")

_Checkpoint = Annotated[str, typer.Argument(help="`pocket`, or a checkpoint folder")]
_Json = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command()
def show(checkpoint: _Checkpoint, *, as_json: _Json = False) -> None:
    """Show what a checkpoint is: its method, its parts, its hash and its card.

    Example: inspection checkpoint show pocket
    """
    context.begin("checkpoint")
    folder = resolve_checkpoint(checkpoint)
    described, content_hash = read_description(folder)
    card = folder / CARD_FILE
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    shown = described | {"content_hash": content_hash, "folder": str(folder)}
    output.show_object(shown | ({"card": text} if as_json else {}), as_json=as_json)
    if not as_json:
        output.say("\n" + text)


@app.command()
def verify(
    checkpoint: _Checkpoint,
    *,
    backbone: Annotated[
        str | None, typer.Option(help="where its backbone is; unset: where the checkpoint says")
    ] = None,
    text: Annotated[str | None, typer.Option(help="where its text tower is")] = None,
    as_json: _Json = False,
) -> None:
    """Check that a checkpoint is whole, fits its backbone and text tower, and answers.

    Example: inspection checkpoint verify checkpoints/visa --backbone /weights/dinov3_vitl16.pth
    """
    settings = context.begin("checkpoint")
    from inspection.training.verification import verify as verified

    found = verified(
        checkpoint,
        backbone=_anchored(backbone or settings.backbone),
        text=_anchored(text or settings.text_tower),
    )
    output.show_object(
        {
            "checkpoint": checkpoint,
            "content_hash": found.content_hash,
            "backbone": found.backbone,
            "text": found.text,
            "is_whole": True,
        },
        as_json=as_json,
    )


@app.command()
def convert(  # noqa: PLR0913 - one option a choice
    file: Annotated[Path, typer.Argument(help="`epoch_N.pth` of the published code")],
    *,
    out: Annotated[Path, typer.Option(help="checkpoint folder to write")],
    backbone: Annotated[
        str, typer.Option(help="backbone it was trained with")
    ] = "facebook/dinov3-vitl16-pretrain-lvd1689m",
    text: Annotated[
        str, typer.Option(help="text tower it was trained with; the published one computes GELU")
    ] = "ViT-L-14-336@openai",
    image_size: Annotated[int, typer.Option(min=16, max=4096)] = 512,
    name: Annotated[str | None, typer.Option(help="name of the checkpoint")] = None,
    as_json: _Json = False,
) -> None:
    """Make a checkpoint folder of adapters that the published code of a method has trained.

    Example: inspection checkpoint convert ckpt/epoch_9.pth --out checkpoints/published
    """
    context.begin("checkpoint")
    from inspection.training.conversion import Conversion
    from inspection.training.conversion import convert as converted

    conversion = Conversion(
        file=file,
        name=name or out.resolve().name,
        backbone=data.anchored(backbone),
        text=data.anchored(text),
        image_size_px=image_size,
    )
    content_hash = converted(conversion, out)
    output.show_object({"checkpoint": str(out), "content_hash": content_hash}, as_json=as_json)


@app.command()
def create(
    *,
    backbone: Annotated[
        str, typer.Option(help="`pocket`, a repository on the Hugging Face Hub, a file or a folder")
    ],
    out: Annotated[Path, typer.Option(help="checkpoint folder to write")],
    references_only: Annotated[
        bool, typer.Option("--references-only", help="without adapters, which need training")
    ] = False,
    name: Annotated[str | None, typer.Option(help="name of the checkpoint")] = None,
    size: Annotated[
        int, typer.Option("--size", "--image-size", min=16, max=4096, help="edge of images, in px")
    ] = 512,
    as_json: _Json = False,
) -> None:
    """Make a checkpoint of a backbone alone, which scores parts beside references of good ones.

    Adapters that are trained later, with `inspection train --out` and the same folder, are added.

    Example: inspection checkpoint create --backbone timm/vit_small_patch16_dinov3.lvd1689m
    --references-only --out checkpoints/small
    """
    context.begin("checkpoint")
    if not references_only:
        raise ConfigurationError(
            "a checkpoint with adapters comes from `inspection train`; for a backbone that scores "
            "by references alone say --references-only"
        )
    from inspection.training.creation import Creation
    from inspection.training.creation import create as created

    creation = Creation(
        name=name or out.resolve().name, backbone=data.anchored(backbone), image_size_px=size
    )
    content_hash = created(creation, out)
    output.show_object({"checkpoint": str(out), "content_hash": content_hash}, as_json=as_json)


def _anchored(source: str | None) -> str | None:
    return None if source is None else data.anchored(source)
