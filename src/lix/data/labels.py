"""Label images on disk → train ids."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lix.core.errors import DataError
from lix.core.types import IGNORE_INDEX
from lix.data.decode import Coded
from lix.data.readers import read_array, read_coded

MAX_VALUES_SHOWN = 5
"""Maximum number of wrong values that a message names."""
MAX_COLOURS_KEPT = 20
"""Maximum number of wrong colours that an error carries; a lossy image has thousands."""
Form = Literal["colour", "grey", "value"]
"""How a file's classes are read: by its colours, by its greys, or by the number of a pixel."""
NUMBERS: tuple[Form, ...] = ("grey", "value")
UNKNOWN = 254
"""Marks a value that is not a class, in place of a train id."""


class UnknownLabelError(DataError):
    """Labels that are not a class, of the kind `label values`; where, and how many.

    In another process it is what every DataError is.
    """

    def __init__(
        self,
        message: str,
        path: Path | None = None,
        *,
        kind: str = "label values",
        values: Sequence[object] = (),
        target: NDArray[np.uint8] | None = None,
        counts: Mapping[object, int] | None = None,
    ) -> None:
        super().__init__(message, path, kind=kind, values=values)
        self.target = target
        """(H, W) train ids, `UNKNOWN` where a label is not a class."""
        self.counts = counts or {}
        """Number of pixels by value; of many colours the most frequent ones."""


class IdLabels:
    """Reads label images of one integer a pixel.

    An integer may be stored in several ways: as the value of a pixel, or, by tools that make files
    smaller without loss, as the grey of a palette or of fewer bits. The way that gives only
    classes is taken; where both do, the grey, unless it is only black and white.

    Args:
        ids: value on disk → train id, 255 for a value that is ignored.
        hint: end of the message about other values, which says what to do about them.
    """

    def __init__(self, ids: Mapping[int, int], hint: str) -> None:
        self._ids, self._hint = dict(ids), hint
        self._table = np.array([self._ids.get(v, UNKNOWN) for v in range(256)], np.uint8)

    def read(self, path: Path) -> NDArray[np.uint8]:
        """(H, W) train ids.

        Raises:
            DataError: a format that changes values (`lossy`), not one channel of integers (`label
                format`), or values that are not a class (`label values`); the message names the
                likely cause.
        """
        coded = read_coded(path)
        return self._read_other(path) if coded is None else self.read_coded(path, coded)

    def read_coded(
        self, path: Path, coded: Coded, *, prefer: Form | None = None
    ) -> NDArray[np.uint8]:
        """(H, W) train ids of an image that is decoded.

        Args:
            path: its file, for messages.
            coded: the image.
            prefer: how to read it where several forms fit.

        Raises:
            DataError: values that are not a class.
        """
        tables = self.tables(coded)
        form = choose(tables, coded, prefer) if len(tables) > 1 else None
        table = tables.get(form or "value", next(iter(tables.values())))
        ids: NDArray[np.uint8] = table.take(coded.codes)
        unknown = ids == UNKNOWN
        if unknown.any():
            raise self._wrong(path, coded.values.take(coded.codes[unknown]), ids)
        return ids

    def tables(self, coded: Coded) -> dict[Form, NDArray[np.uint8]]:
        """Train ids by code, for each way of reading an image by its numbers."""
        tables: dict[Form, NDArray[np.uint8]] = {}
        if coded.is_grey():
            tables["grey"] = self._table.take(coded.colours[:, 0])
        differs = coded.values != coded.colours[:, 0]
        if "grey" not in tables or (differs.any() and differs[coded.used].any()):
            tables["value"] = self._table.take(coded.values)
        return tables

    def _read_other(self, path: Path) -> NDArray[np.uint8]:
        """Train ids of a file that is not an image of 8 bits a pixel."""
        values = read_array(path, lossless=True)
        if values.ndim != 2 or values.dtype.kind not in "biu":
            raise DataError(
                f"{path} does not hold class indices but {values.dtype} of shape {values.shape}; "
                "store one channel of integers, or give a folder's YAML the `palette` of its "
                "colours.",
                path,
                kind="label format",
            )
        present, places = np.unique(values, return_inverse=True)
        table = [self._ids.get(value, UNKNOWN) for value in present.tolist()]
        ids = np.array(table, np.uint8)[places.reshape(values.shape)]
        unknown = ids == UNKNOWN
        if unknown.any():
            raise self._wrong(path, values[unknown], ids)
        return ids

    def _wrong(self, path: Path, values: NDArray[Any], target: NDArray[np.uint8]) -> DataError:
        """The error about values that are not a class."""
        wrong, pixels = (array.tolist() for array in np.unique(values, return_counts=True))
        more = ", …" if len(wrong) > MAX_VALUES_SHOWN else ""
        shown = ", ".join(map(str, wrong[:MAX_VALUES_SHOWN])) + more
        return UnknownLabelError(
            f"{path} has the label {shown}, which is not a class; "
            f"{likely_cause(wrong, self._ids)}{self._hint}.",
            path,
            values=wrong,
            target=target,
            counts=dict(zip(wrong, pixels, strict=True)),
        )


def choose(
    tables: Mapping[Form, NDArray[np.uint8]], coded: Coded, prefer: Form | None = None
) -> Form | None:
    """The way to read an image that gives only classes; None where no way does.

    Args:
        tables: train ids by code, for each way of reading.
        coded: the image.
        prefer: what to take where several ways fit, if it is among them.
    """
    fitting = [form for form, table in tables.items() if not (table[coded.used] == UNKNOWN).any()]
    if prefer in fitting:
        return prefer
    if prefer in NUMBERS and len(fitting) > 1:
        fitting = [form for form in fitting if form in NUMBERS]
    if fitting == ["grey", "value"] and set(coded.colours[coded.used, 0].tolist()) <= {0, 255}:
        return "value"  # a mask of one bit, or an index that is shown black and white
    return fitting[0] if fitting else None


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
            DataError: not a readable image, a format that changes colours (`lossy`), or colours
                that are not a class (`label values`).
        """
        codes = read_array(path, "RGBX", lossless=True).view("<u4")[..., 0] & 0xFFFFFF
        ids: NDArray[np.uint8] = _id_by_code(self._ids).take(codes)
        unknown = codes[ids == UNKNOWN]
        if unknown.size:
            wrong, pixels = np.unique(unknown, return_counts=True)
            first = [int(unknown[0]), *wrong[:MAX_COLOURS_KEPT].tolist()]
            colours = [_colour(code) for code in dict.fromkeys(first)]
            most = np.argsort(-pixels, kind="stable")[:MAX_COLOURS_KEPT]
            raise UnknownLabelError(
                f"{path} has the colour {colours[0]}, which is not a class; {self._hint}.",
                path,
                values=colours,
                target=ids,
                counts={_colour(int(wrong[k])): int(pixels[k]) for k in most},
            )
        return ids

    def table(self, coded: Coded) -> NDArray[np.uint8]:
        """Train ids by code of an image, by the colours that a viewer shows."""
        r, g, b = coded.colours.astype(np.uint32).T
        return _id_by_code(self._ids).take(r | g << 8 | b << 16)


def _colour(code: int) -> tuple[int, int, int]:
    return code & 255, code >> 8 & 255, code >> 16 & 255


@cache
def _id_by_code(ids: tuple[tuple[tuple[int, int, int], int], ...]) -> NDArray[np.uint8]:
    """Table from r | g << 8 | b << 16, as Pillow keeps its pixels, to train id; 16 MB."""
    table = np.full(1 << 24, UNKNOWN, np.uint8)
    for (r, g, b), train_id in ids:
        table[r | g << 8 | b << 16] = train_id
    return table
