"""Parts of a frame by its position, for tests of data sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lix.data.dataset import SegDataset
from lix.data.sample import Sample


def read(data: SegDataset, position: int = 0, *, with_x: bool = False) -> Sample:
    return data.read(data.ids[position], with_x=with_x)


def target(data: SegDataset, position: int = 0) -> NDArray[np.uint8]:
    return data.read_target(data.ids[position])


def intrinsics(data: SegDataset, position: int = 0) -> Tensor | None:
    return data.intrinsics(data.ids[position])


def plain(x: Tensor | None) -> Tensor:
    """Values without their kind."""
    assert x is not None
    return x.as_subclass(Tensor)
