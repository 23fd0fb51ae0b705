"""Data sets, devices and weights as the commands of training and evaluation name them."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inspection.errors import ConfigurationError
from inspection.model.checkpoint_folder import POCKET

if TYPE_CHECKING:
    from inspection.training.datasets import Dataset

#: Name of data sets that have none of their own, in the layout of MVTec AD.
FOLDER = "folder"
#: What `--data` is given.
DATA_HELP = "data set and its folder, or a folder in MVTec AD's layout; may be given repeatedly"
#: What `--device` is given.
DEVICE_HELP = "auto, cpu, cuda, cuda:1 …"


def source(text: str) -> tuple[str, Path]:
    """Read `NAME=PATH`, or the path of a folder in the layout of MVTec AD.

    Raises:
        ConfigurationError: it is neither.
    """
    name, equals, path = text.partition("=")
    if equals and name and path and "/" not in name:
        return name, Path(path).expanduser()
    folder = Path(text).expanduser()
    if text and folder.is_dir():
        return FOLDER, folder
    raise ConfigurationError(
        f"--data: {text!r} names no data set and folder; write for example mvtec-ad=/data/mvtec, "
        "or the path of a folder in the layout of MVTec AD"
    )


def names(text: str | None) -> tuple[str, ...]:
    """Read names parted by commas."""
    return tuple(name for part in (text or "").split(",") if (name := part.strip()))


def opened(sources: list[str], categories: tuple[str, ...]) -> "list[Dataset]":
    """Open data sets given as `source` reads them, with only these categories if there are any.

    Raises:
        ConfigurationError: a source is malformed, or no set has a category.
        DatasetError: a data set is not laid out as expected.
    """
    from inspection.training.datasets import open_dataset

    datasets = [open_dataset(name, path) for name, path in map(source, sources)]
    known = {category for dataset in datasets for category in dataset.categories}
    if unknown := [name for name in categories if name not in known]:
        raise ConfigurationError(
            f"--categories: there is no {', '.join(unknown)}; there are {', '.join(sorted(known))}"
        )
    if not categories:
        return datasets
    chosen = [_only(dataset, categories) for dataset in datasets]
    return [dataset for dataset in chosen if dataset.samples]


def anchored(source: str) -> str:
    """Return where weights come from so that it means the same from everywhere.

    A path that is there becomes an absolute one; names of repositories stay as they are.
    """
    if source == POCKET:
        return source
    model, at, path = source.partition("@")
    if at and Path(path).expanduser().exists():
        return f"{model}@{Path(path).expanduser().resolve()}"
    found = Path(source).expanduser()
    return str(found.resolve()) if found.exists() else source


def _only(dataset: "Dataset", categories: tuple[str, ...]) -> "Dataset":
    samples = tuple(sample for sample in dataset.samples if sample.category in categories)
    has_masks = any(sample.mask is not None for sample in samples)
    return replace(dataset, samples=samples, has_masks=has_masks)


def device_of(name: str) -> str:
    """Return the device that a name stands for here.

    Raises:
        ConfigurationError: it cannot be used.
    """
    from inspection.model.device import usable_device

    return str(usable_device(name))


def progress_bar(*, is_shown: bool = True) -> Progress:
    """Return a progress bar on stderr, which is only there on a terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not (is_shown and console.is_terminal),
    )
