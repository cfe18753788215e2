"""What a test of a data set says so that the contract can try all that sets have in common.

A file `test_NAME.py` next to this one has a `CASE`: a function that writes a few small files in the
real layout, and what is to come of them.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lix.data.dataset import SegDataset


@dataclass(frozen=True)
class Case:
    """A small data set on disk."""

    make: Callable[[Path], Path]
    """Writes the files below a folder and returns the root of the data set."""
    train: int
    """Number of training frames."""
    val: int
    """Number of validation frames."""
    images: int
    """Number of frames that are opened without labels."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options to open it with."""


def save(path: Path, array: NDArray[Any], **options: Any) -> Path:
    """Write an image, or an array where the suffix is .npy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        Image.fromarray(array).save(path, **options)
    return path


def write_list(folder: Path, names: list[str], split: str = "train") -> Path:
    """Write a list as Windows would, and return its folder."""
    folder.mkdir(exist_ok=True)
    (folder / f"{split}.txt").write_bytes("\r\n".join(names).encode())
    return folder


def mirror(data: SegDataset, folder: Path, value: float = 2.0) -> Path:
    """Write a folder of X, disparity of one value, for all frames."""
    for frame in data.ids:
        path = folder / data.image_path(frame).relative_to(data.root).with_suffix(".png")
        with Image.open(data.image_path(frame)) as image:
            size = image.height, image.width
        save(path, np.full(size, round(value * 256), np.uint16))
    (folder / "x.yaml").write_text("{kind: disparity, scale: 1/256, dtype: uint16}")
    return folder


def spy(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Paths of all files that are opened from now on."""
    opened: list[Path] = []
    really_open, path_open = builtins.open, Path.open

    def open_(file: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(file, str | Path):
            opened.append(Path(file))
        return really_open(file, *args, **kwargs)

    def open_path(self: Path, *args: Any, **kwargs: Any) -> Any:
        opened.append(self)
        return path_open(self, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", open_)
    monkeypatch.setattr(Path, "open", open_path)
    return opened


@contextmanager
def one_sentence(match: str | None = None) -> Iterator[None]:
    """An error of one line that says the fix behind a semicolon."""
    with pytest.raises((ValueError, OSError), match=match) as caught:
        yield
    assert "\n" not in str(caught.value)
    assert "; " in str(caught.value)
    assert str(caught.value).endswith(".")


def own_x(data: SegDataset) -> list[Path]:
    return [source.path(frame) for source in data.x_sources for frame in data.ids]
