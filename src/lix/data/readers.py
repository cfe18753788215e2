"""Reading files, with one clear sentence where a file cannot be used."""

from __future__ import annotations

import codecs
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision import tv_tensors

from lix.core.errors import DataError, one_line
from lix.data.archives import is_missing, open_file, split
from lix.data.array_files import require_pixels, require_plausible
from lix.data.decode import (
    Coded,
    lossy_format,
    orientation,
    read_codes,
    require_one,
    require_whole_pixels,
    require_whole_values,
    stored_values,
    upright,
)

_missing_allowed = ContextVar("missing_allowed", default=False)


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
    own = {path for path in paths if split(path) is None}
    folders = {path.parent for path in own}
    names = {f: {p.name for p in f.iterdir()} if f.is_dir() else set() for f in folders}
    missing = [
        path
        for path in paths
        if (path.name not in names[path.parent] if path in own else is_missing(path))
    ]
    if missing:
        first = ", ".join(map(str, missing[:3]))
        raise ValueError(
            f"{len(missing)} of {len(paths)} {what} files are missing, first {first}; {fix}."
        )


def image_size(path: Path) -> tuple[int, int]:
    """(H, W) of an image file as viewers turn it, from its header.

    Raises:
        DataError: the file is missing or not an image.
    """
    with reading(path), open_file(path) as opened, Image.open(opened) as file:
        is_lying = file.format != "TIFF" and orientation(file) > 4  # Pillow swaps those of TIFF
        return (file.width, file.height) if is_lying else (file.height, file.width)


def read_text(path: Path) -> str:
    """A text file of a user, with or without the mark of its encoding (UTF-8 or UTF-16).

    Raises:
        DataError: it is missing or not such text.
    """
    with reading(path):
        content = path.read_bytes()
        is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return content.decode("utf-16" if is_utf16 else "utf-8-sig").replace("\r\n", "\n")


def read_rgb(path: Path) -> tv_tensors.Image:
    """(3, H, W) uint8 RGB from an image file; channels are last in memory, quick to resize.

    Raises:
        DataError: the file is missing, not a readable image, or not of 8 bits a channel.
    """
    return tv_tensors.Image(torch.from_numpy(read_array(path, "RGB")).permute(2, 0, 1))


def read_array(
    path: Path,
    mode: str | None = None,
    *,
    array: str | None = None,
    likely: str = "",
    lossless: bool = False,
) -> NDArray[Any]:
    """Values of a file as stored, or an 8-bit image converted to a Pillow `mode`.

    Reads what Pillow reads (with 16-bit PNG, float TIFF and PFM), `.npy` and an array of an
    `.npz`, in the byte order of the machine. Images are turned as their EXIF orientation says;
    those with a palette give its greys, or else its colours.

    Args:
        path: the file.
        mode: mode of Pillow.
        array: name of the array in an `.npz`.
        likely: name to look for where `array` is None and the `.npz` holds several.
        lossless: refuse formats that change values.

    Raises:
        DataError: the file is missing or cannot be read.
    """
    if path.suffix.lower() in ARRAY_SUFFIXES:
        values = _read_numpy(path, array, likely)
        with reading(path):
            require_pixels(values, mode)
        return values
    with open_image(path, lossless=lossless) as file:
        if mode is None:
            return stored_values(file, path)
        require_whole_values(file)
        if file.mode.startswith(("I", "F")):
            raise ValueError("its values are not of 8 bits")
        turned = upright(file)
        return np.array(turned if turned.mode == mode else turned.convert(mode))


def read_coded(path: Path) -> Coded | None:
    """An image of labels of at most 8 bits a pixel; None for files of another kind.

    Raises:
        DataError: the file is missing, damaged or of a format that changes values.
    """
    if path.suffix.lower() in ARRAY_SUFFIXES:
        return None
    with open_image(path, lossless=True) as file:
        return read_codes(file, path) if file.mode in ("1", "L", "P") else None


def image_orientation(path: Path) -> int:
    """EXIF orientation of an image file, 1 = as stored.

    Raises:
        DataError: the file is missing or not an image.
    """
    with reading(path), open_file(path) as opened, Image.open(opened) as file:
        return orientation(file)


@contextmanager
def open_image(path: Path, *, lossless: bool = False) -> Iterator[Image.Image]:
    """An image file that holds one picture, not yet decoded or turned.

    Raises:
        DataError: it is missing, cannot be read or holds several pictures; or, where `lossless`,
            its format changes values (`lossy`).
    """
    with reading(path), open_file(path) as opened, Image.open(opened) as file:
        lossy = lossy_format(file, path) if lossless else None
        if lossy is not None:
            raise DataError(
                f"{path} is {lossy}, which changes the values of labels; export as PNG.",
                path,
                kind="lossy",
            )
        require_one(file)
        require_whole_pixels(file)
        yield file


def _read_numpy(path: Path, array: str | None, likely: str) -> NDArray[Any]:
    with reading(path), open_file(path) as opened:
        require_plausible(opened)
        stored = np.load(opened, allow_pickle=False)
        if not isinstance(stored, np.ndarray):
            stored = stored[_array_name(path, stored.files, array, likely)]
        return np.asarray(stored, stored.dtype.newbyteorder("="))


def _array_name(path: Path, names: Sequence[str], requested: str | None, likely: str) -> str:
    """Name of the array to read: the wanted one, the only one, or the one of a likely name."""
    fitting = [requested] if requested else names
    if not requested and len(names) > 1:
        fitting = [name for name in names if name.lower() == likely]
    if len(fitting) == 1 and fitting[0] in names:
        return fitting[0]
    raise DataError(
        f"{path} holds the arrays {', '.join(names) or 'none'}; say which one to read with `array: "
        "NAME` in the description of X, or store only one.",
        path,
        kind="arrays",
    )


ARRAY_SUFFIXES = (".npy", ".npz")
FOREIGN = {
    ".mat": "a MATLAB file",
    ".exr": "an OpenEXR file",
    ".hdr": "a Radiance file",
    ".h5": "an HDF5 file",
    ".hdf5": "an HDF5 file",
    ".pt": "a PyTorch file",
    ".pth": "a PyTorch file",
    ".pkl": "a pickle",
    ".pcd": "a point cloud",
    ".ply": "a point cloud",
    ".heic": "an HEIC photograph",
    ".heif": "an HEIC photograph",
    ".jxl": "a JPEG XL image",
    ".dng": "a raw photograph",
}
"""Suffix → kind of file that lix does not read."""
_MAGIC = {
    b"MATLAB 5": ".mat",
    b"\x76\x2f\x31\x01": ".exr",
    b"\x89HDF\r\n": ".h5",
    b"#?RADIANCE": ".hdr",
}
"""Beginning of a file → suffix of its kind."""
UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, RuntimeError),
    *(BadZipFile, zlib.error, struct.error, Image.DecompressionBombError),
)
"""What Pillow and NumPy raise for damaged files."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what Pillow and NumPy raise for damaged files into a DataError."""
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing; check the data set's folder or its list.", path, kind="missing"
        ) from None
    except PermissionError:
        message = f"No permission to read {path}; change the permissions of the file."
        raise DataError(message, path, kind="permission") from None
    except UNREADABLE as error:
        foreign = foreign_kind(path)
        message = f"{path} cannot be read ({one_line(error)}); replace the file."
        if foreign is not None:
            message = (
                f"{path} is {foreign}, which lix does not read; convert it: photographs to JPEG or "
                "PNG, numbers to .npy or PNG."
            )
        raise DataError(message, path, kind="unreadable") from None


def foreign_kind(path: Path) -> str | None:
    """What a file is that lix does not read, as in `an HDF5 file`; None: not known."""
    beginning = b""
    with suppress(OSError), open_file(path) as file:
        beginning = file.read(16)
    suffix = next((s for magic, s in _MAGIC.items() if beginning.startswith(magic)), path.suffix)
    return FOREIGN.get(suffix.lower())
