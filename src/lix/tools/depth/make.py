"""Runs an engine over a folder of images and writes a folder of X that every data set reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lix.core.errors import DataError
from lix.data.readers import read_array
from lix.data.x_files import XFiles
from lix.deploy.image_files import is_whole, save_png
from lix.tools.depth.claim import claim
from lix.tools.depth.engine import Engine, Recording, RecordingEngine
from lix.tools.depth.pairs import Pair, choose_patterns, find_pairs

LARGEST = 65535
"""Largest number of a 16-bit file."""

Progress = Callable[[int, int], None]
"""Called with the number of finished images, and of all images."""


@dataclass(frozen=True)
class DepthReport:
    """What a run of `make_depth` has done."""

    folder: Path
    written: int
    """Number of files that were written."""
    kept: int
    """Number of files that were there before."""
    empty: tuple[Path, ...] = ()
    """Images in which the engine found nothing: their X is invalid everywhere."""

    def __str__(self) -> str:
        empty = f" ({len(self.empty)} without a value, first {self.empty[0]})" if self.empty else ""
        return (
            f"{self.folder}: {self.written} files written{empty}, {self.kept} kept; train with "
            f"data.options.x: [{self.folder}]"
        )


def make_depth(
    root: Path,
    engine: Engine | RecordingEngine,
    *,
    left: str | None = None,
    right: str | None = None,
    output: Path | None = None,
    progress: Progress | None = None,
) -> DepthReport:
    """Write X of every image as a 16-bit PNG, and `x.yaml`, which says what the numbers mean.

    The folder mirrors the paths of the images below `root`, so that `data.options.x: [FOLDER]`
    reads it. 0 = invalid. Files that exist and are whole are kept: a second run continues
    the first.

    Args:
        root: the data set's folder.
        engine: from `lix.tools.depth.build_engine`.
        left: glob pattern of the images, relative to `root`; default: the data set's own.
        right: glob pattern of the right images; a pair is two files for which the wildcards
            stand for the same text.
        output: folder to write; default: `x-ENGINE` in `root`.
        progress: called after every image, first for all files that are kept.

    Raises:
        FileNotFoundError: the root is missing.
        ValueError: patterns that find nothing, a folder with X of other settings, or images that
            cannot be used; the others are done by then.
        OSError: the output cannot be written.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is missing; name the data set's folder.")
    output = output or root / f"x-{engine.name}"
    patterns = choose_patterns(root, left, right, stereo=engine.stereo)
    targets = _targets(find_pairs(root, patterns, output), root, output)
    settings, make = _opened(engine, root, patterns.left, targets)
    claim(output, {"engine": engine.name, **settings}, engine.files)
    remaining = {target: pair for target, pair in targets.items() if not is_whole(target)}
    kept = len(targets) - len(remaining)
    failed: dict[Path, str] = {}
    empty: list[Path] = []
    for done, (target, pair) in enumerate(remaining.items(), start=kept):
        if progress is not None:
            progress(done, len(targets))
        try:
            values = make(pair)
        except ValueError as error:
            failed[pair.left] = str(error)
            continue
        numbers = stored(values, engine.files)
        save_png(Image.fromarray(numbers), target)
        if not numbers.any():
            empty.append(pair.left)
    if progress is not None:
        progress(len(targets), len(targets))
    if failed:
        raise ValueError(_report(failed, len(targets)))
    return DepthReport(output, len(remaining), kept, tuple(empty))


def stored(values: NDArray[np.float32], files: XFiles) -> NDArray[np.uint16]:
    """Values as numbers of a file: 0 = invalid, 1 … 65535 = value / `files.scale`.

    Relative inverse depth is stretched over the whole range; depth that is not positive and
    negative disparity are invalid. Values that are too large are stored as 65535.

    >>> from lix.tools.depth.engine import DISPARITY
    >>> stored(np.float32([2.5, 0, -1, 300, np.nan]), DISPARITY)
    array([  640,     1,     0, 65535,     0], dtype=uint16)
    """
    valid = np.isfinite(values)
    if files.kind == "depth":
        valid &= values > 0
    elif files.kind == "disparity":
        valid &= values >= 0
    if not valid.any():
        return np.zeros(values.shape, np.uint16)
    scaled = values[valid].astype(np.float64)
    if files.kind == "inverse_depth":
        scaled -= scaled.min()
        scaled = 1 + scaled * ((LARGEST - 1) / max(scaled.max(), 1e-12))
    else:
        scaled /= files.scale
    numbers = np.zeros(values.shape, np.uint16)
    numbers[valid] = scaled.round().clip(1, LARGEST)
    return numbers


def _targets(pairs: list[Pair], root: Path, output: Path) -> dict[Path, Pair]:
    """The files to write, and the images that each is made from."""
    targets: dict[Path, Pair] = {}
    for pair in pairs:
        target = output / pair.left.relative_to(root).with_suffix(".png")
        if target in targets:
            raise ValueError(
                f"{targets[target].left} and {pair.left} would share {target}; let --left fit one "
                "file type."
            )
        targets[target] = pair
    return targets


def _opened(
    engine: Engine | RecordingEngine, root: Path, pattern: str, targets: Mapping[Path, Pair]
) -> tuple[Mapping[str, Any], Callable[[Pair], NDArray[np.float32]]]:
    """The settings of an engine, and what makes X of a pair."""
    if isinstance(engine, RecordingEngine):
        recording = engine.open(root, pattern, [pair.left for pair in targets.values()])
        return recording.settings, partial(_recorded, recording)
    return engine.settings, partial(_values, engine)


def _recorded(recording: Recording, pair: Pair) -> NDArray[np.float32]:
    return recording(pair.left)


def _values(engine: Engine, pair: Pair) -> NDArray[np.float32]:
    """X of one image.

    Raises:
        DataError: a file is missing or damaged, the sizes differ, or the engine cannot take it.
    """
    left, right = read_array(pair.left, "RGB"), None
    if pair.right is not None:
        if not pair.right.is_file():
            raise DataError(
                f"{pair.left} has no right image {pair.right}; add it or correct --right.",
                pair.left,
            )
        right = read_array(pair.right, "RGB")
        if left.shape != right.shape:
            sizes = " and ".join(f"{i.shape[0]}x{i.shape[1]}" for i in (left, right))
            raise DataError(
                f"{pair.left} and {pair.right} are {sizes}; both images of a stereo pair must have "
                "the same size.",
                pair.left,
            )
    try:
        return engine(left, right)
    except ValueError as error:
        raise DataError(f"{pair.left}: {error}", pair.left) from None


def _report(failed: dict[Path, str], total: int) -> str:
    first = next(iter(failed.values()))
    if total == 1:
        return first
    names = ", ".join(map(str, list(failed)[:3])) + (", …" if len(failed) > 3 else "")
    return f"{len(failed)} of {total} images failed ({names}), the others are done; {first}"
