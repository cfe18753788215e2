"""MFNet: late fusion by concatenation of two small encoders (Ha et al., IROS 2017)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lix.core.errors import check_choice
from lix.core.types import FeatureSpec
from lix.networks.parts.base import FeatureTaps, SegNetwork

RGB_WIDTHS = (16, 48, 48, 96, 96)
X_WIDTHS = (16, 16, 16, 36, 36)
NO_WIDTHS = (0, 0, 0, 0, 0)


class ConvBlock(nn.Sequential):
    """3x3 convolution, batch norm, LeakyReLU(0.2)."""

    def __init__(self, inputs: int, outputs: int, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(0.2),
        )


class MiniInception(nn.Module):
    """Three pairs of a plain and a dilated convolution, each pair concatenated."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        widths = (inputs, outputs, outputs)
        self.plain = nn.ModuleList(ConvBlock(w, outputs // 2) for w in widths)
        self.dilated = nn.ModuleList(ConvBlock(w, outputs // 2, dilation=2) for w in widths)

    def forward(self, f: Tensor) -> Tensor:
        for plain, dilated in zip(self.plain, self.dilated, strict=True):
            f = torch.cat([plain(f), dilated(f)], dim=1)
        return f


class Encoder(nn.Module):
    """Five stages at strides 1, 2, 4, 8, 16."""

    def __init__(self, inputs: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        w1, w2, w3, w4, w5 = widths
        self.stages = nn.ModuleList(
            [
                ConvBlock(inputs, w1),
                nn.Sequential(ConvBlock(w1, w2), ConvBlock(w2, w2)),
                nn.Sequential(ConvBlock(w2, w3), ConvBlock(w3, w3)),
                MiniInception(w3, w4),
                MiniInception(w4, w5),
            ]
        )

    def forward(self, f: Tensor) -> list[Tensor]:
        maps = []
        for level, stage in enumerate(self.stages):
            f = stage(F.max_pool2d(f, 2) if level else f)
            maps.append(f)
        return maps


class MFNet(SegNetwork):
    """MFNet for RGB and X (a teacher) or only RGB (a student).

    The student drops the X encoder; because the decoder adds the concatenated skips, its widths
    shrink with it. Features `enc1`…`enc5` are the concatenated maps, `rgb*` and `x*` their parts
    (teacher only), `dec4`…`dec2` the decoder's.

    Args:
        num_classes: K.
        x_channels: channels of X, 0 for a student.
        head: `linear` ends in a plain convolution. `official` passes the logits through batch
            norm and LeakyReLU as the authors' code does: every class score is standardised over
            the batch and negative evidence is shrunk five-fold.

    Source: the published architecture and the layer table of haqishen/MFNet-pytorch (commit
    fff9e28c), written anew; 739,185 (teacher) and 600,345 (student) parameters at 19 classes with
    the official head.
    """

    size_divisor = 16
    default_features = ("enc2", "enc3", "enc4", "enc5")

    def __init__(
        self,
        num_classes: int,
        x_channels: int = 0,
        *,
        head: Literal["linear", "official"] = "linear",
    ) -> None:
        super().__init__()
        check_choice("head", head, ("linear", "official"))
        self.num_classes, self.x_channels = num_classes, x_channels
        x_widths = X_WIDTHS if x_channels else NO_WIDTHS
        widths = [r + x for r, x in zip(RGB_WIDTHS, x_widths, strict=True)]
        self.rgb_encoder = Encoder(3, RGB_WIDTHS)
        self.x_encoder = Encoder(x_channels, X_WIDTHS) if x_channels else None
        self.decode4 = ConvBlock(widths[4], widths[2])
        self.decode3 = ConvBlock(widths[2], widths[2])
        self.decode2 = ConvBlock(widths[2], widths[0])
        self.head: nn.Module = (
            ConvBlock(widths[0], num_classes)
            if head == "official"
            else nn.Conv2d(widths[0], num_classes, 3, padding=1)
        )
        self.feature_specs = _feature_specs(widths, with_x=x_channels > 0)

    def _forward(self, image: Tensor, x: Tensor | None, taps: FeatureTaps) -> Tensor:
        maps = self.rgb_encoder(image)
        if self.x_encoder is not None:
            x_maps = self.x_encoder(x)
            for level, (rgb, other) in enumerate(zip(maps, x_maps, strict=True), start=1):
                taps(f"rgb{level}", rgb)
                taps(f"x{level}", other)
            maps = [torch.cat(pair, dim=1) for pair in zip(maps, x_maps, strict=True)]
        _, enc2, enc3, enc4, enc5 = maps
        for level, fused in enumerate(maps, start=1):
            taps(f"enc{level}", fused)
        dec4 = taps("dec4", self.decode4(_double(enc5) + enc4))
        dec3 = taps("dec3", self.decode3(_double(dec4) + enc3))
        dec2 = taps("dec2", self.decode2(_double(dec3) + enc2))
        logits: Tensor = self.head(_double(dec2))
        return logits


def _double(f: Tensor) -> Tensor:
    return F.interpolate(f, scale_factor=2.0, mode="nearest")


def _feature_specs(widths: list[int], *, with_x: bool) -> dict[str, FeatureSpec]:
    strides = (1, 2, 4, 8, 16)
    specs = {f"enc{i}": FeatureSpec(widths[i - 1], strides[i - 1]) for i in range(1, 6)}
    specs |= {
        "dec4": FeatureSpec(widths[2], 8),
        "dec3": FeatureSpec(widths[2], 4),
        "dec2": FeatureSpec(widths[0], 2),
    }
    if with_x:
        for i in range(1, 6):
            specs[f"rgb{i}"] = FeatureSpec(RGB_WIDTHS[i - 1], strides[i - 1])
            specs[f"x{i}"] = FeatureSpec(X_WIDTHS[i - 1], strides[i - 1])
    return specs
