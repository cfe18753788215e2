"""Distillation methods: pure loss functions and the `Method` classes around them.

Every public name of every method file can be imported from here:
`from lix.methods import dkd_loss, ARFD`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from lix.core.errors import unknown
from lix.core.registry import build, find, merge
from lix.methods.parts.base import FeaturePair as FeaturePair
from lix.methods.parts.base import Maps as Maps
from lix.methods.parts.base import Method as Method


def build_method(
    name: str,
    pairs: Sequence[FeaturePair] = (),
    num_classes: int = 0,
    *,
    preset: str | None = None,
    **options: Any,
) -> Method:
    """Build a distillation method by name; `options` win over those of the named `preset`.

    A name such as `my_methods:MyKD` is a subclass of `Method` of your own (`lix --allow-code`).

    Raises:
        ValueError: unknown name, preset or option, or code that is not allowed.

    >>> build_method("dkd", num_classes=19, preset="official-cifar").beta
    8.0
    """
    entry = find("methods", name)
    if preset is not None:
        presets: Mapping[str, Mapping[str, Any]] = entry.load().presets
        if preset not in presets:
            raise ValueError(unknown(f"preset of {name}", preset, list(presets) or ["(none)"]))
        options = merge(presets[preset], options)
    built: Method = build(entry, options, pairs, num_classes)
    return built


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        for file in pkgutil.walk_packages(__path__, f"{__name__}."):
            found = getattr(import_module(file.name), name, None)
            if getattr(found, "__module__", None) == file.name:
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
