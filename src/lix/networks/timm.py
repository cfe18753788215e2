"""Any timm backbone, plain ViTs and frozen foundation models too, under SegFormer's decoder."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from lix.core.types import FeatureSpec
from lix.networks.parts.base import FeatureTaps, SegNetwork
from lix.networks.parts.mlp_decoder import WIDTH, MLPDecoder, resize
from lix.networks.parts.timm_stages import TimmStages

LEVELS = 4


class Timm(SegNetwork):
    """The last four levels of a timm backbone, each in batch norm, and an MLP decoder.

    The levels of a hierarchical backbone are its stages, those of a plain ViT its last four blocks,
    which DINOv2's own head takes too, behind batch norm. X goes through a small backbone of its
    own, whose levels are projected, resized and added to those of RGB behind the backbone: a frozen
    one sees what it was trained on, and no gradient goes through it. Features: `enc1` to `enc4`,
    the sums, which without X are the normalised levels; `rgb*` and `x*`, what is added (teacher
    only); `dec`, the decoder's map.

    Args:
        num_classes: K.
        x_channels: channels of X, 0 for a student.
        backbone: name of a timm model with `features_only` that takes images of any size.
        weights: file of its weights in timm's names; None: random.
        frozen: the backbone stays as it is, also its batch norms, and only the rest is trained.
        x_backbone: name of the backbone of X.
        x_weights: file of its weights, as `weights`.

    Raises:
        ImportError: timm is not installed.
        FileNotFoundError: no such file of weights.
        ValueError: no such backbone, one that does not fit, or weights of another.

    Source: Oquab et al., DINOv2, TMLR 2024 (head over four blocks); Xie et al., SegFormer, NeurIPS
    2021 (decoder); Hazirbas et al., FuseNet, ACCV 2016 (sums level by level).
    """

    mean: Tensor
    std: Tensor
    default_features = ("enc1", "enc2", "enc3", "enc4")
    smallest = {"backbone": "test_vit", "x_backbone": "test_resnet"}

    def __init__(
        self,
        num_classes: int,
        x_channels: int = 0,
        *,
        backbone: str = "resnet18",
        weights: Path | None = None,
        frozen: bool = False,
        x_backbone: str = "resnet18",
        x_weights: Path | None = None,
    ) -> None:
        super().__init__()
        self.num_classes, self.x_channels, self.frozen = num_classes, x_channels, frozen
        self.backbone = TimmStages(backbone, 3, weights, levels=LEVELS)
        self.backbone.requires_grad_(not frozen)
        widths, strides = self.backbone.widths, self.backbone.strides
        self.size_divisor = strides[-1]
        for name in ("mean", "std"):
            values = torch.tensor(self.backbone.trunk.pretrained_cfg[name])
            self.register_buffer(name, values.view(3, 1, 1), persistent=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        self.x_encoder = self.x_projections = None
        if x_channels:
            self.x_encoder = TimmStages(x_backbone, x_channels, x_weights, levels=LEVELS)
            pairs = zip(self.x_encoder.widths, widths, strict=True)
            self.x_projections = nn.ModuleList(_projection(x, rgb) for x, rgb in pairs)
        self.decoder = MLPDecoder(widths, num_classes)
        streams = ("rgb", "x", "enc") if x_channels else ("enc",)
        self.feature_specs = {
            f"{stream}{level}": FeatureSpec(width, stride)
            for stream in streams
            for level, (width, stride) in enumerate(zip(widths, strides, strict=True), start=1)
        } | {"dec": FeatureSpec(WIDTH, strides[0])}

    def train(self, mode: bool = True) -> Timm:
        """Switch all but a frozen backbone, whose batch norms and dropout rest."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def _forward(self, image: Tensor, x: Tensor | None, taps: FeatureTaps) -> Tensor:
        maps = self.backbone((image - self.mean) / self.std)
        maps = [norm(f) for norm, f in zip(self.norms, maps, strict=True)]
        if self.x_encoder is not None and self.x_projections is not None:
            projected = zip(self.x_projections, self.x_encoder(x), strict=True)
            for level, (project, f) in enumerate(projected):
                rgb = taps(f"rgb{level + 1}", maps[level])
                maps[level] = rgb + taps(f"x{level + 1}", resize(project(f), rgb.shape[-2:]))
        for level, fused in enumerate(maps, start=1):
            taps(f"enc{level}", fused)
        return resize(self.decoder(maps, taps), image.shape[-2:])


def _projection(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
