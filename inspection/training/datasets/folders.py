"""What lies in a folder: subfolders, pictures and masks, by name and without opening any file."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from inspection.errors import DatasetError

#: Files with these endings, in any case, are pictures.
SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

#: Entries of a folder that a message names.
_SHOWN_COUNT = 5

_NUMBERS = re.compile(r"(\d+)")


def subfolders(folder: Path) -> dict[str, Path]:
    """Return the subfolders of a folder by name; none where there is no such folder."""
    entries = _entries(folder)
    return {each.name: folder / each.name for each in entries if each.is_dir()}


def pictures(folder: Path) -> list[Path]:
    """Return the pictures of a folder, sorted by name; none where there is no such folder."""
    return [folder / each.name for each in _entries(folder) if is_picture(each.name)]


def mask_files(folder: Path, *, ending: str = "") -> dict[str, Path]:
    """Return the pictures of a folder by the name of the image they belong to.

    That is their name without suffix and without `ending`, if it has that. Where both a name with
    and one without the ending stand for the same image, the one with it counts.
    """
    found: dict[str, Path] = {}
    # Names with the ending come last and so replace the others.
    for file in sorted(pictures(folder), key=lambda each: each.stem.endswith(ending)):
        found[file.stem.removesuffix(ending)] = file
    return found


def pictures_below(folder: Path) -> set[str]:
    """Return all pictures at any depth below a folder, as paths relative to it with `/`."""
    found: set[str] = set()
    waiting = [""]
    while waiting:
        below = waiting.pop()
        for entry in _entries(folder / below):
            name = f"{below}{entry.name}"
            if is_picture(name):
                found.add(name)
            elif entry.is_dir():
                waiting.append(f"{name}/")
    return found


def without_image(masks: Mapping[str, Path], images: Iterable[Path]) -> list[Path]:
    """Return the masks, given by the names of their images, whose image is not there."""
    names = {image.stem for image in images}
    return [file for name, file in masks.items() if name not in names]


def is_empty(folder: Path) -> bool:
    """Say whether a folder holds nothing but hidden files."""
    return not _entries(folder)


def is_picture(name: str) -> bool:
    """Say whether a file of this name is a picture."""
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 - called for every file


def in_words(path: Path) -> str:
    """Return what lies in a folder, its first entries at most, for a message."""
    if not path.exists():
        return "no such folder"
    if not path.is_dir():
        return "a file"
    found = [f"{each.name}/" if each.is_dir() else each.name for each in _entries(path)]
    return first_of(found) if found else "an empty folder"


def first_of(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = len(names) - _SHOWN_COUNT
    shown = ", ".join(names[:_SHOWN_COUNT])
    return f"{shown} and {more:,} more" if more > 0 else shown


def natural(name: str) -> tuple[tuple[str, int], ...]:
    """Return a key that sorts `Class2` before `Class10`."""
    parts = _NUMBERS.split(name)
    return tuple(
        (text, int(number or 0))
        for text, number in zip(parts[::2], [*parts[1::2], ""], strict=True)
    )


def stray(things: Iterable[Path | str], what: str) -> list[str]:
    """Return a remark on files or names that nothing belongs to, or none."""
    names = sorted(str(each) for each in things)
    return [f"{what}: {len(names):,}, the first is {names[0]}."] if names else []


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what a folder holds, sorted by name, without hidden files.

    Hidden are also the `._` files that archives made on a Mac bring along beside every picture.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(
                (each for each in entries if not each.name.startswith(".")),
                key=lambda each: each.name,
            )
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        message = f"The folder {folder} cannot be listed: {error.strerror}."
        raise DatasetError(message) from error
