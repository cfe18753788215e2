"""What a sample is, the contract of every data set, and the readers that they share."""

from __future__ import annotations

import struct
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

IGNORE = 255
_UNKNOWN = 254
"""Marks colours that are no class, in place of a train id."""


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
    """A data set on disk. Subclasses fill the attributes and read one frame at a time.

    To open it looks for the images and labels of every frame, so that a missing file stops a run
    before it starts. X is first looked for, and then for all frames, by `read(…, with_x=True)`:
    a student needs no X on its disk.
    """

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


def require_files(paths: Sequence[Path], what: str, fix: str) -> None:
    """Check that all files exist, with one look into each folder.

    Raises:
        ValueError: some do not; the message counts them, names the first three and ends with
            `fix`.
    """
    folders = {path.parent for path in paths}
    names = {f: {p.name for p in f.iterdir()} if f.is_dir() else set() for f in folders}
    missing = [path for path in paths if path.name not in names[path.parent]]
    if missing:
        first = ", ".join(map(str, missing[:3]))
        raise ValueError(
            f"{len(missing)} of {len(paths)} {what} files are missing, first {first}; {fix}."
        )


def read_rgb(path: Path) -> tv_tensors.Image:
    """(3, H, W) uint8 RGB from an image file.

    Raises:
        ValueError: the file is missing, no readable image, or not of 8 bits a channel.
    """
    channels_first = read_array(path, "RGB").transpose(2, 0, 1)
    return tv_tensors.Image(torch.from_numpy(np.ascontiguousarray(channels_first)))


def read_array(path: Path, mode: str | None = None) -> NDArray[Any]:
    """Values of a file as stored, or an 8-bit image converted to a Pillow `mode`.

    Reads what Pillow reads (with 16-bit PNG, float TIFF and PFM), `.npy` and the first array of
    an `.npz`.

    Raises:
        ValueError: the file is missing or cannot be read.
    """
    with _reading(path):
        if path.suffix in (".npy", ".npz"):
            with path.open("rb") as opened:
                stored = np.load(opened, allow_pickle=False)
                return np.asarray(stored if path.suffix == ".npy" else stored[stored.files[0]])
        with Image.open(path) as file:
            if mode is None or file.mode == mode:
                return np.array(file)
            if file.mode.startswith(("I", "F")):
                raise ValueError("its values are not of 8 bits")
            return np.array(file.convert(mode))


_UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, IndexError),
    *(BadZipFile, zlib.error, struct.error, Image.DecompressionBombError),
)
"""What Pillow and NumPy raise for damaged files."""


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ValueError(f"{path} is missing; check the data set's folder or its list.") from None
    except _UNREADABLE as error:
        raise ValueError(f"{path} cannot be read ({error}); replace the file.") from None


class ColourLabels:
    """Reads label images that are coloured by class.

    Args:
        ids: (r, g, b) → train id, 255 for a colour that is ignored.
        hint: end of the message about other colours.
    """

    def __init__(self, ids: Mapping[tuple[int, int, int], int], hint: str) -> None:
        self._ids, self._hint = tuple(ids.items()), hint

    def read(self, path: Path) -> NDArray[np.uint8]:
        """(H, W) train ids.

        Raises:
            ValueError: no readable image, or a colour that is no class.
        """
        codes = read_array(path, "RGBX").view("<u4")[..., 0] & 0xFFFFFF
        ids: NDArray[np.uint8] = _id_by_code(self._ids).take(codes)
        unknown = codes[ids == _UNKNOWN]
        if unknown.size:
            colour = tuple(int(unknown[0]) >> shift & 255 for shift in (0, 8, 16))
            raise ValueError(f"{path} has the colour {colour}, which is no class; {self._hint}.")
        return ids


@cache
def _id_by_code(ids: tuple[tuple[tuple[int, int, int], int], ...]) -> NDArray[np.uint8]:
    """Table from r | g << 8 | b << 16, as Pillow keeps its pixels, to train id; 16 MB."""
    table = np.full(1 << 24, _UNKNOWN, np.uint8)
    for (r, g, b), train_id in ids:
        table[r | g << 8 | b << 16] = train_id
    return table


def camera_matrix(fx: float, fy: float, cx: float, cy: float) -> Tensor:
    """(3, 3) intrinsics from focal lengths and principal point in pixels."""
    return torch.tensor([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


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
