"""The card of a trained checkpoint: where it comes from, what it reaches, what it is not."""

from collections.abc import Sequence
from dataclasses import dataclass

from inspection.training.design import Design
from inspection.training.trainer import Schedule
from inspection.training.trial import Reached, as_table


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How a checkpoint came about."""

    content_hash: str
    #: Minutes of training, rendering and evaluation not counted.
    minutes: float
    steps_count: int
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
{design.image_size_px} px), a CLIP-architecture text tower ({design.text.layers} blocks, width \
{design.text.width}) and an AVA-DINO head.

It is for trying the program out and for tests. It has seen nothing but rendered parts; on real
products expect little until a larger checkpoint, or one trained on your parts, is used.

Content hash: `{provenance.content_hash}`

## Training

* Weights: all trained here, from random numbers (the patch embedding from principal components of
  rendered patches). No weights of DINOv3 or CLIP are in it; CLIP's vocabulary is used.
* Data: {provenance.pairs_count} pairs of a good and a defective part from
  `inspection.capture.rendering`. No photographs.
* Objective: the losses of AVA-DINO as its code computes them, plus a cross entropy on every patch
  and one on the anomaly score. In the first {100 * schedule.window_share:.0f} % of the time only \
windows of {schedule.window_px} px around the defect were shown.
* Optimisers: Muon for the matrices of the blocks, AdamW for the rest; the averaged weights count.
* Command: `python -m inspection.training.pocket --out DIR --minutes \
{schedule.duration_s / 60:g} --pairs {provenance.pairs_count} --compile`
* Time and machine: {provenance.minutes:.0f} minutes for {provenance.steps_count} steps of \
{schedule.batch_count} pictures on {provenance.threads_count} CPU cores, shared with other work; \
seed {schedule.seed}. The schedule is one of time, so another machine makes other weights.

## What it reaches

On conveyors whose designs, lights and parts it has never seen:

{as_table(figures)}

The interval is a bootstrap over parts. Recall and false rejects use each conveyor's own threshold,
the 99 % quantile of its first 100 good parts; the false reject rate is counted on later good parts.

## Licence

Apache-2.0, like the program.
"""
