"""The base class of all networks: inputs, outputs, and the sizes of their feature maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lix.core.types import FeatureSpec, SegOutput


class FeatureTaps:
    """Keeps the feature maps that were asked for while a forward pass runs.

    >>> taps = FeatureTaps(["enc2"])
    >>> _ = taps("enc1", torch.zeros(1)), taps("enc2", torch.ones(1))
    >>> taps.kept
    {'enc2': tensor([1.])}
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._maps: dict[str, Tensor | None] = dict.fromkeys(names)

    def __call__(self, name: str, feature_map: Tensor) -> Tensor:
        """Keep `feature_map` if `name` was asked for, and return it unchanged."""
        if name in self._maps:
            self._maps[name] = feature_map
        return feature_map

    @property
    def wanted(self) -> bool:
        """Whether any map was asked for."""
        return bool(self._maps)

    @property
    def kept(self) -> dict[str, Tensor]:
        """The kept maps in the order asked."""
        return {name: kept for name, kept in self._maps.items() if kept is not None}


class SegNetwork(nn.Module):
    """A semantic segmentation network that sees RGB (a student) or RGB and X (a teacher).

    Subclasses set the attributes below in `__init__` and implement `_forward`.
    Images are RGB in [0, 1]; a network normalises them itself.
    """

    num_classes: int
    x_channels: int
    """0: RGB only (a student); 1: depth; 3: normals."""
    size_divisor: int
    """Image height and width must be multiples of it."""
    feature_specs: Mapping[str, FeatureSpec]
    default_features: tuple[str, ...]
    """The maps that feature distillation compares by default."""
    smallest: ClassVar[Mapping[str, Any]] = {}
    """Options of the smallest variant, for machines without a GPU and for tests."""

    def forward(
        self, image: Tensor, x: Tensor | None = None, *, features: Sequence[str] = ()
    ) -> SegOutput:
        """Segment a batch.

        Args:
            image: (B, 3, H, W) RGB in [0, 1].
            x: (B, x_channels, H, W), encoded by `lix.data.encode`; None for an RGB-only network.
            features: names out of `feature_specs`; asking for none costs nothing.

        Returns:
            Logits (B, K, H, W) and the feature maps asked for.

        Raises:
            ValueError: wrong channels, a size that is not a multiple of `size_divisor`, X that is
                missing or not expected, an unknown feature name.
            TypeError: `features` is one name.
        """
        if not torch.compiler.is_exporting():
            self._check(image, x, features)
        taps = FeatureTaps(features)
        logits = self._forward(image, x, taps)
        return SegOutput(logits, taps.kept)

    def _forward(self, image: Tensor, x: Tensor | None, taps: FeatureTaps) -> Tensor:
        """Return the logits at input resolution; offer every map of `feature_specs` to `taps`."""
        raise NotImplementedError

    def _check(self, image: Tensor, x: Tensor | None, features: Sequence[str]) -> None:
        name = self._get_name()
        if image.ndim != 4 or image.shape[1] != 3:
            raise ValueError(f"{name} needs an image of (B, 3, H, W), got {tuple(image.shape)}.")
        height, width = image.shape[-2:]
        step = self.size_divisor
        if height % step or width % step:
            below = [max(length // step, 1) * step for length in (height, width)]
            above = [-(-length // step) * step for length in (height, width)]
            raise ValueError(
                f"{name} needs a height and a width that are multiples of {step}, got "
                f"{height}x{width}; take {below[0]}x{below[1]} or {above[0]}x{above[1]}."
            )
        if self.x_channels == 0 and x is not None:
            raise ValueError(f"This {name} sees RGB only (x_channels=0); call it without x.")
        if self.x_channels > 0:
            wanted = (image.shape[0], self.x_channels, height, width)
            if x is None:
                raise ValueError(f"This {name} needs x of {wanted} next to the image.")
            if tuple(x.shape) != wanted:
                raise ValueError(f"This {name} needs x of {wanted}, got {tuple(x.shape)}.")
        if isinstance(features, str):
            raise TypeError(f"features is a sequence of names, as in ({features!r},).")
        unknown = [f for f in features if f not in self.feature_specs]
        if unknown:
            names = ", ".join(self.feature_specs)
            raise ValueError(f"{name} has no feature {unknown[0]!r}; it has {names}.")
