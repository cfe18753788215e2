"""DuplexNet: SNE-RoadSeg's scheme, two encoders whose maps are added, over any timm backbone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

from torch import Tensor

from lix.core.errors import check_choice
from lix.core.types import FeatureSpec
from lix.networks.parts.base import FeatureTaps, SegNetwork
from lix.networks.parts.hooks import capture
from lix.networks.parts.mlp_decoder import WIDTH, MLPDecoder, resize
from lix.networks.parts.nested import NestedDecoder, nested_specs
from lix.networks.parts.timm_stages import TimmStages


class _Stages(TimmStages):
    """A hierarchical backbone that adds maps to its own while it runs."""

    def __init__(self, backbone: str, inputs: int, weights: Path | None) -> None:
        super().__init__(backbone, inputs, weights)
        if any(fine * 2 != coarse for fine, coarse in pairwise(self.strides)):
            raise ValueError(
                f"The levels of {backbone} have strides {self.strides}; DuplexNet needs each to be "
                "twice the one before: choose a hierarchical backbone, or the network timm."
            )
        names = self.trunk.feature_info.module_name()
        self.places = [self._place(name, backbone) for name in names]

    def raw(
        self, image: Tensor, added: Sequence[Tensor] | None = None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the levels' own maps, in the backbone's layout, and the maps after addition."""
        places = {str(level): place for level, place in enumerate(self.places)}
        to_add = {str(level): f for level, f in enumerate(added or ())}
        # MobileNets activate the map of their first level in place after it was given.
        with capture(self.trunk, places, added=to_add, unchanged=False) as maps:
            fused = self(image)
        return list(maps.values()), fused

    def _place(self, name: str, backbone: str) -> str:
        """Path of a level's last module in the trunk."""
        modules = dict(self.trunk.named_modules())
        for place in (name, f"model.{name}", name.replace(".", "_")):
            if place in modules:
                return place
        raise ValueError(
            f"{backbone} of timm cannot be cut at {name!r}; choose another backbone, such as "
            "resnet18, or the network timm."
        )


class DuplexNet(SegNetwork):
    """RGB and X encoders of one kind, fused level by level, and a decoder of choice.

    At each level the map of X is added to the map of RGB, and the sum goes on through the RGB
    encoder. Without X it is the backbone with a decoder. Features: `enc*`, the backbone's maps of
    the sums; `rgb*` and `x*`, the maps that are added (teacher only); `dec*`, the decoder's maps.

    Args:
        num_classes: K.
        x_channels: channels of X, 0 for a student.
        backbone: name of a timm model with `features_only` whose levels halve the size and that
            takes images of any size; docs/your-model.md lists families that do.
        decoder: `unetpp` (SNE-RoadSeg's) or `mlp` (SegFormer's).
        weights: file of the backbone's weights in timm's names; the X encoder gets them too, its
            stem the mean over the RGB stem. None: random.

    Raises:
        ImportError: timm is not installed.
        FileNotFoundError: no such file of weights.
        ValueError: no such backbone, one that does not fit, or weights of another.
    """

    default_features: tuple[str, ...]

    def __init__(
        self,
        num_classes: int,
        x_channels: int = 0,
        *,
        backbone: str = "resnet18",
        decoder: Literal["unetpp", "mlp"] = "unetpp",
        weights: Path | None = None,
    ) -> None:
        super().__init__()
        check_choice("decoder", decoder, ("unetpp", "mlp"))
        self.num_classes, self.x_channels = num_classes, x_channels
        self.rgb_encoder = _Stages(backbone, 3, weights)
        self.x_encoder = _Stages(backbone, x_channels, weights) if x_channels else None
        widths, strides = self.rgb_encoder.widths, self.rgb_encoder.strides
        self.size_divisor = strides[-1]
        self.decoder: NestedDecoder | MLPDecoder
        if decoder == "unetpp":
            self.decoder = NestedDecoder(widths, num_classes, head="linear")
        else:
            self.decoder = MLPDecoder(widths, num_classes)
        specs = nested_specs(widths, strides, with_x=x_channels > 0)
        if decoder == "mlp":
            specs = {k: v for k, v in specs.items() if not k.startswith("dec")}
            specs["dec"] = FeatureSpec(WIDTH, strides[0])
        self.feature_specs = specs
        self.default_features = tuple(f"enc{i}" for i in range(1, len(widths) + 1))[-4:]

    def _forward(self, image: Tensor, x: Tensor | None, taps: FeatureTaps) -> Tensor:
        if self.x_encoder is None or x is None:
            maps = self.rgb_encoder(image)
        else:
            x_maps, _ = self.x_encoder.raw(x)
            rgb_maps, maps = self.rgb_encoder.raw(image, added=x_maps)
            for level, (rgb, other) in enumerate(zip(rgb_maps, x_maps, strict=True)):
                taps(f"rgb{level + 1}", self.rgb_encoder.nchw(level, rgb))
                taps(f"x{level + 1}", self.rgb_encoder.nchw(level, other))
        for level, fused in enumerate(maps, start=1):
            taps(f"enc{level}", fused)
        return resize(self.decoder(maps, taps), image.shape[-2:])
