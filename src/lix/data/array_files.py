"""Headers of `.npy` and `.npz` files, checked before memory is asked for their arrays."""

from __future__ import annotations

import math
import os
from typing import IO, Any, BinaryIO
from zipfile import ZipFile, is_zipfile

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 1 << 31
"""Maximum size of an array; X of the largest picture that Pillow reads has 0.7 GB."""


def require_plausible(file: BinaryIO) -> None:
    """Check what the headers of an array file promise, and go back to its start.

    Raises:
        ValueError: a damaged header, an array of more than `MAX_BYTES`, or of more than the file
            holds; half a sentence.
        zipfile.BadZipFile: a damaged `.npz`.
    """
    if is_zipfile(file):
        file.seek(0)
        with ZipFile(file) as parts:
            for part in parts.infolist():
                if part.filename.endswith(".npy"):
                    with parts.open(part) as opened:
                        _array_bytes(opened)
    else:
        file.seek(0)
        size = _array_bytes(file)
        start = file.tell()
        if size > file.seek(0, os.SEEK_END) - start:
            raise ValueError("it ends too early")
    file.seek(0)


def _array_bytes(file: IO[bytes]) -> int:
    """Bytes of the array whose header begins here; the file is then at its first value."""
    try:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0
        if version > (1, 0):
            reader = np.lib.format.read_array_header_2_0
        shape, _, dtype = reader(file)
        size = math.prod(shape) * dtype.itemsize
    except Exception as error:  # noqa: BLE001 - NumPy runs Python's parser over the header
        raise ValueError(f"its header is damaged: {type(error).__name__}") from None
    if min(shape, default=0) < 0:
        raise ValueError("its header is damaged: a negative size")
    if size > MAX_BYTES:
        raise ValueError(f"it holds an array of {size / 1e9:.1f} GB; store one of a frame")
    return size


def require_pixels(values: NDArray[Any], mode: str | None) -> None:
    """Check that an array has the pixels of a Pillow `mode` of 8 bits, where one is asked for.

    Raises:
        ValueError: another shape or type; half a sentence.
    """
    if mode is None:
        return
    if values.ndim != 3 or values.shape[2] != len(mode) or values.dtype != np.uint8:
        raise ValueError(f"it holds {values.dtype} of shape {values.shape}, no {mode} image")
