"""The checkpoint that is shipped in the package: its sizes and its training from nothing.

1. Render pairs of good and defective parts and surfaces (once; later calls find them).
2. Train backbone, text tower and head together for so many steps, saving the state often; a killed
   run goes on where it stopped.
3. Write the averaged weights as a checkpoint folder, look at conveyors never seen before, and
   put what it reaches on the checkpoint's card.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from inspection.capture.rendering import PRODUCTS
from inspection.errors import CheckpointError
from inspection.model.ava_dino import AvaDinoConfig
from inspection.model.checkpoint import load_checkpoint, save_card
from inspection.model.detector import Detector
from inspection.model.preprocessing import normalise
from inspection.model.text import TextTowerConfig
from inspection.training.card import Provenance, card
from inspection.training.design import Design, save_network
from inspection.training.schedule import Schedule
from inspection.training.synthesis import SURFACES_SHARE, Examples, Order, render_examples
from inspection.training.trainer import Trainer, start_from_principal_patches
from inspection.training.trial import Trial, describe_examples, evaluate

#: Seeds from here on are never trained on.
HELD_OUT_SEED = 1_000_000_000
TRIAL_SEED = 2_000_000_000
_TRAINING_SEED = 10_000
#: What is trained on in turn: everything that can be rendered, and more often what the demo shows.
TRAINING_PRODUCTS = (*PRODUCTS, "metal washer", "printed label", "woven fabric")
#: Products that the card gives figures for.
TRIAL_PRODUCTS = ("metal washer", "printed label", "woven fabric")
_STATE_FILE = "state.pt"
_SAVE_EVERY_S = 90.0
_CHECK_EVERY_S = 600.0
_SHOW_EVERY_STEPS = 50
#: Pictures from which the patch embedding starts.
_SAMPLE_COUNT = 256


@dataclass(frozen=True, kw_only=True)
class Run:
    """A training of the pocket checkpoint."""

    #: Where examples, state and checkpoint are kept.
    folder: Path
    schedule: Schedule
    #: Pairs of a good and a defective picture to train on.
    pairs_count: int = 14_000
    #: Pairs that are looked at during training.
    held_out_pairs_count: int = 240
    #: Folder with photographs of good parts to take surfaces from; None for none.
    photographs: Path | None = None
    #: Checkpoint folder, or `pocket`, to begin from; None to begin with random numbers.
    start: str | None = None
    #: Conveyors of each product that are looked at in the end.
    trials_count: int = 4
    #: Good parts at the start of each of them, and as many that are judged.
    trial_parts_count: int = 100
    threads_count: int = 2
    #: Edges of rendered frames, in turn.
    rendered_sizes_px: tuple[int, ...] = (384, 256)
    is_compiled: bool = False
    #: Told how the training goes, a line at a time.
    say: Callable[[str], None] = print


def pocket_design() -> Design:
    """Return the sizes of the shipped checkpoint."""
    return Design(
        name="pocket",
        image_size_px=256,
        backbone={
            "hidden_size": 192,
            "intermediate_size": 768,
            "num_hidden_layers": 8,
            "num_attention_heads": 3,
            "num_register_tokens": 4,
            "patch_size": 16,
            "image_size": 256,
            "pos_embed_rescale": None,
        },
        tap_blocks=(1, 3, 5, 7),
        text=TextTowerConfig(width=64, heads=2, layers=2, context_length=32, output_width=64),
        head=AvaDinoConfig(token_width=192, adapter_width=96, text_width=64),
    )


def make_checkpoint(run: Run, design: Design) -> Path:
    """Do the whole run and return the checkpoint's folder."""
    torch.set_num_threads(run.threads_count)
    training = _examples(run, design, "training", run.pairs_count, _TRAINING_SEED)
    held_out = _examples(run, design, "held_out", run.held_out_pairs_count, HELD_OUT_SEED)
    trainer = Trainer(design, run.schedule, is_compiled=run.is_compiled)
    _train(run, trainer, training, held_out)
    folder = run.folder / "checkpoint"
    digest = save_network(folder, design, trainer.averaged, card="")
    detector = Detector.load(folder, device="cpu")
    seeds = tuple(range(TRIAL_SEED, TRIAL_SEED + run.trials_count))
    parts_count = run.trial_parts_count
    trials = [
        Trial(
            product=product,
            seeds=seeds,
            size_px=run.rendered_sizes_px[0],
            good_parts_count=parts_count,
            judged_parts_count=parts_count,
        )
        for product in TRIAL_PRODUCTS
        if seeds
    ]
    figures = [evaluate(detector, trial) for trial in trials]
    provenance = Provenance(
        content_hash=digest,
        start=None if run.start is None else Path(run.start).name,
        has_photographs=run.photographs is not None,
        pairs_count=run.pairs_count,
        threads_count=run.threads_count,
        schedule=run.schedule,
    )
    save_card(folder, card(design, provenance, figures))
    run.say(f"wrote {folder} with content hash {digest}")
    return folder


def _examples(run: Run, design: Design, name: str, pairs_count: int, first_seed: int) -> Examples:
    order = Order(
        pairs_count=pairs_count,
        first_seed=first_seed,
        size_px=design.image_size_px,
        rendered_sizes_px=run.rendered_sizes_px,
        products=TRAINING_PRODUCTS,
        surfaces_share=SURFACES_SHARE,
        photographs=run.photographs,
    )
    return render_examples(run.folder / name, order, workers_count=run.threads_count)


def _train(run: Run, trainer: Trainer, training: Examples, held_out: Examples) -> None:
    state = run.folder / _STATE_FILE
    if state.is_file():
        trainer.restore(state)
        run.say(f"goes on at step {trainer.steps_count} of {run.schedule.steps_count}")
    elif run.start is not None:
        start = load_checkpoint(run.start).network
        if start.head is None:
            raise CheckpointError(f"{run.start} has no adapters to begin from")
        trainer.start_from(start)
    else:
        every = max(len(training.pictures) // _SAMPLE_COUNT, 1)
        sample = normalise(training.pictures[::every], trainer.network.backbone.normalisation)
        start_from_principal_patches(trainer.network, sample, seed=run.schedule.seed)
        trainer.start_from(trainer.network)
    begun_at = saved_at = checked_at = time.monotonic()
    while trainer.progress < 1:
        terms = trainer.step(training)
        now = time.monotonic()
        if trainer.steps_count % _SHOW_EVERY_STEPS == 0:
            described = " ".join(f"{name} {value:.3f}" for name, value in terms.items())
            run.say(f"step {trainer.steps_count} {(now - begun_at) / 60:.1f} min {described}")
        if now - saved_at > _SAVE_EVERY_S:
            trainer.save(state)
            saved_at = now
        if now - checked_at > _CHECK_EVERY_S:
            run.say(describe_examples(trainer.averaged, held_out))
            checked_at = now
    trainer.save(state)
    run.say(describe_examples(trainer.averaged, held_out))
