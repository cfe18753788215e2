"""The densely connected decoder of SNE-RoadSeg, over the maps of any encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix.core.errors import check_choice
from lix.core.types import FeatureSpec
from lix.networks.parts.base import FeatureTaps


def conv_block(inputs: int, outputs: int) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def double(f: Tensor) -> Tensor:
    """Twice the height and width, bilinearly, corners aligned as in the official code."""
    return F.interpolate(f, scale_factor=2.0, mode="bilinear", align_corners=True)


class NestedDecoder(nn.Module):
    """Node (i, j) sees all nodes left of it on its level and the up-sampled one below.

    Column 0 holds the encoder's maps; the last node of level 1 gives the logits.

    Args:
        widths: channels of the encoder's maps, from the finest to the coarsest.
        num_classes: K.
        head: `linear`, or `official`: batch norm and ReLU on the logits.
    """

    def __init__(
        self, widths: Sequence[int], num_classes: int, *, head: Literal["linear", "official"]
    ) -> None:
        super().__init__()
        check_choice("head", head, ("linear", "official"))
        self.levels = len(widths)
        self.nodes, self.ups = nn.ModuleDict(), nn.ModuleDict()
        for j in range(1, self.levels):
            for i in range(1, self.levels - j + 1):
                here, below = widths[i - 1], widths[i]
                self.ups[f"{i}_{j}"] = conv_block(below, here)
                self.nodes[f"{i}_{j}"] = nn.Sequential(
                    conv_block(here * (j + 1), here), conv_block(here, here)
                )
        self.head: nn.Module = (
            conv_block(widths[0], num_classes)
            if head == "official"
            else nn.Conv2d(widths[0], num_classes, 3, padding=1)
        )

    def forward(self, maps: Sequence[Tensor], taps: FeatureTaps) -> Tensor:
        """Return the logits at twice the size of the finest map."""
        rows = [[f] for f in maps]
        for j in range(1, self.levels):
            for i in range(1, self.levels - j + 1):
                up = self.ups[f"{i}_{j}"](double(rows[i][j - 1]))
                rows[i - 1].append(self.nodes[f"{i}_{j}"](torch.cat([*rows[i - 1], up], dim=1)))
        for i in range(1, self.levels):
            taps(f"dec{i}", rows[i - 1][-1])
        logits: Tensor = self.head(double(rows[0][-1]))
        return logits


def nested_specs(
    widths: Sequence[int], strides: Sequence[int], *, with_x: bool
) -> dict[str, FeatureSpec]:
    """Feature specs of the encoder's levels and of the decoder's last column."""
    levels = list(zip(widths, strides, strict=True))
    specs = {f"enc{i}": FeatureSpec(*level) for i, level in enumerate(levels, start=1)}
    specs |= {f"dec{i}": FeatureSpec(*level) for i, level in enumerate(levels[:-1], start=1)}
    if with_x:
        for stream in ("rgb", "x"):
            specs |= {f"{stream}{i}": FeatureSpec(*level) for i, level in enumerate(levels, 1)}
    return specs
