"""Reading files, with one clear sentence where a file cannot be used."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision import tv_tensors

from lix.core.errors import DataError
from lix.data.array_files import require_pixels, require_plausible

_missing_allowed = ContextVar("missing_allowed", default=False)

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""Suffixes of the images in a folder that nothing describes."""


@contextmanager
def missing_allowed() -> Iterator[None]:
    """Let a data set be opened though files are missing; to read one stays a `DataError`."""
    before = _missing_allowed.set(True)
    try:
        yield
    finally:
        _missing_allowed.reset(before)


def is_missing_allowed() -> bool:
    """Whether data sets are opened though files are missing."""
    return _missing_allowed.get()


def require_files(paths: Sequence[Path], what: str, fix: str) -> None:
    """Check that all files exist, with one look into each folder; not under `missing_allowed`.

    Raises:
        ValueError: some do not; the message counts them, names the first three and ends with
            `fix`.
    """
    if is_missing_allowed():
        return
    folders = {path.parent for path in paths}
    names = {f: {p.name for p in f.iterdir()} if f.is_dir() else set() for f in folders}
    missing = [path for path in paths if path.name not in names[path.parent]]
    if missing:
        first = ", ".join(map(str, missing[:3]))
        raise ValueError(
            f"{len(missing)} of {len(paths)} {what} files are missing, first {first}; {fix}."
        )


def image_size(path: Path) -> tuple[int, int]:
    """(H, W) of an image file, from its header.

    Raises:
        DataError: the file is missing or not an image.
    """
    with reading(path), Image.open(path) as file:
        return file.height, file.width


def read_text(path: Path) -> str:
    """A text file of a user.

    Raises:
        DataError: it is missing or not UTF-8 text.
    """
    with reading(path):
        return path.read_text(encoding="utf-8")


def read_rgb(path: Path) -> tv_tensors.Image:
    """(3, H, W) uint8 RGB from an image file; channels are last in memory, quick to resize.

    Raises:
        DataError: the file is missing, not a readable image, or not of 8 bits a channel.
    """
    return tv_tensors.Image(torch.from_numpy(read_array(path, "RGB")).permute(2, 0, 1))


def read_array(path: Path, mode: str | None = None) -> NDArray[Any]:
    """Values of a file as stored, or an 8-bit image converted to a Pillow `mode`.

    Reads what Pillow reads (with 16-bit PNG, float TIFF and PFM), `.npy` and the first array of
    an `.npz`.

    Raises:
        DataError: the file is missing or cannot be read.
    """
    with reading(path):
        if path.suffix in (".npy", ".npz"):
            with path.open("rb") as opened:
                require_plausible(opened)
                stored = np.load(opened, allow_pickle=False)
                array = np.asarray(stored if path.suffix == ".npy" else stored[stored.files[0]])
                require_pixels(array, mode)
                return array
        with Image.open(path) as file:
            if file.format == "PNG" and file.mode in CUT and "16" in str(file.tile[0].args):
                raise ValueError("its channels have 16 bits, which would be cut; store .npy")
            if mode is None or file.mode == mode:
                return np.array(file)
            if file.mode.startswith(("I", "F")):
                raise ValueError("its values are not of 8 bits")
            return np.array(file.convert(mode))


CUT = ("RGB", "RGBA", "LA")
"""Modes in which Pillow gives 8 bits of a 16-bit PNG."""
_UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, IndexError),
    *(BadZipFile, zlib.error, struct.error, Image.DecompressionBombError),
)
"""What Pillow and NumPy raise for damaged files."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what Pillow and NumPy raise for damaged files into a DataError."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing; check the data set's folder or its list.", path, kind="missing"
        ) from None
    except PermissionError:
        message = f"No permission to read {path}; change the permissions of the file."
        raise DataError(message, path, kind="permission") from None
    except _UNREADABLE as error:
        message = f"{path} cannot be read ({error}); replace the file."
        raise DataError(message, path, kind="unreadable") from None
