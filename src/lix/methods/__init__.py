"""Distillation methods: pure loss functions and the `Method` classes around them.

Every public name of every method file can be imported from here:
`from lix.methods import dkd_loss, ARFD`.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any

from lix.catalog import build_method as build_method
from lix.methods.base import FeaturePair as FeaturePair
from lix.methods.base import Maps as Maps
from lix.methods.base import Method as Method


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        for file in pkgutil.iter_modules(__path__):
            found = getattr(import_module(f"{__name__}.{file.name}"), name, None)
            if getattr(found, "__module__", None) == f"{__name__}.{file.name}":
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
