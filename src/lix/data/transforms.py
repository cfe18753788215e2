"""From a sample to a network's input: geometry shared by all parts, colours by the image alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from lix.data.sample import IGNORE, Sample
from lix.data.x import Encoding, encode

Batch = dict[str, Tensor | list[str]]


def resize(sample: Sample, size: tuple[int, int]) -> Sample:
    """Resize all parts to (H, W): RGB antialiased, labels and X to the nearest pixel."""
    height, width = sample.image.shape[-2:]
    if (height, width) == size:
        return sample
    return _map(
        sample,
        lambda part: F.resize(part, list(size), interpolation=_interpolation(part), antialias=True),
        _scaling(size[1] / width, size[0] / height),
    )


def crop(sample: Sample, top: int, left: int, height: int, width: int) -> Sample:
    """Crop all parts; outside the image RGB is 0, the label ignored and X invalid."""
    full_height, full_width = sample.image.shape[-2:]
    right, bottom = left + width - full_width, top + height - full_height
    padding = [max(-left, 0), max(-top, 0), max(right, 0), max(bottom, 0)]
    top, left = top + padding[1], left + padding[0]
    shift = torch.eye(3)
    shift[0, 2], shift[1, 2] = padding[0] - left, padding[1] - top

    def cut(part: tv_tensors.TVTensor) -> tv_tensors.TVTensor:
        if any(padding):
            part = F.pad(part, padding, fill=_outside(part))
        return F.crop(part, top, left, height, width)

    return _map(sample, cut, shift)


def flip(sample: Sample) -> Sample:
    """Mirror all parts left to right; the x of normals changes its sign."""
    mirror = torch.eye(3)
    mirror[0, 0], mirror[0, 2] = -1.0, sample.image.shape[-1] - 1.0
    flipped = _map(sample, F.horizontal_flip, mirror)
    if flipped.intrinsics is not None:
        flipped.intrinsics[0, 0] = -flipped.intrinsics[0, 0]
    return flipped


@dataclass(frozen=True)
class Augment:
    """The paper's augmentation: random scale, flip, colour and photometric distortion.

    Draws from torch's global random numbers: seed them for each sample.
    """

    size: tuple[int, int]
    """(H, W) of the result."""
    scale: tuple[float, float] = (0.75, 1.5)
    """Range of the zoom; below 1 the image shrinks and its surroundings are ignored."""
    flip: float = 0.5
    """Probability of a horizontal flip."""
    photometric: float = 0.5
    """Probability of each distortion of brightness, contrast, saturation, hue and channels."""

    def __call__(self, sample: Sample) -> Sample:
        if self.photometric > 0:
            distort = v2.RandomPhotometricDistort(p=self.photometric)
            sample = replace(sample, image=distort(sample.image))
        if torch.rand(()) < self.flip:
            sample = flip(sample)
        return resize(self._random_window(sample), self.size)

    def _random_window(self, sample: Sample) -> Sample:
        full_height, full_width = sample.image.shape[-2:]
        low, high = self.scale
        zoom = low + (high - low) * torch.rand(()).item()
        height, width = round(full_height / zoom), round(full_width / zoom)
        top = round((full_height - height) * torch.rand(()).item())
        left = round((full_width - width) * torch.rand(()).item())
        return crop(sample, top, left, height, width)


def to_batch(sample: Sample, encoding: Encoding = "log") -> dict[str, Tensor | str]:
    """What the training module gets: `image` in [0, 1], `target`, `id` and, for a teacher, `x`."""
    batch: dict[str, Tensor | str] = {
        "image": sample.image.as_subclass(Tensor).float() / 255.0,
        "target": sample.target.as_subclass(Tensor).long(),
        "id": sample.id,
    }
    if sample.x is not None:
        batch["x"] = encode(sample.x, encoding)
    return batch


def _map(sample: Sample, geometry, intrinsics: Tensor) -> Sample:  # type: ignore[no-untyped-def] # noqa: ANN001
    camera = None if sample.intrinsics is None else intrinsics @ sample.intrinsics
    return replace(
        sample,
        image=geometry(sample.image),
        target=geometry(sample.target),
        x=None if sample.x is None else geometry(sample.x),
        intrinsics=camera,
    )


def _interpolation(part: Tensor) -> InterpolationMode:
    is_image = isinstance(part, tv_tensors.Image)
    return InterpolationMode.BILINEAR if is_image else InterpolationMode.NEAREST_EXACT


def _outside(part: Tensor) -> float:
    if isinstance(part, tv_tensors.Image):
        return 0
    return torch.nan if part.is_floating_point() else IGNORE


def _scaling(x: float, y: float) -> Tensor:
    return torch.tensor([[x, 0.0, (x - 1) / 2], [0.0, y, (y - 1) / 2], [0.0, 0.0, 1.0]])
