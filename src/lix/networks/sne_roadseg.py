"""SNE-RoadSeg: two ResNets whose maps are added, a densely connected decoder (Fan et al., 2020)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from lix.networks.parts.base import FeatureTaps, SegNetwork
from lix.networks.parts.nested import NestedDecoder, nested_specs
from lix.networks.parts.weights import load_backbone

STRIDES = (2, 4, 8, 16, 32)
Backbone = Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]


class ResNetStages(nn.Module):
    """A torchvision ResNet without its classifier, as five stages at strides 2 to 32.

    Args:
        backbone: name of the ResNet.
        inputs: channels of the input.
        weights: None, `imagenet` or a file, see `load_backbone`; a stem of other than three
            channels gets the mean over the RGB stem.
    """

    def __init__(self, backbone: Backbone, inputs: int, weights: Path | str | None) -> None:
        super().__init__()
        from torchvision.models import resnet

        trunk = getattr(resnet, backbone)(weights=None)
        if weights is not None:
            load_backbone(trunk, backbone, weights)
        if inputs != 3:
            stem = nn.Conv2d(inputs, 64, 7, stride=2, padding=3, bias=False)
            if weights is not None:
                mean = trunk.conv1.weight.data.mean(dim=1, keepdim=True)
                stem.weight.data.copy_(mean.expand_as(stem.weight))
            trunk.conv1 = stem
        self.stages = nn.ModuleList(
            [
                nn.Sequential(trunk.conv1, trunk.bn1, trunk.relu),
                nn.Sequential(trunk.maxpool, trunk.layer1),
                trunk.layer2,
                trunk.layer3,
                trunk.layer4,
            ]
        )
        wide = 4 if backbone in ("resnet50", "resnet101", "resnet152") else 1
        self.widths = (64, 64 * wide, 128 * wide, 256 * wide, 512 * wide)


class SNERoadSeg(SegNetwork):
    """SNE-RoadSeg for RGB and X (a teacher) or only RGB (a student).

    At each of five levels the maps of both encoders are added; the sum goes to the decoder and on
    through the RGB encoder, the X encoder never sees RGB. Because fusion is a sum, the student's
    decoder is the teacher's. Features `enc1`…`enc5` are the sums, `rgb*` and `x*` what was added
    (teacher only), `dec1`…`dec4` the last column of the decoder.

    Args:
        num_classes: K.
        x_channels: 1 for depth, 3 for surface normals, 0 for a student.
        backbone: `resnet18` to `resnet152`; the paper's is `resnet152`.
        head: `linear` ends in a plain convolution. `official` passes the logits through batch norm
            and ReLU as the authors' code does: no class score can be negative.
        weights: None (random), `imagenet` (torchvision's file in torch's cache; it is not
            downloaded), or the path of such a file.

    Source: Fan et al., ECCV 2020; the layer table of hlwang1124/SNE-RoadSeg (commit 5e7900bf).
    Encoders of `resnet152`: 58,143,808 parameters (student), 116,281,344 (teacher with depth).
    Unlike there, loading ImageNet weights leaves their batch norms as they are.
    """

    size_divisor = 32
    default_features = ("enc2", "enc3", "enc4", "enc5")
    smallest = {"backbone": "resnet18"}

    def __init__(
        self,
        num_classes: int,
        x_channels: int = 0,
        *,
        backbone: Backbone = "resnet152",
        head: Literal["linear", "official"] = "linear",
        weights: Path | str | None = None,
    ) -> None:
        super().__init__()
        self.num_classes, self.x_channels = num_classes, x_channels
        self.rgb_encoder = ResNetStages(backbone, 3, weights)
        self.x_encoder = ResNetStages(backbone, x_channels, weights) if x_channels else None
        widths = self.rgb_encoder.widths
        self.decoder = NestedDecoder(widths, num_classes, head=head)
        self.feature_specs = nested_specs(widths, STRIDES, with_x=x_channels > 0)

    def _forward(self, image: Tensor, x: Tensor | None, taps: FeatureTaps) -> Tensor:
        maps = []
        for level, stage in enumerate(self.rgb_encoder.stages, start=1):
            image = stage(image)
            if self.x_encoder is not None:
                x = self.x_encoder.stages[level - 1](x)
                image = taps(f"rgb{level}", image) + taps(f"x{level}", x)
            maps.append(taps(f"enc{level}", image))
        logits: Tensor = self.decoder(maps, taps)
        return logits
