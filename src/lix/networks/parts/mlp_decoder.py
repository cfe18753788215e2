"""The decoder of SegFormer and OFF-Net: every map to one width and size, joined by 1x1 layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix.networks.parts.base import FeatureTaps

WIDTH = 256


def resize(f: Tensor, size: torch.Size) -> Tensor:
    """Resize bilinearly, with aligned pixel centres."""
    return F.interpolate(f, size=size, mode="bilinear", align_corners=False)


class MLPDecoder(nn.Module):
    """Class scores at the size of the finest map; offers the joined map as `dec`.

    Args:
        widths: channels of the encoder's maps, from the finest to the coarsest.
        num_classes: K.
    """

    def __init__(self, widths: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(nn.Conv2d(width, WIDTH, 1) for width in widths)
        self.fuse = nn.Sequential(
            nn.Conv2d(len(widths) * WIDTH, WIDTH, 1, bias=False),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Conv2d(WIDTH, num_classes, 1)

    def forward(self, maps: Sequence[Tensor], taps: FeatureTaps) -> Tensor:
        """Return (B, K, h, w)."""
        size = maps[0].shape[-2:]
        reduced = [resize(r(m), size) for r, m in zip(self.reduce, maps, strict=True)]
        logits: Tensor = self.head(taps("dec", self.fuse(torch.cat(reduced[::-1], dim=1))))
        return logits
