"""`lix data unpack`: NYUv2's labelled `.mat` as folders of RGB, depth and labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lix.core.errors import DataError, require
from lix.core.files import write_text
from lix.data.sets.parts.nyuv2_numbers import frames_of_test, merged_labels
from lix.deploy.image_files import is_whole, save_png

PARTS = {"RGB": "images", "Depth": "depths", "Label": "labels"}
"""Folder → array in the file."""
MERGED = merged_labels()
REMEDY = "download nyu_depth_v2_labeled.mat (2.8 GB) again"

Progress = Callable[[int, int], None]
"""Called with the number of frames that are done, and of all."""


def unpack(path: Path, output: Path, *, progress: Progress | None = None) -> str:
    """Write `RGB/17.png`, `Depth/17.png` (mm), `Label/17.png` (0 to 40), `train.txt`, `test.txt`.

    Names count from 0, as SA-Gate's and CMX's do; the depth is the one that the authors filled.
    Files that are there and whole are kept, so that a second call goes on where the first ended.

    Args:
        path: MATLAB 7.3 file, which is HDF5.
        output: folder to write.
        progress: called after every frame.

    Returns:
        What was written, for the terminal.

    Raises:
        ModuleNotFoundError: h5py is missing.
        FileNotFoundError: no such file.
        DataError: it is damaged, or another file.
    """
    require("nyuv2", "h5py")
    import h5py

    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; name the file nyu_depth_v2_labeled.mat.")
    written = 0
    with _reading(path):
        file = h5py.File(path, "r")
    with file:
        arrays = _arrays(file, path)
        count = len(arrays["RGB"])
        for number in range(count):
            for folder, array in arrays.items():
                target = output / folder / f"{number}.png"
                if not is_whole(target):
                    with _reading(path):
                        values = array[number].T  # MATLAB counts columns first
                    save_png(Image.fromarray(_stored(folder, values, path)), target)
                    written += 1
            if progress is not None:
                progress(number + 1, count)
    _write_lists(output, count)
    kept = len(PARTS) * count - written
    done = f"{count} frames, {written} files written, {kept} kept"
    return f"{output}: {done}; train with --data.name nyuv2 --data.root {output}"


def _arrays(file: Any, path: Path) -> dict[str, Any]:
    """The arrays by folder.

    Raises:
        DataError: some are missing, or their shapes do not fit.
    """
    missing = [name for name in PARTS.values() if name not in file]
    if missing:
        raise DataError(f"{path} has no array {' and '.join(missing)}; {REMEDY}.", path)
    arrays = {folder: file[name] for folder, name in PARTS.items()}
    images, depths, labels = (array.shape for array in arrays.values())
    if len(images) != 4 or images[1] != 3 or not (images[0], *images[2:]) == depths == labels:
        raise DataError(f"{path} holds arrays of {images}, {depths}, {labels}; {REMEDY}.", path)
    return arrays


def _stored(folder: str, values: NDArray[Any], path: Path) -> NDArray[Any]:
    """What the PNG file of a frame holds.

    Raises:
        DataError: labels that are not NYUv2's.
    """
    if folder == "Depth":
        values = np.rint(1000 * values).astype(np.uint16)
    elif folder == "Label":
        if values.max() >= len(MERGED):
            raise DataError(f"{path} has the label {values.max()}, above 894; {REMEDY}.", path)
        values = MERGED[values]
    return np.ascontiguousarray(values)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what h5py raises for damaged files into a DataError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read ({reason}); {REMEDY}.", path) from None


def _write_lists(output: Path, count: int) -> None:
    test = set(frames_of_test())
    for name, is_test in (("train", False), ("test", True)):
        numbers = [number for number in range(count) if (number in test) == is_test]
        write_text(output / f"{name}.txt", "".join(f"{number}\n" for number in numbers))
