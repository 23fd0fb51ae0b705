"""The card of a trained checkpoint: where it comes from, what it reaches, what it is not."""

from collections.abc import Sequence
from dataclasses import dataclass

from inspection.training.design import Design
from inspection.training.schedule import Schedule
from inspection.training.synthesis import SURFACES_SHARE
from inspection.training.trial import Reached, as_table


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How a checkpoint came about."""

    content_hash: str
    #: Checkpoint it began from; None: random numbers.
    start: str | None
    #: Whether pieces of photographs were among the surfaces.
    has_photographs: bool
    #: Rendered pairs of a good and a defective part.
    pairs_count: int
    threads_count: int
    schedule: Schedule


def card(design: Design, provenance: Provenance, figures: Sequence[Reached]) -> str:
    """Return the card as Markdown."""
    backbone, schedule = design.backbone, provenance.schedule
    return f"""# {design.name}

A small anomaly detector that needs no download and no network: a DINOv3-architecture vision
transformer ({backbone["num_hidden_layers"]} blocks, width {backbone["hidden_size"]}, images of \
{design.image_size_px} px),
a CLIP-architecture text tower ({design.text.layers} blocks, width {design.text.width}) and an \
AVA-DINO head.

It is for trying the program out, for tests, and for lines whose good parts it is shown. A larger
checkpoint, or one trained on your parts, sees more.

Content hash: `{provenance.content_hash}`

## Training

* Weights: {_beginning(provenance)}
  No weights of DINOv3 or CLIP are in it; CLIP's vocabulary is used.
* Data: {provenance.pairs_count} pairs of a good and a defective picture: \
{100 * SURFACES_SHARE:.0f} % random surfaces
  with imperfections from `inspection.training.surfaces`, the rest parts from
  `inspection.capture.rendering`. {_photographs(provenance)}
* Objective: the losses of AVA-DINO as its code computes them; a cross entropy on every patch and
  one on the anomaly score; that naming a defect raises its patches; that a defective patch differs
  from all of a good picture's. In the first {100 * schedule.windows_share:.0f} % of the steps \
mostly windows
  of {schedule.window_px} px around a defect were shown.
* Optimisers: Muon for the matrices of the blocks, AdamW for the rest; the averaged weights count.
* Command: `{_command(provenance)}`
* {schedule.steps_count} steps of {schedule.windows_count} windows or {schedule.wholes_count} \
whole pictures on {provenance.threads_count} CPU threads; seed {schedule.seed}.

## What it reaches

On conveyors whose designs, lights and parts it has never seen:

{as_table(figures)}

The interval is a bootstrap over parts. Recall and false rejects use each conveyor's own threshold,
the 99 % quantile of its first 100 good parts; the false reject rate is counted on later good parts.

## Licence

Apache-2.0, like the program.
"""


def _beginning(provenance: Provenance) -> str:
    if provenance.start is None:
        return (
            "all trained here, from random numbers (the patch embedding from principal components "
            "of\n  rendered patches)."
        )
    return f"trained here; this run began from the checkpoint `{provenance.start}`."


def _photographs(provenance: Provenance) -> str:
    if not provenance.has_photographs:
        return "No photographs."
    return "Pieces of photographs of good parts are among the surfaces."


def _command(provenance: Provenance) -> str:
    parts = ["inspection train pocket --out DIR"]
    parts += [f"--steps {provenance.schedule.steps_count}", f"--pairs {provenance.pairs_count}"]
    parts += [f"--start {provenance.start}"] if provenance.start else []
    parts += ["--photographs DIR"] if provenance.has_photographs else []
    return " ".join([*parts, "--compile"])
