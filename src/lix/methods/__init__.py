"""Distillation methods: pure loss functions and the `Method` classes around them.

Every public name of every method file can be imported from here:
`from lix.methods import dkd_loss, ARFD`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lix.catalog import build_method as build_method
from lix.catalog import entries
from lix.methods.base import FeaturePair as FeaturePair
from lix.methods.base import Maps as Maps
from lix.methods.base import Method as Method


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        for entry in entries("methods").values():
            found = getattr(import_module(entry.module), name, None)
            if getattr(found, "__module__", None) == entry.module:
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
