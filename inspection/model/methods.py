"""The methods by name: each a head and the values that size it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from inspection.errors import ConfigurationError
from inspection.model.ad_dinov3 import AdDinov3, AdDinov3Config
from inspection.model.ava_dino import AvaDino, AvaDinoConfig

Head = AvaDino | AdDinov3
HeadConfig = AvaDinoConfig | AdDinov3Config

_CONFIGS: dict[str, type[AvaDinoConfig | AdDinov3Config]] = {
    "ava-dino": AvaDinoConfig,
    "ad-dinov3": AdDinov3Config,
}
#: Names of the methods.
METHODS = tuple(_CONFIGS)

#: Channels between the layers of an AVA-DINO adapter, as a share of the backbone's; 768 of 1024.
_ADAPTER_SHARE = 0.75

#: What the published codes do where this project's default differs.
PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "ava-dino": {"text_stack": "interleave", "text_linear": "first", "routing": "per-tap"},
    "ad-dinov3": {"text_stack": "interleave", "linear": "first", "has_residual": False},
}


def make_head(config: HeadConfig) -> Head:
    """Return a head with random weights."""
    return AvaDino(config) if isinstance(config, AvaDinoConfig) else AdDinov3(config)


def method_of(config: HeadConfig) -> str:
    """Return the name of the method a head belongs to."""
    return next(name for name, kind in _CONFIGS.items() if isinstance(config, kind))


def head_config(
    method: str,
    *,
    token_width: int,
    text_width: int,
    taps_count: int,
    values: Mapping[str, Any] | None = None,
) -> HeadConfig:
    """Return the configuration of a method's head; `values` replace its defaults.

    Raises:
        ConfigurationError: there is no such method, or it has no such value.
    """
    sizes: dict[str, Any] = {
        "token_width": token_width,
        "text_width": text_width,
        "taps_count": taps_count,
    }
    values = values or {}
    if given := sizes.keys() & values.keys():
        raise ConfigurationError(
            f"{', '.join(sorted(given))} cannot be chosen: backbone and text tower decide"
        )
    if method == "ava-dino":
        sizes["adapter_width"] = int(token_width * _ADAPTER_SHARE)
    return read_head_config(method, {**sizes, **values})


def read_head_config(method: str, values: Mapping[str, Any]) -> HeadConfig:
    """Return the configuration that `dataclasses.asdict` made `values` of, checked.

    Raises:
        ConfigurationError: there is no such method, or a value is missing, unknown or wrong.
    """
    if method not in _CONFIGS:
        raise ConfigurationError(f"there is no method {method!r}; choose {' or '.join(METHODS)}")
    kind = _CONFIGS[method]
    allowed = {field.name: field.type for field in dataclasses.fields(kind)}
    for name, value in values.items():
        if name not in allowed:
            raise ConfigurationError(
                f"{name!r} is nothing a head of {method} has; it has {', '.join(allowed)}"
            )
        if choices := getattr(allowed[name], "__args__", None):
            if value not in choices:
                raise ConfigurationError(f"{name} is {value!r}; choose {' or '.join(choices)}")
        elif type(value) is not allowed[name] or (allowed[name] is int and value < 1):
            wanted = "true or false" if allowed[name] is bool else "a number from 1 on"
            raise ConfigurationError(f"{name} is {value!r}; give {wanted}")
    missing = [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.name not in values
    ]
    if missing:
        raise ConfigurationError(f"a head of {method} lacks {', '.join(missing)}")
    return kind(**values)
