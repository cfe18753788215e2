"""Label images on disk → train ids."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lix.core.errors import DataError
from lix.core.types import IGNORE_INDEX
from lix.data.readers import read_array

MAX_VALUES_SHOWN = 5
"""Maximum number of wrong values that a message names."""
MAX_COLOURS_KEPT = 20
"""Maximum number of wrong colours that an error carries; a lossy image has thousands."""
_UNKNOWN = 254
"""Marks a value that is not a class, in place of a train id."""


class IdLabels:
    """Reads label images of one integer a pixel.

    Args:
        ids: value on disk → train id, 255 for a value that is ignored.
        hint: end of the message about other values, which says what to do about them.
    """

    def __init__(self, ids: Mapping[int, int], hint: str) -> None:
        self._ids, self._hint = dict(ids), hint
        self._table = np.array([self._ids.get(v, _UNKNOWN) for v in range(256)], np.uint8)

    def read(self, path: Path) -> NDArray[np.uint8]:
        """(H, W) train ids.

        Raises:
            DataError: not one channel of integers (`label format`), or values that are not a
                class (`label values`); the message names the likely cause.
        """
        values = read_array(path)
        if values.ndim != 2 or values.dtype.kind not in "biu":
            raise DataError(
                f"{path} does not hold class indices but {values.dtype} of shape {values.shape}; "
                "store one channel of integers, or give a folder's YAML the `palette` of its "
                "colours.",
                path,
                kind="label format",
            )
        if values.dtype.itemsize == 1 and values.dtype.kind != "i":
            ids = self._table.take(values.astype(np.uint8, copy=False))
        else:
            present, places = np.unique(values, return_inverse=True)
            table = [self._ids.get(value, _UNKNOWN) for value in present.tolist()]
            ids = np.array(table, np.uint8)[places.reshape(values.shape)]
        unknown = ids == _UNKNOWN
        if unknown.any():
            wrong = np.unique(values[unknown]).tolist()
            more = ", …" if len(wrong) > MAX_VALUES_SHOWN else ""
            shown = ", ".join(map(str, wrong[:MAX_VALUES_SHOWN])) + more
            raise DataError(
                f"{path} has the label {shown}, which is not a class; "
                f"{likely_cause(wrong, self._ids)}{self._hint}.",
                path,
                kind="label values",
                values=wrong,
            )
        return ids


def likely_cause(wrong: Collection[int], expected: Collection[int]) -> str:
    """Why labels hold values that the table does not, as the beginning of a sentence, or ''."""
    classes = {value for value in expected if value != IGNORE_INDEX}
    highest, step = max(wrong), math.gcd(*wrong)
    city = classes == set(range(19)) and min(wrong) >= 0 and highest <= 33
    stretched = len(wrong) > 1 and step > 1 and highest // step <= len(classes)
    causes = (
        (city, "they look like raw Cityscapes label ids, not train ids"),
        (highest > IGNORE_INDEX, "above 255 they look like instances (label id * 1000 + number)"),
        (min(wrong) < 0, "negative values mostly mean ignored"),
        (set(wrong) == {0}, "0 mostly is background or unlabelled"),
        (set(wrong) == {len(classes)}, "one too many looks like counting from 1, or ignored"),
        (stretched, f"multiples of {step} look like labels stretched to be visible; divide them"),
        (len(wrong) > 20, "that many values look like a picture, a lossy JPEG or a resized label"),
    )
    return next((f"{cause}: " for fits, cause in causes if fits), "")


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
            DataError: not a readable image, or colours that are not a class (`label values`).
        """
        codes = read_array(path, "RGBX").view("<u4")[..., 0] & 0xFFFFFF
        ids: NDArray[np.uint8] = _id_by_code(self._ids).take(codes)
        unknown = codes[ids == _UNKNOWN]
        if unknown.size:
            first = [int(unknown[0]), *np.unique(unknown)[:MAX_COLOURS_KEPT].tolist()]
            colours = [_colour(code) for code in dict.fromkeys(first)]
            raise DataError(
                f"{path} has the colour {colours[0]}, which is not a class; {self._hint}.",
                path,
                kind="label values",
                values=colours,
            )
        return ids


def _colour(code: int) -> tuple[int, int, int]:
    return code & 255, code >> 8 & 255, code >> 16 & 255


@cache
def _id_by_code(ids: tuple[tuple[tuple[int, int, int], int], ...]) -> NDArray[np.uint8]:
    """Table from r | g << 8 | b << 16, as Pillow keeps its pixels, to train id; 16 MB."""
    table = np.full(1 << 24, _UNKNOWN, np.uint8)
    for (r, g, b), train_id in ids:
        table[r | g << 8 | b << 16] = train_id
    return table
