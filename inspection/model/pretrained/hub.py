"""Weights from the Hugging Face Hub, with the user's own login and cache."""

from contextlib import suppress
from pathlib import Path

from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from huggingface_hub.errors import HTTPError as RequestError  # type: ignore[attr-defined]

from inspection.errors import CheckpointError
from inspection.model.pretrained.source import WAY_OUT
from inspection.model.pretrained.tensors import CONFIG_FILE, WEIGHTS_FILE

#: Tells how images are normalised; some repositories lack it.
PREPROCESSOR_FILE = "preprocessor_config.json"


def download(repository: str) -> Path:
    """Return a local folder with a repository's configuration and weights.

    What was downloaded before is used as it is, and the Hub is not asked again.

    Raises:
        CheckpointError: the Hub does not give the files; the message says what to do.
    """
    found = _found(repository)
    if found is not None:
        return found
    config = _file(repository, CONFIG_FILE)
    _file(repository, WEIGHTS_FILE)
    # Where it cannot be had, the repository's name tells the normalisation.
    with suppress(EntryNotFoundError, OSError, RuntimeError, RequestError):
        hf_hub_download(repository, PREPROCESSOR_FILE)
    return config.parent


def _found(repository: str) -> Path | None:
    with suppress(HFValidationError):  # said when the files are asked for
        found = [try_to_load_from_cache(repository, name) for name in (CONFIG_FILE, WEIGHTS_FILE)]
        if all(isinstance(path, str) for path in found):
            return Path(str(found[0])).parent
    return None


def _file(repository: str, file_name: str) -> Path:
    try:
        return Path(hf_hub_download(repository, file_name))
    except GatedRepoError as error:
        raise CheckpointError(
            f"{repository} is not open to you yet: accept its licence at "
            f"https://huggingface.co/{repository}, log in with `hf auth login` and try again, "
            f"{_elsewhere()}"
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise CheckpointError(
            f"the Hub shows you no repository {repository}: correct the name, or log in with "
            f"`hf auth login` if it is closed, {_elsewhere()}"
        ) from error
    except LocalEntryNotFoundError as error:
        raise CheckpointError(
            f"{file_name} of {repository} is not on this machine and the Hub cannot be reached: "
            f"connect it and try again, {_elsewhere()}"
        ) from error
    except EntryNotFoundError as error:
        raise CheckpointError(
            f"{repository} has no {file_name}, so that it cannot be opened here: take one of the "
            f"sizes from ViT-S to ViT-H+, {WAY_OUT}"
        ) from error
    except (RequestError, OSError, RuntimeError) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        raise CheckpointError(
            f"{file_name} of {repository} cannot be downloaded ({reason}): try again, "
            f"{_elsewhere()}"
        ) from error


def _elsewhere() -> str:
    return (
        f"or put its {CONFIG_FILE} and {WEIGHTS_FILE} into a folder and name the folder "
        f"instead, {WAY_OUT}"
    )
