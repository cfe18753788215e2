"""Small sets with a folder for each modality, for the tests of such sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.data.sets.contract import save

SIZE = (6, 8)


def pixels(number: int, top: int, low: int = 0) -> NDArray[np.uint8]:
    """Labels or grey values that count from `low` to below `top`."""
    return ((np.arange(48).reshape(SIZE) + number) % (top - low) + low).astype(np.uint8)


def depth(number: int) -> NDArray[np.uint16]:
    return (700 + 90 * np.arange(48).reshape(SIZE) + number).astype(np.uint16)


def write(
    base: Path, names: Sequence[str], image: str, arrays: Mapping[str, object], first: int = 0
) -> None:
    """Write frames; `arrays` has a function of the frame's number for each folder of PNG."""
    for number, name in enumerate(names, first):
        save(base / image.format(name), np.full((*SIZE, 3), 90 + number, np.uint8))
        for pattern, array in arrays.items():
            save(base / pattern.format(name), array(number))  # type: ignore[operator]
