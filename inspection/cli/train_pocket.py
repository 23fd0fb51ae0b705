"""`inspection train pocket`: the packaged checkpoint, from nothing but what the program renders."""

from pathlib import Path
from typing import Annotated

import typer

from inspection.cli import context, output


def pocket(  # noqa: PLR0913 - one option a choice
    out: Annotated[Path, typer.Option(help="folder of the run: pictures, state, checkpoint")],
    *,
    steps: Annotated[int, typer.Option(min=1, help="steps of training")] = 2900,
    pairs: Annotated[int, typer.Option(min=1, help="pairs of pictures to render")] = 14_000,
    start: Annotated[
        str | None, typer.Option(help="checkpoint to begin from; unset: random numbers")
    ] = None,
    photographs: Annotated[
        Path | None,
        typer.Option(
            help="folder with photographs of good parts to take surfaces from",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=256, help="CPU threads")] = 2,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    is_compiled: Annotated[
        bool, typer.Option("--compile", help="faster; needs a C++ compiler")
    ] = False,
) -> None:
    """Train backbone, text tower and adapters from random numbers on rendered pictures.

    Called again after it was ended, it goes on where it was. The checkpoint is OUT/checkpoint;
    its card says what it reaches. It takes hours on two cores.

    Example: inspection train pocket --out runs/pocket --compile
    """
    context.begin("train")
    # torch is loaded from here on.
    from inspection.training.pocket import Run, make_checkpoint, pocket_design
    from inspection.training.schedule import Schedule

    run = Run(
        folder=out,
        schedule=Schedule(steps_count=steps, seed=seed),
        pairs_count=pairs,
        start=start,
        photographs=photographs,
        threads_count=threads,
        is_compiled=is_compiled,
        say=output.say,
    )
    make_checkpoint(run, pocket_design())
