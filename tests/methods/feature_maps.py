"""What the tests of feature methods share."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from lix.core.registry import entries
from lix.methods import (
    FeaturePair,
    Method,
)
from lix.networks import FeatureSpec, SegOutput

K = 5


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def pair(student: int, teacher: int) -> FeaturePair:
    return FeaturePair(FeatureSpec(student, 4), FeatureSpec(teacher, 4))


def compare(method: Method, fs: Tensor, ft: Tensor, target: Tensor) -> dict[str, Tensor]:
    """The terms of one pair of maps, at one seed, with the same logits every time."""
    torch.manual_seed(1)
    zs, zt = torch.randn(2, len(fs), K, *target.shape[1:]).to(fs.dtype)
    return method(SegOutput(zs, {"s": fs}), SegOutput(zt, {"t": ft}), target)


def approx(expected: float) -> object:
    return pytest.approx(expected, rel=1e-9, abs=1e-12)


def random_mask(*shape: int) -> Tensor:
    mask = torch.rand(shape) > 0.4
    mask[:, 0, 0] = True
    return mask


def positions(f: Tensor) -> list[tuple[int, int]]:
    return list(product(range(f.shape[-2]), range(f.shape[-1])))


FEATURE_METHODS = [
    name for name, entry in entries("methods").items() if entry.load().kind in ("feature", "both")
]
