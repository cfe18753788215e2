"""From a sample to a network's input: geometry for all parts, colours only for the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from lix.core.types import IGNORE_INDEX
from lix.data.encode import encode
from lix.data.modalities import Depth, Disparity, X
from lix.data.sample import Sample

DISTORTIONS = (
    v2.ColorJitter(brightness=(0.875, 1.125)),
    v2.ColorJitter(contrast=(0.5, 1.5)),
    v2.ColorJitter(saturation=(0.5, 1.5)),
    v2.RandomChannelPermutation(),
)
"""As in SSD and `v2.RandomPhotometricDistort`, without hue: one way through HSV takes longer than
reading a sample and everything else that is done to it."""


def resize(sample: Sample, size: tuple[int, int]) -> Sample:
    """Resize all parts to (H, W): RGB antialiased, labels and X to the nearest pixel."""
    height, width = sample.image.shape[-2:]
    if (height, width) == tuple(size):
        return sample
    return _map(sample, lambda part: _resized(part, list(size)), scaling((height, width), size))


def scaling(before: tuple[int, int], after: tuple[int, int]) -> Tensor:
    """(3, 3): what a change of size (H, W) does to pixel coordinates, centres at integers."""
    y, x = after[0] / before[0], after[1] / before[1]
    return torch.tensor([[x, 0.0, (x - 1) / 2], [0.0, y, (y - 1) / 2], [0.0, 0.0, 1.0]])


def crop(sample: Sample, top: int, left: int, height: int, width: int) -> Sample:
    """Crop all parts; outside the image RGB is 0, the label ignored and X invalid."""
    full_height, full_width = sample.image.shape[-2:]
    right, bottom = left + width - full_width, top + height - full_height
    if not any((top, left, right, bottom)):
        return sample
    padding = [max(-left, 0), max(-top, 0), max(right, 0), max(bottom, 0)]
    shift = torch.tensor([[1.0, 0.0, -left], [0.0, 1.0, -top], [0.0, 0.0, 1.0]])

    def cut(part: Tensor) -> Tensor:
        if any(padding):
            part = F.pad(part, padding, fill=_outside(part))
        return F.crop(part, top + padding[1], left + padding[0], height, width)

    return _map(sample, cut, shift)


def flip(sample: Sample) -> Sample:
    """Mirror all parts left to right; the x of normals changes its sign."""
    mirror = torch.eye(3)
    mirror[0, 0], mirror[0, 2] = -1.0, sample.image.shape[-1] - 1.0
    flipped = _map(sample, F.horizontal_flip, mirror)
    if flipped.intrinsics is not None:
        flipped.intrinsics[0, 0] *= -1.0
    return flipped


@dataclass(frozen=True)
class Augment:
    """The paper's augmentation: random scale, flip, colour and photometric distortion.

    Draws from torch's global random numbers: seed them for each sample.

    Raises:
        ValueError: a scale that is not positive, or whose ends are in the wrong order.
    """

    size: tuple[int, int]
    """(H, W) of the whole frame, before the zoom."""
    scale: tuple[float, float] = (0.75, 1.5)
    """Range of the zoom; below 1 the image shrinks and its surroundings are ignored."""
    flip: float = 0.5
    """Probability of a horizontal flip."""
    photometric: float = 0.5
    """Probability of each distortion of brightness, contrast, saturation and channel order."""
    crop: tuple[int, int] | None = None
    """(H, W) of the result, a random part of the zoomed frame; None: `size`."""
    x_scale: tuple[float, float] = (1.0, 1.0)
    """Range of a factor of depth and disparity, drawn evenly over its logarithm."""
    x_drop: float = 0.0
    """Probability that X is invalid in a random window of half the height and width."""

    def __post_init__(self) -> None:
        for name, (low, high) in (("scale", self.scale), ("x_scale", self.x_scale)):
            if not 0 < low <= high:
                raise ValueError(
                    f"The augmentation's {name} is {low} to {high}; give two positive numbers, "
                    "the smaller first."
                )

    def __call__(self, sample: Sample) -> Sample:
        # Moving int64 labels would cost eight times the memory.
        sample = replace(sample, target=tv_tensors.Mask(sample.target.byte()))
        if torch.rand(()) < self.flip:
            sample = flip(sample)
        low, high = self.scale
        zoom = low + (high - low) * torch.rand(()).item()
        full, crop = sample.image.shape[-2:], self.crop or self.size
        shares = [part / whole for part, whole in zip(crop, self.size, strict=True)]
        window = _scaled(full, [min(share / zoom, 1.0) for share in shares])  # what is visible
        filled = _scaled(crop, [min(zoom * (1 / share), 1.0) for share in shares])  # and fills
        sample = resize(_random_crop(sample, window), filled)
        sample = self._disturb_x(_random_crop(self._distort(sample), crop))
        return replace(sample, target=tv_tensors.Mask(sample.target.long()))

    def _distort(self, sample: Sample) -> Sample:
        image = F.to_dtype(sample.image, torch.float32, scale=True)  # faster than bytes
        for which in torch.randperm(len(DISTORTIONS)):
            if torch.rand(()) < self.photometric:
                image = DISTORTIONS[which](image)
        return replace(sample, image=image)

    def _disturb_x(self, sample: Sample) -> Sample:
        """X as of another sensor; numbers are drawn only where it is asked for."""
        parts = sample.x
        low, high = self.x_scale
        if (low, high) != (1.0, 1.0):
            factor = low * (high / low) ** torch.rand(()).item()
            parts = tuple(
                tv_tensors.wrap(x * factor, like=x) if isinstance(x, (Depth, Disparity)) else x
                for x in parts
            )
        if self.x_drop and torch.rand(()) < self.x_drop:
            height, width = sample.image.shape[-2:]
            top, left = (int(length / 2 * torch.rand(()).item()) for length in (height, width))
            window = (..., slice(top, top + height // 2), slice(left, left + width // 2))
            parts = tuple(tv_tensors.wrap(x.clone(), like=x) for x in parts)
            for x in parts:
                x[window] = torch.nan
        return replace(sample, x=parts)


def to_batch(sample: Sample, encoding: str = "log") -> dict[str, Tensor | str]:
    """What the training module gets: `image` in [0, 1], `target`, `id` and, for a teacher, `x`."""
    batch: dict[str, Tensor | str] = {
        "image": F.to_dtype(sample.image, torch.float32, scale=True).as_subclass(Tensor),
        "target": sample.target.as_subclass(Tensor).long(),
        "id": sample.id,
    }
    if sample.x:
        spans = sample.spans or (None,) * len(sample.x)
        encoded = [
            encode(x, encoding, sample.intrinsics, span)
            for x, span in zip(sample.x, spans, strict=True)
        ]
        batch["x"] = torch.cat(encoded)
    return batch


def _map(sample: Sample, geometry: Callable[[Any], Any], matrix: Tensor) -> Sample:
    """Apply one geometry to all parts; `matrix` is what it does to pixel coordinates."""
    return replace(
        sample,
        image=geometry(sample.image),
        target=geometry(sample.target),
        x=tuple(map(geometry, sample.x)),
        intrinsics=None if sample.intrinsics is None else matrix @ sample.intrinsics,
    )


def _resized(part: Tensor, size: list[int]) -> Tensor:
    if isinstance(part, X):
        return F.resize(part, size)
    if isinstance(part, tv_tensors.Image):
        return F.resize(part, size, antialias=True)
    ids = part.as_subclass(Tensor).byte()[None]
    nearest = F.resize_image(ids, size, interpolation=InterpolationMode.NEAREST_EXACT)
    return tv_tensors.Mask(nearest[0].to(part.dtype))


def _scaled(size: Sequence[int], factors: Sequence[float]) -> tuple[int, int]:
    pairs = zip(size, factors, strict=True)
    height, width = (max(round(length * factor), 1) for length, factor in pairs)
    return height, width


def _random_crop(sample: Sample, size: tuple[int, int]) -> Sample:
    """A random window of `size`, or the whole sample at a random place within it if larger."""
    height, width = sample.image.shape[-2:]
    top = round((height - size[0]) * torch.rand(()).item())
    left = round((width - size[1]) * torch.rand(()).item())
    return crop(sample, top, left, *size)


def _outside(part: Tensor) -> float:
    if isinstance(part, X):
        return torch.nan
    return 0 if isinstance(part, tv_tensors.Image) else IGNORE_INDEX
