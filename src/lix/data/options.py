"""What options of data sets can be; without torch, so that the command line stays fast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

Estimator = Literal["sne", "3f2n-median", "3f2n-mean", "d2nt"]
"""Estimators of surface normals (`lix.data.normals`)."""
NORMALS: dict[str, Estimator] = {
    "normal": "sne",
    "normal-d2nt": "d2nt",
    "normal-3f2n-mean": "3f2n-mean",
    "normal-3f2n-median": "3f2n-median",
}
"""Encoding → estimator."""
ENCODINGS = ("log", "inverse", *NORMALS)
"""Encodings of X: one of these, or several joined by `+`, as in `log+normal`."""


Span = tuple[float, float]
"""Where an encoding of depth or disparity begins and ends."""


def as_tuple(value: Any) -> tuple[Any, ...]:
    """A value as a tuple of one, None as an empty tuple, a list as a tuple.

    >>> as_tuple("a"), as_tuple(None), as_tuple(["a", "b"])
    (('a',), (), ('a', 'b'))
    """
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def number(value: object) -> object:
    """A fraction in text as a number, everything else as it is.

    Raises:
        ValueError: text with a slash that is not a fraction.

    >>> number("1/256"), number(0.5)
    (0.00390625, 0.5)
    """
    if not isinstance(value, str) or "/" not in value:
        return value
    numerator, _, denominator = value.partition("/")
    try:
        return float(numerator) / float(denominator)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{value} is not a fraction such as 1/256") from None


Number = Annotated[float, BeforeValidator(number)]
"""A number, or a fraction such as `1/256`."""
Names = Annotated[Sequence[str], BeforeValidator(as_tuple)]
Integers = Annotated[Sequence[int], BeforeValidator(as_tuple)]
XFolders = Annotated[Sequence[Literal["own"] | Path], BeforeValidator(as_tuple)]
"""Folders of X; `own` among them is the X that the data set itself brings."""
