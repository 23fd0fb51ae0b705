"""Where a frozen network comes from: the package, a path, or a repository on the Hub."""

import re
from importlib import resources
from pathlib import Path

#: The networks that are shipped in the package.
POCKET = "pocket"
#: Ends every message about weights that cannot be had.
WAY_OUT = f"or go on without network with {POCKET!r}"

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_WEIGHT_SUFFIXES = (".pth", ".pt", ".bin", ".safetensors")


def packaged(part: str) -> Path:
    """Return the folder of the packaged `backbone` or `text` tower."""
    return Path(str(resources.files("inspection.model"))) / POCKET / part


def path_of(source: str, folder: Path) -> Path | None:
    """Return the path that a source names, or None when it names none.

    A path is absolute, begins with `./` or `../`, or ends like a file of weights; a relative one
    is seen from `folder`.
    """
    is_path = source in (".", "..") or source.startswith(("./", "../"))
    if is_path or source.endswith(_WEIGHT_SUFFIXES) or Path(source).is_absolute():
        return folder / source
    return None


def is_repository(source: str) -> bool:
    """Return whether a source looks like `owner/name` on the Hub."""
    return _REPOSITORY.fullmatch(source) is not None
