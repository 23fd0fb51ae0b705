"""Train the checkpoint that is shipped in the package: ``python -m inspection.training.pocket``.

1. Render pairs of good and defective parts (once; later calls find them).
2. Train backbone, text tower and head together for the given minutes, saving the state often;
   a killed run goes on where it stopped.
3. Write the averaged weights as a checkpoint folder.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from inspection.model.ava_dino import AvaDinoConfig, draw_map
from inspection.model.checkpoint import CheckpointConfig, Network, save_checkpoint
from inspection.model.prompts import prompts_for
from inspection.model.text import TextTowerConfig
from inspection.training.metrics import auroc
from inspection.training.synthesis import Examples, Recipe, render_examples
from inspection.training.trainer import (
    Schedule,
    Trainer,
    coarse_masks,
    normalised,
    start_from_principal_patches,
)

#: Seeds from here on are never trained on.
HELD_OUT_SEED = 1_000_000_000
_TRAINING_SEED = 10_000
_STATE_FILE = "state.pt"
_SAVE_EVERY_S = 90.0
_CHECK_EVERY_S = 300.0
_SHOW_EVERY_STEPS = 20
_CHECKED_BATCH_COUNT = 32


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the command line asks for."""

    folder: Path
    minutes: float
    pairs_count: int
    threads_count: int
    seed: int
    is_compiled: bool


def pocket_config() -> CheckpointConfig:
    """Return the sizes of the shipped checkpoint."""
    return CheckpointConfig(
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


def main(arguments: list[str] | None = None) -> int:
    """Train, write the checkpoint and return 0."""
    run = _parsed(arguments)
    torch.set_num_threads(run.threads_count)
    config = pocket_config()
    size_px = config.image_size_px
    training = render_examples(
        run.folder / "training",
        Recipe(
            pairs_count=run.pairs_count,
            first_seed=_TRAINING_SEED,
            size_px=size_px,
            rendered_sizes_px=(384, 256),
        ),
        workers_count=run.threads_count,
    )
    held_out = render_examples(
        run.folder / "held_out",
        Recipe(
            pairs_count=min(run.pairs_count, 160),
            first_seed=HELD_OUT_SEED,
            size_px=size_px,
            rendered_sizes_px=(256, 384),
        ),
        workers_count=run.threads_count,
    )
    schedule = Schedule(duration_s=60 * run.minutes, seed=run.seed)
    trainer = Trainer(config, schedule, is_compiled=run.is_compiled)
    _train(run, trainer, training, held_out)
    digest = save_checkpoint(
        run.folder / "checkpoint", config, trainer.averaged, card=_card(run, trainer)
    )
    _say(f"wrote {run.folder / 'checkpoint'} with content hash {digest}")
    return 0


def _train(run: Run, trainer: Trainer, training: Examples, held_out: Examples) -> None:
    state = run.folder / _STATE_FILE
    if state.is_file():
        trainer.restore(state)
        _say(f"goes on at step {trainer.steps_count}, {trainer.elapsed_s / 60:.1f} min")
    else:
        sample = normalised(training.pictures[:: max(len(training.pictures) // 256, 1)], trainer.config)
        start_from_principal_patches(trainer.network, sample, seed=run.seed)
        trainer.averaged.load_state_dict(trainer.network.state_dict())
    saved_at = checked_at = time.monotonic()
    while trainer.progress < 1:
        terms = trainer.step(training)
        if trainer.steps_count % _SHOW_EVERY_STEPS == 0:
            described = " ".join(f"{name} {value:.4f}" for name, value in terms.items())
            _say(f"step {trainer.steps_count} {trainer.elapsed_s / 60:.1f} min {described}")
        if time.monotonic() - saved_at > _SAVE_EVERY_S:
            trainer.save(state)
            saved_at = time.monotonic()
        if time.monotonic() - checked_at > _CHECK_EVERY_S:
            _say(f"held out: {check(trainer.averaged, trainer.config, held_out)}")
            checked_at = time.monotonic()
    trainer.save(state)
    _say(f"held out: {check(trainer.averaged, trainer.config, held_out)}")


def check(network: Network, config: CheckpointConfig, examples: Examples) -> str:
    """Return image and pixel AUROC per product, with the full sentence ensemble."""
    edge = config.image_size_px // network.backbone.patch_size_px
    with torch.inference_mode():
        text = {
            product: network.text.encode(prompts_for(product.replace("_", " ")))
            for product in set(examples.products)
        }
        maps, truth = [], []
        for first in range(0, len(examples.pictures), _CHECKED_BATCH_COUNT):
            rows = slice(first, first + _CHECKED_BATCH_COUNT)
            columns = torch.stack([text[product] for product in examples.products[rows]])
            with torch.autocast("cpu", torch.bfloat16):
                taps = network.backbone(normalised(examples.pictures[rows], config))
            answer = network.head(taps, columns)
            maps.append(draw_map(answer.patch_logits.float().unflatten(2, (edge, edge)), (64, 64)))
            truth.append(coarse_masks(examples.masks[rows], 64))
    drawn, masks = torch.cat(maps).numpy(), torch.cat(truth).numpy()
    lines = []
    for product in dict.fromkeys(examples.products):
        chosen = np.asarray([each == product for each in examples.products])
        image = auroc(examples.labels[chosen], drawn[chosen].max(axis=(1, 2)))
        pixel = auroc(masks[chosen].ravel().astype(int), drawn[chosen].ravel())
        lines.append(f"{product} {image:.3f}/{pixel:.3f}")
    return ", ".join(lines)


def _card(run: Run, trainer: Trainer) -> str:
    return (
        "# pocket\n\n"
        f"Trained from nothing for {trainer.elapsed_s / 60:.0f} minutes "
        f"({trainer.steps_count} steps of {trainer.schedule.batch_count} pictures) on "
        f"{run.threads_count} CPU cores with {run.pairs_count} rendered pairs, seed {run.seed}:\n\n"
        f"    python -m inspection.training.pocket --out DIR --minutes {run.minutes:g}\n\n"
        "Licence: Apache-2.0.\n"
    )


def _parsed(arguments: list[str] | None) -> Run:
    parser = argparse.ArgumentParser(prog="python -m inspection.training.pocket", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--minutes", type=float, default=50, help="minutes of training")
    parser.add_argument("--pairs", type=int, default=6000, help="pairs of parts to render")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action="store_true", help="needs a C++ compiler; a third faster")
    parsed = parser.parse_args(arguments)
    return Run(
        folder=parsed.out,
        minutes=parsed.minutes,
        pairs_count=parsed.pairs,
        threads_count=parsed.threads,
        seed=parsed.seed,
        is_compiled=parsed.compile,
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the script's progress


if __name__ == "__main__":
    sys.exit(main())
