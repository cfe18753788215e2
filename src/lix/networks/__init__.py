"""Segmentation networks: RGB-X teachers and RGB students with one contract."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lix.core.registry import Entry, build, find
from lix.core.types import FeatureSpec as FeatureSpec
from lix.core.types import SegOutput as SegOutput

if TYPE_CHECKING:
    from lix.networks.parts.base import SegNetwork as SegNetwork


def build_network(name: str, num_classes: int, x_channels: int = 0, **options: Any) -> SegNetwork:
    """Build a network by name: RGB only with `x_channels=0`, else RGB and X.

    A name such as `my_networks:build` is your own Python function, (num_classes, x_channels,
    **options) → network; it is run only if `LIX_ALLOW_CODE` is set (`lix --allow-code`).

    Raises:
        ValueError: unknown name or option, or code that is not allowed.

    >>> build_network("mfnet", num_classes=19).x_channels
    0
    """
    entry = find("networks", name)
    if ":" in name:
        return _build_own(entry, num_classes, x_channels, options)
    if num_classes < 1 or x_channels < 0:
        raise ValueError(
            f"A network needs at least one class, and 0 or more channels of X; got num_classes="
            f"{num_classes}, x_channels={x_channels}."
        )
    built: SegNetwork = build(entry, options, num_classes, x_channels)
    return built


def _build_own(
    entry: Entry, num_classes: int, x_channels: int, options: Mapping[str, Any]
) -> SegNetwork:
    """A network of the user's function, checked against what was asked for."""
    from lix.networks.parts.base import SegNetwork

    function = entry.load()
    try:
        inspect.signature(function).bind(num_classes, x_channels, **options)
    except TypeError as error:
        raise ValueError(
            f"{entry.name} must take (num_classes, x_channels, **options), but for the options "
            f"{list(options)} {error}."
        ) from None
    built = function(num_classes, x_channels, **options)
    asked = {"num_classes": num_classes, "x_channels": x_channels}
    has = {key: getattr(built, key, None) for key in asked}
    if not isinstance(built, SegNetwork) or has != asked:
        raise ValueError(
            f"{entry.name} returned a {type(built).__name__} of {has}, but was asked for {asked}; "
            "return lix.wrap(module, …) and use the arguments that are given "
            "(docs/your-model.md)."
        )
    return built


def __getattr__(name: str) -> Any:
    if name == "SegNetwork":
        from lix.networks.parts.base import SegNetwork

        return SegNetwork
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
