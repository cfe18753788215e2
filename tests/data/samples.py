"""A small sample whose parts say the same, for tests of transforms."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision import tv_tensors

from lix.data.modalities import Depth
from lix.data.sample import Sample, camera_matrix

HEIGHT, WIDTH = 24, 40


def plain(x: Tensor | None) -> Tensor:
    assert x is not None
    return x.as_subclass(Tensor)


def small_sample() -> Sample:
    """Every pixel of target and X has a value of its own; red says the same as the target."""
    ids = torch.arange(HEIGHT * WIDTH).view(HEIGHT, WIDTH) % 255
    return Sample(
        image=tv_tensors.Image(torch.stack([ids, ids // 2, 255 - ids]).to(torch.uint8)),
        target=tv_tensors.Mask(ids),
        id="a",
        x=(Depth(torch.arange(1.0, HEIGHT * WIDTH + 1).view(1, HEIGHT, WIDTH)),),
        intrinsics=camera_matrix(50.0, 60.0, 19.5, 11.5),
    )
