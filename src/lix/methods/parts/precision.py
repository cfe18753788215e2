"""The precision that losses compute in."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec

import torch
from torch import Tensor

from lix.core.types import SegOutput

P = ParamSpec("P")


def full_precision(loss: Callable[P, Any]) -> Callable[P, Any]:
    """Let a loss compute in float32 under autocast and for half inputs; float64 stays.

    Differences of log-probabilities and Gram matrices lose everything in 8 or 11 bits.
    """

    @functools.wraps(loss)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Any:
        given = [_tensor(a) for a in (*args, *kwargs.values())]
        device = next((t.device.type for t in given if t is not None), "cpu")
        with torch.autocast(device_type=device, enabled=False):
            promoted = {key: _promote(value) for key, value in kwargs.items()}
            return loss(*[_promote(a) for a in args], **promoted)

    return wrapped


def _tensor(value: Any) -> Tensor | None:
    if isinstance(value, SegOutput):
        return value.logits
    return value if isinstance(value, Tensor) else None


def _promote(value: Any) -> Any:
    if isinstance(value, SegOutput):
        features = {name: _promote(f) for name, f in value.features.items()}
        return SegOutput(_promote(value.logits), features)
    half = isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16)
    return value.float() if half else value
