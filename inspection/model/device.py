"""The device that computes."""

import torch

from inspection.errors import ConfigurationError


def usable_device(name: str) -> torch.device:
    """Return the device of a name such as `cpu` or `cuda:0`; `auto` is a GPU if there is one.

    Raises:
        ConfigurationError: there is no such device, or it cannot be used.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigurationError(
            f"the device {name!r} cannot be used: {str(error).splitlines()[0]}; choose cpu"
        ) from error
    return device
