"""What a sample is, and the contract of every data set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torchvision import tv_tensors

IGNORE = 255


@dataclass
class Sample:
    """One frame in memory."""

    image: tv_tensors.Image
    """(3, H, W) uint8 RGB."""
    target: tv_tensors.Mask
    """(H, W) int64 train ids, 255 = ignored."""
    id: str
    x: tv_tensors.Mask | None = None
    """(C, H, W), one of the kinds of `lix.data.x`, NaN = invalid; None for a student."""
    intrinsics: Tensor | None = None
    """(3, 3) camera matrix in pixels."""


class SegDataset(ABC):
    """A data set on disk. Subclasses fill the attributes and read one frame at a time."""

    classes: tuple[str, ...]
    """Names by train id."""
    palette: tuple[tuple[int, int, int], ...]
    """RGB by train id, for pictures."""
    x_kind: str | None
    """Kind of X (a key of `lix.data.x.KINDS`), None where the set has none."""
    x_channels: int
    ids: list[str]

    def __len__(self) -> int:
        return len(self.ids)

    @abstractmethod
    def read(self, index: int, *, with_x: bool) -> Sample:
        """Read one frame; the files of X are opened only where `with_x`.

        Raises:
            ValueError: a file that is missing, damaged, or holds what the format forbids; the
                message names it.
        """


def read_rgb(path: Path) -> tv_tensors.Image:
    """(3, H, W) uint8 RGB from an image file."""
    return tv_tensors.Image(torch.from_numpy(read_array(path, "RGB")).permute(2, 0, 1).contiguous())


def read_array(path: Path, mode: str | None = None) -> NDArray[np.generic]:
    """Pixels of an image file as stored, or converted to a Pillow `mode`.

    Raises:
        ValueError: the file is missing or no readable image.
    """
    try:
        with Image.open(path) as file:
            return np.array(file if mode is None or file.mode == mode else file.convert(mode))
    except FileNotFoundError:
        raise ValueError(f"{path} is missing; check the data set's folder or its list.") from None
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise ValueError(f"{path} is damaged or no image ({error}); replace the file.") from None


def check_sizes(sample: Sample, path: Path) -> Sample:
    """Return the sample if all its parts have one height and width.

    Raises:
        ValueError: they differ; the message names the frame.
    """
    sizes = {"label": tuple(sample.target.shape[-2:])}
    if sample.x is not None:
        sizes["X"] = tuple(sample.x.shape[-2:])
    expected = tuple(sample.image.shape[-2:])
    for part, size in sizes.items():
        if size != expected:
            raise ValueError(
                f"{path}: the {part} is {size[0]}x{size[1]} but the image is "
                f"{expected[0]}x{expected[1]}; make them the same size."
            )
    return sample
