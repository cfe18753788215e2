"""Types that all packages share: the output of a network, and the label that is ignored."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

IGNORE_INDEX = 255
"""The label of pixels from which nothing is learned and on which nothing is scored."""


class SegOutput(NamedTuple):
    """The output of every network.

    A named tuple, not a dataclass, so that DDP, `torch.compile` and `torch.export` see its tensors.
    """

    logits: Tensor
    """(B, K, H, W) class scores at input resolution, before softmax."""
    features: dict[str, Tensor]
    """The feature maps that were asked for, (B, C, h, w) each, in the order of the request."""


class FeatureSpec(NamedTuple):
    """Size of a feature map, known without a forward pass."""

    channels: int
    stride: int
    """Input pixels per position of the map."""
