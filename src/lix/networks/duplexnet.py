"""DuplexNet: SNE-RoadSeg's scheme, two encoders whose maps are added, over any timm backbone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from lix.catalog import unknown
from lix.extras import require
from lix.networks.base import FeatureSpec, FeatureTaps, SegNetwork
from lix.networks.mlp_decoder import WIDTH, MLPDecoder, resize
from lix.networks.nested import NestedDecoder, nested_specs


class DuplexNet(SegNetwork):
    """RGB and X encoders of one kind, fused level by level, and a decoder of choice.

    At each level X's map is added to that of RGB, and the sum goes on through the RGB encoder.
    Without X it is the backbone with a decoder. Features `enc*` are the sums, `rgb*` and `x*` what
    was added (teacher only), `dec*` the decoder's.

    Args:
        num_classes: K.
        x_channels: of X, 0 for a student.
        backbone: name of a timm model with `features_only`.
        fusion: `add`.
        decoder: `unetpp` (SNE-RoadSeg's) or `mlp` (SegFormer's).
        weights: file of the backbone's weights in timm's names; the X encoder gets them too, its
            stem averaged or repeated to `x_channels` as timm does. None: random.

    Raises:
        ImportError: timm is not installed.
        ValueError: no such backbone, or one whose levels do not halve the size.
    """

    default_features: tuple[str, ...]

    def __init__(
        self,
        num_classes: int,
        x_channels: int = 0,
        *,
        backbone: str = "resnet18",
        fusion: Literal["add"] = "add",
        decoder: Literal["unetpp", "mlp"] = "unetpp",
        weights: Path | None = None,
    ) -> None:
        super().__init__()
        if fusion != "add":
            raise ValueError(f"fusion must be 'add', got {fusion!r}.")
        if decoder not in ("unetpp", "mlp"):
            raise ValueError(f"decoder must be 'unetpp' or 'mlp', got {decoder!r}.")
        self.num_classes, self.x_channels = num_classes, x_channels
        self.rgb_encoder = TimmStages(backbone, 3, weights)
        self.x_encoder = TimmStages(backbone, x_channels, weights) if x_channels else None
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

    def encoder_parameters(self) -> int:
        encoders = [e for e in (self.rgb_encoder, self.x_encoder) if e is not None]
        return sum(p.numel() for e in encoders for p in e.parameters())


class TimmStages(nn.Module):
    """A timm backbone that gives its maps, and lets others be added to them while it runs."""

    def __init__(self, backbone: str, inputs: int, weights: Path | None) -> None:
        super().__init__()
        require("models", "timm")
        import timm

        known = timm.list_models()
        if backbone not in known:
            raise ValueError(unknown("timm backbone", backbone, known))
        self.trunk: Any = timm.create_model(
            backbone,
            pretrained=weights is not None,
            pretrained_cfg_overlay={"file": str(weights)} if weights else None,
            features_only=True,
            in_chans=inputs,
        )
        info = self.trunk.feature_info
        self.widths, self.strides = tuple(info.channels()), tuple(info.reduction())
        if any(fine * 2 != coarse for fine, coarse in pairwise(self.strides)):
            raise ValueError(
                f"The levels of {backbone} have strides {self.strides}; DuplexNet needs each to be "
                "twice the one before: choose a hierarchical backbone."
            )
        self.places = [self._place(name) for name in info.module_name()]

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the maps, (B, C, h, w) each."""
        return [self.nchw(level, f) for level, f in enumerate(self.trunk(image))]

    def raw(
        self, image: Tensor, added: Sequence[Tensor] | None = None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return what the levels gave, in the backbone's own layout, and the maps after addition.

        Hooks live for the call alone.
        """
        given: list[Tensor] = []

        def hook(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
            given.append(output)
            return output if added is None else output + added[len(given) - 1]

        handles = [self.trunk.get_submodule(p).register_forward_hook(hook) for p in self.places]
        try:
            return given, self(image)
        finally:
            for handle in handles:
                handle.remove()

    def nchw(self, level: int, f: Tensor) -> Tensor:
        """A map of this level as (B, C, h, w); some Transformers keep channels last."""
        return f if f.shape[1] == self.widths[level] else f.permute(0, 3, 1, 2)

    def _place(self, name: str) -> str:
        """Where timm has put a level's last module."""
        there = dict(self.trunk.named_modules())
        for place in (name, f"model.{name}", name.replace(".", "_")):
            if place in there:
                return place
        raise ValueError(f"{type(self.trunk).__name__} of timm cannot be cut at {name!r}.")
