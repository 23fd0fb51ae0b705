"""Adaptation: from labelled data sets and a frozen backbone to a checkpoint folder.

1. Extract the features of all images once, or find them.
2. Encode the sentences of every product once.
3. Train a head, keeping the adapters of the epoch that the validation images like best.
4. Write the checkpoint; it is there from the first epoch on, so that nothing that ends the training
   takes away what was learnt.

A checkpoint for references alone, of the same backbone, is added to: it keeps its name and where
its backbone comes from. Its content hash changes, and references are built anew.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from inspection.domain.recipe import Recipe
from inspection.errors import CheckpointError, ConfigurationError, DatasetError
from inspection.model.backbone import Backbone
from inspection.model.checkpoint import (
    AdaptedConfig,
    CheckpointConfig,
    claim,
    read_config,
    save_card,
    save_checkpoint,
)
from inspection.model.checkpoint_folder import CONFIG_FILE, Reference
from inspection.model.fingerprint import fingerprint
from inspection.model.methods import head_config, make_head
from inspection.model.pretrained.backbone import open_backbone
from inspection.model.pretrained.text import open_text_tower
from inspection.model.text import ProductTexts, TextTower
from inspection.training.adapter_card import AdapterCard
from inspection.training.adapters import AdapterTraining
from inspection.training.datasets import Dataset
from inspection.training.features import Extraction, Features, extract
from inspection.training.plan import Epoch, Group, Plan

#: State of an unfinished training, beside the checkpoint it is going to be.
STATE_FILE = "training.pt"
#: Nobody waits longer for the process that extracts the features.
_EXTRACTION_LIMIT = timedelta(days=2)


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """What is to be trained."""

    #: Name of the checkpoint, for people.
    name: str
    method: str
    #: Where backbone and text tower come from; see `open_backbone` and `open_text_tower`.
    backbone: str
    text: str
    #: As `trainable` returns them.
    datasets: Sequence[Dataset]
    extraction: Extraction
    plan: Plan
    #: Values of the head's configuration that replace the defaults.
    head: Mapping[str, Any] = field(default_factory=dict)
    #: How it was called, for the card.
    command: str


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Who is told how far it is."""

    on_rows: Callable[[int], None] = lambda _rows: None
    on_step: Callable[[int, int], None] = lambda _step, _count: None
    on_epoch: Callable[[Epoch], None] = lambda _epoch: None


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """What a training came to."""

    content_hash: str
    #: Epochs that were trained, and the one that is kept, counted from 1.
    epochs_count: int
    best_epoch: int
    training_count: int
    validation_count: int
    #: Validation loss of the epoch that is kept; None without validation images.
    validation_loss: float | None
    #: What is wrong with images that could not be read and were left out.
    unreadable: tuple[str, ...]


def adapt(adaptation: Adaptation, out: Path, watch: Watch, group: Group | None = None) -> Adapted:
    """Train and write the checkpoint folder `out`, going on where an earlier call ended.

    Raises:
        CheckpointError: backbone or text tower cannot be had, or `out` holds a finished checkpoint
            that is not for references alone, or that is for another backbone or image size.
        ConfigurationError: the sizes do not fit together.
        DatasetError: files cannot be read.
        TrainingError: training cannot go on; the best adapters so far are in `out`.
    """
    group = group or Group()
    former = _claim(out, group)
    features, config, texts = _prepared(adaptation, former, out, watch, group)
    torch.manual_seed(adaptation.plan.seed)
    training = AdapterTraining(
        make_head(config.head),
        features,
        texts,
        adaptation.plan,
        device=adaptation.extraction.device,
        group=group,
    )

    def keep(epoch: Epoch) -> None:
        if group.is_first and training.best_epoch == epoch.number:
            _write(out, adaptation, config, training, group.size)
        watch.on_epoch(epoch)

    state = out / STATE_FILE
    training.run(state, on_epoch=keep, on_step=watch.on_step)
    content_hash = ""
    if group.is_first:
        content_hash = _write(out, adaptation, config, training, group.size)
        state.unlink()
    best = next(each for each in training.history if each.number == training.best_epoch)
    training_count, validation_count = training.counts
    return Adapted(
        content_hash=content_hash,
        epochs_count=len(training.history),
        best_epoch=training.best_epoch,
        training_count=training_count,
        validation_count=validation_count,
        validation_loss=best.validation_loss,
        unreadable=features.unreadable,
    )


@contextmanager
def in_group(device: str) -> Iterator[tuple[Group, str]]:
    """Join the processes that torchrun started beside this one; give them and this one's device.

    Without torchrun that is a group of one and the device itself. On GPUs each process of a
    machine takes its own.
    """
    if not distributed.is_torchelastic_launched():
        yield Group(), device
        return
    is_gpu = torch.device(device).type == "cuda"
    if is_gpu:
        local_rank, count = distributed.get_node_local_rank(), torch.cuda.device_count()
        if local_rank >= count:
            raise ConfigurationError(
                f"{local_rank + 1} or more processes share {count} GPUs: start one for each"
            )
        device = f"cuda:{local_rank}"
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if is_gpu else "gloo", timeout=_EXTRACTION_LIMIT)
    try:
        yield Group(rank=distributed.get_rank(), size=distributed.get_world_size()), device
    finally:
        distributed.destroy_process_group()


def _claim(out: Path, group: Group) -> CheckpointConfig | None:
    """Make the folder; return the configuration of what adapters are added to, None for nothing.

    Nothing else that is finished is overwritten. What is being added to looks, from the first
    epoch on, like any other checkpoint of an unfinished training.
    """
    former = read_config(out) if (out / CONFIG_FILE).exists() else None
    is_begun = (out / STATE_FILE).exists()
    if not is_begun and (former is None or former.head is not None):
        claim(out)
    # All have looked before the first of them writes.
    if group.size > 1:
        distributed.barrier()
    return former


def _added(config: AdaptedConfig, former: CheckpointConfig, out: Path) -> AdaptedConfig:
    """Return a configuration under the name that the checkpoint has, and with its backbone.

    Raises:
        CheckpointError: the checkpoint is for another backbone or image size.
    """
    if former.backbone.fingerprint != config.backbone.fingerprint:
        raise CheckpointError(
            f"{out} is for the backbone {former.backbone.source}, and {config.backbone.source} is "
            "another: train with that one, or write to another folder"
        )
    if former.image_size_px != config.image_size_px:
        raise CheckpointError(
            f"{out} is for images of {former.image_size_px} px, not {config.image_size_px} px: "
            f"train with --image-size {former.image_size_px}, or write to another folder"
        )
    return replace(config, name=former.name, backbone=former.backbone)


def _opened(
    adaptation: Adaptation, tap_blocks: tuple[int, ...]
) -> tuple[AdaptedConfig, Backbone, TextTower]:
    """Open what the head is trained for."""
    here = Path.cwd()
    tower = open_text_tower(adaptation.text, folder=here)
    backbone = open_backbone(adaptation.backbone, folder=here, tap_blocks=tap_blocks)
    config = AdaptedConfig(
        name=adaptation.name,
        image_size_px=adaptation.extraction.image_size_px,
        backbone=Reference(source=adaptation.backbone, fingerprint=fingerprint(backbone)),
        text=Reference(source=adaptation.text, fingerprint=fingerprint(tower)),
        head=head_config(
            adaptation.method,
            token_width=backbone.width,
            text_width=tower.config.output_width,
            taps_count=len(backbone.tap_blocks),
            values=adaptation.head,
        ),
        tap_blocks=backbone.tap_blocks,
    )
    return config, backbone, tower


def _prepared(
    adaptation: Adaptation, former: CheckpointConfig | None, out: Path, watch: Watch, group: Group
) -> tuple[Features, AdaptedConfig, dict[str, torch.Tensor]]:
    """Return what the head learns from; backbone and text tower are let go of afterwards."""
    config, backbone, tower = _opened(adaptation, () if former is None else former.tap_blocks)
    if former is not None:
        config = _added(config, former, out)
    samples = tuple(sample for dataset in adaptation.datasets for sample in dataset.samples)
    # One process computes; the others find what it has left.
    if not group.is_first:
        distributed.barrier()
    product_texts = ProductTexts(
        tower.to(adaptation.extraction.device), cache=adaptation.extraction.cache
    )
    texts = {
        product: product_texts(Recipe(product=product)).cpu()
        for product in sorted({sample.product for sample in samples})
    }
    features = extract(backbone, samples, adaptation.extraction, on_rows=watch.on_rows)
    if group.is_first and group.size > 1:
        distributed.barrier()
    return features, config, texts


def trainable(dataset: Dataset) -> Dataset:
    """Return a data set without what cannot be learnt from, and with a remark on it.

    Raises:
        DatasetError: it has no masks.
    """
    if not dataset.has_masks:
        raise DatasetError(
            f"{dataset.path}: {dataset.name} has no masks, and adapters learn where defects are; "
            "train on a set with masks"
        )
    samples = tuple(
        sample for sample in dataset.samples if sample.mask is not None or not sample.is_anomalous
    )
    left_out_count = len(dataset.samples) - len(samples)
    remark = f"{left_out_count} anomalous images without a mask are left out"
    remarks = (*dataset.remarks, remark) if left_out_count else dataset.remarks
    return replace(dataset, samples=samples, remarks=remarks)


def _write(
    out: Path,
    adaptation: Adaptation,
    config: AdaptedConfig,
    training: AdapterTraining,
    processes_count: int,
) -> str:
    head = make_head(config.head)
    head.load_state_dict(training.best)
    content_hash = save_checkpoint(out, config, head, card="")
    card = AdapterCard(
        config=config,
        datasets=adaptation.datasets,
        plan=adaptation.plan,
        command=adaptation.command,
        content_hash=content_hash,
        history=training.history,
        best_epoch=training.best_epoch,
        counts=training.counts,
        processes_count=processes_count,
    )
    save_card(out, card.text())
    return content_hash
